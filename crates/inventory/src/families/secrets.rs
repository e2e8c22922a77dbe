//! Secrets: encrypted, by reference, or in the clear. A secret that is found is never shown.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::catalogue::{FileFact, name_of};
use crate::context::Context;
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Java, Node, Python, Ruby};
use crate::observation::{at, at_line};
use crate::reading::{line_at, line_of};

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Java, &["org.springframework.cloud:spring-cloud-starter-vault-config"], "secrets_encrypted", "vault"),
    (Node, &["@dotenvx/dotenvx"], "secrets_encrypted", "dotenvx"),
    (Python, &["hvac"], "secrets_encrypted", "vault"),
    (Ruby, &["blackbox"], "secrets_encrypted", "blackbox"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&[".sops.yaml", ".sops.yml"], "secrets_encrypted", "sops"),
    (&["credentials.yml.enc", "*.yml.enc"], "secrets_encrypted", "rails-credentials"),
    (&["*.eyaml"], "secrets_encrypted", "eyaml"),
    (&["*.age"], "secrets_encrypted", "age"),
    (&[".env.vault"], "secrets_encrypted", "dotenv-vault"),
    (&["mapping.cfg"], "secrets_encrypted", "git-secret"),
];

/// The most files that are searched.
const MOST: usize = 3_000;

/// Well-known shapes of secrets, and what they are called.
static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "a key of AWS"),
        (r"\bgh[pousr]_[A-Za-z0-9]{36}\b", "a token of GitHub"),
        (r"\bgithub_pat_[A-Za-z0-9_]{70,}\b", "a token of GitHub"),
        (r"\bglpat-[A-Za-z0-9_-]{20}\b", "a token of GitLab"),
        (r"\bxox[bp]-[0-9]{10,}-[0-9A-Za-z-]{20,}", "a token of Slack"),
        (
            r"hooks\.slack\.com/services/T[0-9A-Z]{8,}/B[0-9A-Z]{8,}/[0-9A-Za-z]{24}",
            "a webhook of Slack",
        ),
        (r"\b[sr]k_live_[0-9A-Za-z]{24,}\b", "a key of Stripe"),
        (r"\bSG\.[\w-]{22}\.[\w-]{43}\b", "a key of SendGrid"),
        (r"\bnpm_[A-Za-z0-9]{36}\b", "a token of npm"),
        (r"\bpypi-AgEIcHlwaS5vcmc[\w-]{50,}", "a token of PyPI"),
        (r"\bdop_v1_[a-f0-9]{64}\b", "a token of DigitalOcean"),
        (r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b", "a private key of age"),
        (
            r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----\s*(?:\\n|\s)*[A-Za-z0-9+/=]{40,}",
            "a private key",
        ),
    ]
    .into_iter()
    .filter_map(|(pattern, what)| Some((Regex::new(pattern).ok()?, what)))
    .collect()
});

/// Whether a file may hold secrets: configuration by its ending or name.
fn may_hold(file: &FileFact) -> bool {
    let name = file.name().to_ascii_lowercase();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
    matches!(
        ending,
        "env"
            | "properties"
            | "yml"
            | "yaml"
            | "json"
            | "toml"
            | "ini"
            | "cfg"
            | "conf"
            | "tfvars"
            | "pem"
            | "key"
            | "p8"
            | "sh"
            | "xml"
            | "config"
            | "ppk"
            | "tf"
            | "ps1"
    ) || name.starts_with(".env")
        || matches!(stem, "id_rsa" | "id_ed25519" | "id_ecdsa" | "id_dsa")
        || matches!(
            name.as_str(),
            ".npmrc" | ".pypirc" | ".netrc" | "credentials" | "settings.py" | "id_rsa" | "id_ed25519"
        )
}

/// Paths of what is not meant to be secret: for tests, for examples, for development on one machine.
fn is_harmless(path: &str) -> bool {
    let small = path.to_ascii_lowercase();
    in_test_folder(path)
        || small.starts_with("docs/")
        || small.ends_with("lock.json")
        || small.split(['/', '.', '-', '_']).any(|word| {
            matches!(
                word,
                "test"
                    | "tests"
                    | "testing"
                    | "e2e"
                    | "mock"
                    | "mocks"
                    | "dummy"
                    | "fake"
                    | "sample"
                    | "samples"
                    | "example"
                    | "examples"
                    | "snakeoil"
                    | "localhost"
                    | "local"
                    | "dev"
                    | "development"
                    | "demo"
                    | "insecure"
                    | "spec"
                    | "ci"
                    | "testdata"
                    | "fixtures"
                    | "integration"
                    | "selfsigned"
                    | "template"
                    | "vagrant"
            )
        })
}

/// Tokens that only show a shape.
fn is_placeholder(token: &str) -> bool {
    let small = token.to_ascii_lowercase();
    let mut letters: Vec<char> = small.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    letters.len() < 9
        || [
            "example",
            "xxxx",
            "0000",
            "1234567890",
            "abcdef0123",
            "your",
            "changeme",
            "replace",
            "dummy",
        ]
        .iter()
        .any(|word| small.contains(word))
}

pub(super) fn look(context: &mut Context<'_>) {
    encrypted(context);
    let files: Vec<&FileFact> = context
        .catalogue
        .own()
        .filter(|file| may_hold(file) && !is_harmless(&file.path))
        .collect();
    let (files, complete) = context.reader.within("files that may hold secrets", files, MOST);
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        let sealed =
            text.contains("ENC[") || text.contains("$ANSIBLE_VAULT") || text.contains("BEGIN ENCRYPTED PRIVATE KEY");
        for (shape, what) in SHAPES.iter() {
            let Some(found) = shape.find(&text).filter(|found| !is_placeholder(found.as_str())) else {
                continue;
            };
            if sealed && *what == "a private key" {
                continue;
            }
            // The kind of the secret, never the secret.
            notes.yes(
                "secrets_in_clear",
                at_line(&file.path, line_at(&text, found.start()), *what),
            );
            break;
        }
    }
    if !complete {
        notes.doubt(&["secrets_in_clear"], &at(""));
    }
    context.notes = notes;
}

fn encrypted(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    for file in &context.data {
        for document in &file.documents {
            let sops = document.value.get("sops").and_then(Value::as_object);
            if sops.is_some_and(|sops| sops.contains_key("mac") || sops.contains_key("lastmodified")) {
                notes.word(
                    "secrets_encrypted",
                    "sops",
                    at_line(&file.path, line_of(&file.text, "sops"), "sops"),
                );
            }
        }
        if file.text.starts_with("$ANSIBLE_VAULT;") {
            notes.word(
                "secrets_encrypted",
                "ansible-vault",
                at_line(&file.path, Some(1), "$ANSIBLE_VAULT"),
            );
        } else if file.text.contains("!vault |") {
            notes.word(
                "secrets_encrypted",
                "ansible-vault",
                at_line(&file.path, line_of(&file.text, "!vault |"), "!vault"),
            );
        }
    }
    for file in context.catalogue.own() {
        let name = name_of(&file.path);
        if name == ".gitattributes" {
            if let Some(text) = context.reader.text(&file.path)
                && let Some(line) = line_of(&text, "filter=git-crypt")
            {
                notes.word(
                    "secrets_encrypted",
                    "git-crypt",
                    at_line(&file.path, Some(line), "filter=git-crypt"),
                );
            }
        } else if name.to_ascii_lowercase().contains("vault")
            && !name.contains('.')
            && let Some(text) = context.reader.glance(&file.path)
            && text.starts_with("$ANSIBLE_VAULT;")
        {
            notes.word(
                "secrets_encrypted",
                "ansible-vault",
                at_line(&file.path, Some(1), "$ANSIBLE_VAULT"),
            );
        }
    }
    // What only looks like git-secret: its list of files lies in a folder of its own.
    notes.retain(|note| note.word.as_deref() != Some("git-secret") || note.at.path.contains(".gitsecret/"));
    let files: Vec<_> = context.catalogue.ending("tf").collect();
    let (files, _) = context.reader.within("files of Terraform", files, 600);
    for file in files {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        for needle in [
            "\"aws_secretsmanager_secret",
            "\"azurerm_key_vault_secret",
            "\"google_secret_manager_secret",
            "\"vault_generic_secret",
            "\"azurerm_key_vault\"",
        ] {
            if let Some(line) = line_of(&text, needle) {
                notes.word(
                    "secrets_encrypted",
                    "secret-manager",
                    at_line(&file.path, Some(line), needle.trim_start_matches('"')),
                );
                break;
            }
        }
    }
    context.notes = notes;
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    /// Put together here so that no scanner of secrets stumbles over this file.
    fn token() -> String {
        format!("gh{}_{}", "p", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6")
    }

    #[test]
    fn a_token_is_found_and_not_shown() {
        let text = format!("url: x\ntoken: {}\n", token());
        let found = measure(&[("config/app.yml", text.as_str())], "secrets_in_clear").unwrap();
        assert_eq!(found.value, evidence::Value::Integer(1));
        assert_eq!(
            found.places,
            [evidence::Place::line("config/app.yml", 2, "a token of GitHub")]
        );
        assert!(!format!("{found:?}").contains(&token()));
    }

    #[test]
    fn fixtures_placeholders_and_encrypted_keys_are_no_secrets() {
        let real = format!("token: {}\n", token());
        let shape = format!("token: gh{}_{}\n", "p", "x".repeat(36));
        let aws = format!("id: AKI{}\n", "AIOSFODNN7EXAMPLE");
        let files = [
            ("test/config.yml", real.as_str()),
            ("fixtures/app.yml", real.as_str()),
            ("config/local.yml", real.as_str()),
            ("config/app.yml", shape.as_str()),
            ("config/aws.yml", aws.as_str()),
            ("deploy/key.pem", "-----BEGIN PRIVATE KEY-----\nfill in\n"),
        ];
        assert_eq!(count(&files, "secrets_in_clear"), 0);
    }

    #[test]
    fn encrypted_secrets_are_told_by_content() {
        let files = [
            (
                "secrets/prod.yaml",
                "a: ENC[x]\nsops:\n  mac: ENC[y]\n  lastmodified: z\n",
            ),
            ("group_vars/all/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3132\n"),
            (".gitattributes", "secret/** filter=git-crypt diff=git-crypt\n"),
            ("other/mapping.cfg", ""),
        ];
        assert_eq!(
            words(&files, "secrets_encrypted"),
            ["ansible-vault", "git-crypt", "sops"]
        );
    }
}
