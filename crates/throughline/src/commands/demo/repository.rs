//! The demo's repository: a real one, with real commits, pushed with `git push`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{Output, Spec};

use super::sample::Commit;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long one call of git may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The repository.
#[derive(Debug)]
pub(super) struct Repository {
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Repository {
    /// Makes a repository in `folder` that pushes to `url`, with the token in a file that only this user
    /// may read, so that whoever watches can push a commit too.
    ///
    /// # Errors
    /// When git fails, or a file cannot be written.
    pub async fn create(
        folder: &Path,
        credentials: &Path,
        url: &str,
        token: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let wrong = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                format!("cannot make the repository in {}: {error}", folder.display()),
            )
        };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(credentials)
            .map_err(wrong)?;
        let (scheme, host) = url.split_once("://").unwrap_or(("http", url));
        writeln!(file, "{scheme}://demo:{token}@{host}").map_err(wrong)?;
        let repository = Self {
            folder: folder.to_owned(),
            variables: quiet(variables),
        };
        repository.git(&["init", "--quiet"]).await?;
        // The name of the first branch, for every git there is.
        repository.git(&["symbolic-ref", "HEAD", "refs/heads/main"]).await?;
        let store = format!("store --file='{}'", credentials.display());
        let push = format!("{url}/git/demo/guestbook.git");
        for (key, value) in [
            ("remote.origin.url", push.as_str()),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
            ("branch.main.remote", "origin"),
            ("branch.main.merge", "refs/heads/main"),
            // An empty value forgets the helpers and proxies that the user has for other places.
            ("http.proxy", ""),
            ("credential.helper", ""),
        ] {
            repository.git(&["config", key, value]).await?;
        }
        repository
            .git(&["config", "--add", "credential.helper", &store])
            .await?;
        Ok(repository)
    }

    /// Makes a commit; the answer is its name.
    ///
    /// # Errors
    /// When git fails, or a file cannot be written.
    pub async fn commit(&mut self, commit: &Commit) -> Result<String, Failure> {
        commit.write(&self.folder).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write the sample to {}: {error}", self.folder.display()),
            )
        })?;
        let (name, address) = commit.author;
        for (variable, value) in [
            ("GIT_AUTHOR_NAME", name),
            ("GIT_AUTHOR_EMAIL", address),
            ("GIT_COMMITTER_NAME", name),
            ("GIT_COMMITTER_EMAIL", address),
        ] {
            self.variables.insert(variable.to_owned(), value.to_owned());
        }
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", commit.message]).await?;
        self.git(&["rev-parse", "HEAD"]).await
    }

    /// Pushes what is there.
    ///
    /// # Errors
    /// When git fails.
    pub async fn push(&self) -> Result<(), Failure> {
        self.git(&["push", "--quiet", "origin", "main"]).await.map(|_| ())
    }

    async fn git(&self, arguments: &[&str]) -> Result<String, Failure> {
        let spec = Spec::new("git")
            .args(arguments)
            .folder(&self.folder)
            .variables(&self.variables);
        let output: Output = process::run(spec, b"", PATIENCE, 1 << 20)
            .await
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot run git: {error}")))?;
        if output.is_success() {
            return Ok(output.text().trim().to_owned());
        }
        let said = output.complaint();
        Err(Failure::new(
            Exit::Failed,
            format!("`git {}` failed: {said}", arguments.first().unwrap_or(&"")),
        ))
    }
}

/// The variables that git is given: the user's own settings, hooks and signing stay out of it.
fn quiet(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let passed = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"];
    let mut quiet: BTreeMap<String, String> = passed
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), variables.get(name)?.clone())))
        .collect();
    for (name, value) in [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ] {
        quiet.insert(name.to_owned(), value.to_owned());
    }
    quiet
}
