use engine::{RunResult, query};
use facts::Actor;
use pipeline::PlannedStep;
use serde_json::json;

use crate::bench::{Bench, effect, nothing, request, retrying, step};

#[tokio::test]
async fn an_attempt_that_outlived_the_engine_is_taken_up_again() {
    let bench = Bench::sqlite();
    let engine = bench.engine().await;
    let asked = request(vec![
        step("a", &[], json!({"hold": true})),
        step("b", &["a"], json!({"needs": true})),
    ]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("a-1").await;
    engine.stop().await;
    assert_eq!(bench.steps(run).await, ["a: running", "b: waiting"]);

    bench
        .world
        .survived
        .lock()
        .unwrap()
        .insert("a".to_owned(), json!({"from": "before"}));
    let engine = bench.engine().await;
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(bench.world.performed(), ["a-1", "b-1"]);
    let steps = query::steps(&*bench.ledger, run).await.unwrap().rows;
    assert_eq!(steps[1].outputs, Some(json!({"a": {"from": "before"}})));
}

#[tokio::test]
async fn a_lost_attempt_is_repeated_without_counting_as_a_retry() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = engine
        .submit(request(vec![step("a", &[], json!({"hold": true}))]), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("a-1").await;
    engine.stop().await;

    let engine = bench.engine().await;
    bench.world.begun("a-2").await;
    bench.world.release("a");
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    let attempts = query::attempts(&*bench.ledger, run, None).await.unwrap();
    assert!(attempts[0].lost && attempts[0].result == Some(RunResult::Unknown));
    bench.check().await;
}

#[tokio::test]
async fn a_lost_effect_is_observed_and_never_repeated_blindly() {
    for (seen, expected) in [(true, vec!["pay-1"]), (false, vec!["pay-1", "pay-2"])] {
        let bench = Bench::new();
        let engine = bench.engine().await;
        let run = engine
            .submit(request(vec![effect("pay", json!({"hold": true}))]), nothing())
            .await
            .unwrap()
            .run;
        bench.world.begun("pay-1").await;
        engine.stop().await;

        bench.world.release("pay");
        if seen {
            bench
                .world
                .done
                .lock()
                .unwrap()
                .insert("pay".to_owned(), json!({"receipt": 7}));
        }
        let engine = bench.engine().await;
        assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
        assert_eq!(bench.world.performed(), expected);
    }
}

#[tokio::test]
async fn a_lost_effect_that_cannot_be_seen_asks_a_person_also_after_another_restart() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![effect("pay", json!({"hold": true, "blind": true}))]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("pay-1").await;
    engine.stop().await;
    let engine = bench.engine().await;
    let mut head = bench.ledger.follow();
    while query::questions(&*bench.ledger).await.unwrap().is_empty() {
        head.changed().await.unwrap();
    }
    engine.stop().await;
    let engine = bench.engine().await;
    assert_eq!(bench.steps(run).await, ["pay: asking (it cannot be seen)"]);
    engine
        .resolve(run, &crate::bench::name("pay"), true, Actor::System)
        .await
        .unwrap();
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(bench.world.performed(), ["pay-1"]);
}

#[tokio::test]
async fn pauses_and_wishes_survive_a_restart() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let mut patient = retrying(step("patient", &[], json!({"fail": 1})), 1);
    patient.retries.first_delay_ms = 300;
    patient.retries.longest_delay_ms = 300;
    let first = engine.submit(request(vec![patient]), nothing()).await.unwrap().run;
    let held = PlannedStep {
        ..step("held", &[], json!({"hold": true, "deaf": true}))
    };
    let second = engine
        .submit(request(vec![held, step("next", &["held"], json!({}))]), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("held-1").await;
    let mut head = bench.ledger.follow();
    while bench.steps(first).await != ["patient: backoff (exit code 3)"] {
        head.changed().await.unwrap();
    }
    engine.cancel(second, Actor::System).await.unwrap();
    engine.stop().await;

    let engine = bench.engine().await;
    assert_eq!(engine.wait(first).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(engine.wait(second).await.unwrap(), Some(RunResult::Cancelled));
    let attempts = query::attempts(&*bench.ledger, first, None).await.unwrap();
    let pause = attempts[1].started_at.duration_since(attempts[0].finished_at.unwrap());
    assert!(pause.as_millis() >= 300, "{pause:?}");
    bench.check().await;
}
