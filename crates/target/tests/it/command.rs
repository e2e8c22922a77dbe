//! The user's own commands.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use target::{CommandSettings, CommandTarget, Stamp, Target as _, TargetError};

use crate::support::{commands, data, desired, group, placement, unhealthy, until};

fn folder(data: &Path) -> std::path::PathBuf {
    let placement = placement();
    data.join("targets")
        .join(placement.component.to_string())
        .join(placement.environment.as_str())
}

/// What the commands of the test did, in order.
pub fn journal(data: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder(data).join("journal")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Commands that are all the same line of shell.
fn all(data: &Path, line: &str) -> CommandSettings {
    let observe = "echo '{\"groups\": []}'".to_owned();
    CommandSettings {
        apply: line.to_owned(),
        observe,
        weight: None,
        stop: None,
        ..commands(data)
    }
}

#[tokio::test]
async fn weights_alone_are_changed_by_their_own_command() {
    let data = data();
    let target = CommandTarget::new(commands(data.path()));
    let groups = |stable, canary| vec![group("stable", "a", 1, stable), group("canary", "b", 1, canary)];
    target.apply(&desired(1, 0, groups(100, 0)), &|_| {}).await.unwrap();
    target.apply(&desired(1, 1, groups(80, 20)), &|_| {}).await.unwrap();
    target
        .apply(&desired(1, 2, vec![group("stable", "b", 1, 100)]), &|_| {})
        .await
        .unwrap();
    target.stop(&placement()).await.unwrap();
    assert_eq!(journal(data.path()), ["apply", "weight", "apply", "stop"]);
}

#[tokio::test]
async fn what_a_command_prints_is_progress_and_the_end_of_it_explains_a_failure() {
    let data = data();
    let target = CommandTarget::new(commands(data.path()));
    let said = Mutex::new(Vec::new());
    let hear = |line: String| said.lock().unwrap().push(line);
    target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 1)]), &hear)
        .await
        .unwrap();
    assert!(
        said.lock().unwrap().iter().any(|line| line == "moving 1 groups"),
        "{said:?}"
    );
    let bad = desired(2, 0, vec![unhealthy("stable", "bad", "exit", 1)]);
    let failed = target.apply(&bad, &hear).await.unwrap_err().to_string();
    assert!(failed.contains("`apply`") && failed.contains("exit code 1"), "{failed}");
    assert!(failed.contains("it does not get healthy"), "{failed}");
    assert!(
        !failed.contains("tiger") && !said.lock().unwrap().iter().any(|line| line.contains("tiger")),
        "{failed}"
    );
}

#[tokio::test]
async fn a_command_knows_its_action_its_place_and_its_stamp_and_reads_the_secrets() {
    let data = data();
    let line = "echo $THROUGHLINE_ACTION $THROUGHLINE_COMPONENT $THROUGHLINE_ENVIRONMENT \
                $THROUGHLINE_GENERATION.$THROUGHLINE_PHASE > seen; cat > input";
    let target = CommandTarget::new(all(data.path(), line));
    target
        .apply(&desired(7, 3, vec![group("stable", "a", 1, 1)]), &|_| {})
        .await
        .unwrap();
    let seen = std::fs::read_to_string(folder(data.path()).join("seen")).unwrap();
    assert_eq!(seen.trim_end(), "apply shop/cart production 7.3");
    let input: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder(data.path()).join("input")).unwrap()).unwrap();
    assert_eq!(input["groups"][0]["launch"]["secrets"][0]["value"], "tiger-tiger-tiger");
    let record = std::fs::read_to_string(folder(data.path()).join("command.json")).unwrap();
    assert!(!record.contains("tiger"), "{record}");
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_with_what_it_started() {
    let data = data();
    let settings = CommandSettings {
        apply_timeout: Duration::from_millis(300),
        ..all(data.path(), "echo waiting; sleep 1000 & echo $! > child; wait")
    };
    let target = CommandTarget::new(settings);
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 1)]);
    let failed = target.apply(&wanted, &|_| {}).await.unwrap_err().to_string();
    assert!(
        failed.contains("took longer than 0.3 s") && failed.contains("waiting"),
        "{failed}"
    );
    let child = std::fs::read_to_string(folder(data.path()).join("child")).unwrap();
    let child = child.trim_end().parse().unwrap();
    assert!(process::Identity::of_pid(child).is_none_or(|child| !child.is_alive()));
}

#[tokio::test]
async fn a_service_that_a_command_leaves_running_lives_on_and_holds_nobody_up() {
    let data = data();
    let target = CommandTarget::new(all(data.path(), "sleep 1000 & echo $! > child"));
    target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 1)]), &|_| {})
        .await
        .unwrap();
    let child = std::fs::read_to_string(folder(data.path()).join("child")).unwrap();
    let child = process::Identity::of_pid(child.trim_end().parse().unwrap()).unwrap();
    assert!(child.is_alive());
    child.signal(process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_command_of_a_server_that_died_is_waited_for_before_the_next_is_run() {
    let data = data();
    let line = "echo begin >> order; cat > /dev/null; until test -e go; do sleep 0.02; done; echo end >> order";
    let settings = all(data.path(), line);
    let (first, second) = (CommandTarget::new(settings.clone()), CommandTarget::new(settings));
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 1)]);
    let order = || std::fs::read_to_string(folder(data.path()).join("order")).unwrap_or_default();
    {
        let dying = first.apply(&wanted, &|_| {});
        let begun = until("the first is under way", || async { order() == "begin\n" });
        let mut dying = std::pin::pin!(dying);
        tokio::select! {
            _ = &mut dying => panic!("it waits for the file"),
            () = begun => {}
        }
        let record = std::fs::read_to_string(folder(data.path()).join("command.json")).unwrap();
        assert!(record.contains("start_time"), "{record}");
        let next = second.apply(&wanted, &|_| {});
        let mut next = std::pin::pin!(next);
        let waits = tokio::time::timeout(Duration::from_millis(150), &mut next).await;
        assert!(waits.is_err() && order() == "begin\n");
        std::fs::write(folder(data.path()).join("go"), "").unwrap();
        let (_, done) = tokio::join!(dying, next);
        done.unwrap();
    }
    assert_eq!(order(), "begin\nend\nbegin\nend\n");
}

#[tokio::test]
async fn what_is_there_is_not_applied_again_and_what_is_not_is() {
    let data = data();
    let target = CommandTarget::new(commands(data.path()));
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 1)]);
    for _ in 0..3 {
        let observed = target.apply(&wanted, &|_| {}).await.unwrap();
        assert_eq!(observed.stamp, Some(wanted.stamp));
    }
    assert_eq!(journal(data.path()), ["apply"]);
    // Somebody took it away.
    std::fs::write(folder(data.path()).join("world.json"), "{}").unwrap();
    target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(journal(data.path()), ["apply", "apply"]);
}

#[tokio::test]
async fn where_no_stamp_is_kept_the_groups_say_whether_it_is_there() {
    let data = data();
    let show = |healthy: u32| {
        let groups = desired(1, 0, vec![group("stable", "a", 2, 1)]).groups;
        let mut seen = serde_json::to_value(&groups).unwrap();
        seen[0].as_object_mut().unwrap().remove("launch");
        seen[0]["healthy"] = healthy.into();
        let text = serde_json::json!({ "groups": seen }).to_string();
        std::fs::write(data.path().join("seen"), text).unwrap();
    };
    let mut settings = all(data.path(), "echo apply >> journal");
    settings.observe = format!("cat '{}'", data.path().join("seen").display());
    let target = CommandTarget::new(settings);
    let wanted = desired(1, 0, vec![group("stable", "a", 2, 1)]);
    show(2);
    target.apply(&wanted, &|_| {}).await.unwrap();
    target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(journal(data.path()), ["apply"]);
    show(1);
    target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(journal(data.path()), ["apply", "apply"], "not all of it is well");
}

#[tokio::test]
async fn an_observer_that_knows_of_a_newer_intention_is_believed() {
    let data = data();
    let mut settings = all(data.path(), "touch applied");
    settings.observe = "echo '{\"stamp\": {\"generation\": 9, \"phase\": 0}, \"groups\": []}'".to_owned();
    let target = CommandTarget::new(settings);
    let refused = target
        .apply(&desired(8, 0, vec![group("stable", "a", 1, 1)]), &|_| {})
        .await
        .unwrap_err();
    let TargetError::Stale { accepted, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(
        accepted,
        Stamp {
            generation: 9,
            phase: 0
        }
    );
    assert!(!folder(data.path()).join("applied").exists());
}

#[tokio::test]
async fn an_observer_that_prints_nonsense_is_quoted() {
    let data = data();
    let mut settings = all(data.path(), "true");
    settings.observe = "echo fine".to_owned();
    let target = CommandTarget::new(settings);
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 1)]);
    let failed = target.apply(&wanted, &|_| {}).await.unwrap_err().to_string();
    assert!(
        failed.contains("`observe`") && failed.contains("not understood") && failed.contains("fine"),
        "{failed}"
    );
}

#[tokio::test]
async fn targets_of_one_process_take_turns_at_a_placement() {
    let data = data();
    let turns = target::Turns::default();
    let settings = all(data.path(), "true");
    let target = || CommandTarget::beside(settings.clone(), turns.clone());
    target()
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 1)]), &|_| {})
        .await
        .unwrap();
    // Each writes anew what is known of the placement.
    let looks: Vec<_> = (0..30)
        .map(|_| {
            let target = target();
            tokio::spawn(async move { target.observe(&placement()).await })
        })
        .collect();
    for look in looks {
        look.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_generation_that_the_world_has_seen_is_told_before_anything_is_applied() {
    let data = data();
    let mut settings = all(data.path(), "touch applied");
    settings.observe = r#"echo '{"stamp": {"generation": 9, "phase": 0}, "groups": []}'"#.to_owned();
    let target = CommandTarget::new(settings);
    let seen = Stamp {
        generation: 9,
        phase: 0,
    };
    assert_eq!(target.observe(&placement()).await.unwrap().stamp, None);
    assert_eq!(target.found(&placement()).await.unwrap().stamp, Some(seen));
    assert_eq!(target.overtaken(&placement(), 9).await.unwrap(), Some(seen));
    assert_eq!(target.overtaken(&placement(), 10).await.unwrap(), None);
    assert!(!folder(data.path()).join("applied").exists());
    let wanted = desired(10, 0, vec![group("stable", "a", 1, 1)]);
    target.apply(&wanted, &|_| {}).await.unwrap();
    assert_eq!(target.overtaken(&placement(), 10).await.unwrap(), Some(wanted.stamp));
    assert_eq!(target.overtaken(&placement(), 11).await.unwrap(), None);
}
