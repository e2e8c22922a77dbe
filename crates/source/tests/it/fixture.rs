//! A folder of repositories, and a person with git on the other side.

use std::path::{Path, PathBuf};

use facts::{Commit, ComponentName, ReleaseLine};
use source::{Repositories, Repository};
use tempfile::TempDir;

pub struct Fixture {
    pub folder: TempDir,
    pub repositories: Repositories,
    pub repository: Repository,
    pub work: Work,
}

/// A person's clone.
pub struct Work(pub PathBuf);

pub fn name() -> ComponentName {
    ComponentName::new("shop/cart").unwrap()
}

pub fn line(name: &str) -> ReleaseLine {
    ReleaseLine::new(name).unwrap()
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(&folder.path().join("repositories")).unwrap();
        let repository = repositories.create(&name(), &line("main")).await.unwrap();
        let work = Work(folder.path().join("work"));
        std::fs::create_dir(&work.0).unwrap();
        work.git(&["init", "--quiet", "--initial-branch=main", "."]);
        Self {
            folder,
            repositories,
            repository,
            work,
        }
    }

    /// Brings all branches and tags of the person's clone to the server without HTTP.
    pub fn push(&self) {
        let path = self.repository.path().to_str().unwrap();
        self.work.git(&[
            "push",
            "--quiet",
            "--force",
            path,
            "refs/heads/*:refs/heads/*",
            "refs/tags/*:refs/tags/*",
        ]);
    }
}

impl Work {
    pub fn git(&self, arguments: &[&str]) -> String {
        let (text, ok) = self.try_git(arguments);
        assert!(ok, "git {arguments:?}: {text}");
        text
    }

    #[allow(clippy::disallowed_methods)] // a person's git, not the server's
    pub fn try_git(&self, arguments: &[&str]) -> (String, bool) {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs(environment())
            .output()
            .unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            text.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        (text.trim_end().to_owned(), output.status.success())
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn commit(&self, message: &str) -> Commit {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.head()
    }

    pub fn head(&self) -> Commit {
        Commit::new(self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    /// A commit whose tree is given as `mode type id<tab>path` lines, as `git mktree` reads them.
    pub fn commit_of_tree(&self, lines: &str) -> Commit {
        let tree = self.feed(&["mktree", "--missing"], lines.as_bytes());
        Commit::new(self.git(&["commit-tree", "-m", "crafted", &tree])).unwrap()
    }

    #[allow(clippy::disallowed_methods)] // as above
    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> String {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(&self.0)
            .envs(environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

fn environment() -> [(&'static str, &'static str); 9] {
    [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.org"),
        ("GIT_COMMITTER_NAME", "Grace"),
        ("GIT_COMMITTER_EMAIL", "grace@example.org"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_COMMITTER_DATE", "2026-11-23T10:00:00Z"),
    ]
}

/// All paths below a folder, sorted.
pub fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}
