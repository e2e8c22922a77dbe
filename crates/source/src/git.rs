//! The one way in which git is called here.
//!
//! Its environment is exact: no settings of the system or of a user count. Hooks, file system monitors,
//! protocol helpers and prompts are off on each call, whatever a repository's own settings say.

use std::path::Path;
use std::time::Duration;

use process::{Output, Spec};

use crate::error::SourceError;

/// For commands that only touch this machine's disk.
pub(crate) const LOCAL: Duration = Duration::from_secs(600);

/// How much of git's output and complaints is kept.
const OUTPUT_CAP: usize = 1024 * 1024;

/// Git in a repository, without a subcommand yet.
pub(crate) fn git(repository: Option<&Path>) -> Spec {
    let mut spec = Spec::new("git")
        .pass(["PATH", "TMPDIR"])
        .variables([
            ("HOME", "/nonexistent"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ADVICE", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
        ])
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "protocol.ext.allow=never"])
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "core.attributesFile=/dev/null"])
        .args(["-c", "core.excludesFile=/dev/null"]);
    if let Some(path) = repository {
        // The server's own folder, whoever owns it; no other.
        let safe = format!("safe.directory={}", path.display());
        spec = spec.arg("-c").arg(safe).arg("--git-dir").arg(path).folder(path);
    }
    spec
}

/// Runs git to its end; anything but exit code 0 is an error with what git said.
pub(crate) async fn run(spec: Spec, command: &'static str, timeout: Duration) -> Result<Output, SourceError> {
    run_with(spec, command, &[], timeout).await
}

/// [`run`] with something on standard input.
pub(crate) async fn run_with(
    spec: Spec,
    command: &'static str,
    input: &[u8],
    timeout: Duration,
) -> Result<Output, SourceError> {
    let output = process::run(spec, input, timeout, OUTPUT_CAP).await?;
    if output.is_success() {
        return Ok(output);
    }
    let complaint = match output.complaint() {
        text if text.is_empty() => output.ending.to_string(),
        text => text,
    };
    Err(SourceError::Git {
        command,
        complaint: complaint.chars().take(4_000).collect(),
    })
}
