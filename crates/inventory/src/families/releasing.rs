//! How versions come about, how the product is released and deployed, as far as files say it.

use serde_json::Value;

use super::build::targets;
use crate::catalogue::{folder_of, name_of};
use crate::context::{Context, text};
use crate::formats::yaml;
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Dotnet, Java, Node, Php, Python, Ruby};
use crate::manifests::at as member;
use crate::observation::{Observations, at, at_line};
use crate::reading::{line_of, lines};

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["semantic-release"], "release_tools", "semantic-release"),
    (Node, &["semantic-release"], "version_from_history", "semantic-release"),
    (Node, &["@changesets/cli"], "release_tools", "changesets"),
    (Node, &["release-it"], "release_tools", "release-it"),
    (Node, &["standard-version", "commit-and-tag-version"], "release_tools", "standard-version"),
    (Node, &["np"], "release_tools", "np"),
    (Node, &["changelogen", "bumpp"], "release_tools", "changelogen"),
    (Node, &["auto"], "release_tools", "auto"),
    (Node, &["@vscode/vsce", "vsce"], "release_tools", "vsce"),
    (Python, &["bump2version", "bumpversion", "bump-my-version", "bumpver", "tbump"], "release_tools", "bumpversion"),
    (Python, &["python-semantic-release"], "release_tools", "python-semantic-release"),
    (Python, &["python-semantic-release"], "version_from_history", "python-semantic-release"),
    (Python, &["commitizen"], "release_tools", "commitizen"),
    (Python, &["zest-releaser"], "release_tools", "zest.releaser"),
    (Python, &["twine"], "release_tools", "twine"),
    (Python, &["towncrier"], "release_tools", "towncrier"),
    (Python, &["setuptools-scm", "hatch-vcs", "versioneer", "poetry-dynamic-versioning", "pbr", "versioningit", "uv-dynamic-versioning", "dunamai"], "version_from_history", "from tags"),
    (Java, &["org.apache.maven.plugins:maven-release-plugin"], "release_tools", "maven-release"),
    (Java, &["pl.allegro.tech.build.axion-release"], "release_tools", "axion-release"),
    (Java, &["pl.allegro.tech.build.axion-release", "com.palantir.git-version", "fr.brouillard.oss:jgitver*", "nebula.release", "com.netflix.nebula.release", "com.github.sbt:sbt-dynver", "com.qoomon:maven-git-versioning-extension", "me.qoomon:*"], "version_from_history", "from tags"),
    (Java, &["net.researchgate.release", "nebula.release", "com.netflix.nebula.release"], "release_tools", "gradle-release"),
    (Java, &["org.jreleaser", "org.jreleaser:jreleaser-maven-plugin"], "release_tools", "jreleaser"),
    (Java, &["com.github.sbt:sbt-ci-release", "com.github.sbt:sbt-release"], "release_tools", "sbt-release"),
    (Java, &["org.sonatype.central:central-publishing-maven-plugin", "com.vanniktech.maven.publish", "io.github.gradle-nexus.publish-plugin"], "release_tools", "central-publishing"),
    (Dotnet, &["minver", "gitversion.msbuild", "nerdbank.gitversioning"], "version_from_history", "from tags"),
    (Ruby, &["gem-release"], "release_tools", "gem-release"),
    (Ruby, &["capistrano", "capistrano-rails"], "deploy_scripts", "capistrano"),
    (Ruby, &["kamal"], "deploy_scripts", "kamal"),
    (Ruby, &["mina"], "deploy_scripts", "mina"),
    (Php, &["deployer/deployer"], "deploy_scripts", "deployer"),
    (Python, &["fabric", "fabric3"], "deploy_scripts", "fabric"),
    (Node, &["serverless"], "deploy_scripts", "serverless"),
    (Node, &["wrangler"], "deploy_scripts", "wrangler"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&[".goreleaser.yml", ".goreleaser.yaml", "goreleaser.yml", ".goreleaser*.yml"], "release_tools", "goreleaser"),
    (&[".goreleaser.yml", ".goreleaser.yaml"], "version_from_history", "goreleaser"),
    (&[".releaserc", ".releaserc.*", "release.config.*"], "release_tools", "semantic-release"),
    (&[".releaserc", ".releaserc.*", "release.config.*"], "version_from_history", "semantic-release"),
    (&[".changeset/config.json"], "release_tools", "changesets"),
    (&["release-please-config.json", ".release-please-manifest.json", ".github/release-please.yml"], "release_tools", "release-please"),
    (&["release-please-config.json", ".release-please-manifest.json", ".github/release-please.yml"], "version_from_history", "release-please"),
    (&[".release-it.json", ".release-it.*"], "release_tools", "release-it"),
    (&[".versionrc", ".versionrc.*"], "release_tools", "standard-version"),
    (&[".bumpversion.cfg", ".bumpversion.toml"], "release_tools", "bumpversion"),
    (&["release-plz.toml", ".release-plz.toml"], "release_tools", "release-plz"),
    (&["release.toml"], "release_tools", "cargo-release"),
    (&["cliff.toml", ".cliff.toml"], "release_tools", "git-cliff"),
    (&["dist-workspace.toml"], "release_tools", "cargo-dist"),
    (&["gitversion.yml", "gitversion.yaml"], "version_from_history", "gitversion"),
    (&["gitversion.yml", "gitversion.yaml"], "release_tools", "gitversion"),
    (&["jreleaser.yml", "jreleaser.toml"], "release_tools", "jreleaser"),
    (&[".autorc"], "release_tools", "auto"),
    (&[".changie.yaml", ".changie.yml"], "release_tools", "changie"),
    (&["release-drafter.yml", "release-drafter.yaml"], "release_tools", "release-drafter"),
    (&[".craft.yml"], "release_tools", "craft"),
    (&["versioneer.py"], "version_from_history", "versioneer"),
    (&["capfile", "config/deploy.rb"], "deploy_scripts", "capistrano"),
    (&["fly.toml", "fly.*.toml"], "deploy_scripts", "fly"),
    (&["render.yaml"], "deploy_scripts", "render"),
    (&["vercel.json", "now.json"], "deploy_scripts", "vercel"),
    (&["netlify.toml"], "deploy_scripts", "netlify"),
    (&["wrangler.toml", "wrangler.jsonc", "wrangler.json"], "deploy_scripts", "wrangler"),
    (&["firebase.json"], "deploy_scripts", "firebase"),
    (&["serverless.yml", "serverless.yaml", "serverless.ts"], "deploy_scripts", "serverless"),
    (&["samconfig.toml"], "deploy_scripts", "sam"),
    (&["appspec.yml", "appspec.yaml"], "deploy_scripts", "codedeploy"),
    (&["heroku.yml", "procfile"], "deploy_scripts", "heroku"),
    (&["railway.json", "railway.toml"], "deploy_scripts", "railway"),
    (&["amplify.yml"], "deploy_scripts", "amplify"),
    (&["*.nomad", "*.nomad.hcl"], "deploy_scripts", "nomad"),
    (&["captain-definition"], "deploy_scripts", "caprover"),
    (&["clouddeploy.yaml"], "deploy_scripts", "cloud-deploy"),
    (&["cloudbuild.yaml", "cloudbuild.yml"], "build_tools", "cloud-build"),
];

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    // Tools that are set up for a library's own examples or documents deploy nothing of the product.
    notes.retain(|note| {
        note.measure != "deploy_scripts" || !(in_test_folder(&note.at.path) || is_site(folder_of(&note.at.path)))
    });
    data(context, &mut notes);
    manifests(context, &mut notes);
    scripts(context, &mut notes);
    definition(context, &mut notes);
    context.notes = notes;
}

fn is_site(folder: &str) -> bool {
    folder
        .split('/')
        .any(|part| matches!(part, "docs" | "doc" | "website" | "site" | "documentation"))
}

/// Files whose name is common and whose content tells.
fn data(context: &Context<'_>, notes: &mut Observations) {
    for file in &context.data {
        let name = name_of(&file.path);
        for document in &file.documents {
            let value = &document.value;
            let here = |key: &str| at_line(&file.path, line_of(&file.text, key), key);
            match name {
                "deploy.yml"
                    if file.path.ends_with("config/deploy.yml")
                        && value.get("service").is_some()
                        && value.get("image").is_some() =>
                {
                    notes.word("deploy_scripts", "kamal", here("service"));
                    // Kamal starts the new container and stops the old one when it is healthy.
                    notes.word("rollout_strategies", "rolling", here("service"));
                    notes.yes("rolling_or_canary", here("service"));
                }
                "app.yaml" if value.get("runtime").is_some_and(Value::is_string) => {
                    notes.word("deploy_scripts", "app-engine", here("runtime"))
                }
                "manifest.yml" | "manifest.yaml" if value.get("applications").is_some_and(Value::is_array) => {
                    notes.word("deploy_scripts", "cloud-foundry", here("applications"));
                }
                "template.yaml" | "template.yml"
                    if text(value, "Transform").is_some_and(|transform| transform.contains("Serverless")) =>
                {
                    notes.word("deploy_scripts", "sam", here("Transform"));
                }
                _ => {}
            }
        }
    }
    for file in context.catalogue.named("app.json") {
        if let Some(content) = context.reader.text(&file.path)
            && let Some(line) = line_of(&content, "\"buildpacks\"").or_else(|| line_of(&content, "\"formation\""))
        {
            notes.word("deploy_scripts", "heroku", at_line(&file.path, Some(line), "app.json"));
        }
    }
    for file in context.catalogue.named("version.json") {
        if let Some(content) = context.reader.text(&file.path)
            && content.contains("Nerdbank.GitVersioning")
        {
            notes.yes(
                "version_from_history",
                at_line(&file.path, None, "Nerdbank.GitVersioning"),
            );
        }
    }
    for file in context.catalogue.named("fly.toml") {
        if let Some(content) = context.reader.text(&file.path) {
            if let Some(line) = line_of(&content, "strategy") {
                let word = if content.contains("bluegreen") {
                    "blue-green"
                } else if content.contains("canary") {
                    "canary"
                } else {
                    "rolling"
                };
                notes.word("rollout_strategies", word, at_line(&file.path, Some(line), "strategy"));
                notes.yes("rolling_or_canary", at_line(&file.path, Some(line), "strategy"));
            }
            if let Some(line) = line_of(&content, "checks]") {
                notes.yes("health_checks", at_line(&file.path, Some(line), "checks"));
            }
        }
    }
}

fn manifests(context: &Context<'_>, notes: &mut Observations) {
    for manifest in &context.manifests.all {
        let line = |key: &str| {
            context
                .reader
                .text(&manifest.path)
                .and_then(|content| line_of(&content, key))
        };
        match manifest.ecosystem {
            Node => {
                if manifest.value.get("release").is_some_and(Value::is_object) {
                    notes.word(
                        "release_tools",
                        "semantic-release",
                        at_line(&manifest.path, line("\"release\""), "release"),
                    );
                }
                for (name, command) in &manifest.scripts {
                    let deploys = name == "deploy" || name.starts_with("deploy:");
                    let site = ["gh-pages", "storybook", "docs", "docusaurus"]
                        .iter()
                        .any(|word| command.contains(word) || name.contains(word));
                    if deploys && !site && !super::build::is_placeholder(command) {
                        notes.word(
                            "deploy_scripts",
                            "npm-script",
                            at_line(
                                &manifest.path,
                                line(&format!("\"{name}\":")),
                                format!("{name}: {command}"),
                            ),
                        );
                    }
                }
            }
            Python => {
                if member(&manifest.value, &["tool", "semantic_release"]).is_some() {
                    notes.word(
                        "release_tools",
                        "python-semantic-release",
                        at_line(&manifest.path, line("semantic_release"), "tool.semantic_release"),
                    );
                    notes.yes(
                        "version_from_history",
                        at_line(&manifest.path, line("semantic_release"), "tool.semantic_release"),
                    );
                }
                if member(&manifest.value, &["tool", "commitizen"]).is_some() {
                    notes.word(
                        "release_tools",
                        "commitizen",
                        at_line(&manifest.path, line("commitizen"), "tool.commitizen"),
                    );
                }
                if member(&manifest.value, &["tool", "bumpversion"]).is_some()
                    || member(&manifest.value, &["tool", "bumpver"]).is_some()
                {
                    notes.word(
                        "release_tools",
                        "bumpversion",
                        at_line(&manifest.path, line("bumpver"), "tool.bumpversion"),
                    );
                }
                let requires = crate::manifests::texts(member(&manifest.value, &["build-system", "requires"]));
                for tool in [
                    "setuptools_scm",
                    "setuptools-scm",
                    "hatch-vcs",
                    "versioneer",
                    "poetry-dynamic-versioning",
                    "pbr",
                    "versioningit",
                    "uv-dynamic-versioning",
                ] {
                    if requires.iter().any(|required| required.starts_with(tool)) {
                        notes.yes("version_from_history", at_line(&manifest.path, line(tool), tool));
                    }
                }
            }
            crate::manifests::Ecosystem::Cargo => {
                for path in [["package", "metadata", "release"], ["workspace", "metadata", "release"]] {
                    if member(&manifest.value, &path).is_some() {
                        notes.word(
                            "release_tools",
                            "cargo-release",
                            at_line(&manifest.path, line("metadata.release"), "metadata.release"),
                        );
                    }
                }
                if member(&manifest.value, &["workspace", "metadata", "dist"]).is_some() {
                    notes.word(
                        "release_tools",
                        "cargo-dist",
                        at_line(&manifest.path, line("metadata.dist"), "metadata.dist"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Targets, scripts and programs that deploy.
fn scripts(context: &Context<'_>, notes: &mut Observations) {
    for name in ["makefile", "gnumakefile", "justfile", ".justfile"] {
        for file in context.catalogue.named(name) {
            if in_test_folder(&file.path) || is_site(folder_of(&file.path)) {
                continue;
            }
            let Some(content) = context.reader.text(&file.path) else {
                continue;
            };
            for target in targets(&content) {
                let small = target.name.to_ascii_lowercase();
                let deploys = (small == "deploy"
                    || small.starts_with("deploy-")
                    || small.starts_with("deploy_")
                    || small.ends_with("-deploy"))
                    && !small.contains("doc")
                    && !small.contains("undeploy");
                if deploys && target.commands.trim().len() > 3 && !target.commands.contains("gh-deploy") {
                    notes.word(
                        "deploy_scripts",
                        "make-target",
                        at_line(&file.path, Some(target.line), target.name.clone()),
                    );
                }
            }
            for (number, line) in lines(&content) {
                if line.contains("git describe") && !line.trim_start().starts_with('#') {
                    notes.yes("version_from_history", at_line(&file.path, Some(number), line.trim()));
                }
            }
        }
    }
    for file in context.catalogue.own() {
        let small = file.name().to_ascii_lowercase();
        let ending = small.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
        let program = matches!(ending, "sh" | "bash" | "ps1" | "py" | "rb") || (file.executable && ending.is_empty());
        let stem = small.split('.').next().unwrap_or_default();
        if program
            && (stem == "deploy"
                || stem.starts_with("deploy-")
                || stem.starts_with("deploy_")
                || stem.ends_with("-deploy")
                || stem.ends_with("_deploy"))
            && !file.test
            && !is_site(folder_of(&file.path))
            && !small.contains("doc")
            && !file.path.starts_with("src/")
        {
            notes.word("deploy_scripts", "script", at(&file.path));
        }
        if matches!(
            stem,
            "release" | "publish" | "make-release" | "make_release" | "bump-version" | "bump_version"
        ) && program
            && !file.test
            && !file.path.starts_with("src/")
        {
            notes.word("release_tools", "script", at(&file.path));
        }
    }
    for file in context.catalogue.named("fabfile.py") {
        if let Some(content) = context.reader.text(&file.path)
            && let Some(line) = line_of(&content, "def deploy")
        {
            notes.word(
                "deploy_scripts",
                "fabric",
                at_line(&file.path, Some(line), "def deploy"),
            );
        }
    }
    for file in context.catalogue.named("rakefile") {
        if let Some(content) = context.reader.text(&file.path)
            && let Some(line) =
                line_of(&content, "bundler/gem_tasks").or_else(|| line_of(&content, "Bundler::GemHelper"))
        {
            notes.word(
                "release_tools",
                "bundler-gem-tasks",
                at_line(&file.path, Some(line), "bundler/gem_tasks"),
            );
        }
    }
}

/// Throughline's own definition.
fn definition(context: &Context<'_>, notes: &mut Observations) {
    for file in context.catalogue.named("throughline.yaml") {
        let Some(content) = context.reader.text(&file.path) else {
            notes.doubt(&["throughline"], &at(&file.path));
            continue;
        };
        match yaml::first(&content) {
            Ok(value) if value.get("throughline").is_some() => {
                notes.yes(
                    "throughline",
                    at_line(&file.path, line_of(&content, "throughline:"), "throughline"),
                );
            }
            Ok(_) => {}
            Err(_) => notes.doubt(&["throughline"], &at(&file.path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{measure, words, yes};

    #[test]
    fn tools_scripts_and_targets_are_seen() {
        let files = [
            (".goreleaser.yml", "builds: []\n"),
            (
                "Makefile",
                "VERSION = $(shell git describe --tags)\ndeploy-prod:\n\tkubectl apply -f k8s\n",
            ),
            ("scripts/deploy.sh", "kubectl apply\n"),
            ("throughline.yaml", "throughline: 1\n"),
        ];
        assert_eq!(words(&files, "release_tools"), ["goreleaser"]);
        assert_eq!(words(&files, "deploy_scripts"), ["make-target", "script"]);
        assert!(yes(&files, "version_from_history"));
        assert!(yes(&files, "throughline"));
    }

    #[test]
    fn what_deploys_documents_and_names_that_only_sound_so_do_not_count() {
        let files = [
            (
                "package.json",
                "{\"name\": \"a\", \"scripts\": {\"deploy\": \"gh-pages -d build\"}}",
            ),
            ("website/vercel.json", "{}"),
            ("src/deploy.py", ""),
            ("Makefile", "deploy-docs:\n\tmkdocs gh-deploy\n"),
            ("throughline.yaml", "name: x\n"),
        ];
        assert!(words(&files, "deploy_scripts").is_empty());
        assert!(!yes(&files, "throughline"));
        assert!(measure(&[("throughline.yaml", "a: [\n")], "throughline").is_none());
    }
}
