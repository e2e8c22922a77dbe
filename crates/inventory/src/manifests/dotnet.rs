//! Projects of .NET: `*.csproj`, central versions, `packages.config`.

use std::collections::BTreeMap;

use super::{Dependency, Ecosystem, Manifest};
use crate::catalogue::{Catalogue, name_of};
use crate::formats::Broken;
use crate::formats::xml;
use crate::reading::Reader;

pub(super) fn read(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let project = xml::read(text)?;
    if project.name != "Project" {
        return Ok(None);
    }
    let mut manifest = Manifest::of(path, Ecosystem::Dotnet, "dotnet");
    let stem = name_of(path).rsplit_once('.').map_or(path, |(stem, _)| stem);
    let sdk = project.attribute("Sdk").unwrap_or_default();
    let mut test = false;
    let mut packable: Option<bool> = None;
    let mut named = false;
    for element in project.descendants() {
        match element.name.as_str() {
            "Version" | "VersionPrefix" if manifest.version.is_none() && !element.text.is_empty() => {
                manifest.version = Some(element.text.clone());
            }
            "AssemblyName" | "PackageId" if !element.text.is_empty() => {
                named = named || element.name == "PackageId";
                manifest.name = Some(element.text.clone());
            }
            "OutputType" if matches!(element.text.as_str(), "Exe" | "WinExe") => manifest.runnable = true,
            "IsTestProject" => test = element.text.eq_ignore_ascii_case("true"),
            "IsPackable" => packable = Some(element.text.eq_ignore_ascii_case("true")),
            "GeneratePackageOnBuild" | "PackAsTool" if element.text.eq_ignore_ascii_case("true") => {
                packable = Some(true)
            }
            "PackageReference" => {
                let name = element.attribute("Include").or_else(|| element.attribute("Update"));
                let version = element
                    .attribute("Version")
                    .or_else(|| element.text_of("Version"))
                    .unwrap_or_default();
                manifest.dependencies.extend(name.map(|name| Dependency {
                    name: name.to_ascii_lowercase(),
                    requirement: version.to_owned(),
                    exact: is_exact(version),
                    local: false,
                    line: Some(element.line),
                }));
            }
            _ => {}
        }
    }
    if manifest.name.is_none() {
        manifest.name = Some(stem.to_owned());
    }
    test = test || manifest.dependency("microsoft.net.test.sdk").is_some();
    manifest.runnable = !test && (manifest.runnable || sdk.ends_with(".Web") || sdk.ends_with(".Worker"));
    manifest.publishable = !test && (packable == Some(true) || named && packable != Some(false));
    Ok(Some(manifest))
}

/// A version without a range: what .NET restores is the lowest one that fits, so a plain version is
/// one version; none at all leaves it to the central file.
fn is_exact(version: &str) -> bool {
    !(version.contains('*') || version.contains(',') || version.starts_with('('))
}

pub(super) fn read_packages(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let packages = xml::read(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Dotnet, "nuget");
    for package in packages.all("package") {
        manifest
            .dependencies
            .extend(package.attribute("id").map(|name| Dependency {
                name: name.to_ascii_lowercase(),
                requirement: package.attribute("version").unwrap_or_default().to_owned(),
                exact: true,
                local: false,
                line: Some(package.line),
            }));
    }
    Ok((!manifest.dependencies.is_empty()).then_some(manifest))
}

/// Versions of `Directory.Packages.props`, by package.
pub(super) fn central_versions(catalogue: &Catalogue, reader: &Reader<'_>) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for file in catalogue.named("directory.packages.props").take(50) {
        let Some(text) = reader.text(&file.path) else { continue };
        match xml::read(&text) {
            Ok(project) => {
                for element in project.descendants() {
                    if element.name == "PackageVersion"
                        && let (Some(name), Some(version)) =
                            (element.attribute("Include"), element.attribute("Version"))
                    {
                        versions.insert(name.to_ascii_lowercase(), version.to_owned());
                    }
                }
            }
            Err(broken) => reader.finding(&file.path, broken.line, &broken.problem, None),
        }
    }
    versions
}

/// Gives dependencies without a version the central one.
pub(super) fn fill_versions(all: &mut [Manifest], versions: &BTreeMap<String, String>) {
    for manifest in all
        .iter_mut()
        .filter(|manifest| manifest.ecosystem == Ecosystem::Dotnet)
    {
        for dependency in &mut manifest.dependencies {
            if dependency.requirement.is_empty()
                && let Some(version) = versions.get(&dependency.name)
            {
                version.clone_into(&mut dependency.requirement);
                dependency.exact = is_exact(version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn a_web_project_runs_and_a_project_of_tests_does_not() {
        let all = read_for_test(&[
            (
                "src/Web/Web.csproj",
                "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><ItemGroup><PackageReference Include=\"Serilog\" /></ItemGroup></Project>",
            ),
            (
                "src/Checks/Checks.csproj",
                "<Project Sdk=\"Microsoft.NET.Sdk\"><PropertyGroup><OutputType>Exe</OutputType></PropertyGroup><ItemGroup><PackageReference Include=\"Microsoft.NET.Test.Sdk\" Version=\"17.*\" /></ItemGroup></Project>",
            ),
            (
                "Directory.Packages.props",
                "<Project><ItemGroup><PackageVersion Include=\"Serilog\" Version=\"3.1.0\" /></ItemGroup></Project>",
            ),
        ]);
        let web = all
            .iter()
            .find(|manifest| manifest.name.as_deref() == Some("Web"))
            .unwrap();
        assert!(web.runnable);
        assert_eq!(web.dependencies[0].requirement, "3.1.0");
        let checks = all
            .iter()
            .find(|manifest| manifest.name.as_deref() == Some("Checks"))
            .unwrap();
        assert!(!checks.runnable && !checks.dependencies[0].exact);
    }
}
