use engine::{RunResult, query};
use facts::{Actor, ActorId};
use serde_json::json;

use crate::bench::{Bench, effect, name, nothing, request, retrying, step};

#[tokio::test]
async fn a_failed_attempt_is_repeated_as_often_as_the_plan_says() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![
        retrying(step("flaky", &[], json!({"fail": 2})), 2),
        retrying(step("hopeless", &[], json!({"fail": 9})), 2),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    assert_eq!(
        bench.steps(run).await,
        ["flaky: succeeded", "hopeless: failed (exit code 3)"]
    );
    let attempts = query::attempts(&*bench.ledger, run, Some(&name("hopeless")))
        .await
        .unwrap();
    assert_eq!(attempts.len(), 3);
    for pair in attempts.windows(2) {
        assert!(pair[0].finished_at.unwrap() < pair[1].started_at);
    }
}

#[tokio::test]
async fn a_retried_run_attempts_again_what_did_not_succeed_and_nothing_else() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![
        step("a", &[], json!({})),
        step("b", &["a"], json!({"fail": 1})),
        step("c", &["b"], json!({})),
        step("d", &["c"], json!({})),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let person = Actor::User(ActorId::of_key("somebody"));
    engine.retry(run, person).await.unwrap();
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(bench.world.performed(), ["a-1", "b-1", "b-2", "c-1", "d-1"]);
    let row = query::run(&*bench.ledger, run).await.unwrap().unwrap();
    assert_eq!((row.round, row.reason), (2, None));
    let nothing_left = engine.retry(run, person).await.unwrap_err();
    assert!(nothing_left.to_string().contains("nothing to retry"), "{nothing_left}");
    bench.check().await;
}

#[tokio::test]
async fn an_open_run_and_an_unknown_one_cannot_be_retried() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let run = engine
        .submit(request(vec![step("a", &[], json!({"hold": true}))]), nothing())
        .await
        .unwrap()
        .run;
    let refused = engine.retry(run, Actor::System).await.unwrap_err();
    assert!(refused.to_string().starts_with("the run still goes on"), "{refused}");
    let nowhere = facts::RunId::of_key("nowhere");
    let refused = engine.retry(nowhere, Actor::System).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("there is no run {nowhere}"));
}

#[tokio::test]
async fn an_effect_that_failed_is_observed_before_it_is_attempted_again() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    // The first attempt says that it failed, but its effect is in the world.
    bench
        .world
        .done
        .lock()
        .unwrap()
        .insert("pay".to_owned(), json!({"receipt": 7}));
    let asked = request(vec![
        retrying(effect("pay", json!({"fail": 9})), 3),
        retrying(effect("mail", json!({"fail": 1})), 3),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Succeeded);
    let mut performed = bench.world.performed();
    performed.sort();
    assert_eq!(performed, ["mail-1", "mail-2", "pay-1"]);
    let steps = query::steps(&*bench.ledger, run).await.unwrap().rows;
    assert_eq!(steps[0].outputs, Some(json!({"receipt": 7})));
}

#[tokio::test]
async fn a_person_answers_for_an_effect_that_cannot_be_seen() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    for (done, performed) in [(true, vec!["pay-1"]), (false, vec!["pay-1", "pay-1", "pay-2"])] {
        let asked = request(vec![effect("pay", json!({"unknown": true, "blind": true}))]);
        let run = engine.submit(asked, nothing()).await.unwrap().run;
        let mut head = bench.ledger.follow();
        while query::questions(&*bench.ledger).await.unwrap().is_empty() {
            head.changed().await.unwrap();
        }
        assert_eq!(bench.steps(run).await, ["pay: asking (the wire was cut)"]);
        engine.resolve(run, &name("pay"), done, Actor::System).await.unwrap();
        assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
        assert_eq!(bench.world.performed(), performed);
        let refused = engine
            .resolve(run, &name("pay"), done, Actor::System)
            .await
            .unwrap_err();
        assert_eq!(refused.to_string(), "step `pay` is not waiting for an answer");
    }
    bench.check().await;
}
