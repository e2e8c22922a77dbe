//! Environments that files speak of: overlays, values and variables for each, configuration for each.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{folder_of, name_of};
use crate::context::Context;
use crate::languages::in_test_folder;
use crate::observation::at;

/// The environment that a word names, if it does.
pub(super) fn named(word: &str) -> Option<&'static str> {
    Some(match word {
        "dev" | "develop" | "development" | "devel" => "development",
        "test" | "testing" | "tst" => "test",
        "qa" | "quality" => "qa",
        "uat" | "acceptance" | "acc" => "acceptance",
        "int" | "integration" | "sit" => "integration",
        "stage" | "staging" | "stg" | "preprod" | "pre-prod" | "preproduction" | "pre-production" | "pprd" | "pre" => {
            "staging"
        }
        "prod" | "production" | "prd" | "live" => "production",
        "sandbox" => "sandbox",
        "demo" => "demo",
        "preview" | "review" => "preview",
        "canary" => "canary",
        _ => return None,
    })
}

/// How a file speaks of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// What is deployed there: overlays, values, variables, inventories.
    Delivery,
    /// What the product reads there.
    Configuration,
}

/// Folders below which each folder is an environment.
const PARENTS: &[&str] = &[
    "overlays",
    "overlay",
    "environments",
    "environment",
    "envs",
    "env",
    "clusters",
    "inventories",
    "inventory",
    "stages",
    "stacks",
    "accounts",
    "live",
    "deploy",
    "deployment",
    "deployments",
    "terraform",
    "infrastructure",
    "infra",
    "k8s",
    "kubernetes",
    "manifests",
    "helm",
    "values",
    "tfvars",
    "terraform-vars",
    "vars",
    "group_vars",
    "workspace_variables",
    "workspace-variables",
    "workspaces",
    "kustomize",
    "paas",
    "apps",
    "gitops",
];

fn read(path: &str) -> Option<(&'static str, Way, String)> {
    let small = path.to_ascii_lowercase();
    let name = name_of(&small);
    let folder = folder_of(&small);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let data = matches!(
        ending,
        "yaml"
            | "yml"
            | "json"
            | "toml"
            | "tfvars"
            | "tf"
            | "hcl"
            | "properties"
            | "conf"
            | "ini"
            | "env"
            | "sh"
            | "py"
            | "rb"
            | "exs"
            | "bicepparam"
            | "gotmpl"
    );
    // What the family is: `values`, `overlays/*`, `terraform/*.tfvars`.
    let group = |what: &str| format!("{folder}|{what}");
    if name.ends_with(".tfvars") || name.ends_with(".tfvars.json") || ending == "bicepparam" {
        let bare = name.split('.').next().unwrap_or_default();
        return last_word(bare).map(|word| (word, Way::Delivery, group("tfvars")));
    }
    if let Some(rest) = stem.strip_prefix("values").filter(|_| data) {
        return named(rest.trim_matches(['-', '.', '_'])).map(|word| (word, Way::Delivery, group("values")));
    }
    if let Some(word) = name.strip_prefix(".env.") {
        let word = word.strip_suffix(".local").unwrap_or(word);
        return named(word).map(|word| (word, Way::Configuration, group(".env")));
    }
    for (prefix, mark) in [
        ("appsettings.", "appsettings"),
        ("application-", "application"),
        ("bootstrap-", "bootstrap"),
        ("docker-compose.", "compose"),
        ("docker-compose-", "compose"),
        ("compose.", "compose"),
        ("config.", "config"),
        ("config-", "config"),
        ("settings.", "settings"),
        ("settings-", "settings"),
        ("config_", "config"),
        ("settings_", "settings"),
    ] {
        if data
            && let Some(word) = stem.strip_prefix(prefix)
            && let Some(word) = named(word)
        {
            return Some((word, Way::Configuration, group(mark)));
        }
    }
    for prefix in [
        "fly.",
        "app-",
        "app.",
        "serverless.",
        "deploy.",
        "deploy-",
        "inventory-",
        "hosts-",
    ] {
        if data
            && let Some(word) = stem.strip_prefix(prefix)
            && let Some(word) = named(word)
        {
            return Some((word, Way::Delivery, group(prefix)));
        }
    }
    let parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for (index, pair) in parts.windows(2).enumerate() {
        if PARENTS.contains(&pair[0])
            && data
            && let Some(word) = named(pair[1]).or_else(|| last_word(pair[1]))
            && !parts[..index].contains(&"src")
        {
            return Some((word, Way::Delivery, parts[..=index].join("/")));
        }
    }
    if let Some(last) = parts.last()
        && data
        && let Some(word) = named(stem)
    {
        if matches!(*last, "config" | "conf" | "settings" | "configs" | "configuration")
            || (*last == "environments" && matches!(ending, "rb" | "ts" | "py" | "exs"))
        {
            return Some((word, Way::Configuration, group("config")));
        }
        if PARENTS.contains(last) && !matches!(ending, "sh" | "py" | "rb" | "tf") {
            return Some((word, Way::Delivery, group("files")));
        }
    }
    // `environment.prod.ts` of Angular.
    if let Some(word) = stem.strip_prefix("environment.") {
        return named(word).map(|word| (word, Way::Configuration, group("environment")));
    }
    if ending == "tf" && parts.last().is_some_and(|last| named(last).is_some()) {
        return parts
            .last()
            .and_then(|last| named(last))
            .map(|word| (word, Way::Delivery, folder_of(folder).to_owned()));
    }
    None
}

/// The environment at the end of a compound word: `shop-prod`, `review_app` has none.
fn last_word(word: &str) -> Option<&'static str> {
    named(word)
        .or_else(|| word.rsplit(['-', '_', '.']).next().and_then(named))
        .or_else(|| word.split(['-', '_', '.']).next().and_then(named))
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut groups: BTreeMap<(Way, String), BTreeMap<&'static str, String>> = BTreeMap::new();
    for file in context.catalogue.own() {
        if in_test_folder(folder_of(&file.path)) && !file.path.contains("environments/")
            || file.path.starts_with("docs/")
        {
            continue;
        }
        // Samples of configuration that somebody fills in.
        let small = file.path.to_ascii_lowercase();
        if ["example", "sample", "template", ".dist"]
            .iter()
            .any(|word| name_of(&small).contains(word))
        {
            continue;
        }
        if let Some((word, way, group)) = read(&file.path) {
            groups
                .entry((way, group))
                .or_default()
                .entry(word)
                .or_insert_with(|| file.path.clone());
        }
    }
    let notes = &mut context.notes;
    let mut known: BTreeSet<(&'static str, &str)> = BTreeSet::new();
    for ((way, _), words) in &groups {
        for (word, path) in words {
            // Frameworks bring `test` and `development` along; those are no places that something runs at.
            let delivered = *way == Way::Delivery
                || matches!(
                    *word,
                    "staging" | "production" | "qa" | "acceptance" | "demo" | "sandbox"
                );
            if delivered && known.insert((word, path)) {
                notes.word("environments_in_files", word, at(path));
            }
            let for_tests = matches!(*word, "staging" | "qa" | "acceptance" | "integration" | "preview")
                || (*word == "test" && *way == Way::Delivery);
            if for_tests {
                notes.word("test_environment", word, at(path));
            }
        }
        if words.len() >= 2 {
            for path in words.values() {
                match way {
                    Way::Delivery => {
                        notes.yes("environment_overlays", at(path));
                        notes.yes("configuration_per_environment", at(path));
                    }
                    Way::Configuration => notes.yes("configuration_per_environment", at(path)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{words, yes};

    #[test]
    fn overlays_values_and_variables_name_environments() {
        let files = [
            ("k8s/overlays/staging/kustomization.yaml", "resources: []\n"),
            ("k8s/overlays/prod/kustomization.yaml", "resources: []\n"),
            ("charts/web/values-dev.yaml", "a: 1\n"),
            ("terraform/prod.tfvars", "a = 1\n"),
        ];
        assert_eq!(
            words(&files, "environments_in_files"),
            ["development", "production", "staging"]
        );
        assert!(yes(&files, "environment_overlays"));
        assert_eq!(words(&files, "test_environment"), ["staging"]);
    }

    #[test]
    fn what_frameworks_bring_along_and_samples_are_no_environments() {
        let files = [
            ("config/environments/test.rb", ""),
            ("config/environments/development.rb", ""),
            (".env.production.example", ""),
            ("src/production/line.py", ""),
            ("src/live/index.ts", ""),
        ];
        assert!(words(&files, "environments_in_files").is_empty());
        assert!(!yes(&files, "environment_overlays"));
        assert!(yes(&files, "configuration_per_environment"));
    }
}
