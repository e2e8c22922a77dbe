//! Deliberate faults, for tests of the simulation: each breaks one rule of the protocol, and the
//! simulation must notice. Outside the tests of this crate there are none.

macro_rules! mutations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A deliberate fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// An append does not say what it rests on.
    DropTheCondition,
    /// An intent is recorded before its run is asked for.
    IntendBeforeTheRun,
    /// Whoever decides at the same place gives the same ids.
    SameIdsEverywhere,
    /// A rejected package is not barred.
    ForgetToBar,
    /// The gate lets barred packages in.
    LetBarredPackagesIn,
    /// The gate does not ask where a package was proven.
    SkipEarlierEnvironments,
    /// The gate does not ask for what a package depends on.
    IgnoreDependencies,
    /// What a package depends on is looked at, and may have gone again when it is let in.
    TrustWhatWasSeen,
    /// An approval counts whatever happened since.
    KeepApprovals,
    /// A return brings what was there, though it was found bad since.
    ReturnToBarredPackages,
    /// After a return that failed before it began, the environment counts as whole.
    ForgetTraces,
    /// A package that had its turn comes again by itself.
    TryAgainAndAgain,
    /// An older package comes after a newer one.
    TakeOlderPackages,
    /// What is verified counts as proven at once.
    SkipTheSoak,
    /// Nobody looks again when the soak time is over.
    SleepThroughTheSoak,
    /// After a first deployment that failed nothing comes any more.
    WaitForNothing,
    /// A deployment begins though another is under way.
    DeployTwiceAtATime,
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
