//! `pom.xml`.

use super::{Dependency, Ecosystem, Manifest};
use crate::formats::Broken;
use crate::formats::xml::{self, Element};

pub(super) fn read(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let project = xml::read(text)?;
    if project.name != "project" {
        return Ok(None);
    }
    let mut manifest = Manifest::of(path, Ecosystem::Java, "maven");
    let group = project
        .text_of("groupId")
        .or_else(|| project.child("parent")?.text_of("groupId"))
        .unwrap_or_default();
    manifest.name = project
        .text_of("artifactId")
        .map(|artifact| format!("{group}:{artifact}"));
    manifest.version = project.text_of("version").map(str::to_owned);
    let parent_version = project.child("parent").and_then(|parent| parent.text_of("version"));
    if manifest.version.is_none() && parent_version.is_some() {
        manifest.shares_version = true;
    }
    let packaging = project.text_of("packaging").unwrap_or("jar");
    manifest.publishable = packaging != "pom";
    let mut modules = Vec::new();
    let mut dependencies = Vec::new();
    for element in project.descendants() {
        match element.name.as_str() {
            "module" if !element.text.is_empty() => modules.push(element.text.clone()),
            "dependency" | "plugin" | "extension" => dependencies.extend(dependency(element)),
            "parent" => dependencies.extend(dependency(element)),
            "maven.deploy.skip" if element.text == "true" => manifest.publishable = false,
            _ => {}
        }
    }
    manifest.runnable = matches!(packaging, "war" | "ear")
        || dependencies.iter().any(|dependency: &Dependency| {
            dependency.name.ends_with(":spring-boot-maven-plugin")
                || dependency.name.ends_with(":jib-maven-plugin")
                || dependency.name.ends_with(":quarkus-maven-plugin")
                || dependency.name.ends_with(":maven-shade-plugin")
        });
    manifest.members = modules;
    manifest.dependencies = dependencies;
    Ok(Some(manifest))
}

fn dependency(element: &Element) -> Option<Dependency> {
    let artifact = element.text_of("artifactId")?;
    let group = element.text_of("groupId").unwrap_or("org.apache.maven.plugins");
    let version = element.text_of("version").unwrap_or_default();
    let ranged =
        version.starts_with(['[', '(']) || matches!(version, "LATEST" | "RELEASE") || version.ends_with("-SNAPSHOT");
    Some(Dependency {
        name: format!("{group}:{artifact}"),
        requirement: version.to_owned(),
        // Without a version the parent's or the platform's exact one holds.
        exact: !ranged,
        local: group.starts_with("${project"),
        line: Some(element.line),
    })
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn modules_dependencies_and_plugins_are_read() {
        let all = read_for_test(&[(
            "pom.xml",
            "<project>\n<parent><groupId>org.a</groupId><artifactId>p</artifactId><version>1</version></parent>\n<artifactId>b</artifactId>\n<packaging>pom</packaging>\n<modules><module>core</module></modules>\n<dependencies><dependency>\n<groupId>org.junit.jupiter</groupId><artifactId>junit-jupiter</artifactId></dependency></dependencies>\n<build><plugins><plugin><artifactId>maven-failsafe-plugin</artifactId><version>[3,4)</version></plugin></plugins></build>\n</project>",
        )]);
        assert_eq!(all[0].name.as_deref(), Some("org.a:b"));
        assert!(all[0].shares_version && !all[0].publishable);
        assert_eq!(all[0].members, ["core"]);
        assert!(
            all[0]
                .dependency("org.junit.jupiter:junit-jupiter")
                .is_some_and(|d| d.exact)
        );
        assert!(
            all[0]
                .dependency("org.apache.maven.plugins:maven-failsafe-plugin")
                .is_some_and(|d| !d.exact)
        );
        assert!(read_for_test(&[("pom.xml", "<project>")]).is_empty());
    }
}
