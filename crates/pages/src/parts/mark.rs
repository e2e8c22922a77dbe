//! Status marks: a shape, a colour and a word, so that none of them carries the meaning alone.

use facts::published::Judgement;
use maud::{Markup, PreEscaped, html};

use crate::model::{ChangeState, Health, Outcome, Progress, Standing, StationState, Tone, WaitReason};

/// A status as a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A ring with a check.
    Good,
    /// A full disc with a check: good, and for a while.
    Proven,
    /// A full disc with a cross.
    Bad,
    /// A ring whose arc turns.
    Running,
    /// A dotted ring.
    NotYet,
    /// A plain ring.
    Ready,
    /// An hourglass of two bars in a ring.
    Waiting,
    /// A person.
    Person,
    /// A turning arrow.
    Again,
    /// A ring with a bar.
    Stopped,
    /// A ring with a line across.
    Skipped,
    /// A clock.
    TimedOut,
    /// A question mark in a diamond.
    Unknown,
    /// An arrow that goes back.
    Returned,
    /// A full disc with a bar.
    NeverAgain,
    /// An arrow upwards.
    Superseded,
    /// A ring with a dot.
    Passed,
    /// A triangle with an exclamation mark.
    Attention,
}

impl Mark {
    /// All of them, for the page that shows the parts.
    pub const ALL: [Self; 18] = [
        Self::Good,
        Self::Proven,
        Self::Bad,
        Self::Running,
        Self::NotYet,
        Self::Ready,
        Self::Waiting,
        Self::Person,
        Self::Again,
        Self::Stopped,
        Self::Skipped,
        Self::TimedOut,
        Self::Unknown,
        Self::Returned,
        Self::NeverAgain,
        Self::Superseded,
        Self::Passed,
        Self::Attention,
    ];

    /// How much it matters, which decides its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Good | Self::Proven => Tone::Good,
            Self::Bad | Self::TimedOut | Self::NeverAgain | Self::Returned => Tone::Bad,
            Self::Running => Tone::Active,
            Self::Waiting | Self::Person | Self::Again | Self::Unknown | Self::Attention => Tone::Attention,
            Self::NotYet | Self::Ready | Self::Stopped | Self::Skipped | Self::Superseded | Self::Passed => Tone::Quiet,
        }
    }

    /// The shape, in a box of 16 by 16.
    fn shape(self) -> &'static str {
        match self {
            Self::Good => r#"<circle cx="8" cy="8" r="6.25"/><path d="M5.2 8.2l2 2 3.6-4.2"/>"#,
            Self::Proven => {
                r#"<circle class="full" cx="8" cy="8" r="7"/><path class="cut" d="M4.9 8.2l2.2 2.2 4-4.6"/>"#
            }
            Self::Bad => {
                r#"<circle class="full" cx="8" cy="8" r="7"/><path class="cut" d="M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8"/>"#
            }
            Self::Running => {
                r#"<circle class="faint" cx="8" cy="8" r="6.25"/><path class="turns" d="M8 1.75a6.25 6.25 0 0 1 6.25 6.25"/>"#
            }
            Self::NotYet => r#"<circle cx="8" cy="8" r="6.25" stroke-dasharray="1.6 2.33"/>"#,
            Self::Ready => r#"<circle cx="8" cy="8" r="6.25"/>"#,
            Self::Waiting => r#"<circle cx="8" cy="8" r="6.25"/><path d="M6.4 5.8v4.4m3.2-4.4v4.4"/>"#,
            Self::Person => {
                r#"<circle cx="8" cy="5" r="2.9"/><path d="M2.6 14.2c.5-3 2.6-4.6 5.4-4.6s4.9 1.6 5.4 4.6"/>"#
            }
            Self::Again => r#"<path d="M13.6 6.2A6 6 0 1 0 14 8.6M13.9 2.4v3.9H10"/>"#,
            Self::Stopped => r#"<circle cx="8" cy="8" r="6.25"/><path class="solid" d="M5.75 5.75h4.5v4.5h-4.5z"/>"#,
            Self::Skipped => r#"<circle cx="8" cy="8" r="6.25"/><path d="M3.8 12.2l8.4-8.4"/>"#,
            Self::TimedOut => r#"<circle cx="8" cy="8" r="6.25"/><path d="M8 4.4V8l2.4 1.7"/>"#,
            Self::Unknown => {
                r#"<path d="M8 1.2L14.8 8 8 14.8 1.2 8z"/><path d="M6.5 6.6a1.5 1.5 0 1 1 2.3 1.3c-.5.3-.8.6-.8 1.1M8 10.9v.1"/>"#
            }
            Self::Returned => r#"<path d="M5.6 2.4L2.2 5.8l3.4 3.4M2.6 5.8h6.9a3.9 3.9 0 0 1 0 7.8H6"/>"#,
            Self::NeverAgain => r#"<circle class="full" cx="8" cy="8" r="7"/><path class="cut" d="M4.4 8h7.2"/>"#,
            Self::Superseded => r#"<circle cx="8" cy="8" r="6.25"/><path d="M8 11.2V5M5.5 7.4L8 4.9l2.5 2.5"/>"#,
            Self::Passed => r#"<circle cx="8" cy="8" r="6.25"/><circle class="solid" cx="8" cy="8" r="1.6"/>"#,
            Self::Attention => r#"<path d="M8 2L14.8 13.8H1.2zM8 6.4v3.4M8 11.8v.1"/>"#,
        }
    }

    /// The shape as a picture of its own; the word must stand beside it.
    pub fn picture(self) -> Markup {
        html! {
            svg class={ "mark tone-" (tone_word(self.tone())) } viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
                (PreEscaped(self.shape()))
            }
        }
    }
}

/// The word of a tone in a class name.
pub fn tone_word(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Active => "active",
        Tone::Attention => "attention",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
    }
}

/// A status: its mark and its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The shape.
    pub mark: Mark,
    /// The word.
    pub word: &'static str,
}

impl Status {
    const fn new(mark: Mark, word: &'static str) -> Self {
        Self { mark, word }
    }

    /// Mark and word side by side.
    pub fn show(self) -> Markup {
        html! { span.status { (self.mark.picture()) span { (self.word) } } }
    }

    /// The mark; the word is in its title, and read out.
    pub fn mark_only(self) -> Markup {
        html! { span.status title=(self.word) { (self.mark.picture()) span.unseen { (self.word) } } }
    }

    /// Mark and word on a ground of the tone's colour.
    pub fn badge(self) -> Markup {
        html! { span class={ "badge tone-" (tone_word(self.mark.tone())) } { (self.mark.picture()) (self.word) } }
    }
}

impl From<Progress> for Status {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Waiting => Self::new(Mark::NotYet, "not yet"),
            Progress::Ready => Self::new(Mark::Ready, "ready"),
            Progress::Running => Self::new(Mark::Running, "running"),
            Progress::Backoff { .. } => Self::new(Mark::Again, "tries again"),
            Progress::Asking => Self::new(Mark::Person, "asks"),
            Progress::Finished(outcome) => outcome.into(),
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::new(Mark::Good, "succeeded"),
            Outcome::Failed => Self::new(Mark::Bad, "failed"),
            Outcome::Cancelled => Self::new(Mark::Stopped, "cancelled"),
            Outcome::Skipped => Self::new(Mark::Skipped, "skipped"),
            Outcome::TimedOut => Self::new(Mark::TimedOut, "timed out"),
            Outcome::Unknown => Self::new(Mark::Unknown, "unknown"),
        }
    }
}

impl From<Judgement> for Status {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Pass => Self::new(Mark::Good, "pass"),
            Judgement::Fail => Self::new(Mark::Bad, "fail"),
            Judgement::Wait => Self::new(Mark::Waiting, "wait"),
            Judgement::Unknown => Self::new(Mark::Unknown, "unknown"),
        }
    }
}

impl From<Standing> for Status {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Unverified => Self::new(Mark::Ready, "not verified yet"),
            Standing::Verified => Self::new(Mark::Good, "verified"),
            Standing::Proven => Self::new(Mark::Proven, "proven"),
        }
    }
}

impl From<Health> for Status {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy { .. } => Self::new(Mark::Good, "healthy"),
            Health::Degraded { .. } => Self::new(Mark::Attention, "degraded"),
            Health::Down { .. } => Self::new(Mark::Bad, "down"),
            Health::Unknown => Self::new(Mark::Unknown, "health unknown"),
        }
    }
}

impl From<&ChangeState> for Status {
    fn from(state: &ChangeState) -> Self {
        match state {
            ChangeState::Underway => Self::new(Mark::Running, "under way"),
            ChangeState::Waiting => Self::new(Mark::Waiting, "waits"),
            ChangeState::Delivered => Self::new(Mark::Proven, "delivered"),
            ChangeState::Returned => Self::new(Mark::Returned, "taken back"),
            ChangeState::Failed => Self::new(Mark::Bad, "failed"),
            ChangeState::Superseded { .. } => Self::new(Mark::Superseded, "superseded"),
            ChangeState::Cancelled => Self::new(Mark::Stopped, "cancelled"),
            ChangeState::BuiltOnly => Self::new(Mark::Good, "built, goes no further"),
        }
    }
}

impl From<StationState> for Status {
    fn from(state: StationState) -> Self {
        match state {
            StationState::NotYet => Self::new(Mark::NotYet, "not yet"),
            StationState::Waiting => Self::new(Mark::Waiting, "waits"),
            StationState::Underway => Self::new(Mark::Running, "under way"),
            StationState::Reached => Self::new(Mark::Good, "reached"),
            StationState::Proven => Self::new(Mark::Proven, "proven"),
            StationState::Passed => Self::new(Mark::Passed, "passed through"),
            StationState::Failed => Self::new(Mark::Bad, "failed"),
            StationState::Returned => Self::new(Mark::Returned, "taken back"),
            StationState::NotComing => Self::new(Mark::Skipped, "will not come here"),
        }
    }
}

impl From<WaitReason> for Mark {
    fn from(reason: WaitReason) -> Self {
        match reason {
            WaitReason::Approval | WaitReason::Question => Self::Person,
            WaitReason::Gate | WaitReason::Turn | WaitReason::Soak | WaitReason::Evidence | WaitReason::Freeze => {
                Self::Waiting
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_a_shape_of_its_own() {
        let mut shapes: Vec<&str> = Mark::ALL.iter().map(|mark| mark.shape()).collect();
        shapes.sort_unstable();
        shapes.dedup();
        assert_eq!(shapes.len(), Mark::ALL.len());
    }

    #[test]
    fn a_status_is_always_said_in_words_too() {
        let status = Status::from(Outcome::Failed);
        for html in [status.show(), status.mark_only(), status.badge()] {
            assert!(html.into_string().contains("failed"));
        }
    }
}
