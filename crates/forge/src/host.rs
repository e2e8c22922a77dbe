//! Which hosts of repositories there are, and what their requests carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a repository's host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// github.com, or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or an installation of one's own.
    GitLab,
    /// Gitea.
    Gitea,
    /// Forgejo, such as codeberg.org.
    Forgejo,
}

/// A text that names no known host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host of repositories: `github`, `gitlab`, `gitea` or `forgejo` is expected")]
pub struct HostError(String);

impl Host {
    /// All of them. Those whose requests also carry the headers of others come before those.
    pub const ALL: [Self; 4] = [Self::GitLab, Self::Forgejo, Self::Gitea, Self::GitHub];

    /// The word for it, in settings, facts and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
        }
    }

    /// Its name as people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::Forgejo => "Forgejo",
        }
    }

    /// The header that names the event.
    pub const fn event_header(self) -> &'static str {
        match self {
            Self::GitHub => "x-github-event",
            Self::GitLab => "x-gitlab-event",
            Self::Gitea => "x-gitea-event",
            Self::Forgejo => "x-forgejo-event",
        }
    }

    /// The headers that name the delivery, the best one first. None of them is signed.
    pub const fn delivery_headers(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["x-github-delivery"],
            Self::GitLab => &["idempotency-key", "x-gitlab-event-uuid"],
            Self::Gitea => &["x-gitea-delivery"],
            Self::Forgejo => &["x-forgejo-delivery"],
        }
    }

    /// The headers that show that the sender knows the secret. The first that is there counts, and no other.
    pub const fn proof_headers(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["x-hub-signature-256"],
            Self::GitLab => &["x-gitlab-token"],
            Self::Gitea => &["x-gitea-signature", "x-hub-signature-256"],
            Self::Forgejo => &["x-forgejo-signature", "x-gitea-signature", "x-hub-signature-256"],
        }
    }

    /// The host whose headers a request carries.
    pub fn of(headers: &Headers<'_>) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|host| headers.has(host.event_header()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|host| host.as_str() == text);
        known.ok_or_else(|| HostError(text.chars().take(40).collect()))
    }
}

/// The headers of a request, their names in lower case.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> FromIterator<(&'a str, &'a [u8])> for Headers<'a> {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a [u8])>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

impl<'a> Headers<'a> {
    /// Whether there is such a header.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(header, _)| *header == name)
    }

    /// The one header of that name. Of two nobody could say which counts, so two are none.
    pub fn one(&self, name: &str) -> Option<&'a [u8]> {
        let mut found = self.0.iter().filter(|(header, _)| *header == name);
        let first = found.next()?;
        found.next().is_none().then_some(first.1)
    }

    /// The one header of that name, where it is plain text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let text = std::str::from_utf8(self.one(name)?).ok()?;
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(pairs: &[(&'a str, &'a str)]) -> Headers<'a> {
        pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect()
    }

    #[test]
    fn a_host_is_known_by_its_own_header_though_it_also_sends_those_of_others() {
        let forgejo = headers(&[
            ("x-github-event", "push"),
            ("x-gitea-event", "push"),
            ("x-forgejo-event", "push"),
        ]);
        assert_eq!(Host::of(&forgejo), Some(Host::Forgejo));
        let gitea = headers(&[("x-github-event", "push"), ("x-gitea-event", "push")]);
        assert_eq!(Host::of(&gitea), Some(Host::Gitea));
        assert_eq!(Host::of(&headers(&[("x-github-event", "push")])), Some(Host::GitHub));
        assert_eq!(
            Host::of(&headers(&[("x-gitlab-event", "Push Hook")])),
            Some(Host::GitLab)
        );
        assert_eq!(Host::of(&headers(&[("content-type", "application/json")])), None);
    }

    #[test]
    fn a_header_that_is_there_twice_is_none() {
        let twice = headers(&[("x-a", "1"), ("x-a", "1"), ("x-b", "2")]);
        assert_eq!(twice.one("x-a"), None);
        assert!(twice.has("x-a"));
        assert_eq!(twice.text("x-b"), Some("2"));
        assert_eq!(headers(&[("x-a", "a\u{7}b")]).text("x-a"), None);
    }

    #[test]
    fn hosts_are_written_as_they_are_read() {
        for host in Host::ALL {
            assert_eq!(host.as_str().parse(), Ok(host));
            assert_eq!(serde_json::to_value(host).unwrap(), host.as_str());
        }
        assert!("bitbucket".parse::<Host>().is_err());
    }
}
