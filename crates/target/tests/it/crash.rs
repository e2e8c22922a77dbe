//! Whatever dies, wherever it dies: applying again converges, and nothing is there twice.

use std::path::Path;
use std::time::Duration;

use process::{Child, Identity, Spec};
use target::{CommandTarget, Desired, ProcessTarget, Target as _, TargetError};

use crate::process::{instances, keepers, kill, text};
use crate::role::ARGUMENTS;
use crate::support::{desired, group, own_program, package, placement, processes_of, settings, until};

/// A process that applies `desired` as a server would.
fn caller(data: &Path, desired: &Desired, variables: &[(&str, &str)]) -> Child {
    let spec = Spec::new(own_program())
        .args(ARGUMENTS)
        .variable("PATH", std::env::var("PATH").unwrap())
        .variable("TEST_ROLE", "caller")
        .variable("TEST_DATA", data)
        .variable("TEST_DESIRED", serde_json::to_string(desired).unwrap())
        .variables(variables.iter().copied());
    process::spawn(spec).unwrap()
}

async fn end_of(mut caller: Child) -> process::Ending {
    tokio::time::timeout(Duration::from_secs(60), caller.wait())
        .await
        .unwrap()
        .unwrap()
        .ending
}

/// What must hold in the end: version `b` twice, and no process besides.
async fn converges(data: &Path, wanted: &Desired) {
    let target = ProcessTarget::new(settings(data));
    target.resume().await;
    let observed = target.apply(wanted, &|_| {}).await.unwrap();
    assert_eq!(observed.stamp, Some(wanted.stamp));
    assert_eq!((observed.groups.len(), observed.groups[0].healthy), (1, 2));
    let url = observed.url.unwrap();
    for _ in 0..4 {
        assert_eq!(text(&url, "/").await.as_deref(), Some("b"));
    }
    let of_b = format!("THROUGHLINE_PACKAGE={}", package("b"));
    assert_eq!(
        (
            processes_of(data, &of_b).len(),
            instances(data).len(),
            keepers(data).len()
        ),
        (2, 2, 1)
    );
    let older = target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(older, TargetError::Stale { .. }), "{older}");
    target.stop(&placement()).await.unwrap();
    assert_eq!((instances(data), keepers(data)), (vec![], vec![]));
}

/// Version `a` runs, and its keeper is dead, so that the next one is started by whoever comes.
async fn version_a_without_a_keeper(data: &Path) {
    let target = ProcessTarget::new(settings(data));
    target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap();
    drop(target);
    let keeper = Identity::of_pid(keepers(data)[0]).unwrap();
    kill(keeper.pid);
    keeper.ended().await.unwrap();
}

fn version_b() -> Desired {
    let mut wanted = desired(2, 0, vec![group("stable", "b", 2, 100)]);
    // The caller of these tests hands over its wish as text, which holds no secrets.
    wanted.groups[0].launch.secrets.clear();
    wanted
}

/// The keeper dies at `place` each time it gets there.
async fn keeper_dies_at(place: &str) {
    let data = crate::support::data();
    version_a_without_a_keeper(data.path()).await;
    let wanted = version_b();
    let died = end_of(caller(
        data.path(),
        &wanted,
        &[("TEST_KEEPER_CRASH", &format!("{place}:1"))],
    ))
    .await;
    let log = std::fs::read_to_string(
        ProcessTarget::new(settings(data.path()))
            .folder(&placement())
            .join("proxy.log"),
    );
    assert!(
        log.unwrap().contains(&format!("crash point {place}")),
        "{place} is reached ({died})"
    );
    converges(data.path(), &wanted).await;
}

/// The caller dies at `place`.
async fn caller_dies_at(place: &str) {
    let data = crate::support::data();
    version_a_without_a_keeper(data.path()).await;
    let wanted = version_b();
    let died = end_of(caller(
        data.path(),
        &wanted,
        &[("THROUGHLINE_CRASH", &format!("{place}:1"))],
    ))
    .await;
    assert_eq!(died, process::Ending::Signal(6), "{place} is reached");
    converges(data.path(), &wanted).await;
}

/// The caller dies at `place` while the user's own commands do the work.
async fn caller_of_commands_dies_at(place: &str) {
    let data = crate::support::data();
    let target = CommandTarget::new(crate::support::commands(data.path()));
    let first = desired(1, 0, vec![group("stable", "a", 1, 100)]);
    target.apply(&first, &|_| {}).await.unwrap();
    let wanted = version_b();
    let died = end_of(caller(
        data.path(),
        &wanted,
        &[("TEST_TARGET", "command"), ("THROUGHLINE_CRASH", &format!("{place}:1"))],
    ))
    .await;
    assert_eq!(died, process::Ending::Signal(6), "{place} is reached");
    // Whoever comes next asks for the same again, and it is applied once.
    let target = CommandTarget::new(crate::support::commands(data.path()));
    let observed = target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(
        crate::command::journal(data.path()),
        ["apply", "apply"],
        "one for each intention"
    );
    assert_eq!(observed.stamp, Some(wanted.stamp));
    assert_eq!((observed.groups.len(), observed.groups[0].healthy), (1, 2));
    assert_eq!(observed.groups[0].package, package("b"));
    let older = target.apply(&first, &|_| {}).await.unwrap_err();
    assert!(matches!(older, TargetError::Stale { .. }), "{older}");
}

macro_rules! dies {
    ($who:ident: $($name:ident $place:literal),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $who($place).await;
            }
        )*
    };
}

mod keeper {
    use super::keeper_dies_at;
    dies!(keeper_dies_at:
        when_it_is_ready "keeper.ready",
        before_it_accepts "keeper.apply.before-accept",
        after_it_accepted "keeper.apply.accepted",
        before_it_starts_an_instance "keeper.instance.before-spawn",
        after_it_started_an_instance "keeper.instance.after-spawn",
        after_it_wrote_the_instance_down "keeper.instance.recorded",
        before_the_switch_is_written "keeper.switch.before-save",
        after_the_switch_is_written "keeper.switch.saved",
        before_requests_go_elsewhere "proxy.table.before-set",
        after_requests_go_elsewhere "keeper.switch.shown",
        before_it_ends_an_instance "keeper.instance.before-stop",
        after_it_ended_an_instance "keeper.instance.gone",
        while_it_saves_the_evidence "proxy.evidence.before-rename",
    );
}

mod caller_of {
    use super::caller_dies_at;
    dies!(caller_dies_at:
        before_it_asks "target.apply.before",
        before_it_starts_the_keeper "target.keeper.before-spawn",
        after_it_started_the_keeper "target.keeper.after-spawn",
        after_it_was_answered "target.apply.after",
    );
}

mod caller_of_commands {
    use super::caller_of_commands_dies_at;
    dies!(caller_of_commands_dies_at:
        after_the_wish_is_noted "target.command.accepted",
        before_the_command_is_started "target.command.before-run",
        while_the_command_runs "target.command.running",
        after_the_command_ended "target.command.after-run",
        after_the_end_is_noted "target.command.applied",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_killed_while_instances_start_finds_them_again() {
    let data = crate::support::data();
    let mut wanted = version_b();
    wanted.groups[0]
        .launch
        .variables
        .insert("HEALTH".to_owned(), "slow".to_owned());
    let killed = caller(data.path(), &wanted, &[]);
    until("both are started", || async { instances(data.path()).len() == 2 }).await;
    let started = instances(data.path());
    // The caller alone, as a crash of a server is: the keeper is its child, and lives on.
    killed.signal(process::Signal::KILL).unwrap();
    end_of(killed).await;
    let target = ProcessTarget::new(settings(data.path()));
    target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(instances(data.path()), started);
    drop(target);
    converges(data.path(), &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_keeper_that_dies_while_it_hands_over_is_replaced() {
    for place in ["keeper.handover.before-yield", "keeper.handover.yielded"] {
        let data = crate::support::data();
        version_a_without_a_keeper(data.path()).await;
        let wanted = version_b();
        let first = end_of(caller(
            data.path(),
            &wanted,
            &[("TEST_KEEPER_CRASH", &format!("{place}:1"))],
        ))
        .await;
        assert_eq!(first, process::Ending::Code(0));
        converges(data.path(), &wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_keeper_that_dies_before_it_accepts_leaves_the_old_one_at_work() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let wanted = version_b();
    let url = target.apply(&wanted, &|_| {}).await.unwrap().url.unwrap();
    for _ in 0..5 {
        text(&url, "/").await.unwrap();
    }
    let before = keepers(data.path());
    let mut doomed = settings(data.path());
    doomed
        .variables
        .insert("THROUGHLINE_CRASH".to_owned(), "proxy.table.before-set:1".to_owned());
    let resumed = ProcessTarget::new(doomed).resume().await;
    assert!(resumed[0].1.is_err());
    assert_eq!(keepers(data.path()), before);
    for _ in 0..5 {
        text(&url, "/").await.unwrap();
    }
    let evidence = target.evidence(&placement()).await.unwrap().unwrap();
    assert_eq!(evidence.groups[0].requests, 10);
    // It supervises as before.
    kill(instances(data.path())[0]);
    until("the instance is replaced", || async {
        let observed = target.observe(&placement()).await.unwrap();
        (observed.groups[0].restarts, observed.groups[0].healthy) == (1, 2)
    })
    .await;
    drop(target);
    converges(data.path(), &wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_was_cut_short_is_completed() {
    let data = crate::support::data();
    version_a_without_a_keeper(data.path()).await;
    let stop = [("TEST_STOP", "yes"), ("TEST_KEEPER_CRASH", "keeper.stop.saved:1")];
    end_of(caller(data.path(), &version_b(), &stop)).await;
    let target = ProcessTarget::new(settings(data.path()));
    target.stop(&placement()).await.unwrap();
    assert_eq!((instances(data.path()), keepers(data.path())), (vec![], vec![]));
}
