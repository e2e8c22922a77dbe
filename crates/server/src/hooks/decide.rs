//! What follows from what a webhook says.

use access::Verdict;
use facts::Commit;
use forge::{Event, Moved};

/// What is known already of a branch or tag that moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether the same was said before.
    pub said: bool,
    /// Where it was when the repository was looked at last; nothing where it was not there.
    pub recorded: Option<Commit>,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// It becomes a fact, and the repository is looked at.
    Look,
    /// It was said before, and is not how it was seen last: somebody repeats what is over, or it moved back. The
    /// next look comes as soon as it would without a webhook, and no sooner, so that repeating costs nothing.
    Sooner,
    /// Nothing.
    Nothing,
}

/// Decides what follows from news of a branch or tag.
pub(super) fn moved(moved: &Moved, known: &Known) -> Follows {
    match known.said {
        false => Follows::Look,
        true if known.recorded != moved.after => Follows::Sooner,
        true => Follows::Nothing,
    }
}

/// What an event is taken for, and the sentence for people, where it is not about a branch or tag.
pub(super) fn otherwise(event: &Event) -> (Verdict, String) {
    match event {
        Event::Ping => (Verdict::Ping, "it arrives, and the secret is right".to_owned()),
        Event::Proposed(proposal) => {
            let done = match proposal.action.as_str() {
                "" => String::new(),
                action => format!(" ({action})"),
            };
            let number = proposal.number;
            (
                Verdict::Noted,
                format!("about the proposal {number}{done}; branches and tags alone are followed"),
            )
        }
        Event::Moved(_) | Event::Other => (
            Verdict::Ignored,
            "nothing follows from this event; pushes are enough".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use forge::Proposal;
    use source::RefName;

    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::new(digit.to_string().repeat(40)).unwrap()
    }

    fn to(after: Option<Commit>) -> Moved {
        Moved {
            name: RefName::new("refs/heads/main").unwrap(),
            after,
        }
    }

    #[test]
    fn news_is_looked_at_and_what_was_said_before_is_not() {
        let known = |said, recorded| Known { said, recorded };
        let (a, b) = (Some(commit('a')), Some(commit('b')));
        assert_eq!(moved(&to(a.clone()), &known(false, None)), Follows::Look);
        assert_eq!(moved(&to(a.clone()), &known(false, b.clone())), Follows::Look);
        assert_eq!(moved(&to(a.clone()), &known(true, a.clone())), Follows::Nothing);
        assert_eq!(moved(&to(None), &known(true, None)), Follows::Nothing);
        assert_eq!(moved(&to(None), &known(false, None)), Follows::Look);
    }

    #[test]
    fn what_was_said_before_and_is_otherwise_brings_the_next_look_forward() {
        let known = |recorded| Known { said: true, recorded };
        let (a, b) = (Some(commit('a')), Some(commit('b')));
        assert_eq!(moved(&to(a.clone()), &known(b)), Follows::Sooner);
        assert_eq!(moved(&to(a.clone()), &known(None)), Follows::Sooner);
        assert_eq!(moved(&to(None), &known(a)), Follows::Sooner);
    }

    #[test]
    fn what_is_about_no_branch_is_named_for_whoever_looks() {
        let proposed = Event::Proposed(Proposal {
            number: 7,
            action: "opened".to_owned(),
        });
        let (verdict, told) = otherwise(&proposed);
        assert_eq!(verdict, Verdict::Noted);
        assert!(told.contains("the proposal 7 (opened)"), "{told}");
        assert_eq!(otherwise(&Event::Ping).0, Verdict::Ping);
        assert_eq!(otherwise(&Event::Other).0, Verdict::Ignored);
    }
}
