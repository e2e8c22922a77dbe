//! Judging a canary by what the target saw.

use std::time::Duration;

use delivery::path::{Canary, Latency, OnDeadline};
use engine::{ActionOutcome, StepResult};
use facts::published::VERDICT_RECORDED;
use target::Evidence;

use crate::world::{Deployment, package, seen};

fn policy() -> Canary {
    Canary {
        deadline: Duration::from_secs(60),
        latency: Some(Latency {
            quantile: 0.9,
            margin: Duration::from_millis(100),
        }),
        ..Canary::default()
    }
}

fn both(requests: u64, errors: u64) -> Result<Option<Evidence>, String> {
    Ok(Some(Evidence {
        groups: vec![
            seen("stable", package(1), 5 * requests, 0),
            seen("baseline", package(1), requests, 0),
            seen("canary", package(2), requests, errors),
        ],
        ..Evidence::default()
    }))
}

fn verdict(outcome: &ActionOutcome) -> String {
    assert_eq!(outcome.facts.len(), 1);
    assert_eq!(outcome.facts[0].kind, VERDICT_RECORDED);
    outcome.facts[0].body["result"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn it_looks_until_the_evidence_decides() {
    let deployment = Deployment::canary(policy());
    deployment.target.inside().evidence = vec![Ok(None), both(20, 0), both(3_000, 0)];
    let outcome = deployment.analyze().await;
    assert_eq!(outcome.result, StepResult::Succeeded, "{}", deployment.log());
    assert_eq!(verdict(&outcome), "pass");
    assert_eq!(deployment.target.inside().looks, 3);
}

#[tokio::test(start_paused = true)]
async fn a_bad_canary_is_rejected_with_its_numbers() {
    let deployment = Deployment::canary(policy());
    deployment.target.inside().evidence = vec![both(1_000, 100)];
    let outcome = deployment.analyze().await;
    assert!(matches!(outcome.result, StepResult::Failed { .. }));
    assert_eq!(outcome.outputs["rejected"], true);
    assert_eq!(verdict(&outcome), "fail");
    let numbers = &outcome.facts[0].body["numbers"];
    assert_eq!(
        (&numbers["canary"]["errors"], &numbers["by_evidence"]),
        (&100.into(), &true.into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_say_for_a_moment_is_asked_again() {
    let deployment = Deployment::canary(policy());
    deployment.target.inside().evidence = vec![Err("it is handed over".into()), both(3_000, 0)];
    assert_eq!(deployment.analyze().await.result, StepResult::Succeeded);
    assert!(deployment.log().contains("handed over"));
}

#[tokio::test(start_paused = true)]
async fn groups_of_which_nothing_is_known_are_waited_for() {
    let deployment = Deployment::canary(policy());
    let only = |group| {
        Ok(Some(Evidence {
            groups: vec![group],
            ..Evidence::default()
        }))
    };
    deployment.target.inside().evidence = vec![
        only(seen("canary", package(2), 500, 0)),
        only(seen("baseline", package(1), 500, 0)),
        // A canary of another package is not this one.
        only(seen("canary", package(3), 500, 500)),
        both(3_000, 0),
    ];
    assert_eq!(
        deployment.analyze().await.result,
        StepResult::Succeeded,
        "{}",
        deployment.log()
    );
    assert_eq!(deployment.target.inside().looks, 4);
}

#[tokio::test(start_paused = true)]
async fn without_requests_the_deadline_never_is_a_pass_and_never_a_bar() {
    for evidence in [Ok(None), both(0, 0), Err("it is away".to_owned())] {
        let deployment = Deployment::canary(policy());
        deployment.target.inside().evidence = vec![evidence];
        let (clock, looked) = (deployment.clock.clone(), deployment.target.clone());
        let passes = async {
            while looked.inside().looks < 5 {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            clock.advance(Duration::from_secs(60));
            std::future::pending().await
        };
        let outcome = tokio::select! {
            outcome = deployment.analyze() => outcome,
            () = passes => unreachable!(),
        };
        assert!(matches!(outcome.result, StepResult::Failed { .. }));
        assert!(
            outcome.outputs.is_null() && !outcome.retry,
            "it goes back without a bar"
        );
        assert_eq!(verdict(&outcome), "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_let_it_go_on_at_the_deadline_and_the_verdict_says_so() {
    let deployment = Deployment::canary(Canary {
        deadline: Duration::ZERO,
        on_deadline: OnDeadline::GoOn,
        ..policy()
    });
    let outcome = deployment.analyze().await;
    assert_eq!(outcome.result, StepResult::Succeeded);
    assert_eq!(outcome.facts[0].body["numbers"]["by_evidence"], false);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_is_cancelled() {
    let deployment = Deployment::canary(policy());
    deployment.cancel.cancel();
    assert_eq!(deployment.analyze().await.result, StepResult::Cancelled);
}
