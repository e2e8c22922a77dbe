//! What is built here: the folder, its commit, and by what name.

use std::path::Path;
use std::time::Duration;

use facts::{Commit, ComponentName, ReleaseLine, Timestamp};
use local::{Component, NO_COMMIT};

use super::targets::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::LocalSettings;

/// What git says may be long in a folder with many changed files.
const MOST: usize = 8 << 20;

/// What lies here.
#[derive(Debug, Clone)]
pub(super) struct Here {
    /// What is built.
    pub component: Component,
    /// The branch that is checked out.
    pub branch: Option<ReleaseLine>,
    /// Files that differ from the commit, by their paths; `None` where there is no commit.
    pub changed: Option<Vec<String>>,
    /// The commit's message.
    pub message: String,
}

/// Asks git about the folder. Without a repository everything goes on, with a commit of zeros.
pub(super) async fn look(folder: &Path, target: &Target, settings: &LocalSettings) -> Result<Here, Failure> {
    let git = |arguments: &'static [&'static str]| async move {
        let mut spec = process::Spec::new("git").args(arguments).folder(folder);
        for (name, value) in &settings.variables {
            spec = spec.variable(name, value);
        }
        let output = process::run(spec, b"", Duration::from_secs(30), MOST).await.ok()?;
        output.is_success().then(|| output.text().trim_end().to_owned())
    };
    let (head, branch, status, remotes) = tokio::join!(
        git(&["log", "-1", "--format=%H %ct%n%B", "HEAD"]),
        git(&["symbolic-ref", "--short", "--quiet", "HEAD"]),
        git(&["status", "--porcelain", "-z", "--untracked-files=normal", "--", "."]),
        git(&["config", "--get-regexp", r"^remote\..*\.url$"]),
    );
    let (first, message) = head
        .as_deref()
        .map_or(("", ""), |head| head.split_once('\n').unwrap_or((head, "")));
    let (commit, seconds) = first
        .split_once(' ')
        .map_or((NO_COMMIT, 0), |(commit, time)| (commit, time.parse().unwrap_or(0)));
    let wrong = |error: String| Failure::new(Exit::Failed, error);
    let commit: Commit = commit.parse().map_err(|error| wrong(format!("{error}")))?;
    let named = settings.component.as_ref().filter(|_| target.wanted);
    let name = match named {
        Some(name) => name
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, format!("`{name}` names no component: {error}")))?,
        None => {
            let top = target.top.as_deref().unwrap_or(folder);
            let repository = name_of(remotes.as_deref().unwrap_or_default(), top).map_err(wrong)?;
            match &target.member {
                None => repository,
                Some(member) => {
                    let name = format!("{repository}.{}", member.name).parse();
                    name.map_err(|error| wrong(format!("{error}")))?
                }
            }
        }
    };
    let changed = head.as_ref().map(|_| paths_of(&status.unwrap_or_default()));
    Ok(Here {
        component: Component {
            folder: folder.to_owned(),
            name,
            commit,
            committed_at: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
        },
        branch: branch.and_then(|branch| ReleaseLine::new(branch).ok()),
        changed,
        message: message.to_owned(),
    })
}

/// The paths in what `git status --porcelain -z` says. A renamed file has its old path after it.
fn paths_of(status: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut entries = status.split('\0');
    while let Some(entry) = entries.next() {
        let Some((state, path)) = entry.split_at_checked(3) else {
            continue;
        };
        if state.starts_with(['R', 'C']) {
            entries.next();
        }
        paths.push(path.to_owned());
    }
    paths
}

/// The name of a component: the last two parts of the first remote's address, as a server that follows it
/// calls it; without a remote, `local/FOLDER`.
fn name_of(remotes: &str, folder: &Path) -> Result<ComponentName, String> {
    let url = remotes
        .lines()
        .next()
        .and_then(|line| line.split_once(' '))
        .map(|(_, url)| url);
    if let Some(name) = url.and_then(of_url) {
        return Ok(name);
    }
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("local/{}", plain(&folder));
    name.parse().map_err(|error| format!("{error}"))
}

fn of_url(url: &str) -> Option<ComponentName> {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix(".git").unwrap_or(url);
    let mut parts = url.rsplit(['/', ':']);
    let (name, team) = (parts.next()?, parts.next()?);
    format!("{}/{}", plain(team), plain(name)).parse().ok()
}

/// A text with only what the name of a component may hold.
fn plain(text: &str) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let kept = kept.trim_matches(['-', '.', '_']);
    if kept.is_empty() {
        "folder".to_owned()
    } else {
        kept.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(remotes: &str) -> String {
        name_of(remotes, Path::new("/home/somebody/My Shop!"))
            .unwrap()
            .to_string()
    }

    #[test]
    fn each_changed_file_counts_once_also_where_it_was_renamed() {
        assert_eq!(
            paths_of("?? new.txt\0R  to.rs\0from.rs\0 M src/main.rs\0"),
            ["new.txt", "to.rs", "src/main.rs"]
        );
        assert!(paths_of("").is_empty());
    }

    #[test]
    fn a_component_is_called_as_the_server_calls_it() {
        assert_eq!(
            name("remote.origin.url http://127.0.0.1:8400/git/shop/web.git"),
            "shop/web"
        );
        assert_eq!(
            name("remote.origin.url git@example.org:Shop/Web.git\nremote.b.url x"),
            "shop/web"
        );
        assert_eq!(name("remote.origin.url https://example.org/shop/web/"), "shop/web");
        assert_eq!(name(""), "local/my-shop");
    }
}
