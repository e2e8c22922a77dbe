//! What every target does, whatever it is made of.

use std::path::Path;
use std::sync::Arc;

use target::{CommandTarget, Observed, ProcessTarget, Refused, Target, TargetError};

use crate::support::{commands, desired, group, package, placement, settings, unhealthy};

/// A target in a folder of its own that is stopped in the end.
pub struct Fixture {
    pub data: crate::support::Data,
    pub target: Arc<dyn Target>,
    make: fn(&Path) -> Arc<dyn Target>,
}

impl Fixture {
    fn new(make: fn(&Path) -> Arc<dyn Target>) -> Self {
        let data = crate::support::data();
        Self {
            target: make(data.path()),
            data,
            make,
        }
    }

    /// The target as the next server sees it.
    fn next_server(&self) -> Arc<dyn Target> {
        (self.make)(self.data.path())
    }

    async fn apply(&self, generation: u64, phase: u32, groups: Vec<target::Group>) -> Result<Observed, TargetError> {
        self.target.apply(&desired(generation, phase, groups), &|_| {}).await
    }

    async fn observe(&self) -> Observed {
        self.target.observe(&placement()).await.unwrap()
    }

    async fn end(self) {
        self.target.stop(&placement()).await.unwrap();
    }
}

fn shape(observed: &Observed) -> Vec<(&str, facts::Digest, u32, u32, u32)> {
    observed
        .groups
        .iter()
        .map(|g| (g.name.as_str(), g.package, g.instances, g.healthy, g.weight))
        .collect()
}

pub async fn a_placement_never_applied_to_is_empty(fixture: Fixture) {
    let observed = fixture.observe().await;
    assert_eq!((observed.stamp, observed.groups.len()), (None, 0));
    fixture.target.stop(&placement()).await.unwrap();
    fixture.end().await;
}

pub async fn what_was_applied_is_observed_and_applying_it_again_changes_nothing(fixture: Fixture) {
    let groups = || vec![group("stable", "a", 2, 90), group("canary", "b", 1, 10)];
    let applied = fixture.apply(1, 0, groups()).await.unwrap();
    assert_eq!(
        applied.stamp,
        Some(target::Stamp {
            generation: 1,
            phase: 0
        })
    );
    assert_eq!(
        shape(&applied),
        [("stable", package("a"), 2, 2, 90), ("canary", package("b"), 1, 1, 10)]
    );
    assert_eq!(fixture.observe().await, applied);
    assert_eq!(fixture.apply(1, 0, groups()).await.unwrap(), applied);
    fixture.end().await;
}

pub async fn an_older_intention_is_refused_and_changes_nothing(fixture: Fixture) {
    fixture.apply(3, 1, vec![group("stable", "a", 1, 100)]).await.unwrap();
    for (generation, phase) in [(3, 0), (2, 9)] {
        let refused = fixture
            .apply(generation, phase, vec![group("stable", "b", 1, 100)])
            .await
            .unwrap_err();
        let TargetError::Stale { asked, accepted } = refused else {
            panic!("{refused}")
        };
        assert_eq!((asked.generation, asked.phase), (generation, phase));
        assert_eq!((accepted.generation, accepted.phase), (3, 1));
    }
    assert_eq!(shape(&fixture.observe().await), [("stable", package("a"), 1, 1, 100)]);
    fixture.end().await;
}

pub async fn a_stamp_is_not_used_for_two_things(fixture: Fixture) {
    fixture.apply(1, 0, vec![group("stable", "a", 1, 100)]).await.unwrap();
    let refused = fixture
        .apply(1, 0, vec![group("stable", "b", 1, 100)])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, TargetError::Refused(Refused::Reused { .. })),
        "{refused}"
    );
    assert_eq!(shape(&fixture.observe().await), [("stable", package("a"), 1, 1, 100)]);
    fixture.end().await;
}

pub async fn weights_change_alone_and_groups_come_and_go(fixture: Fixture) {
    fixture.apply(1, 0, vec![group("stable", "a", 1, 100)]).await.unwrap();
    fixture
        .apply(2, 0, vec![group("stable", "a", 1, 100), group("canary", "b", 1, 0)])
        .await
        .unwrap();
    let observed = fixture
        .apply(2, 1, vec![group("stable", "a", 1, 80), group("canary", "b", 1, 20)])
        .await
        .unwrap();
    assert_eq!(
        shape(&observed),
        [("stable", package("a"), 1, 1, 80), ("canary", package("b"), 1, 1, 20)]
    );
    let observed = fixture.apply(2, 2, vec![group("stable", "b", 1, 100)]).await.unwrap();
    assert_eq!(shape(&observed), [("stable", package("b"), 1, 1, 100)]);
    fixture.end().await;
}

pub async fn a_version_that_does_not_get_well_leaves_everything_where_it_was(fixture: Fixture) {
    let before = fixture.apply(1, 0, vec![group("stable", "a", 1, 100)]).await.unwrap();
    let failed = fixture
        .apply(2, 0, vec![unhealthy("stable", "bad", "exit", 3_000)])
        .await
        .unwrap_err();
    assert!(!failed.to_string().contains("tiger"), "{failed}");
    assert_eq!(fixture.observe().await, before);
    let older = fixture
        .apply(1, 5, vec![group("stable", "a", 1, 100)])
        .await
        .unwrap_err();
    assert!(matches!(older, TargetError::Stale { .. }), "{older}");
    let observed = fixture.apply(3, 0, vec![group("stable", "c", 1, 100)]).await.unwrap();
    assert_eq!(shape(&observed), [("stable", package("c"), 1, 1, 100)]);
    fixture.end().await;
}

pub async fn the_next_server_finds_everything_again(fixture: Fixture) {
    let before = fixture.apply(4, 2, vec![group("stable", "a", 1, 100)]).await.unwrap();
    let next = fixture.next_server();
    assert_eq!(next.observe(&placement()).await.unwrap(), before);
    let older = next.apply(&desired(4, 1, Vec::new()), &|_| {}).await.unwrap_err();
    assert!(matches!(older, TargetError::Stale { .. }), "{older}");
    assert_eq!(
        next.apply(&desired(4, 2, vec![group("stable", "a", 1, 100)]), &|_| {})
            .await
            .unwrap(),
        before
    );
    fixture.end().await;
}

pub async fn what_was_stopped_is_empty_and_still_refuses_what_is_older(fixture: Fixture) {
    fixture.apply(2, 0, vec![group("stable", "a", 1, 100)]).await.unwrap();
    fixture.target.stop(&placement()).await.unwrap();
    fixture.target.stop(&placement()).await.unwrap();
    assert!(fixture.observe().await.groups.is_empty());
    let older = fixture
        .apply(1, 0, vec![group("stable", "a", 1, 100)])
        .await
        .unwrap_err();
    assert!(matches!(older, TargetError::Stale { .. }), "{older}");
    let observed = fixture.apply(2, 0, vec![group("stable", "a", 1, 100)]).await.unwrap();
    assert_eq!(shape(&observed), [("stable", package("a"), 1, 1, 100)]);
    fixture.end().await;
}

pub async fn nonsense_is_refused_before_anything_is_done(fixture: Fixture) {
    let twice = vec![group("stable", "a", 1, 1), group("stable", "b", 1, 1)];
    let mut mute = group("stable", "a", 1, 1);
    mute.launch.command.clear();
    let mut escaping = group("stable", "a", 1, 1);
    escaping.launch.secrets[0].name = "../outside".to_owned();
    for groups in [twice, vec![mute], vec![escaping]] {
        let refused = fixture.apply(1, 0, groups).await.unwrap_err();
        assert!(matches!(refused, TargetError::Invalid { .. }), "{refused}");
    }
    assert_eq!(fixture.observe().await.stamp, None);
    fixture.end().await;
}

/// Makes each promise a test of the target that `$make` makes.
macro_rules! target_conformance {
    ($name:ident, $make:expr, [$($promise:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise(super::Fixture::new($make)).await;
                }
            )*
        }
    };
    ($name:ident, $make:expr) => {
        target_conformance!($name, $make, [
            a_placement_never_applied_to_is_empty,
            what_was_applied_is_observed_and_applying_it_again_changes_nothing,
            an_older_intention_is_refused_and_changes_nothing,
            a_stamp_is_not_used_for_two_things,
            weights_change_alone_and_groups_come_and_go,
            a_version_that_does_not_get_well_leaves_everything_where_it_was,
            the_next_server_finds_everything_again,
            what_was_stopped_is_empty_and_still_refuses_what_is_older,
            nonsense_is_refused_before_anything_is_done,
        ]);
    };
}

fn process_target(data: &Path) -> Arc<dyn Target> {
    Arc::new(ProcessTarget::new(settings(data)))
}

fn command_target(data: &Path) -> Arc<dyn Target> {
    Arc::new(CommandTarget::new(commands(data)))
}

target_conformance!(process, super::process_target);
target_conformance!(command, super::command_target);
