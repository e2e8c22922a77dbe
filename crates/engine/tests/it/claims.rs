use engine::{RunRequest, RunResult, SubmitError, query};
use facts::{Actor, FactId, NewFact, Stream, Timestamp, Trust};
use ledger::{Append, AppendError};
use serde_json::json;

use crate::bench::{Bench, nothing, request, step};

fn fact(stream: &str, key: Option<&str>) -> NewFact {
    NewFact {
        stream: Stream::from(stream.to_owned()),
        id: FactId::new(Timestamp::UNIX_EPOCH, &facts::SystemEntropy),
        kind: "commit.pushed".to_owned(),
        kind_version: 1,
        occurred_at: Timestamp::UNIX_EPOCH,
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: key.map(str::to_owned),
        body: json!({}),
    }
}

#[tokio::test]
async fn the_same_key_is_the_same_run_also_after_a_restart() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let first = RunRequest {
        key: "shop/cart@abc".to_owned(),
        ..request(vec![step("a", &[], json!({}))])
    };
    let again = RunRequest {
        key: "shop/cart@abc".to_owned(),
        ..request(vec![step("a", &[], json!({}))])
    };
    let (one, two) = tokio::join!(engine.submit(first, nothing()), engine.submit(again.clone(), nothing()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.run, two.run);
    assert!(one.repeated != two.repeated);
    engine.wait(one.run).await.unwrap();
    engine.stop().await;

    let engine = bench.engine().await;
    let third = engine.submit(again, nothing()).await.unwrap();
    assert_eq!((third.run, third.repeated), (one.run, true));
    assert_eq!(
        query::run_by_key(&*bench.ledger, "shop/cart@abc").await.unwrap(),
        Some(one.run)
    );
    assert_eq!(bench.world.performed(), ["a-1"]);
}

#[tokio::test]
async fn what_is_recorded_together_with_a_request_is_recorded_once_or_not_at_all() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let stream = Stream::from("line/main".to_owned());
    let together = || Append::after(0, vec![stream.clone()], vec![fact("line/main", None)]);
    let first = engine.submit(request(Vec::new()), together()).await.unwrap();
    engine.wait(first.run).await.unwrap();
    assert_eq!(bench.ledger.read_stream(&stream, 0, 10).await.unwrap().len(), 1);

    // The condition no longer holds: no run comes of it.
    let asked = request(Vec::new());
    let refused = engine.submit(asked.clone(), together()).await.unwrap_err();
    assert!(
        matches!(refused, SubmitError::Append(AppendError::Conflict { .. })),
        "{refused}"
    );
    assert_eq!(query::run(&*bench.ledger, asked.run).await.unwrap(), None);
    assert_eq!(engine.wait(asked.run).await.unwrap(), None);
}

#[tokio::test]
async fn a_claim_of_what_is_recorded_together_is_not_taken_for_the_runs_own() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let together = || Append::unconditional(vec![fact("hook/1", Some("delivery-1"))]);
    engine.submit(request(Vec::new()), together()).await.unwrap();
    let refused = engine.submit(request(Vec::new()), together()).await.unwrap_err();
    assert!(
        matches!(refused, SubmitError::Append(AppendError::Claimed { .. })),
        "{refused}"
    );
}

#[tokio::test]
async fn one_run_id_is_one_run() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![step("a", &[], json!({}))]);
    assert_eq!(bench.finish(&engine, asked.clone()).await, RunResult::Succeeded);
    let other = RunRequest {
        key: "another".to_owned(),
        ..asked
    };
    let refused = engine.submit(other, nothing()).await.unwrap_err();
    assert!(
        matches!(refused, SubmitError::Append(AppendError::Conflict { .. })),
        "{refused}"
    );
}
