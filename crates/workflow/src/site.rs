//! What is built and published for a site beside the product: documentation, a demo, a storybook.
//!
//! A release of the documentation is no release of what it documents. Words decide, of the step, the job, the
//! environment and the definition, and the folder that is worked in. A name that speaks of the product too says nothing.

use crate::model::{Job, Step, Workflow};
use crate::purpose::Purpose;

/// Words that speak of a site.
const SITE: &[&str] = &[
    "docs",
    "doc",
    "documentation",
    "website",
    "site",
    "pages",
    "storybook",
    "playground",
    "demo",
    "demos",
    "blog",
    "book",
    "handbook",
    "guide",
    "homepage",
    "mkdocs",
    "docusaurus",
    "vitepress",
    "sphinx",
    "javadoc",
    "rustdoc",
    "typedoc",
    "apidoc",
    "apidocs",
    "wiki",
];

/// Words that speak of the product.
const PRODUCT: &[&str] = &[
    "test",
    "tests",
    "ci",
    "lint",
    "npm",
    "pypi",
    "package",
    "packages",
    "docker",
    "image",
    "images",
    "container",
    "crate",
    "crates",
    "binaries",
    "binary",
    "nuget",
    "gem",
    "app",
    "api",
    "server",
    "service",
    "backend",
    "frontend",
    "maven",
];

/// Folders that hold a site.
const FOLDERS: &[&str] = &[
    "docs",
    "doc",
    "documentation",
    "website",
    "site",
    "storybook",
    "playground",
    "demo",
];

/// Environments that stand for a registry, or for a site, and not for a place where the product runs.
const NO_PLACES: &[&str] = &[
    "github-pages",
    "gh-pages",
    "pages",
    "docs",
    "documentation",
    "website",
    "pypi",
    "testpypi",
    "test-pypi",
    "npm",
    "npmjs",
    "nuget",
    "rubygems",
    "rubygems.org",
    "crates-io",
    "crates.io",
    "maven",
    "maven-central",
    "hex",
    "marketplace",
    "release",
    "releases",
    "publish",
    "publishing",
    "dockerhub",
    "docker-hub",
    "ghcr",
    "codecov",
    "signing",
];

/// Whether an environment is one that something runs in.
pub(crate) fn is_place(name: &str) -> bool {
    let name = name.to_lowercase();
    !NO_PLACES.contains(&name.as_str())
        && !["pypi", "npm", "docs", "pages"]
            .iter()
            .any(|word| name.split(|c: char| !c.is_alphanumeric()).any(|own| own == *word))
}

fn speaks_of_site(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    words.iter().any(|word| SITE.contains(word)) && !words.iter().any(|word| PRODUCT.contains(word))
}

fn is_site_folder(folder: &str) -> bool {
    folder
        .to_lowercase()
        .split('/')
        .any(|part| FOLDERS.contains(&part) || part.ends_with("-docs") || part.ends_with("-website"))
}

/// Whether a step works for a site.
pub(crate) fn of_site(workflow: &Workflow, job: &Job, step: &Step) -> bool {
    let stem = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default().to_owned()
    };
    let only = |paths: &[String]| {
        let mut own = paths
            .iter()
            .filter(|path| !path.starts_with('.') && !path.starts_with('!'))
            .peekable();
        own.peek().is_some() && own.all(|path| is_site_folder(path) || path.ends_with(".md"))
    };
    speaks_of_site(step.name.as_deref().unwrap_or_default())
        || speaks_of_site(&job.words())
        || job
            .environments
            .iter()
            .any(|environment| speaks_of_site(&environment.name))
        || speaks_of_site(workflow.name.as_deref().unwrap_or_default())
        || workflow.file.contains('/') && speaks_of_site(&stem(&workflow.file))
        || is_site_folder(&step.folder)
        || is_site_folder(&job.folder)
        || only(&workflow.paths)
        || only(&job.paths)
}

/// What something is when it is done for a site.
pub(crate) fn for_site(purpose: Purpose) -> Option<Purpose> {
    match purpose {
        Purpose::Deploy | Purpose::Publish => Some(Purpose::Pages),
        Purpose::Release | Purpose::Tag | Purpose::TagIfNone | Purpose::Version | Purpose::Promote => {
            Some(Purpose::Setup)
        }
        Purpose::Build | Purpose::Package => Some(Purpose::SiteBuilt),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sites_are_told_from_names_of_products() {
        for yes in [
            "Deploy docs",
            "docs-release",
            "build-website",
            "Publish Storybook",
            "mkdocs",
        ] {
            assert!(speaks_of_site(yes), "{yes}");
        }
        for no in [
            "deploy",
            "Test, docs and release to npm",
            "docker docs image",
            "production",
            "",
        ] {
            assert!(!speaks_of_site(no), "{no}");
        }
    }

    #[test]
    fn registries_are_no_environments() {
        for no in ["pypi", "test-pypi", "github-pages", "Release", "npm-publish", "docs"] {
            assert!(!is_place(no), "{no}");
        }
        for yes in ["production", "staging", "eu-west", "release-candidate-cluster"] {
            assert!(is_place(yes), "{yes}");
        }
    }
}
