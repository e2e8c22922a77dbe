//! Deliberate faults, for tests of the simulation: each breaks one rule of the protocol, and the
//! simulation must notice. Outside the tests of this crate there are none.

macro_rules! mutations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A deliberate fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(test), expect(dead_code, reason = "named at the places that it would break"))]
        pub(crate) enum Mutation {
            $($(#[doc = $doc])* $name,)*
        }

        #[cfg(test)]
        impl Mutation {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

mutations! {
    /// Actions are taken before their facts are durable.
    ActBeforeCommit,
    /// A wish is answered before it is durable.
    AnswerBeforeCommit,
    /// An append does not say what it rests on.
    DropTheCondition,
    /// Two servers make the same ids.
    SameIdsEverywhere,
    /// The inputs of a refused append are forgotten.
    ForgetRefusedInputs,
    /// A lost or failed effect is repeated without looking.
    RepeatEffectsBlindly,
    /// An outcome counts for whatever attempt is open.
    TakeLateOutcomes,
    /// A step begins though a need is missing.
    BeginTooEarly,
    /// A step begins though a need failed.
    IgnoreFailedNeeds,
    /// The number of retries is not kept to.
    RetryForEver,
    /// The pause before a retry is not kept to.
    NoPause,
    /// Time limits are not enforced.
    ForgetTimeLimits,
    /// Cancelling does not stop what works.
    CancelStopsNothing,
    /// After a restart a cancelled run does not stop what works.
    ForgetToStopAgain,
    /// Open attempts are begun again at a restart.
    PerformInsteadOfResume,
    /// A lost attempt counts as done.
    LostIsDone,
    /// What an outcome publishes is not recorded.
    DropPublishedFacts,
    /// A refused outcome is dropped instead of recorded as a failure.
    DropRefusedOutcomes,
    /// A step enters a group though another is in it.
    EnterHeldGroups,
    /// A group counts as left before that is durable.
    LeaveGroupsEarly,
    /// A turn of a group is not claimed in the ledger.
    ClaimNoTurn,
}

#[cfg(test)]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Whether this fault is wanted now.
#[cfg(test)]
pub(crate) fn is(mutation: Mutation) -> bool {
    ACTIVE.get() == Some(mutation)
}

/// Whether this fault is wanted now: never.
#[cfg(not(test))]
pub(crate) const fn is(_: Mutation) -> bool {
    false
}

/// Runs `work` with a fault.
#[cfg(test)]
pub(crate) fn with<T>(mutation: Option<Mutation>, work: impl FnOnce() -> T) -> T {
    ACTIVE.set(mutation);
    let done = work();
    ACTIVE.set(None);
    done
}
