//! The sample is built by the demo on a machine that has built Throughline, and needs nothing more.

use super::{Finding, Project};
use crate::lock;
use crate::workspace::Kind;

const SAMPLE: &str = "examples/guestbook/service/Cargo.lock";

/// The crate whose build brings everything the sample may need.
const BINARY: &str = "throughline";

/// Every crate in the sample's lock file is, in the same version, among those that building the program
/// brings.
pub fn locked(project: &Project) -> Vec<Finding> {
    let (Some(sample), Some(ours)) = (project.tree.file(SAMPLE), project.tree.file("Cargo.lock")) else {
        return vec![Finding::new(SAMPLE, 1, "the sample's lock file or ours is missing")];
    };
    let ours = lock::read(&ours.text);
    let needs = |name: &str| {
        let member = project.members.iter().find(|member| member.name == name)?;
        let built = member
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != Kind::Development);
        Some(built.map(|dependency| dependency.name.clone()).collect())
    };
    let reachable = lock::reachable(&ours, &[BINARY.to_owned()], &needs);
    lock::read(&sample.text)
        .iter()
        .filter(|package| package.outside && !reachable.contains(&(package.name.as_str(), package.version.as_str())))
        .map(|package| {
            let versions: Vec<&str> = ours
                .iter()
                .filter(|our| our.name == package.name)
                .map(|our| our.version.as_str())
                .collect();
            let here = if versions.is_empty() {
                "it is not in our lock file".to_owned()
            } else {
                format!("ours has {}, or only for tests", versions.join(" and "))
            };
            let message = format!(
                "`{} {}` would be downloaded by the demo: {here}",
                package.name, package.version
            );
            Finding::new(SAMPLE, package.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn a_crate_that_the_program_does_not_bring_is_found_and_so_is_another_version() {
        let package = |name: &str, version: &str, needs: &str| {
            let source = if name == "throughline" {
                ""
            } else {
                "source = \"registry+x\"\n"
            };
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}dependencies = [\n{needs}]\n\n")
        };
        let ours = [
            package("throughline", "0.1.0", " \"hyper\",\n \"insta\",\n"),
            package("hyper", "1.0.0", " \"bytes\",\n"),
            package("bytes", "1.1.0", ""),
            package("insta", "1.0.0", ""),
        ]
        .concat();
        let sample = [
            package("bytes", "1.0.0", ""),
            package("hyper", "1.0.0", ""),
            package("insta", "1.0.0", ""),
            package("new", "1.0.0", ""),
        ]
        .concat();
        let project = project(
            &[("Cargo.lock", &ours), (SAMPLE, &sample)],
            &[(
                "throughline",
                "crates/throughline",
                &[("hyper", Kind::Normal, false), ("insta", Kind::Development, false)],
            )],
        );
        expect(
            &locked(&project),
            &[
                (SAMPLE, 1, "`bytes 1.0.0`"),
                (SAMPLE, 15, "only for tests"),
                (SAMPLE, 22, "not in our lock file"),
            ],
        );
    }
}
