//! Java with Maven.

use crate::part::{Part, Role, Service, Shipped, Step, Tool};
use crate::view::{View, join};

/// How to start the tool of a wrapper that lies in the tree.
pub(crate) fn wrapper(view: &View<'_>, folder: &str, name: &str, otherwise: &str) -> String {
    let path = join(folder, name);
    if view.is_executable(&path) {
        format!("./{name}")
    } else if view.is_file(&path) {
        format!("sh {name}")
    } else {
        otherwise.to_owned()
    }
}

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = join(folder, "pom.xml");
    let text = view.text(&path)?;
    let own = own_part(&text);
    let artifact = element(&own, "artifactId")?;
    let packaging = element(&own, "packaging").unwrap_or("jar");
    let mut part = Part::new("Java with Maven", Tool::Maven, folder);
    part.because(&path);
    let maven = wrapper(view, folder, "mvnw", "mvn");
    part.uses("java");
    if maven == "mvn" {
        part.uses("mvn");
    } else {
        part.because(&join(folder, "mvnw"));
    }
    part.steps.push(
        Step::new(
            Role::Build,
            [format!("{maven} --batch-mode --no-transfer-progress verify")],
        )
        .about("compiles, tests and makes the archives; Maven keeps what it downloads in the home folder"),
    );
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match packaging {
        "pom" => part.files.push(Shipped::as_it_is("**/target/*.jar")),
        "war" if plain(artifact) => part.files.push(Shipped::new(format!("target/{artifact}*.war"), "lib")),
        _ => {
            let name = element(&own, "finalName")
                .filter(|name| plain(name))
                .unwrap_or(artifact);
            let name = if plain(name) { name } else { "" };
            part.files.push(Shipped::new(format!("target/{name}*.jar"), "lib"));
            part.service = spring(&text, name);
        }
    }
    Some(part)
}

/// Spring Boot takes its port from `SERVER_PORT` and says at `/actuator/health` whether it is well.
pub(super) fn spring(text: &str, name: &str) -> Option<Service> {
    let web = text.contains("spring-boot-starter-web") || text.contains("spring-boot-starter-webflux");
    if !web || !(text.contains("spring-boot-maven-plugin") || text.contains("org.springframework.boot")) {
        return None;
    }
    let health = text
        .contains("spring-boot-starter-actuator")
        .then(|| "/actuator/health".to_owned());
    Some(Service {
        command: vec![
            "sh".to_owned(),
            "-c".to_owned(),
            format!("exec java -jar lib/{name}*.jar"),
        ],
        port: Some("SERVER_PORT".to_owned()),
        about: vec![
            "Spring Boot takes its port from `SERVER_PORT`".to_owned(),
            match &health {
                Some(path) => format!("its actuator says at {path} whether it is well"),
                None => {
                    "without its actuator there is no path that says whether it is well, so `/` is asked".to_owned()
                }
            },
        ],
        health,
    })
}

/// A text without what stands in elements of others: parent, dependencies, plugins, profiles.
fn own_part(text: &str) -> String {
    let mut own = String::new();
    let mut rest = text;
    'outer: while let Some(at) = rest.find('<') {
        for name in [
            "parent",
            "dependencies",
            "dependencyManagement",
            "plugins",
            "pluginManagement",
            "profiles",
            "!--",
        ] {
            let is_that = rest[at + 1..]
                .strip_prefix(name)
                .is_some_and(|after| name == "!--" || after.starts_with(['>', ' ', '\n', '\t', '\r']));
            if is_that {
                let close = if name == "!--" {
                    "-->".to_owned()
                } else {
                    format!("</{name}>")
                };
                own.push_str(&rest[..at]);
                rest = match rest[at..].find(&close) {
                    Some(end) => &rest[at + end + close.len()..],
                    None => "",
                };
                continue 'outer;
            }
        }
        own.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
    }
    own.push_str(rest);
    own
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let open = format!("<{name}>");
    let from = text.find(&open)? + open.len();
    let to = text[from..].find(&format!("</{name}>"))?;
    Some(text[from..from + to].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_parent_and_in_dependencies_is_not_its_own() {
        let own = own_part(
            "<project><parent><artifactId>p</artifactId></parent><!-- <artifactId>c</artifactId> --><artifactId>a</artifactId><dependencies><dependency><artifactId>d</artifactId></dependency></dependencies></project>",
        );
        assert_eq!(element(&own, "artifactId"), Some("a"));
        assert!(!own.contains('d') || !own.contains("<artifactId>d"));
    }
}
