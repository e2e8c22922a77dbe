//! Credentials on their way to git: never in an argument, a variable or a setting.
//!
//! A token stands in an anonymous file in memory that only git and its children can open; the helper
//! that reads it is told its number, and git asks it for the address' own host alone. A key stands in a
//! private file that is removed when the fetch ends, since ssh takes nothing else.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use process::Spec;
use rustix::fs::{MemfdFlags, memfd_create};
use zeroize::Zeroizing;

use super::Address;
use crate::error::SourceError;

/// How the remote knows who fetches.
pub enum Credential {
    /// It need not know.
    None,
    /// A token or password, for https.
    Token {
        /// The user's name; the address' own or a usual one when absent.
        user: Option<String>,
        /// The secret.
        token: Zeroizing<String>,
    },
    /// A private key, for ssh.
    SshKey {
        /// The key, as its file has it.
        key: Zeroizing<String>,
        /// Lines of a `known_hosts` file. When absent, the host's key is trusted at the first fetch and
        /// must be the same ever after.
        known_hosts: Option<String>,
    },
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token { .. } => "Token(..)",
            Self::SshKey { .. } => "SshKey(..)",
        })
    }
}

/// What must live as long as the fetch.
pub(crate) struct Held(#[allow(dead_code)] Option<tempfile::TempDir>); // read by nobody: its end removes the files

impl Credential {
    /// Adds to a git command what it needs to use the credential.
    pub(super) fn apply(
        &self,
        mut spec: Spec,
        address: &Address,
        repository: &Path,
    ) -> Result<(Spec, Held), SourceError> {
        // An empty helper takes away all others.
        spec = spec.args(["-c", "credential.helper=", "-c", "core.askPass="]);
        match (self, address.web_origin()) {
            (Self::Token { user, token }, Some(origin)) => {
                let wrong = |e: io::Error| SourceError::io("hold the token for", repository, e);
                let user = user.as_deref().or(address.user()).unwrap_or("x-access-token");
                if [user, token.as_str()].iter().any(|text| text.contains(['\n', '\0'])) {
                    return Err(wrong(io::Error::other("a token has no line breaks")));
                }
                let file = memfd_create("credential", MemfdFlags::CLOEXEC).map_err(|e| wrong(e.into()))?;
                let mut file = fs::File::from(file);
                let text = Zeroizing::new(format!("username={user}\npassword={}\n", token.as_str()));
                file.write_all(text.as_bytes()).map_err(wrong)?;
                let number = spec.inherit(file.into());
                // The text of the helper is fixed but for a number; the secret is in the file alone.
                let helper = format!("!f() {{ test \"$1\" = get && cat /proc/self/fd/{number}; }}; f");
                Ok((
                    spec.arg("-c").arg(format!("credential.{origin}.helper={helper}")),
                    Held(None),
                ))
            }
            _ if address.is_ssh() => self.apply_ssh(spec, repository),
            _ => Ok((spec, Held(None))),
        }
    }

    fn apply_ssh(&self, spec: Spec, repository: &Path) -> Result<(Spec, Held), SourceError> {
        let wrong = |e: io::Error| SourceError::io("hold the key for", repository, e);
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = tempfile::Builder::new()
            .prefix("throughline-key-")
            .tempdir_in(place)
            .map_err(wrong)?;
        let mut command = vec!["ssh".to_owned(), "-F".to_owned(), "/dev/null".to_owned()];
        let mut known = repository.join("known_hosts");
        let mut checking = "accept-new";
        if let Self::SshKey { key, known_hosts } = self {
            let path = folder.path().join("key");
            // A key without its last line break is no key to ssh.
            let text = Zeroizing::new(format!("{}\n", key.trim_end()));
            write_private(&path, text.as_bytes()).map_err(wrong)?;
            command.extend(["-i".to_owned(), quote(&path)]);
            if let Some(lines) = known_hosts {
                known = folder.path().join("known_hosts");
                checking = "yes";
                write_private(&known, format!("{}\n", lines.trim_end()).as_bytes()).map_err(wrong)?;
            }
        }
        for option in [
            "BatchMode=yes".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "IdentityAgent=none".to_owned(),
            "PasswordAuthentication=no".to_owned(),
            "KbdInteractiveAuthentication=no".to_owned(),
            format!("StrictHostKeyChecking={checking}"),
            format!("UserKnownHostsFile={}", known.display()),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "PermitLocalCommand=no".to_owned(),
            "ProxyCommand=none".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
            "ConnectTimeout=20".to_owned(),
            "ServerAliveInterval=20".to_owned(),
            "ServerAliveCountMax=3".to_owned(),
        ] {
            command.extend(["-o".to_owned(), quote(Path::new(&option))]);
        }
        let spec = spec
            .variable("GIT_SSH_COMMAND", command.join(" "))
            .variable("GIT_SSH_VARIANT", "ssh");
        Ok((spec, Held(Some(folder))))
    }

    /// An error of git's without the secret, should it stand there.
    pub(crate) fn hidden(&self, error: SourceError) -> SourceError {
        match error {
            SourceError::Git { command, complaint } => {
                let complaint = self.hide(&complaint);
                SourceError::Git { command, complaint }
            }
            other => other,
        }
    }

    fn hide(&self, text: &str) -> String {
        let secret = match self {
            Self::None => return text.to_owned(),
            Self::Token { token, .. } => token,
            Self::SshKey { key, .. } => key,
        };
        let secrets = process::mask::Secrets::new([secret.as_bytes()]);
        String::from_utf8_lossy(&process::mask::mask_all(&secrets, text.as_bytes())).into_owned()
    }
}

fn write_private(path: &PathBuf, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(bytes)
}

/// A path as one word of a shell: git hands the whole ssh command to one.
fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::super::Allowed;
    use super::*;

    /// What a program in ssh's place is called with, and what it sees.
    async fn noted(credential: &Credential) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (ssh, noted) = (folder.path().join("ssh"), folder.path().join("noted"));
        let script = format!(
            "#!/bin/sh\nexec >{}\nprintf '%s\\n' \"$@\"\nenv\n\
             for file in \"$@\"; do case $file in */key) stat -c 'mode %a' $file; cat $file;; esac; done\nexit 1\n",
            noted.display()
        );
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        let address = Address::parse("git@host.invalid:team/name.git", Allowed::default()).unwrap();
        let (spec, held) = credential
            .apply(crate::git::git(None), &address, folder.path())
            .unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.path().display());
        let spec = spec.variable("PATH", path).args(["ls-remote", "--", address.as_str()]);
        process::run(spec, &[], Duration::from_secs(30), 10_000).await.unwrap();
        drop(held);
        fs::read_to_string(noted).unwrap()
    }

    #[tokio::test]
    async fn ssh_gets_a_private_key_file_strict_options_and_nothing_of_the_user() {
        let noted = noted(&Credential::SshKey {
            key: "-----BEGIN KEY-----\nabc".to_owned().into(),
            known_hosts: Some("host.invalid ssh-ed25519 AAAA".to_owned()),
        })
        .await;
        for wanted in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "ProxyCommand=none",
            "-F\n/dev/null",
            "git@host.invalid",
            "mode 600",
            "-----BEGIN KEY-----\nabc\n",
        ] {
            assert!(noted.contains(wanted), "{wanted} in {noted}");
        }
        let key = noted.lines().find(|line| line.ends_with("/key")).unwrap();
        assert!(!Path::new(key).exists(), "the key is removed");
        assert!(!noted.contains("SSH_AUTH_SOCK"), "{noted}");
    }

    #[tokio::test]
    async fn without_known_hosts_a_host_is_trusted_once_and_remembered_with_the_repository() {
        let key = Credential::SshKey {
            key: "k".to_owned().into(),
            known_hosts: None,
        };
        let noted = noted(&key).await;
        assert!(noted.contains("StrictHostKeyChecking=accept-new"), "{noted}");
        assert!(noted.contains("/known_hosts"), "{noted}");
    }
}
