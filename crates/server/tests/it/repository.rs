//! A git repository in a folder of its own, and what its commits hold.

use std::path::Path;
use std::time::Duration;

use process::{Output, Spec};

use crate::house::{House, program, runtime};

/// A working copy.
pub struct Repository {
    folder: tempfile::TempDir,
}

/// Runs a program with git's usual variables; what it gave.
pub fn command(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let spec = Spec::new(program)
        .args(arguments)
        .folder(folder)
        .pass(["PATH"])
        .variable("HOME", folder)
        .variable("GIT_CONFIG_NOSYSTEM", "1")
        .variable("GIT_TERMINAL_PROMPT", "0")
        .variable("GIT_AUTHOR_NAME", "Ada")
        .variable("GIT_AUTHOR_EMAIL", "ada@example.org")
        .variable("GIT_COMMITTER_NAME", "Ada")
        .variable("GIT_COMMITTER_EMAIL", "ada@example.org");
    runtime()
        .block_on(process::run(spec, b"", Duration::from_secs(60), 16 << 20))
        .unwrap()
}

/// A definition of steps alone.
pub fn steps(steps: &str) -> String {
    format!("throughline: 1\nsteps:\n{steps}")
}

/// A definition that builds and deploys the small service. `variables` are those of the service, as a
/// flow mapping's inside; `more` are further keys.
pub fn service(variables: &str, more: &str) -> String {
    format!(
        "throughline: 1
steps:
  build: {{ run: 'true' }}
package: {{ files: [{{ from: app }}] }}
service:
  command: [app/serve]
  health: {{ path: /health, interval: 50ms, deadline: 1s }}
  stop_grace: 1s
  variables: {{ {variables} }}
{more}"
    )
}

impl Repository {
    pub fn new() -> Self {
        let repository = Self {
            folder: testkit::folder(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// A repository whose first commit deploys the small service.
    pub fn of_service(version: &str) -> Self {
        let repository = Self::new();
        let script = format!("#!/bin/sh\nexec '{}' service\n", program().display());
        repository.write("app/serve", script.as_bytes());
        let serve = repository.path().join("app/serve");
        std::fs::set_permissions(serve, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        repository.define(&service(&format!("VERSION: {version}"), ""));
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs git, which must succeed; its output.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.is_success(), "git {arguments:?}: {}", output.complaint());
        output.text().trim_end().to_owned()
    }

    pub fn try_git(&self, arguments: &[&str]) -> Output {
        command(self.path(), "git", arguments)
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn define(&self, definition: &str) {
        self.write("throughline.yaml", definition.as_bytes());
    }

    /// Commits everything; the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--cleanup=verbatim",
            "-m",
            message,
        ]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Two commits whose ids begin with the same four digits.
    pub fn twins(&self) -> (String, String) {
        let head = self.git(&["rev-parse", "HEAD"]);
        let tree = self.git(&["rev-parse", "HEAD^{tree}"]);
        let who = "Ada <ada@example.org>";
        let files: Vec<String> = (0..1500).map(|number| format!("twins/{number}")).collect();
        for (number, file) in files.iter().enumerate() {
            let at = 1_700_000_000 + number;
            let object =
                format!("tree {tree}\nparent {head}\nauthor {who} {at} +0000\ncommitter {who} {at} +0000\n\ntwin\n");
            self.write(file, object.as_bytes());
        }
        let hash = |more: &[&str], files: &[&str]| self.git(&[&["hash-object", "-t", "commit"], more, files].concat());
        let names: Vec<&str> = files.iter().map(String::as_str).collect();
        let mut seen = std::collections::BTreeMap::new();
        for (id, file) in hash(&[], &names).lines().zip(&names) {
            if let Some((other, of_other)) = seen.insert(id[..4].to_owned(), (id.to_owned(), *file)) {
                hash(&["-w"], &[of_other, file]);
                return (other, id.to_owned());
            }
        }
        panic!("no two of 1500 ids begin with the same four digits")
    }

    /// A commit with this definition, pushed to `main`; the commit.
    #[track_caller]
    pub fn push_definition(&self, house: &House, component: &str, definition: &str) -> String {
        self.define(definition);
        let commit = self.commit("a change");
        self.push(house, component, &["HEAD:main"]);
        commit
    }

    pub fn remote(house: &House, component: &str) -> String {
        Self::remote_as(house, component, &house.token)
    }

    pub fn remote_as(house: &House, component: &str, token: &str) -> String {
        let host = house.url().trim_start_matches("http://");
        format!("http://anybody:{token}@{host}/git/{component}.git")
    }

    /// Pushes, which must succeed.
    #[track_caller]
    pub fn push(&self, house: &House, component: &str, what: &[&str]) {
        let output = self.try_push(house, component, what);
        assert!(output.is_success(), "{}\n{}", output.complaint(), house.log());
    }

    pub fn try_push(&self, house: &House, component: &str, what: &[&str]) -> Output {
        let remote = Self::remote(house, component);
        let arguments = [&["push", "--quiet", &remote], what].concat();
        self.try_git(&arguments)
    }
}
