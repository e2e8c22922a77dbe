//! What git says about the current folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The repository of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkout {
    /// The commit that is checked out.
    pub commit: Option<String>,
    /// The URLs of its remotes.
    pub remotes: Vec<String>,
}

/// Asks git; nothing where there is no git, no repository, or no answer.
pub fn checkout(folder: &Path, variables: &BTreeMap<String, String>) -> Option<Checkout> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let remotes = git(folder, variables, &["config", "--get-regexp", r"^remote\..*\.url$"]);
        let commit = git(
            folder,
            variables,
            &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
        );
        let inside = git(folder, variables, &["rev-parse", "--is-inside-work-tree"]);
        let (remotes, commit, inside) = tokio::join!(remotes, commit, inside);
        inside?;
        let remotes = remotes.unwrap_or_default();
        let remotes = remotes
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(_, url)| url.to_owned())
            .collect();
        Some(Checkout {
            commit: commit.map(|commit| commit.trim().to_owned()),
            remotes,
        })
    })
}

/// The commit that a revision such as `HEAD~2` means in the repository of a folder, where it means one.
pub fn commit_of(folder: &Path, variables: &BTreeMap<String, String>, revision: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let peeled = format!("{revision}^{{commit}}");
    let asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", peeled.as_str()];
    let commit = runtime.block_on(git(folder, variables, &asked))?;
    Some(commit.trim().to_owned())
}

/// Whether git leaves a file of a folder out; `false` where it cannot be asked.
pub fn ignores(folder: &Path, variables: &BTreeMap<String, String>, file: &str) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return false;
    };
    runtime
        .block_on(git(
            folder,
            variables,
            &["check-ignore", "--quiet", "--no-index", "--", file],
        ))
        .is_some()
}

async fn git(folder: &Path, variables: &BTreeMap<String, String>, arguments: &[&str]) -> Option<String> {
    let mut spec = process::Spec::new("git").args(arguments).folder(folder);
    for (name, value) in variables {
        spec = spec.variable(name, value);
    }
    let output = process::run(spec, b"", Duration::from_secs(10), 1 << 20).await.ok()?;
    output.is_success().then(|| output.text().into_owned())
}
