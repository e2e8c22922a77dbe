//! Feature flags and experiments: SDKs that manifests name and code asks, definitions in files.

use serde_json::Value;

use crate::catalogue::{FileFact, name_of};
use crate::context::{Context, text};
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{self, Cargo, Dart, Dotnet, Elixir, Go, Java, Node, Php, Python, Ruby, Swift};
use crate::observation::{at, at_line};
use crate::reading::{line_of, lines};

/// Packages of a tool, and the words its imports contain in lower case.
struct Tool {
    word: &'static str,
    packages: &'static [(Ecosystem, &'static [&'static str])],
    imports: &'static [&'static str],
}

#[rustfmt::skip]
const TOOLS: &[Tool] = &[
    Tool { word: "openfeature", packages: &[(Node, &["@openfeature/*"]), (Python, &["openfeature-sdk"]), (Java, &["dev.openfeature:sdk"]), (Go, &["github.com/open-feature/go-sdk*", "go.openfeature.dev*"]), (Dotnet, &["openfeature*"]), (Php, &["open-feature/sdk"]), (Ruby, &["openfeature-sdk"]), (Cargo, &["open-feature"]), (Dart, &["openfeature_dart_server_sdk"])], imports: &["openfeature", "open-feature", "open_feature"] },
    Tool { word: "launchdarkly", packages: &[(Node, &["launchdarkly-*", "@launchdarkly/*", "ldclient-js"]), (Python, &["launchdarkly-server-sdk"]), (Java, &["com.launchdarkly:*"]), (Go, &["github.com/launchdarkly/*", "gopkg.in/launchdarkly*"]), (Dotnet, &["launchdarkly.*"]), (Php, &["launchdarkly/*"]), (Ruby, &["launchdarkly-server-sdk", "ldclient-rb"]), (Swift, &["ios-client-sdk"]), (Cargo, &["launchdarkly-server-sdk"])], imports: &["launchdarkly", "ldclient"] },
    Tool { word: "unleash", packages: &[(Node, &["unleash-client", "unleash-proxy-client", "@unleash/*"]), (Python, &["unleashclient"]), (Java, &["io.getunleash:*", "no.finn.unleash:*"]), (Go, &["github.com/unleash/*", "github.com/Unleash/*"]), (Dotnet, &["unleash.client"]), (Php, &["unleash/client"]), (Ruby, &["unleash"]), (Cargo, &["unleash-api-client"]), (Dart, &["unleash_proxy_client_flutter"])], imports: &["unleash"] },
    Tool { word: "flagsmith", packages: &[(Node, &["flagsmith", "flagsmith-nodejs", "react-native-flagsmith"]), (Python, &["flagsmith"]), (Java, &["com.flagsmith:*"]), (Go, &["github.com/Flagsmith/*"]), (Ruby, &["flagsmith"]), (Dotnet, &["flagsmith"]), (Php, &["flagsmith/flagsmith-php-client"])], imports: &["flagsmith"] },
    Tool { word: "growthbook", packages: &[(Node, &["@growthbook/*"]), (Python, &["growthbook"]), (Java, &["com.github.growthbook:*"]), (Go, &["github.com/growthbook/*"]), (Ruby, &["growthbook"])], imports: &["growthbook"] },
    Tool { word: "flipper", packages: &[(Ruby, &["flipper", "flipper-active_record", "flipper-redis", "flipper-ui"])], imports: &["flipper"] },
    Tool { word: "rollout", packages: &[(Ruby, &["rollout"])], imports: &["rollout"] },
    Tool { word: "waffle", packages: &[(Python, &["django-waffle"])], imports: &["waffle"] },
    Tool { word: "gargoyle", packages: &[(Python, &["gargoyle-yplan", "gargoyle", "django-flags"])], imports: &["gargoyle", "flags.state", "flags.urls"] },
    Tool { word: "togglz", packages: &[(Java, &["org.togglz:*"])], imports: &["togglz"] },
    Tool { word: "ff4j", packages: &[(Java, &["org.ff4j:*"])], imports: &["ff4j"] },
    Tool { word: "flagd", packages: &[(Go, &["github.com/open-feature/flagd*"]), (Node, &["@openfeature/flagd-provider"])], imports: &["flagd"] },
    Tool { word: "go-feature-flag", packages: &[(Go, &["github.com/thomaspoignant/go-feature-flag*"])], imports: &["go-feature-flag", "ffclient"] },
    Tool { word: "microsoft-feature-management", packages: &[(Dotnet, &["microsoft.featuremanagement*"])], imports: &["featuremanagement"] },
    Tool { word: "split", packages: &[(Node, &["@splitsoftware/*"]), (Python, &["splitio-client"]), (Java, &["io.split.client:*"]), (Ruby, &["splitclient-rb"]), (Go, &["github.com/splitio/*"])], imports: &["splitio", "splitsoftware", "io.split"] },
    Tool { word: "configcat", packages: &[(Node, &["configcat-*"]), (Python, &["configcat-client"]), (Java, &["com.configcat:*"]), (Dotnet, &["configcat.client"])], imports: &["configcat"] },
    Tool { word: "statsig", packages: &[(Node, &["statsig-*", "@statsig/*"]), (Python, &["statsig"]), (Go, &["github.com/statsig-io/*"]), (Ruby, &["statsig"])], imports: &["statsig"] },
    Tool { word: "posthog", packages: &[(Node, &["posthog-js", "posthog-node"]), (Python, &["posthog"]), (Ruby, &["posthog-ruby"])], imports: &["isfeatureenabled", "feature_enabled", "usefeatureflag", "getfeatureflag"] },
    Tool { word: "pennant", packages: &[(Php, &["laravel/pennant"])], imports: &["pennant"] },
    Tool { word: "fun_with_flags", packages: &[(Elixir, &["fun_with_flags"])], imports: &["funwithflags", "fun_with_flags"] },
    Tool { word: "vercel-flags", packages: &[(Node, &["flags", "@vercel/flags"])], imports: &["'flags/next'", "\"flags/next\"", "@vercel/flags"] },
    Tool { word: "firebase-remote-config", packages: &[(Java, &["com.google.firebase:firebase-config*"]), (Dart, &["firebase_remote_config"])], imports: &["remoteconfig", "remote_config"] },
    Tool { word: "optimizely", packages: &[(Node, &["@optimizely/*"]), (Python, &["optimizely-sdk"]), (Java, &["com.optimizely.ab:*"])], imports: &["optimizely"] },
];

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["@growthbook/*"], "experiments", "growthbook"),
    (Node, &["statsig-*", "@statsig/*"], "experiments", "statsig"),
    (Node, &["@optimizely/*"], "experiments", "optimizely"),
    (Node, &["@eppo/*"], "experiments", "eppo"),
    (Node, &["@splitsoftware/*"], "experiments", "split"),
    (Python, &["optimizely-sdk"], "experiments", "optimizely"),
    (Python, &["growthbook"], "experiments", "growthbook"),
    (Python, &["statsig"], "experiments", "statsig"),
    (Ruby, &["split"], "experiments", "split-rb"),
    (Ruby, &["field_test", "vanity"], "experiments", "field_test"),
    (Java, &["com.optimizely.ab:*"], "experiments", "optimizely"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["goff-flags.yaml", "goff-flags.yml", ".goff.yaml"], "flags", "go-feature-flag"),
    (&["*.flagd.json", "*.flagd.yaml"], "flags", "flagd"),
];

/// The most source files that are searched for uses.
const MOST: usize = 4_000;

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Languages that the packages of an ecosystem are asked from.
fn speaks(ecosystem: Ecosystem, language: &str) -> bool {
    match ecosystem {
        Node => matches!(language, "javascript" | "typescript"),
        Python => language == "python",
        Go => language == "go",
        Java => matches!(language, "java" | "kotlin" | "scala" | "groovy"),
        Dotnet => matches!(language, "csharp" | "fsharp"),
        Php => language == "php",
        Ruby => language == "ruby",
        Cargo => language == "rust",
        Elixir => language == "elixir",
        Dart => language == "dart",
        Swift => language == "swift",
        Ecosystem::Other => false,
    }
}

pub(super) fn look(context: &mut Context<'_>) {
    sdks(context);
    definitions(context);
}

/// Whether the repository makes the tool: its packages, or the product of that name, are its own.
fn makes(context: &Context<'_>, tool: &Tool) -> bool {
    context.manifests.all.iter().any(|manifest| {
        manifest.name.as_deref().is_some_and(|name| {
            let small = name.to_ascii_lowercase();
            tool.packages.iter().any(|(ecosystem, patterns)| {
                *ecosystem == manifest.ecosystem && patterns.iter().any(|pattern| matches(pattern, name))
            }) || small
                .split(['-', '/', '.', ':', '@', '_'])
                .any(|part| part == tool.word)
                || small.contains(tool.word) && tool.word.contains('-')
        })
    })
}

fn sdks(context: &mut Context<'_>) {
    let mut named: Vec<(&Tool, Ecosystem, String, Option<u32>, String)> = Vec::new();
    for manifest in &context.manifests.all {
        if manifest.is_of_tests() {
            continue;
        }
        for dependency in manifest.dependencies.iter().filter(|dependency| !dependency.local) {
            for tool in TOOLS {
                let fits = tool.packages.iter().any(|(ecosystem, patterns)| {
                    *ecosystem == manifest.ecosystem
                        && patterns.iter().any(|pattern| matches(pattern, &dependency.name))
                });
                if fits {
                    named.push((
                        tool,
                        manifest.ecosystem,
                        manifest.path.clone(),
                        dependency.line,
                        dependency.name.clone(),
                    ));
                }
            }
        }
    }
    if named.is_empty() {
        return;
    }
    named.retain(|(tool, ..)| !makes(context, tool));
    let files: Vec<&FileFact> = context
        .catalogue
        .own()
        .filter(|file| {
            !file.test
                && file
                    .language
                    .is_some_and(|language| named.iter().any(|(_, ecosystem, ..)| speaks(*ecosystem, language)))
        })
        .collect();
    let (files, complete) = context.reader.within("source files that may ask flags", files, MOST);
    let mut used: Vec<&str> = Vec::new();
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        let Some(content) = context.reader.glance(&file.path) else {
            continue;
        };
        let small = content.to_ascii_lowercase();
        for tool in TOOLS
            .iter()
            .filter(|tool| named.iter().any(|(other, ..)| other.word == tool.word))
        {
            if !tool.imports.iter().any(|import| small.contains(import)) {
                continue;
            }
            let line = lines(&small).find(|(_, line)| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && !line.starts_with('#')
                    && !line.starts_with('*')
                    && tool.imports.iter().any(|import| line.contains(import))
            });
            if let Some((number, _)) = line {
                used.push(tool.word);
                notes.yes("flag_uses", at_line(&file.path, Some(number), tool.word));
            }
        }
    }
    for (tool, _, path, line, package) in &named {
        let place = at_line(path, *line, package.as_str());
        if used.contains(&tool.word) || !complete {
            notes.word("flags", tool.word, place);
        } else {
            // Named, but no code asks it.
            notes.no("flags", place);
        }
    }
    if !complete {
        notes.doubt(&["flag_uses"], &at(""));
    }
    context.notes = notes;
}

/// Flags that stand in files: flagd's, .NET's, and sections of configuration that say they are flags.
fn definitions(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for file in &context.data {
        if in_test_folder(&file.path) {
            continue;
        }
        let name = name_of(&file.path);
        for document in &file.documents {
            let value = &document.value;
            if text(value, "$schema").is_some_and(|schema| schema.contains("flagd.dev"))
                || value.get("flags").and_then(Value::as_object).is_some_and(|flags| {
                    !flags.is_empty()
                        && flags
                            .values()
                            .all(|flag| flag.get("variants").is_some() && flag.get("defaultVariant").is_some())
                })
            {
                notes.word(
                    "flags",
                    "flagd",
                    at_line(&file.path, line_of(&file.text, "flags"), "flags"),
                );
            }
            for key in [
                "FeatureManagement",
                "feature_flags",
                "featureFlags",
                "feature-flags",
                "FEATURE_FLAGS",
                "featureToggles",
                "feature_toggles",
            ] {
                if switches(value.get(key)) {
                    notes.word(
                        "flags",
                        "configuration",
                        at_line(&file.path, line_of(&file.text, key), key),
                    );
                }
            }
            // `features:` is a common word; in settings with switches below it, it says flags.
            let settings =
                name.starts_with("settings") || file.path.starts_with("config/") || name.starts_with("application");
            if settings && switches(value.get("features")) {
                notes.word(
                    "flags",
                    "configuration",
                    at_line(&file.path, line_of(&file.text, "features:"), "features"),
                );
            }
        }
        if (name.starts_with("feature_flags.")
            || name.starts_with("feature-flags.")
            || name.starts_with("featureflags."))
            && file
                .documents
                .iter()
                .any(|document| document.value.as_object().is_some_and(|members| !members.is_empty()))
        {
            notes.word("flags", "configuration", at(&file.path));
        }
        // One file a flag.
        if file.path.contains("config/feature_flags/") {
            notes.word("flags", "configuration", at(&file.path));
        }
    }
}

/// A map of which most values are switches, or maps with one.
fn switches(value: Option<&Value>) -> bool {
    let Some(Value::Object(members)) = value else {
        return false;
    };
    let is_switch = |value: &Value| {
        value.is_boolean()
            || matches!(value.as_str(), Some("true" | "false" | "on" | "off"))
            || value.get("enabled").is_some_and(|inner| inner.is_boolean())
            || value.get("EnabledFor").is_some()
    };
    let count = members.values().filter(|value| is_switch(value)).count();
    count > 0 && count * 2 >= members.len()
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    #[test]
    fn an_sdk_that_code_asks_is_a_use_of_flags() {
        let files = [
            (
                "package.json",
                "{\"name\": \"shop\", \"dependencies\": {\"unleash-client\": \"^6\"}}",
            ),
            ("src/app.ts", "// app\nimport { isEnabled } from 'unleash-client';\n"),
        ];
        assert_eq!(words(&files, "flags"), ["unleash"]);
        assert_eq!(count(&files, "flag_uses"), 1);
    }

    #[test]
    fn an_sdk_that_nobody_asks_and_a_flag_tool_itself_are_no_uses() {
        let unasked = [
            (
                "package.json",
                "{\"name\": \"shop\", \"dependencies\": {\"unleash-client\": \"^6\"}}",
            ),
            ("src/app.ts", "// import 'unleash-client'\n"),
        ];
        assert!(words(&unasked, "flags").is_empty());
        assert_eq!(measure(&unasked, "flags").unwrap().against.len(), 1);
        let itself = [
            (
                "package.json",
                "{\"name\": \"unleash-server\", \"dependencies\": {\"unleash-client\": \"^6\"}}",
            ),
            ("src/app.ts", "import 'unleash-client';\n"),
        ];
        assert!(words(&itself, "flags").is_empty());
    }

    #[test]
    fn switches_in_settings_are_flags_and_lists_of_features_are_not() {
        let files = [(
            "config/settings.yml",
            "features:\n  new_page: true\n  old_page: false\n",
        )];
        assert_eq!(words(&files, "flags"), ["configuration"]);
        let near = [
            ("config/settings.yml", "features:\n  - fast\n  - small\n"),
            ("crate/Settings.yaml", "feature_flags: 3\n"),
        ];
        assert!(words(&near, "flags").is_empty());
    }

    #[test]
    fn a_broken_manifest_leaves_flags_open() {
        assert!(measure(&[("package.json", "{")], "flags").is_none());
    }
}
