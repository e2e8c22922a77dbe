//! Dependencies: lock files, how exactly versions are held, bots that bring updates.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::catalogue::{Catalogue, folder_of, name_of};
use crate::context::{Context, text};
use crate::formats::{json, yaml};
use crate::known::Names;
use crate::manifests::{Ecosystem, Manifest, is_compiled};
use crate::observation::{at, at_line};
use crate::reading::line_of;

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["flake.lock"], "build_tools", "nix"),
    (&[".pyup.yml"], "update_bot", "pyup"),
    (&[".scala-steward.conf"], "update_bot", "scala-steward"),
    (&["updatecli.yaml", "updatecli.yml"], "update_bot", "updatecli"),
    (&[".lazy-github-actions.yml"], "update_bot", "other"),
];

/// Lock files by ecosystem, in lower case.
fn locks(ecosystem: Ecosystem) -> &'static [&'static str] {
    match ecosystem {
        Ecosystem::Cargo => &["cargo.lock"],
        Ecosystem::Node => &[
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "bun.lockb",
            "deno.lock",
        ],
        Ecosystem::Python => &[
            "uv.lock",
            "poetry.lock",
            "pipfile.lock",
            "pdm.lock",
            "pylock.toml",
            "conda-lock.yml",
            "pixi.lock",
        ],
        Ecosystem::Go => &["go.sum"],
        Ecosystem::Java => &["gradle.lockfile"],
        Ecosystem::Dotnet => &["packages.lock.json"],
        Ecosystem::Php => &["composer.lock"],
        Ecosystem::Ruby => &["gemfile.lock", "gems.locked"],
        Ecosystem::Elixir => &["mix.lock"],
        Ecosystem::Dart => &["pubspec.lock"],
        Ecosystem::Swift => &["package.resolved"],
        Ecosystem::Other => &["cabal.project.freeze", "stack.yaml.lock", "renv.lock"],
    }
}

/// Ecosystems whose custom it is to hold versions in a lock file.
fn locks_by_custom(manifest: &Manifest) -> bool {
    match manifest.ecosystem {
        Ecosystem::Java | Ecosystem::Dotnet | Ecosystem::Other | Ecosystem::Go => false,
        Ecosystem::Ruby => manifest.tool == "bundler",
        _ => true,
    }
}

/// The lock file that holds a manifest's versions: in its folder or the nearest one above.
fn lock_of(catalogue: &Catalogue, folders: &BTreeSet<(Ecosystem, String)>, manifest: &Manifest) -> bool {
    let mut folder = manifest.folder.as_str();
    loop {
        if folders.contains(&(manifest.ecosystem, folder.to_owned())) {
            return true;
        }
        if folder.is_empty() {
            break;
        }
        folder = folder_of(folder);
    }
    // A list of requirements that another list was compiled from, and the other way round.
    manifest
        .path
        .strip_suffix(".in")
        .is_some_and(|stem| catalogue.has(&format!("{stem}.txt")))
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    let mut folders: BTreeSet<(Ecosystem, String)> = BTreeSet::new();
    for ecosystem in [
        Ecosystem::Cargo,
        Ecosystem::Node,
        Ecosystem::Python,
        Ecosystem::Go,
        Ecosystem::Java,
        Ecosystem::Dotnet,
        Ecosystem::Php,
        Ecosystem::Ruby,
        Ecosystem::Elixir,
        Ecosystem::Dart,
        Ecosystem::Swift,
        Ecosystem::Other,
    ] {
        for name in locks(ecosystem) {
            for file in context.catalogue.named(name) {
                notes.yes("lock_files", at(&file.path));
                folders.insert((ecosystem, folder_of(&file.path).to_owned()));
                if *name == "package.resolved" {
                    // Xcode keeps it inside of the project.
                    folders.insert((ecosystem, String::new()));
                }
                let tool = match *name {
                    "yarn.lock" => "yarn",
                    "pnpm-lock.yaml" => "pnpm",
                    "package-lock.json" => "npm",
                    "bun.lock" | "bun.lockb" => "bun",
                    "uv.lock" => "uv",
                    "poetry.lock" => "poetry",
                    "pipfile.lock" => "pipenv",
                    _ => continue,
                };
                notes.word("build_tools", tool, at(&file.path));
            }
        }
    }
    for file in context.catalogue.ending("txt") {
        if is_compiled(&context.catalogue, &file.path) {
            notes.yes("lock_files", at_line(&file.path, None, "compiled requirements"));
        }
    }
    // In Python one project often has several manifests side by side, of which one lock holds all.
    let requirement_locks: BTreeSet<String> = context
        .manifests
        .all
        .iter()
        .filter(|manifest| manifest.tool == "pip" && is_lock_of_requirements(manifest))
        .map(|manifest| manifest.folder.clone())
        .collect();
    for manifest in &context.manifests.all {
        if manifest.is_of_tests() || (manifest.dependencies.is_empty() && manifest.name.is_none()) {
            continue;
        }
        let outer: Vec<_> = manifest
            .dependencies
            .iter()
            .filter(|dependency| !dependency.local)
            .collect();
        if is_lock_of_requirements(manifest) {
            notes.yes("lock_files", at_line(&manifest.path, None, "every version is exact"));
        } else {
            notes.yes("manifests", at(&manifest.path));
        }
        if outer.is_empty() || manifest.path.starts_with("docs/") || manifest.path.starts_with("doc/") {
            continue;
        }
        let locked = lock_of(&context.catalogue, &folders, manifest)
            || (manifest.ecosystem == Ecosystem::Go && context.catalogue.has(&beside(manifest, "go.sum")));
        let whole = locked
            || is_lock_of_requirements(manifest)
            || (manifest.ecosystem == Ecosystem::Python
                && manifest.tool != "pip"
                && requirement_locks.contains(&manifest.folder))
            || outer.iter().all(|dependency| dependency.exact);
        if !whole && locks_by_custom(manifest) {
            notes.times("manifests_without_lock", 1, at(&manifest.path));
        }
        for dependency in outer {
            let place = at_line(
                &manifest.path,
                dependency.line,
                format!("{} {}", dependency.name, dependency.requirement)
                    .trim()
                    .to_owned(),
            );
            if locked || dependency.exact {
                notes.yes("pinned_share", place);
            } else {
                notes.no("pinned_share", place);
            }
        }
    }
    context.notes = notes;
    bots(context);
}

fn beside(manifest: &Manifest, name: &str) -> String {
    if manifest.folder.is_empty() {
        name.to_owned()
    } else {
        format!("{}/{name}", manifest.folder)
    }
}

/// A list of requirements of which (nearly) all are exact, many enough to be a whole closure.
fn is_lock_of_requirements(manifest: &Manifest) -> bool {
    manifest.tool == "pip"
        && manifest.path.ends_with(".txt")
        && !manifest.dependencies.is_empty()
        && manifest.dependencies.iter().all(|dependency| dependency.exact)
}

/// Bots, by what their configuration says.
fn bots(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    for path in [
        ".github/dependabot.yml",
        ".github/dependabot.yaml",
        ".dependabot/config.yml",
    ] {
        let Some(content) = (context.catalogue.has(path))
            .then(|| context.reader.text(path))
            .flatten()
        else {
            continue;
        };
        match yaml::first(&content) {
            Ok(value) => {
                let updates = value.get("updates").or_else(|| value.get("update_configs"));
                let entries = updates.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                for entry in entries {
                    let system = text(entry, "package-ecosystem")
                        .or_else(|| text(entry, "package_manager"))
                        .unwrap_or_default();
                    // A limit of zero leaves only updates for security.
                    let off = entry.get("open-pull-requests-limit").and_then(Value::as_i64) == Some(0);
                    let place = at_line(path, line_of(&content, system), system);
                    if off {
                        notes.no("update_bot", place);
                    } else {
                        notes.word("update_bot", "dependabot", place);
                    }
                }
            }
            Err(broken) => {
                context.reader.finding(path, broken.line, &broken.problem, None);
                notes.doubt(&["update_bot"], &at(path));
            }
        }
    }
    for name in [
        "renovate.json",
        "renovate.json5",
        ".renovaterc",
        ".renovaterc.json",
        ".renovaterc.json5",
        "renovate-config.json",
    ] {
        for file in context.catalogue.named(name) {
            if !matches!(folder_of(&file.path), "" | ".github" | ".gitlab") {
                continue;
            }
            let Some(content) = context.reader.text(&file.path) else {
                continue;
            };
            let value = if name_of(&file.path).ends_with("json5") {
                // Names without quotes are not read; that it is turned off stands at its top.
                json::read(&content).unwrap_or(Value::Object(serde_json::Map::new()))
            } else {
                match json::read(&content) {
                    Ok(value) => value,
                    Err(broken) => {
                        context.reader.finding(&file.path, broken.line, &broken.problem, None);
                        notes.doubt(&["update_bot"], &at(&file.path));
                        continue;
                    }
                }
            };
            let off = value.get("enabled") == Some(&Value::Bool(false)) || content.contains("\n  enabled: false");
            if off {
                notes.no(
                    "update_bot",
                    at_line(&file.path, line_of(&content, "enabled"), "turned off"),
                );
            } else {
                notes.word("update_bot", "renovate", at(&file.path));
            }
        }
    }
    for manifest in &context.manifests.all {
        if manifest.folder.is_empty()
            && let Some(settings) = manifest.value.get("renovate")
            && settings.get("enabled") != Some(&Value::Bool(false))
        {
            notes.word("update_bot", "renovate", at_line(&manifest.path, None, "renovate"));
        }
    }
    context.notes = notes;
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    #[test]
    fn versions_are_held_by_a_lock_or_by_being_exact() {
        let files = [
            (
                "package.json",
                "{\"name\": \"a\", \"dependencies\": {\"b\": \"^1.0.0\", \"c\": \"1.0.0\"}}",
            ),
            ("tool/composer.json", "{\"require\": {\"x/y\": \"^1\"}}"),
            ("tool/composer.lock", "{}"),
        ];
        assert_eq!(count(&files, "manifests"), 2);
        assert_eq!(count(&files, "lock_files"), 1);
        assert_eq!(count(&files, "manifests_without_lock"), 1);
        let pinned = measure(&files, "pinned_share").unwrap();
        assert_eq!(pinned.sample, Some(3));
        assert_eq!(pinned.against.len(), 1);
    }

    #[test]
    fn a_lock_at_the_root_holds_for_the_workspace_but_not_for_a_fixture() {
        let files = [
            ("yarn.lock", ""),
            (
                "packages/a/package.json",
                "{\"name\": \"a\", \"dependencies\": {\"b\": \"^1.0.0\"}}",
            ),
            (
                "test/fixtures/x/package.json",
                "{\"dependencies\": {\"b\": \"^1.0.0\"}}",
            ),
        ];
        assert_eq!(count(&files, "manifests_without_lock"), 0);
        assert_eq!(count(&files, "manifests"), 1);
    }

    #[test]
    fn a_bot_that_is_turned_off_is_none() {
        assert_eq!(
            words(&[("renovate.json", "{\"extends\": [\"config:base\"]}")], "update_bot"),
            ["renovate"]
        );
        assert!(words(&[("renovate.json", "{\"enabled\": false}")], "update_bot").is_empty());
        let limited = "version: 2\nupdates:\n  - package-ecosystem: npm\n    open-pull-requests-limit: 0\n";
        assert!(words(&[(".github/dependabot.yml", limited)], "update_bot").is_empty());
        let on = "version: 2\nupdates:\n  - package-ecosystem: npm\n    directory: /\n";
        let bot = measure(&[(".github/dependabot.yml", on)], "update_bot").unwrap();
        assert_eq!(bot.places, [evidence::Place::line(".github/dependabot.yml", 3, "npm")]);
        assert!(measure(&[(".github/dependabot.yml", "updates: [\n")], "update_bot").is_none());
    }
}
