//! One process of a package: its port, its variables, its log, finding it again.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use facts::{Entropy, InstanceId};
use process::mask::{self, Secrets};
use process::{Channel, Child, Identity, Spec};

use super::state::Make;
use crate::desired::{Launch, Placement};
use crate::secret::LaunchSecret;

/// The variable by which a process is found again; all that it starts inherit it.
const MARK: &str = "THROUGHLINE_INSTANCE";
/// Variables of the keeper that instances get too.
const PASSED: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE"];
/// Bytes of a log that are told.
const TAIL: u64 = 4 << 10;
/// Bytes after which a log is begun anew; the part before is kept once.
const LOG: u64 = 16 << 20;
/// Folders of instances that have ended which are kept, for their logs.
const ENDED_KEPT: usize = 20;

/// The folder of an instance.
pub fn folder(placement: &Path, id: InstanceId) -> PathBuf {
    placement.join("instances").join(id.to_string())
}

fn log(placement: &Path, id: InstanceId) -> PathBuf {
    folder(placement, id).join("log")
}

/// What an instance is started with besides its [`Launch`].
pub struct Start<'a> {
    /// The folder of the placement.
    pub folder: &'a Path,
    /// Whose instance it is.
    pub placement: &'a Placement,
    /// Which one.
    pub id: InstanceId,
    /// What it runs.
    pub make: Make,
    /// The name of its group.
    pub group: &'a str,
    /// Where it is to listen.
    pub port: u16,
    /// Its secrets, and the folder in which they lie.
    pub secrets: (&'a [LaunchSecret], Option<PathBuf>),
}

/// Starts the process of an instance in a session of its own.
///
/// # Errors
/// When it cannot be started.
pub fn start(launch: &Launch, with: &Start<'_>) -> io::Result<Child> {
    let own = folder(with.folder, with.id);
    fs::create_dir_all(&own)?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log(with.folder, with.id))?;
    let (program, arguments) = launch.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let program = if program.contains('/') {
        launch.folder.join(program)
    } else {
        PathBuf::from(program)
    };
    let mut variables: BTreeMap<&str, String> = BTreeMap::new();
    variables.insert("HOME", own.display().to_string());
    for (name, value) in &launch.variables {
        variables.insert(name, value.clone());
    }
    for secret in with.secrets.0 {
        if let Some(name) = &secret.variable {
            variables.insert(name, secret.value.reveal().to_owned());
        }
    }
    if let Some(files) = &with.secrets.1 {
        variables.insert("THROUGHLINE_SECRETS", files.display().to_string());
    }
    variables.insert(&launch.port_variable, with.port.to_string());
    variables.insert("THROUGHLINE_COMPONENT", with.placement.component_name.to_string());
    variables.insert("THROUGHLINE_ENVIRONMENT", with.placement.environment.to_string());
    variables.insert("THROUGHLINE_PACKAGE", with.make.package.to_string());
    variables.insert("THROUGHLINE_GROUP", with.group.to_owned());
    variables.insert(MARK, with.id.to_string());
    let spec = Spec::new(program)
        .args(arguments)
        .pass(PASSED)
        .variables(variables)
        .folder(&launch.folder)
        .stdout(Channel::File(log.try_clone()?.into()))
        .stderr(Channel::File(log.into()))
        .group(process::Group::OwnSession);
    process::spawn(spec).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        io::Error::other(format!("{error}{cause}"))
    })
}

/// A free port of 127.0.0.1 below those that the kernel gives to outgoing connections, so that none
/// of these takes it before the instance does.
///
/// # Errors
/// When none is found.
pub fn free_port(entropy: &dyn Entropy, taken: impl Fn(u16) -> bool) -> io::Result<u16> {
    const FIRST: u16 = 10_000;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let low: u16 = range
        .split_whitespace()
        .next()
        .and_then(|low| low.parse().ok())
        .unwrap_or(32_768);
    let end = if low > FIRST + 1_000 { low } else { u16::MAX };
    for _ in 0..500 {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        let port = FIRST + (u32::from_le_bytes(bytes) % u32::from(end - FIRST)) as u16;
        if !taken(port) && TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no free port is found on 127.0.0.1",
    ))
}

/// The last lines that an instance wrote, without its secrets.
pub fn log_tail(placement: &Path, id: InstanceId, secrets: &[LaunchSecret]) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(log(placement, id))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    // A secret may be cut at the front: the first line, cut itself, goes.
    let whole = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if bytes.len() as u64 == TAIL => bytes.get(end + 1..).unwrap_or_default(),
        _ => &bytes[..],
    };
    let hidden = Secrets::new(secrets.iter().map(|secret| secret.value.reveal().as_bytes()));
    String::from_utf8_lossy(&mask::mask_all(&hidden, whole)).into_owned()
}

/// Begins a log anew that has grown too long. The process goes on writing to the same file.
pub fn trim_log(placement: &Path, id: InstanceId) {
    let path = log(placement, id);
    if fs::metadata(&path).is_ok_and(|file| file.len() > LOG) {
        let trimmed = fs::copy(&path, path.with_extension("1"))
            .and_then(|_| OpenOptions::new().write(true).truncate(true).open(&path));
        if let Err(error) = trimmed {
            eprintln!("cannot trim {}: {error}", path.display());
        }
    }
}

/// Removes the folders of instances that ended long ago.
pub fn forget_ended(placement: &Path, known: impl Fn(InstanceId) -> bool) {
    let Ok(entries) = fs::read_dir(placement.join("instances")) else {
        return;
    };
    let mut ended: Vec<InstanceId> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id| !known(*id))
        .collect();
    // Ids sort by time.
    ended.sort_unstable();
    for id in ended.iter().rev().skip(ENDED_KEPT) {
        // What cannot be removed now can be the next time.
        let _ = fs::remove_dir_all(folder(placement, *id));
    }
}

/// The processes that bear the mark of an instance: for one whose start nobody lived to write down.
pub fn find_marked(id: InstanceId) -> Vec<Identity> {
    let mark = format!("{MARK}={id}");
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            // Of other users' processes nothing can be read, and none of them is ours.
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|variables| variables.split(|byte| *byte == 0).any(|v| v == mark.as_bytes()))
        })
        .filter_map(Identity::of_pid)
        .filter(Identity::is_alive)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretValue;
    use facts::SystemEntropy;

    #[test]
    fn a_free_port_is_not_one_that_the_kernel_gives_away_and_not_one_that_is_taken() {
        let port = free_port(&SystemEntropy, |_| false).unwrap();
        assert!(port >= 10_000);
        assert!(free_port(&SystemEntropy, |_| true).is_err());
    }

    #[test]
    fn the_told_end_of_a_log_holds_no_secret() {
        let placement = tempfile::tempdir().unwrap();
        let id = InstanceId::of_key("1");
        fs::create_dir_all(folder(placement.path(), id)).unwrap();
        let lines = format!("{}\nusing password tiger-tiger\nfailed\n", "x".repeat(5_000));
        fs::write(log(placement.path(), id), lines).unwrap();
        let secret = LaunchSecret {
            name: "password".into(),
            value: SecretValue::new("tiger-tiger"),
            variable: None,
        };
        let tail = log_tail(placement.path(), id, &[secret]);
        assert!(
            tail.ends_with("\nfailed\n") && tail.starts_with("using password"),
            "{tail}"
        );
        assert!(!tail.contains("tiger"), "{tail}");
    }
}
