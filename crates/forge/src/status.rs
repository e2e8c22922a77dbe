//! Commit statuses: what is said to a repository's host of a commit, and what its answer means.

use std::time::Duration;

use facts::Commit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host::Host;

/// The longest description that every host takes, in letters.
const LONGEST_DESCRIPTION: usize = 140;
/// The longest pause that a host's answer is obeyed for: more is a mistake.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits.
    Pending,
    /// It is being done.
    Running,
    /// It went well.
    Success,
    /// It did not.
    Failure,
    /// Nobody can say.
    Error,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The host's word for it.
    const fn at(self, host: Host) -> &'static str {
        match (host, self) {
            (_, Self::Pending) => "pending",
            (_, Self::Success) => "success",
            (Host::GitLab, Self::Running) => "running",
            (Host::GitLab, Self::Failure | Self::Error) => "failed",
            (Host::GitLab, Self::Cancelled) => "canceled",
            (_, Self::Running) => "pending",
            (_, Self::Failure) => "failure",
            (_, Self::Error | Self::Cancelled) => "error",
        }
    }
}

/// What is said of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of which.
    pub commit: Commit,
    /// What says it, always the same for the same thing: what is said later takes its place.
    pub context: String,
    /// How it stands.
    pub state: State,
    /// The same in words.
    pub description: String,
    /// The page about it.
    pub url: String,
}

/// Where statuses of a repository's commits are said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What the host runs.
    pub host: Host,
    /// The address of its API.
    pub api: String,
    /// What the repository is called there, such as `owner/name`.
    pub project: String,
}

/// Why statuses cannot be said there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The repository's address says not where the API is.
    #[error("the address of the repository does not say where the API of {host} is", host = .0.name())]
    NoApi(Host),
    /// It does not say what the repository is called.
    #[error("the address of the repository does not say what {host} calls it", host = .0.name())]
    NoProject(Host),
    /// The address of the API is none.
    #[error("`{0}` is no address of an API: `https://host/path` is expected")]
    Api(String),
    /// The name of the repository is none.
    #[error("`{project}` is no name of a repository of {host}", host = .host.name())]
    Project {
        /// The host.
        host: Host,
        /// The name.
        project: String,
    },
}

impl TargetError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoApi(_) | Self::Api(_) => {
                "say it with --api, such as `https://code.example.org/api/v4` of GitLab, `/api/v3` of GitHub Enterprise, `/api/v1` of Gitea and Forgejo"
            }
            Self::NoProject(_) | Self::Project { .. } => "say it with --project, such as `owner/name`",
        }
    }
}

/// The host's name and the path of a repository's address, as git takes it.
fn parts(remote: &str) -> Option<(&str, &str)> {
    let (place, path) = match remote.split_once("://") {
        Some(("https" | "http" | "ssh", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None if remote.starts_with('/') => return None,
        None => remote.split_once(':')?,
    };
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    Some((place, path))
}

impl Target {
    /// Where statuses of the repository at `remote` are said. `api` and `project` say what its address does not.
    ///
    /// # Errors
    /// When something is missing or wrong.
    pub fn new(host: Host, remote: &str, api: Option<&str>, project: Option<&str>) -> Result<Self, TargetError> {
        let known = parts(remote);
        let api = match api {
            Some(api) => api.trim_end_matches('/').to_owned(),
            None => {
                let (place, _) = known.ok_or(TargetError::NoApi(host))?;
                // The port of ssh is not that of the API.
                let web = remote.starts_with("http");
                let place = if web {
                    place
                } else {
                    place.split(':').next().unwrap_or(place)
                };
                match (host, place) {
                    (Host::GitHub, "github.com" | "ssh.github.com") => "https://api.github.com".to_owned(),
                    (Host::GitHub, place) => format!("https://{place}/api/v3"),
                    (Host::GitLab, place) => format!("https://{place}/api/v4"),
                    (Host::Gitea | Host::Forgejo, place) => format!("https://{place}/api/v1"),
                }
            }
        };
        if !is_api(&api) {
            return Err(TargetError::Api(api.chars().take(200).collect()));
        }
        let project = match project {
            Some(project) => project.trim_matches('/').to_owned(),
            None => known.ok_or(TargetError::NoProject(host))?.1.to_owned(),
        };
        if !is_project(host, &project) {
            let project = project.chars().take(200).collect();
            return Err(TargetError::Project { host, project });
        }
        Ok(Self { host, api, project })
    }

    /// Whether what is said there is encrypted on its way.
    pub fn is_encrypted(&self) -> bool {
        self.api.starts_with("https://")
    }

    /// The address to post a status to.
    pub fn url(&self, commit: &Commit) -> String {
        let Self { host, api, project } = self;
        match host {
            Host::GitLab => format!("{api}/projects/{}/statuses/{commit}", project.replace('/', "%2F")),
            Host::GitHub | Host::Gitea | Host::Forgejo => format!("{api}/repos/{project}/statuses/{commit}"),
        }
    }

    /// The body of a status.
    pub fn body(&self, status: &Status) -> Value {
        let description: String = status.description.chars().take(LONGEST_DESCRIPTION).collect();
        json!({
            "state": status.state.at(self.host),
            "context": status.context,
            "description": description,
            "target_url": status.url,
        })
    }

    /// The headers beside that of the body. They hold the token.
    pub fn headers(&self, token: &str) -> Vec<(&'static str, String)> {
        match self.host {
            Host::GitHub => vec![
                ("authorization", format!("Bearer {token}")),
                ("accept", "application/vnd.github+json".to_owned()),
                ("x-github-api-version", "2022-11-28".to_owned()),
            ],
            Host::GitLab => vec![("private-token", token.to_owned())],
            Host::Gitea | Host::Forgejo => vec![("authorization", format!("token {token}"))],
        }
    }

    /// Whether the host sees no difference between the two.
    pub fn says_the_same(&self, one: &Status, other: &Status) -> bool {
        one.commit == other.commit && self.body(one) == self.body(other)
    }
}

fn is_api(api: &str) -> bool {
    let Some(rest) = api.strip_prefix("https://").or_else(|| api.strip_prefix("http://")) else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    let host = rest.split('/').next().unwrap_or_default();
    !host.is_empty() && rest.len() < 500 && rest.bytes().all(plain) && !rest.split('/').any(|part| part == "..")
}

fn is_project(host: Host, project: &str) -> bool {
    let word = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|byte| byte != b'.')
    };
    let count = project.split('/').count();
    let fits = match host {
        Host::GitLab => count >= 2 || project.bytes().all(|byte| byte.is_ascii_digit()),
        Host::GitHub | Host::Gitea | Host::Forgejo => count == 2,
    };
    fits && project.len() < 500 && project.split('/').all(word)
}

/// What a host answers, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The header `X-RateLimit-Remaining`.
    pub remaining: Option<&'a str>,
    /// The header `X-RateLimit-Reset`: seconds since 1970.
    pub reset: Option<&'a str>,
    /// The beginning of the body.
    pub text: &'a str,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It is said.
    Taken,
    /// It may be taken another time.
    Later {
        /// Why, for people.
        reason: String,
        /// How long nothing at all is to be said there.
        pause: Option<Duration>,
    },
    /// It would not be taken another time.
    Never {
        /// Why, for people.
        reason: String,
    },
}

/// Judges an answer that came `now`, in seconds since 1970.
pub fn judge(host: Host, answer: &Answer<'_>, now: i64) -> Meaning {
    let said: String = answer.text.chars().filter(|one| !one.is_control()).take(200).collect();
    let said = said.trim();
    let mut reason = format!("{} answered {}", host.name(), answer.status);
    if !said.is_empty() {
        reason.push_str(": ");
        reason.push_str(said);
    }
    let seconds = |text: &str| text.trim().parse::<u64>().ok().map(Duration::from_secs);
    let after = answer.retry_after.and_then(seconds);
    let is_used_up = answer.remaining.is_some_and(|left| left.trim() == "0");
    let until = answer.reset.filter(|_| is_used_up).and_then(|reset| {
        let left = reset.trim().parse::<i64>().ok()?.checked_sub(now)?;
        u64::try_from(left.max(1)).ok().map(Duration::from_secs)
    });
    let pause = after.or(until).map(|pause| pause.min(LONGEST_PAUSE));
    match answer.status {
        200..=299 => Meaning::Taken,
        // GitLab refuses what it was told before.
        400 if host == Host::GitLab && answer.text.contains("Cannot transition status") => Meaning::Taken,
        // GitHub says with 403 too that too much was asked.
        429 => Meaning::Later {
            reason,
            pause: pause.or(Some(Duration::from_secs(60))),
        },
        403 if pause.is_some() => Meaning::Later { reason, pause },
        300..=399 => Meaning::Never {
            reason: format!("{reason}; where it leads is not followed: name it with --api"),
        },
        408 | 409 | 425 => Meaning::Later { reason, pause },
        401 | 403 => Meaning::Never {
            reason: format!("{reason}; does the token allow commit statuses of this repository?"),
        },
        400..=499 => Meaning::Never { reason },
        _ => Meaning::Later { reason, pause },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> Commit {
        Commit::new("a".repeat(40)).unwrap()
    }

    fn status(state: State) -> Status {
        Status {
            commit: commit(),
            context: "throughline/shop/cart".to_owned(),
            state,
            description: "it was built".to_owned(),
            url: "https://deliver.example.org/runs/run_x".to_owned(),
        }
    }

    #[test]
    fn where_statuses_are_said_follows_from_where_the_repository_is() {
        for (host, remote, url) in [
            (
                Host::GitHub,
                "https://github.com/shop/cart.git",
                "https://api.github.com/repos/shop/cart/statuses/",
            ),
            (
                Host::GitHub,
                "git@github.com:shop/cart.git",
                "https://api.github.com/repos/shop/cart/statuses/",
            ),
            (
                Host::GitHub,
                "https://code.example.org/shop/cart",
                "https://code.example.org/api/v3/repos/shop/cart/statuses/",
            ),
            (
                Host::GitLab,
                "ssh://git@code.example.org:2222/group/shop/cart.git",
                "https://code.example.org/api/v4/projects/group%2Fshop%2Fcart/statuses/",
            ),
            (
                Host::Gitea,
                "https://me@code.example.org:8443/shop/cart/",
                "https://code.example.org:8443/api/v1/repos/shop/cart/statuses/",
            ),
            (
                Host::Forgejo,
                "https://codeberg.org/shop/cart.git",
                "https://codeberg.org/api/v1/repos/shop/cart/statuses/",
            ),
        ] {
            let target = Target::new(host, remote, None, None).unwrap();
            assert_eq!(target.url(&commit()), format!("{url}{}", commit()), "{remote}");
        }
        let said = Target::new(
            Host::GitLab,
            "/srv/x.git",
            Some("https://code.example.org/api/v4/"),
            Some("17"),
        );
        assert_eq!(
            said.unwrap().url(&commit()),
            format!("https://code.example.org/api/v4/projects/17/statuses/{}", commit())
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let at = |api, project| Target::new(Host::GitHub, "/srv/x.git", api, project);
        let api = Some("https://api.github.com");
        assert_eq!(at(None, Some("a/b")), Err(TargetError::NoApi(Host::GitHub)));
        assert_eq!(at(api, None), Err(TargetError::NoProject(Host::GitHub)));
        for wrong in [
            "",
            "ftp://host",
            "https://",
            "https://me:x@host",
            "https://host/a?b",
            "https://host/../a",
            "https://h/a b",
        ] {
            assert!(
                matches!(at(Some(wrong), Some("a/b")), Err(TargetError::Api(_))),
                "{wrong}"
            );
        }
        for wrong in ["", "a", "a/b/c", "a/..", "./b", "a/b?c", "a/b#c", "a b/c", "a%2Fb/c"] {
            assert!(
                matches!(at(api, Some(wrong)), Err(TargetError::Project { .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn each_host_is_told_in_its_own_words() {
        let word = |host, state| {
            let target = Target {
                host,
                api: String::new(),
                project: String::new(),
            };
            target.body(&status(state))["state"].as_str().unwrap().to_owned()
        };
        let all = [
            State::Pending,
            State::Running,
            State::Success,
            State::Failure,
            State::Error,
            State::Cancelled,
        ];
        assert_eq!(
            all.map(|state| word(Host::GitHub, state)),
            ["pending", "pending", "success", "failure", "error", "error"]
        );
        assert_eq!(
            all.map(|state| word(Host::GitLab, state)),
            ["pending", "running", "success", "failed", "failed", "canceled"]
        );
        let target = Target::new(Host::Gitea, "https://host/a/b", None, None).unwrap();
        let mut long = status(State::Success);
        long.description = "é".repeat(300);
        assert_eq!(target.body(&long)["description"].as_str().unwrap().chars().count(), 140);
        assert!(target.says_the_same(&status(State::Pending), &status(State::Running)));
        assert!(!target.says_the_same(&status(State::Pending), &status(State::Success)));
        assert_eq!(target.headers("x"), [("authorization", "token x".to_owned())]);
    }

    #[test]
    fn answers_say_whether_and_when_it_is_tried_again() {
        let answer = |status| Answer {
            status,
            ..Answer::default()
        };
        let github = |answer: &Answer<'_>| judge(Host::GitHub, answer, 1_000);
        assert_eq!(github(&answer(201)), Meaning::Taken);
        let pause = |meaning| match meaning {
            Meaning::Later { pause, .. } => pause.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            pause(github(&Answer {
                retry_after: Some("7"),
                ..answer(429)
            })),
            Some(7)
        );
        assert_eq!(pause(github(&answer(429))), Some(60));
        let used_up = Answer {
            remaining: Some("0"),
            reset: Some("1090"),
            ..answer(403)
        };
        assert_eq!(pause(github(&used_up)), Some(90));
        assert_eq!(
            pause(github(&Answer {
                retry_after: Some("999999999"),
                ..answer(503)
            })),
            Some(7_200)
        );
        assert_eq!(pause(github(&answer(502))), None);
        let left = Answer {
            remaining: Some("59"),
            reset: Some("1090"),
            ..answer(403)
        };
        for never in [answer(400), answer(401), left, answer(404), answer(422), answer(302)] {
            assert!(matches!(github(&never), Meaning::Never { .. }), "{never:?}");
        }
        let before = Answer {
            text: "{\"message\":\"Cannot transition status via :enqueue from :pending\"}",
            ..answer(400)
        };
        assert_eq!(judge(Host::GitLab, &before, 0), Meaning::Taken);
        assert!(matches!(github(&before), Meaning::Never { .. }));
        let odd = Answer {
            text: "a\u{7}b\n<html>",
            ..answer(404)
        };
        let Meaning::Never { reason } = github(&odd) else {
            panic!()
        };
        assert_eq!(reason, "GitHub answered 404: ab<html>");
    }
}
