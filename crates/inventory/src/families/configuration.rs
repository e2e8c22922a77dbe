//! Configuration of the product that is checked against a schema or type.

use crate::catalogue::folder_of;
use crate::context::Context;
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Cargo, Go, Java, Node, Python, Ruby};
use crate::observation::{at, at_line};
use crate::reading::line_of;

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Python, &["pydantic-settings", "environs", "dynaconf", "django-environ", "goodconf", "typed-settings"], "configuration_schema", "typed-settings"),
    (Node, &["envalid", "convict", "@t3-oss/env-core", "@t3-oss/env-nextjs", "env-var", "znv", "env-schema"], "configuration_schema", "checked-variables"),
    (Java, &["org.springframework.boot:spring-boot-configuration-processor"], "configuration_schema", "configuration-properties"),
    (Go, &["github.com/kelseyhightower/envconfig", "github.com/caarlos0/env*", "github.com/sethvargo/go-envconfig", "github.com/ardanlabs/conf*", "github.com/ilyakaznacheev/cleanenv"], "configuration_schema", "typed-variables"),
    (Cargo, &["figment", "config", "envy", "twelf", "confique"], "configuration_schema", "typed-settings"),
    (Ruby, &["anyway_config", "dry-configurable"], "configuration_schema", "typed-settings"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["values.schema.json"], "configuration_schema", "helm-values"),
    (&["config.schema.json", "configuration.schema.json", "settings.schema.json", "config-schema.json", "env.schema.json"], "configuration_schema", "json-schema"),
    (&["*.cue"], "configuration_schema", "cue"),
    (&["*.dhall"], "configuration_schema", "dhall"),
    (&[".env.schema"], "configuration_schema", "env-schema"),
];

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    // Typed properties of Spring, which need no package of their own.
    let spring = context.manifests.all.iter().any(|manifest| {
        manifest
            .dependencies
            .iter()
            .any(|dependency| dependency.name.starts_with("org.springframework.boot"))
    });
    if spring {
        let files: Vec<_> = ["java", "kt"]
            .iter()
            .flat_map(|ending| context.catalogue.ending(ending))
            .filter(|file| !file.test && (file.name().contains("Properties") || file.name().contains("Config")))
            .collect();
        let (files, _) = context.reader.within("classes of configuration", files, 300);
        for file in files {
            if let Some(text) = context.reader.glance(&file.path)
                && let Some(line) = line_of(&text, "@ConfigurationProperties")
            {
                notes.yes(
                    "configuration_schema",
                    at_line(&file.path, Some(line), "@ConfigurationProperties"),
                );
            }
        }
    }
    // Settings read into a checked type in the way of each framework.
    let files: Vec<_> = context
        .catalogue
        .own()
        .filter(|file| {
            let name = file.name();
            !file.test
                && matches!(file.language, Some("typescript" | "javascript" | "python"))
                && (matches!(
                    name.split('.').next(),
                    Some("env" | "config" | "settings" | "environment")
                ) || name.contains("env.validation"))
        })
        .collect();
    let (files, _) = context.reader.within("files of settings", files, 200);
    for file in files {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        let checks = text.contains("process.env") && (text.contains("z.object(") || text.contains("Joi.object("))
            || text.contains("(BaseSettings)");
        if checks {
            notes.yes("configuration_schema", at(&file.path));
        }
    }
    for file in context.catalogue.ending("json") {
        let name = file.name();
        if name.ends_with(".schema.json")
            && folder_of(&file.path)
                .split('/')
                .any(|part| matches!(part, "config" | "configuration" | "schema" | "schemas"))
            && !in_test_folder(&file.path)
            && name.contains("conf")
        {
            notes.yes("configuration_schema", at(&file.path));
        }
    }
    context.notes = notes;
}

#[cfg(test)]
mod tests {
    use crate::testing::yes;

    #[test]
    fn settings_with_a_type_or_schema_are_seen() {
        assert!(yes(&[("charts/a/values.schema.json", "{}")], "configuration_schema"));
        assert!(yes(
            &[("src/env.ts", "export const env = z.object({}).parse(process.env);\n")],
            "configuration_schema"
        ));
    }

    #[test]
    fn plain_settings_and_other_schemas_are_not() {
        let files = [
            ("config/settings.yml", "a: 1\n"),
            ("src/env.ts", "process.env.A\n"),
            ("api/user.schema.json", "{}"),
        ];
        assert!(!yes(&files, "configuration_schema"));
    }
}
