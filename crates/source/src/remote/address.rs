//! Addresses of repositories, checked before git sees them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which addresses may be followed, beside https and ssh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Paths of this machine: on a laptop, never for a server's users.
    pub files: bool,
    /// Addresses without encryption.
    pub plain_http: bool,
}

/// The address of a repository. It holds no password.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct Address {
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Kind {
    Https,
    Http,
    Ssh,
    File,
}

/// A text that is no address to follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be followed: {reason}", text.escape_debug())]
pub struct AddressError {
    /// The text, without what stands before `@`.
    pub text: String,
    /// Why not.
    pub reason: &'static str,
}

impl AddressError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        "give an address such as `https://host/team/name.git` or `git@host:team/name.git`, and the password or key as a secret"
    }
}

impl Address {
    /// Checks `text`: `https://host/path`, `ssh://user@host/path`, `user@host:path`, and with
    /// [`Allowed`] also `http://` and absolute paths or `file://`.
    ///
    /// # Errors
    /// When it is none of these, is not allowed, or holds a password.
    pub fn parse(text: &str, allowed: Allowed) -> Result<Self, AddressError> {
        let shown = text
            .rsplit_once('@')
            .map_or(text, |(_, rest)| rest)
            .chars()
            .take(200)
            .collect::<String>();
        let wrong = |reason| AddressError {
            text: shown.clone(),
            reason,
        };
        if text.len() > 2_000 || !text.chars().all(|c| !c.is_control() && !c.is_whitespace()) || text.starts_with('-') {
            return Err(wrong("spaces, control characters and a leading `-` are not allowed"));
        }
        let (kind, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Kind::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Kind::Http, rest)
        } else if let Some(rest) = text.strip_prefix("ssh://") {
            (Kind::Ssh, rest)
        } else if text.starts_with('/') || text.starts_with("file:///") {
            (Kind::File, "")
        } else if text.contains("://") || text.contains("::") {
            return Err(wrong("only https, ssh and, where allowed, file addresses are followed"));
        } else {
            let Some((host, path)) = text.split_once(':') else {
                return Err(wrong("it is no address"));
            };
            check_host(host).map_err(wrong)?;
            if path.is_empty() || path.starts_with('-') {
                return Err(wrong("it names no repository"));
            }
            // `user:password@host:path`: what stands before the first colon is then no host.
            if path.split('/').next().is_some_and(|first| first.contains('@')) {
                return Err(wrong("it holds a password; give that as a secret"));
            }
            return Ok(Self {
                kind: Kind::Ssh,
                text: text.to_owned(),
            });
        };
        match kind {
            Kind::File if !allowed.files => return Err(wrong("paths of the server's machine are not followed")),
            Kind::File if text.contains("/../") || text.ends_with("/..") => {
                return Err(wrong("`..` is not allowed in paths"));
            }
            Kind::File => {}
            Kind::Http if !allowed.plain_http => return Err(wrong("it is not encrypted; use https")),
            Kind::Http | Kind::Https | Kind::Ssh => {
                let (host, path) = rest.split_once('/').ok_or_else(|| wrong("it names no repository"))?;
                check_host(host).map_err(wrong)?;
                if path.is_empty() || path.contains(['?', '#']) {
                    return Err(wrong("it names no repository"));
                }
            }
        }
        Ok(Self {
            kind,
            text: text.to_owned(),
        })
    }

    /// The address as a person wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Git's name for how it is reached.
    pub(super) fn protocol(&self) -> &'static str {
        match self.kind {
            Kind::Https => "https",
            Kind::Http => "http",
            Kind::Ssh => "ssh",
            Kind::File => "file",
        }
    }

    /// `https://host:port`, when a token can be sent there.
    pub(super) fn web_origin(&self) -> Option<String> {
        let (scheme, rest) = self.text.split_once("://")?;
        if !matches!(self.kind, Kind::Https | Kind::Http) {
            return None;
        }
        let host = rest.split('/').next()?;
        Some(format!(
            "{scheme}://{}",
            host.rsplit_once('@').map_or(host, |(_, host)| host)
        ))
    }

    /// The user's name in the address.
    pub(super) fn user(&self) -> Option<&str> {
        let rest = self.text.split_once("://").map_or(self.text.as_str(), |(_, rest)| rest);
        rest.split(['/', ':']).next()?.rsplit_once('@').map(|(user, _)| user)
    }

    pub(super) fn is_ssh(&self) -> bool {
        self.kind == Kind::Ssh
    }
}

/// Checks `user@host:port`. The user's name and the host are words, so that neither can be an option.
fn check_host(text: &str) -> Result<(), &'static str> {
    let (user, host) = text
        .rsplit_once('@')
        .map_or((None, text), |(user, host)| (Some(user), host));
    let word = |text: &str, more: &str| {
        text.bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'[')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    match user {
        Some(user) if user.contains(':') => return Err("it holds a password; give that as a secret"),
        Some(user) if !word(user, "._-+%") => return Err("its user's name is no word"),
        _ => {}
    }
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, Some(port)),
        _ => (host, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("its port is no number");
    }
    if !word(host, ".-_[]:") {
        return Err("its host is no host's name");
    }
    Ok(())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Allowed = Allowed {
        files: true,
        plain_http: true,
    };

    #[test]
    fn addresses_of_the_known_kinds_are_read() {
        for (text, protocol) in [
            ("https://host/team/name.git", "https"),
            ("https://me@host:8443/name", "https"),
            ("http://127.0.0.1:80/x", "http"),
            ("ssh://git@host:22/team/name", "ssh"),
            ("git@host:team/name.git", "ssh"),
            ("host:name", "ssh"),
            ("https://[::1]:8443/x", "https"),
            ("/srv/name.git", "file"),
            ("file:///srv/name.git", "file"),
        ] {
            assert_eq!(Address::parse(text, ALL).unwrap().protocol(), protocol, "{text}");
        }
    }

    #[test]
    fn addresses_that_could_do_something_else_are_refused() {
        for text in [
            "",
            "name",
            "-u host:x",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c touch% /tmp/x",
            "ext::sh",
            "git://host/x",
            "ftp://host/x",
            "https://-oProxyCommand=x/y",
            "ssh://-oProxyCommand=touch/x",
            "ssh://host:x/y",
            "-oProxyCommand=x:y",
            "git@-host:x",
            "host:-x",
            "https://host",
            "https://host/",
            "https://host/x?a",
            "https://host/a\nb",
            "https:///x",
            "/srv/../etc",
            "file://host/x",
        ] {
            assert!(Address::parse(text, ALL).is_err(), "{text:?}");
        }
        for text in ["http://host/x", "/srv/x", "file:///srv/x"] {
            assert!(Address::parse(text, Allowed::default()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = Address::parse("https://me:hunter2@host/x", ALL).unwrap_err();
        assert!(error.to_string().contains("holds a password"));
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_token_is_for_the_address_own_host_alone() {
        let address = Address::parse("https://me@host:8443/team/x", ALL).unwrap();
        assert_eq!(address.web_origin().unwrap(), "https://host:8443");
        assert_eq!(address.user(), Some("me"));
        assert_eq!(Address::parse("git@host:x", ALL).unwrap().web_origin(), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

        /// What is accepted cannot be an option, holds no password, and names one host.
        #[test]
        fn whatever_is_accepted_is_an_address_and_nothing_else(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "https://", "http://", "ssh://", "file:///", "/", "//", "@", ":", "-", "host", "me", "hunter2", "..", ".", "[",
                    "]", "::1", "?", "#", " ", "\n", "%", "%2e", "ext::", "é", "\\", "$(x)", "'", "8443", "-oProxyCommand=x",
                ]),
                0..9,
            ),
        ) {
            let text = parts.concat();
            let Ok(address) = Address::parse(&text, ALL) else { return Ok(()) };
            proptest::prop_assert!(!text.starts_with('-') && !text.chars().any(|c| c.is_control() || c.is_whitespace()));
            if address.kind != Kind::File {
                let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
                let (before, after) = match text.contains("://") {
                    true => rest.split_once('/').unwrap(),
                    false => rest.split_once(':').unwrap(),
                };
                let user = before.rsplit_once('@').map_or("", |(user, _)| user);
                proptest::prop_assert!(!user.contains([':', '@', '/']), "{text}");
                proptest::prop_assert!(!before.starts_with('-') && !after.starts_with('-') || text.contains("://"), "{text}");
                let host = before.rsplit('@').next().unwrap();
                proptest::prop_assert!(!host.is_empty() && !host.starts_with('-'), "{text}");
                proptest::prop_assert!(!host.contains(['\\', '%', '$', '\'', '?', '#']), "{text}");
            }
            if let Some(origin) = address.web_origin() {
                proptest::prop_assert!(!origin.contains('@'), "{text}");
            }
        }

        /// A password is refused and not repeated, in whatever kind of address it stands.
        #[test]
        fn no_password_is_taken_or_repeated(
            scheme in proptest::sample::select(vec!["https://", "http://", "ssh://", ""]),
            user in "[a-z]{0,4}",
            path in "[:/][a-z/:@]{0,8}",
        ) {
            let text = format!("{scheme}{user}:hunter2@host{path}");
            let error = Address::parse(&text, ALL).unwrap_err();
            proptest::prop_assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        }
    }
}
