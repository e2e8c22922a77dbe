//! What a webhook says happened. It is a hint: the repository itself is asked what is there.
//!
//! The shapes are those of the hosts' public documentation. Of a body only what is used is read; what is there
//! beside it is left alone, so that hosts may add to it.

use facts::Commit;
use serde::Deserialize;
use source::RefName;

use crate::host::{Headers, Host};

/// The longest reason that is given, in letters.
const LONGEST_REASON: usize = 300;

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody tries whether it arrives.
    Ping,
    /// A branch or a tag was made, moved or removed.
    Moved(Moved),
    /// Something happened to a pull or merge request.
    Proposed(Proposal),
    /// Something that concerns nobody here.
    Other,
}

/// A branch or a tag that was made, moved or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub name: RefName,
    /// Where it is said to be now; nothing where it is said to be gone.
    pub after: Option<Commit>,
}

/// Something that happened to a pull or merge request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its number in the repository.
    pub number: u64,
    /// What was done to it, in the host's word, of letters and `_` alone.
    pub action: String,
}

/// A body that is not what its header says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body of the webhook is not that of the event `{event}`: {reason}")]
pub struct Unreadable {
    /// The event.
    pub event: String,
    /// Why.
    pub reason: String,
}

/// The name of the event in the header of `host`, fit to be shown; nothing where it is none.
pub fn event_name(host: Host, headers: &Headers<'_>) -> Option<String> {
    let text = headers.text(host.event_header())?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    (!text.is_empty() && text.len() <= 60 && text.chars().all(word)).then(|| text.to_owned())
}

/// What names the delivery where it was sent, fit to be shown; nothing where nothing does.
pub fn delivery_name(host: Host, headers: &Headers<'_>) -> Option<String> {
    let text = host.delivery_headers().iter().find_map(|name| headers.text(name))?;
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!text.is_empty() && text.len() <= 80 && text.chars().all(word)).then(|| text.to_owned())
}

/// Reads what a webhook of `host` says.
///
/// # Errors
/// When the body does not have the shape of the event that the header names.
pub fn read(host: Host, event: &str, body: &[u8]) -> Result<Event, Unreadable> {
    let wrong = |reason: String| Unreadable {
        event: event.to_owned(),
        // What the body holds may stand in it.
        reason: reason
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST_REASON)
            .collect(),
    };
    match (host, event) {
        (Host::GitLab, "Push Hook" | "Tag Push Hook") | (Host::GitHub | Host::Gitea | Host::Forgejo, "push") => {
            pushed(body).map(Event::Moved).map_err(wrong)
        }
        (Host::GitLab, "System Hook") => {
            // Set up for a whole installation, it says in the body what it is.
            #[derive(Deserialize)]
            struct Kind {
                #[serde(default)]
                object_kind: String,
            }
            let Kind { object_kind } = parsed(body).map_err(wrong)?;
            match object_kind.as_str() {
                "push" | "tag_push" => pushed(body).map(Event::Moved).map_err(wrong),
                _ => Ok(Event::Other),
            }
        }
        (Host::GitLab, "Merge Request Hook") => merge_request(body).map(Event::Proposed).map_err(wrong),
        (Host::GitHub | Host::Gitea | Host::Forgejo, "pull_request" | "pull_request_sync") => {
            pull_request(body).map(Event::Proposed).map_err(wrong)
        }
        // For these a push may come beside, or not.
        (Host::Gitea | Host::Forgejo, "create") => made(body, true).map(Event::Moved).map_err(wrong),
        (Host::GitHub | Host::Gitea | Host::Forgejo, "delete") => made(body, false).map(Event::Moved).map_err(wrong),
        (Host::GitHub, "ping") => {
            parsed::<serde_json::Map<String, serde_json::Value>>(body).map_err(wrong)?;
            Ok(Event::Ping)
        }
        _ => {
            parsed::<serde::de::IgnoredAny>(body).map_err(wrong)?;
            Ok(Event::Other)
        }
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// A commit; nothing for the zeros that stand for none.
fn commit(text: &str) -> Result<Option<Commit>, String> {
    if matches!(text.len(), 40 | 64) && text.bytes().all(|digit| digit == b'0') {
        return Ok(None);
    }
    Commit::new(text).map(Some).map_err(|error| error.to_string())
}

fn name(text: String) -> Result<RefName, String> {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    RefName::new(text).ok_or_else(|| format!("`{shown}` is no branch and no tag"))
}

fn pushed(body: &[u8]) -> Result<Moved, String> {
    #[derive(Deserialize)]
    struct Push {
        r#ref: String,
        after: String,
    }
    let push: Push = parsed(body)?;
    Ok(Moved {
        name: name(push.r#ref)?,
        after: commit(&push.after)?,
    })
}

/// A branch or tag that was made, or else removed; it is named without what it is.
fn made(body: &[u8], is_there: bool) -> Result<Moved, String> {
    #[derive(Deserialize)]
    struct Made {
        r#ref: String,
        ref_type: String,
        sha: Option<String>,
    }
    let made: Made = parsed(body)?;
    let below = match made.ref_type.as_str() {
        "branch" => "refs/heads/",
        "tag" => "refs/tags/",
        _ => return Err("it is about no branch and no tag".to_owned()),
    };
    let full = match made.r#ref.starts_with("refs/") {
        true => made.r#ref,
        false => format!("{below}{}", made.r#ref),
    };
    let after = match (is_there, made.sha) {
        (false, _) => None,
        (true, Some(sha)) => Some(commit(&sha)?.ok_or("what was made points nowhere")?),
        (true, None) => return Err("it does not say where it points".to_owned()),
    };
    Ok(Moved {
        name: name(full)?,
        after,
    })
}

/// The host's word for what was done, fit to be shown.
fn action(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    let kept = text.chars().filter(|c| c.is_ascii_alphabetic() || *c == '_');
    kept.take(40).collect()
}

fn pull_request(body: &[u8]) -> Result<Proposal, String> {
    #[derive(Deserialize)]
    struct PullRequest {
        number: u64,
        action: Option<String>,
    }
    let said: PullRequest = parsed(body)?;
    Ok(Proposal {
        number: said.number,
        action: action(said.action),
    })
}

fn merge_request(body: &[u8]) -> Result<Proposal, String> {
    #[derive(Deserialize)]
    struct MergeRequest {
        object_attributes: Attributes,
    }
    #[derive(Deserialize)]
    struct Attributes {
        iid: u64,
        action: Option<String>,
    }
    let said: MergeRequest = parsed(body)?;
    Ok(Proposal {
        number: said.object_attributes.iid,
        action: action(said.object_attributes.action),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const ZEROS: &str = "0000000000000000000000000000000000000000";

    fn told(host: Host, event: &str, body: &serde_json::Value) -> Event {
        read(host, event, body.to_string().as_bytes()).unwrap()
    }

    fn moved(name: &str, after: Option<&str>) -> Event {
        Event::Moved(Moved {
            name: RefName::new(name).unwrap(),
            after: after.map(|text| Commit::new(text).unwrap()),
        })
    }

    #[test]
    fn pushes_of_each_host_say_which_ref_is_where() {
        for (host, event) in [
            (Host::GitHub, "push"),
            (Host::Gitea, "push"),
            (Host::Forgejo, "push"),
            (Host::GitLab, "Push Hook"),
            (Host::GitLab, "Tag Push Hook"),
        ] {
            let body = |name: &str, after: &str| json!({ "ref": name, "before": ZEROS, "after": after, "commits": [{ "id": A }] });
            assert_eq!(
                told(host, event, &body("refs/heads/main", A)),
                moved("refs/heads/main", Some(A))
            );
            assert_eq!(
                told(host, event, &body("refs/tags/v1", A)),
                moved("refs/tags/v1", Some(A))
            );
            assert_eq!(
                told(host, event, &body("refs/heads/gone", ZEROS)),
                moved("refs/heads/gone", None)
            );
        }
        let of_system = json!({ "object_kind": "tag_push", "ref": "refs/tags/v1", "after": A });
        assert_eq!(
            told(Host::GitLab, "System Hook", &of_system),
            moved("refs/tags/v1", Some(A))
        );
        assert_eq!(
            told(Host::GitLab, "System Hook", &json!({ "event_name": "user_create" })),
            Event::Other
        );
    }

    #[test]
    fn branches_and_tags_that_are_made_or_removed_without_a_push_are_heard_of() {
        let branch = json!({ "ref": "side/a", "ref_type": "branch", "sha": A });
        assert_eq!(
            told(Host::Gitea, "create", &branch),
            moved("refs/heads/side/a", Some(A))
        );
        assert_eq!(told(Host::Forgejo, "delete", &branch), moved("refs/heads/side/a", None));
        let tag = json!({ "ref": "refs/tags/v1", "ref_type": "tag", "sha": A });
        assert_eq!(told(Host::Forgejo, "create", &tag), moved("refs/tags/v1", Some(A)));
        // GitHub's says not where, and a push says it beside.
        let of_github = json!({ "ref": "v1", "ref_type": "tag" });
        assert_eq!(told(Host::GitHub, "create", &of_github), Event::Other);
        assert_eq!(told(Host::GitHub, "delete", &of_github), moved("refs/tags/v1", None));
    }

    #[test]
    fn proposals_are_noted_pings_answered_and_the_rest_let_go() {
        let proposal = |action: &str| {
            Event::Proposed(Proposal {
                number: 7,
                action: action.to_owned(),
            })
        };
        let pull = json!({ "action": "synchronize", "number": 7, "pull_request": { "head": { "sha": A } } });
        assert_eq!(told(Host::GitHub, "pull_request", &pull), proposal("synchronize"));
        assert_eq!(told(Host::Forgejo, "pull_request", &pull), proposal("synchronize"));
        let merge = json!({ "object_kind": "merge_request", "object_attributes": { "iid": 7, "action": "open" } });
        assert_eq!(told(Host::GitLab, "Merge Request Hook", &merge), proposal("open"));
        let odd = json!({ "action": "<b>é\u{7}", "number": 7 });
        assert_eq!(told(Host::GitHub, "pull_request", &odd), proposal("b"));
        assert_eq!(
            told(Host::GitHub, "ping", &json!({ "zen": "", "hook_id": 1 })),
            Event::Ping
        );
        for (host, event) in [
            (Host::GitHub, "issues"),
            (Host::GitLab, "Note Hook"),
            (Host::GitLab, "push"),
            (Host::Gitea, ""),
        ] {
            assert_eq!(told(host, event, &json!({ "a": 1 })), Event::Other, "{event}");
        }
    }

    #[test]
    fn a_body_that_is_not_what_its_header_says_is_refused_with_the_reason() {
        let push = |body: &str| read(Host::GitHub, "push", body.as_bytes()).unwrap_err().reason;
        assert!(push("").contains("EOF"));
        assert!(push("{}").contains("missing field `ref`"));
        assert!(push(r#"{"ref":"main","after":"x"}"#).contains("`main` is no branch and no tag"));
        assert!(push(r#"{"ref":"refs/heads/a\u0007b","after":"x"}"#).contains(r"a\u{7}b"));
        assert!(push(r#"{"ref":"refs/heads/main","after":"HEAD"}"#).contains("`HEAD` is no commit id"));
        assert!(push(r#"{"ref":"refs/heads/main","after":"a\u0085\u001bb"}"#).contains("`ab` is no commit id"));
        assert!(push(&"[".repeat(100_000)).contains("invalid type"));
        assert!(push(&format!("{{\"commits\":{}", "[".repeat(100_000))).contains("EOF"));
        assert!(read(Host::GitHub, "ping", b"[]").is_err());
        assert!(read(Host::GitHub, "issues", b"no json").is_err());
        let nowhere = json!({ "ref": "a", "ref_type": "branch" }).to_string();
        assert!(read(Host::Gitea, "create", nowhere.as_bytes()).is_err());
        let neither = json!({ "ref": "a", "ref_type": "repository", "sha": A }).to_string();
        assert!(read(Host::Gitea, "create", neither.as_bytes()).is_err());
    }

    #[test]
    fn what_headers_name_is_shown_only_where_it_is_plain() {
        let headers = |event: &'static str, id: &'static str| -> Headers<'static> {
            [
                ("x-github-event", event.as_bytes()),
                ("x-github-delivery", id.as_bytes()),
            ]
            .into_iter()
            .collect()
        };
        let plain = headers("pull_request", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
        assert_eq!(event_name(Host::GitHub, &plain).as_deref(), Some("pull_request"));
        assert_eq!(
            delivery_name(Host::GitHub, &plain).as_deref(),
            Some("72d3162e-cc78-11e3-81ab-4c9367dc0958")
        );
        let odd = headers("<script>", "a b");
        assert_eq!(event_name(Host::GitHub, &odd), None);
        assert_eq!(delivery_name(Host::GitHub, &odd), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

        /// No body brings the reader down, and what it says is checked, however the body is put together.
        #[test]
        fn whatever_a_webhook_holds_what_is_read_of_it_is_checked(
            host in proptest::sample::select(Host::ALL.to_vec()),
            event in proptest::sample::select(vec![
                "push", "create", "delete", "pull_request", "ping", "issues", "Push Hook", "Tag Push Hook", "Merge Request Hook", "System Hook",
            ]),
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"ref\":", "\"after\":", "\"ref_type\":", "\"sha\":", "\"number\":", "\"action\":",
                    "\"object_kind\":", "\"object_attributes\":", "\"iid\":", "\"refs/heads/main\"", "\"refs/heads/-x\"", "\"refs/tags/\"",
                    "\"refs/heads/a\\u0000b\"", "\"branch\"", "\"tag\"", "\"push\"", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
                    "\"0000000000000000000000000000000000000000\"", "7", "-1", "1e99", "null", "\"open\"", "\u{feff}", "\\",
                ]),
                0..14,
            ),
        ) {
            let body = pieces.concat();
            match read(host, event, body.as_bytes()) {
                Ok(Event::Moved(moved)) => {
                    let text = moved.name.as_str();
                    proptest::prop_assert!(text.starts_with("refs/heads/") || text.starts_with("refs/tags/"));
                    proptest::prop_assert!(!text.chars().any(char::is_control));
                    proptest::prop_assert!(moved.after.is_none_or(|commit| commit.as_str().bytes().any(|digit| digit != b'0')));
                }
                Ok(Event::Proposed(proposal)) => {
                    proptest::prop_assert!(proposal.action.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_'));
                }
                Ok(Event::Ping | Event::Other) => {}
                Err(error) => proptest::prop_assert!(!error.to_string().chars().any(char::is_control), "{error}"),
            }
        }
    }
}
