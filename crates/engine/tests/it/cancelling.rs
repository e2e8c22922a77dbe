use std::time::Duration;

use engine::{RunResult, query};
use facts::{Actor, ActorId};
use pipeline::PlannedStep;
use serde_json::json;

use crate::bench::{Bench, effect, nothing, request, retrying, step};

#[tokio::test]
async fn a_cancelled_run_stops_what_works_and_skips_the_rest() {
    let bench = Bench {
        max_parallel: 1,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let asked = request(vec![
        step("a", &[], json!({"hold": true})),
        step("b", &[], json!({})),
        step("c", &["a"], json!({})),
    ]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("a-1").await;
    let person = Actor::User(ActorId::of_key("somebody"));
    engine.cancel(run, person).await.unwrap();
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Cancelled));
    assert_eq!(
        bench.steps(run).await,
        [
            "a: cancelled (it was told to stop)",
            "b: skipped (the run was cancelled)",
            "c: skipped (the run was cancelled)"
        ]
    );
    let row = query::run(&*bench.ledger, run).await.unwrap().unwrap();
    assert_eq!(row.cancelled_by, Some(person));
    let late = engine.cancel(run, person).await.unwrap_err();
    assert!(late.to_string().starts_with("the run is finished"), "{late}");
    bench.check().await;
}

#[tokio::test]
async fn an_attempt_that_does_not_hear_is_given_up() {
    let bench = Bench {
        grace: Duration::from_millis(30),
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let asked = request(vec![step("deaf", &[], json!({"hold": true, "deaf": true}))]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("deaf-1").await;
    engine.cancel(run, Actor::System).await.unwrap();
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Cancelled));
}

#[tokio::test]
async fn a_time_limit_ends_an_attempt_and_the_retries_decide() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let slow = PlannedStep {
        timeout_seconds: Some(1),
        ..step("slow", &[], json!({"hold": true}))
    };
    let asked = request(vec![retrying(slow, 1)]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("slow-2").await;
    let attempts = query::attempts(&*bench.ledger, run, None).await.unwrap();
    assert_eq!(attempts[0].result, Some(RunResult::TimedOut));
    assert_eq!(
        attempts[0].message.as_deref(),
        Some("it took longer than the 1 s it may")
    );
    bench.world.release("slow");
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
}

#[tokio::test]
async fn cancelling_while_a_person_is_asked_leaves_the_step_unknown() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![effect("pay", json!({"unknown": true}))]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    let mut head = bench.ledger.follow();
    while query::questions(&*bench.ledger).await.unwrap().is_empty() {
        head.changed().await.unwrap();
    }
    engine.cancel(run, Actor::System).await.unwrap();
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Cancelled));
    assert!(bench.steps(run).await[0].starts_with("pay: unknown"));
    assert!(query::questions(&*bench.ledger).await.unwrap().is_empty());
}
