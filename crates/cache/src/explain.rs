//! Why a step runs: what is different from the last time.

use std::collections::BTreeMap;
use std::fmt;

use crate::manifest::{Input, Manifest};

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The step has never left a result here.
    Never,
    /// The same inputs have run before, but what came of it is not kept any more.
    NotKept,
    /// Another system, processor or image.
    Platform {
        /// Before.
        before: String,
        /// Now.
        now: String,
    },
    /// Another trust.
    Trust,
    /// Other commands, another shell or folder.
    Commands,
    /// Other files count as outputs.
    Outputs,
    /// Other services, or a service that is made otherwise.
    Services,
    /// A variable is new, gone, or has another value. Values are not shown.
    Variable(String),
    /// A tool says another version of itself.
    Tool {
        /// The command that was asked.
        command: String,
        /// What it said before; empty where it was not asked.
        before: String,
        /// What it says now; empty where it is not asked.
        now: String,
    },
    /// What a step that it needs leaves is different, or that step is needed or not needed now.
    Need(String),
    /// Files are new.
    Added(Vec<String>),
    /// Files are gone.
    Removed(Vec<String>),
    /// Files have changed.
    Changed(Vec<String>),
}

/// What is different between the manifest of the last time, where there was one, and that of now.
/// Empty when both are the same.
pub fn explain(before: Option<&Manifest>, now: &Manifest) -> Vec<Reason> {
    let Some(before) = before else {
        return vec![Reason::Never];
    };
    let mut reasons = Vec::new();
    if before.trust != now.trust {
        reasons.push(Reason::Trust);
    }
    let place = |manifest: &Manifest| match &manifest.image {
        Some(image) => format!("{} in {image}", manifest.platform),
        None => manifest.platform.clone(),
    };
    if place(before) != place(now) {
        reasons.push(Reason::Platform {
            before: place(before),
            now: place(now),
        });
    }
    if (&before.script, &before.shell, &before.folder) != (&now.script, &now.shell, &now.folder) {
        reasons.push(Reason::Commands);
    }
    if before.outputs != now.outputs {
        reasons.push(Reason::Outputs);
    }
    if before.services != now.services {
        reasons.push(Reason::Services);
    }
    for name in different(&before.variables, &now.variables) {
        reasons.push(Reason::Variable(name.clone()));
    }
    for command in different(&before.tools, &now.tools) {
        let said = |tools: &BTreeMap<String, String>| tools.get(command).cloned().unwrap_or_default();
        reasons.push(Reason::Tool {
            command: command.clone(),
            before: said(&before.tools),
            now: said(&now.tools),
        });
    }
    reasons.extend(
        different(&before.needs, &now.needs)
            .into_iter()
            .cloned()
            .map(Reason::Need),
    );
    let by_path = |manifest: &Manifest| -> BTreeMap<String, Input> {
        let inputs = manifest.inputs.iter();
        inputs.map(|input| (input.path.clone(), input.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(now));
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for path in different(&old, &new) {
        match (old.contains_key(path), new.contains_key(path)) {
            (true, true) => changed.push(path.clone()),
            (true, false) => removed.push(path.clone()),
            (false, _) => added.push(path.clone()),
        }
    }
    for (paths, reason) in [
        (changed, Reason::Changed as fn(Vec<String>) -> Reason),
        (added, Reason::Added),
        (removed, Reason::Removed),
    ] {
        if !paths.is_empty() {
            reasons.push(reason(paths));
        }
    }
    reasons
}

/// The keys whose values differ, sorted.
fn different<'a, V: PartialEq>(a: &'a BTreeMap<String, V>, b: &'a BTreeMap<String, V>) -> Vec<&'a String> {
    let gone_or_changed = a.iter().filter(|(key, value)| b.get(*key) != Some(*value));
    let new = b.keys().filter(|key| !a.contains_key(*key));
    let mut keys: Vec<&String> = gone_or_changed.map(|(key, _)| key).chain(new).collect();
    keys.sort();
    keys
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |paths: &[String]| match paths {
            [one] => format!("`{one}`"),
            [one, another] => format!("`{one}` and `{another}`"),
            [one, rest @ ..] => format!("`{one}` and {} more files", rest.len()),
            [] => "no file".to_owned(),
        };
        match self {
            Self::Never => f.write_str("it has not run here before"),
            Self::NotKept => f.write_str("its result is not kept any more"),
            Self::Platform { before, now } => write!(f, "it ran on {before} before, and runs on {now} now"),
            Self::Trust => f.write_str("the change is trusted otherwise than before"),
            Self::Commands => f.write_str("its commands have changed"),
            Self::Outputs => f.write_str("other files count as its outputs now"),
            Self::Services => f.write_str("the services beside it have changed"),
            Self::Variable(name) => write!(f, "the variable `{name}` has changed"),
            Self::Tool { command, before, now } if before.is_empty() => {
                write!(f, "the tool `{command}` is asked for its version now: {now}")
            }
            Self::Tool { command, now, .. } if now.is_empty() => {
                write!(f, "the tool `{command}` is not asked for its version any more")
            }
            Self::Tool { command, before, now } => {
                write!(f, "the tool `{command}` says `{now}`, and said `{before}`")
            }
            Self::Need(step) => write!(f, "what `{step}` leaves has changed"),
            Self::Added(paths) => write!(f, "new: {}", some(paths)),
            Self::Removed(paths) => write!(f, "gone: {}", some(paths)),
            Self::Changed(paths) => write!(f, "changed: {}", some(paths)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facts::Digest;

    fn manifest() -> Manifest {
        Manifest {
            version: Manifest::VERSION,
            trust: "trusted".into(),
            component: "shop/web".into(),
            platform: "linux/amd64".into(),
            image: None,
            script: "make".into(),
            shell: vec!["sh".into()],
            folder: String::new(),
            variables: [("A".to_owned(), "1".to_owned())].into(),
            tools: [("cc --version".to_owned(), "cc 12".to_owned())].into(),
            outputs: vec!["out/**".into()],
            services: [("db".to_owned(), "postgres".to_owned())].into(),
            needs: [("generate".to_owned(), Digest::of("left"))].into(),
            inputs: ["a", "b"]
                .map(|path| Input {
                    path: path.into(),
                    executable: false,
                    digest: Digest::of(path),
                    link: false,
                })
                .into(),
        }
    }

    fn said(change: impl Fn(&mut Manifest)) -> Vec<String> {
        let before = manifest();
        let mut now = manifest();
        change(&mut now);
        explain(Some(&before), &now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn equal_manifests_have_one_key_and_nothing_to_explain() {
        assert_eq!(manifest().key(), manifest().key());
        assert!(said(|_| {}).is_empty());
    }

    #[test]
    fn each_part_changes_the_key_and_is_explained_in_a_line() {
        let digest = Digest::of("other");
        type Change<'a> = &'a dyn Fn(&mut Manifest);
        let cases: [(Change, &str); 13] = [
            (&|m| m.services.clear(), "the services beside it have changed"),
            (&|m| m.script = "make all".into(), "its commands have changed"),
            (&|m| m.folder = "web".into(), "its commands have changed"),
            (&|m| m.shell = vec!["bash".into()], "its commands have changed"),
            (&|m| m.outputs.clear(), "other files count as its outputs now"),
            (
                &|m| m.trust = "untrusted".into(),
                "the change is trusted otherwise than before",
            ),
            (
                &|m| m.platform = "linux/arm64".into(),
                "it ran on linux/amd64 before, and runs on linux/arm64 now",
            ),
            (&|m| m.variables.clear(), "the variable `A` has changed"),
            (
                &|m| m.tools = [("cc --version".to_owned(), "cc 13".to_owned())].into(),
                "the tool `cc --version` says `cc 13`, and said `cc 12`",
            ),
            (
                &|m| m.needs = [("generate".to_owned(), digest)].into(),
                "what `generate` leaves has changed",
            ),
            (&|m| m.inputs[1].digest = digest, "changed: `b`"),
            (&|m| m.inputs[0].executable = true, "changed: `a`"),
            (&|m| drop(m.inputs.remove(0)), "gone: `a`"),
        ];
        for (change, expected) in cases {
            assert_eq!(said(change), [expected]);
            let mut now = manifest();
            change(&mut now);
            assert_ne!(now.key(), manifest().key(), "{expected}");
        }
    }

    #[test]
    fn the_first_run_says_so() {
        assert_eq!(explain(None, &manifest()), [Reason::Never]);
    }
}
