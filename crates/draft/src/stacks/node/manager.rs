//! The tools that install the packages of Node: which one a folder means, and how it is asked.

use serde_json::Value;

use super::Manifest;
use crate::stacks::members;
use crate::stacks::toml_file::{text, texts};
use crate::view::{View, join};

/// The tool that installs packages and runs scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manager {
    Npm,
    Pnpm,
    Yarn,
    /// Yarn from version 2 on.
    Berry,
    Bun,
}

impl Manager {
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn | Self::Berry => "yarn",
            Self::Bun => "bun",
        }
    }

    /// The command that installs exactly what the lock file says.
    pub(super) const fn install(self, locked: bool) -> &'static str {
        match (self, locked) {
            (Self::Npm, true) => "npm ci",
            (Self::Npm, false) => "npm install",
            (Self::Pnpm, true) => "pnpm install --frozen-lockfile",
            (Self::Pnpm, false) => "pnpm install --no-frozen-lockfile",
            (Self::Yarn, true) => "yarn install --frozen-lockfile --non-interactive",
            (Self::Yarn, false) => "yarn install --non-interactive",
            (Self::Berry, true) => "yarn install --immutable",
            (Self::Berry, false) => "yarn install --no-immutable",
            (Self::Bun, true) => "bun install --frozen-lockfile",
            (Self::Bun, false) => "bun install",
        }
    }

    pub(super) fn run(self, script: &str) -> String {
        match (self, script) {
            (Self::Npm | Self::Pnpm | Self::Yarn, "test") => format!("{} test", self.program()),
            _ => format!("{} run {script}", self.program()),
        }
    }

    /// The command that runs a script in each member of a workspace that has it.
    pub(super) fn run_in_all(self, script: &str) -> Option<String> {
        Some(match self {
            Self::Npm => format!("npm run {script} --workspaces --if-present"),
            Self::Pnpm => format!("pnpm -r run {script}"),
            Self::Yarn => format!("yarn workspaces run {script}"),
            Self::Berry => format!("yarn workspaces foreach --all --topological run {script}"),
            Self::Bun => format!("bun run --filter '*' {script}"),
        })
    }
}

/// The manager whose lock file lies in a folder, and that file.
pub(super) fn manager(view: &View<'_>, folder: &str, manifest: &Manifest) -> (Manager, Option<String>) {
    let named = text(&manifest.value, &["packageManager"]).unwrap_or_default();
    let yarn = || {
        let is_berry = view.is_file(&join(folder, ".yarnrc.yml"))
            || named
                .strip_prefix("yarn@")
                .is_some_and(|version| !version.starts_with("1."));
        if is_berry { Manager::Berry } else { Manager::Yarn }
    };
    let locks = [
        ("pnpm-lock.yaml", Manager::Pnpm),
        ("yarn.lock", Manager::Yarn),
        ("package-lock.json", Manager::Npm),
        ("npm-shrinkwrap.json", Manager::Npm),
        ("bun.lock", Manager::Bun),
        ("bun.lockb", Manager::Bun),
    ];
    let there: Vec<_> = locks
        .iter()
        .filter(|(name, _)| view.is_file(&join(folder, name)))
        .collect();
    let wanted = named.split('@').next().unwrap_or_default();
    let chosen = there
        .iter()
        .find(|(_, manager)| manager.program() == wanted)
        .or_else(|| there.first());
    if let Some((name, manager)) = chosen {
        let manager = if *manager == Manager::Yarn { yarn() } else { *manager };
        return (manager, Some(join(folder, name)));
    }
    let manager = match wanted {
        "pnpm" => Manager::Pnpm,
        "yarn" => yarn(),
        "bun" => Manager::Bun,
        _ if view.is_file(&join(folder, "pnpm-workspace.yaml")) => Manager::Pnpm,
        _ => Manager::Npm,
    };
    (manager, None)
}

/// The folders of a workspace's members.
pub(super) fn workspaces(view: &View<'_>, folder: &str, manifest: &Manifest) -> Vec<String> {
    let mut patterns = match manifest.value.get("workspaces") {
        Some(Value::Object(object)) => texts(object.get("packages")),
        other => texts(other),
    };
    if let Some(text) = view.text(&join(folder, "pnpm-workspace.yaml")) {
        patterns.extend(listed(&text));
    }
    members(view, folder, &patterns, "package.json")
}

/// The list under `packages:` of `pnpm-workspace.yaml`.
fn listed(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut patterns = Vec::new();
    for line in text.lines() {
        if line.starts_with("packages:") {
            inside = true;
        } else if inside && line.trim_start().starts_with("- ") {
            let item = line.trim_start()[2..].split(" #").next().unwrap_or_default().trim();
            patterns.push(item.trim_matches(['"', '\'']).to_owned());
        } else if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            inside = false;
        }
    }
    patterns
}
