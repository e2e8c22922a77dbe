//! Rolling a package out, phase by phase.

use delivery::Purpose;
use delivery::path::Canary;
use delivery::plan::{PHASES_PER_ROLL_OUT, Shape};
use engine::StepResult;
use serde_json::json;
use target::Stamp;

use crate::world::{Deployment, package};

fn is_rejected(outcome: &engine::ActionOutcome) -> bool {
    outcome.outputs == json!({ "rejected": true })
}

#[tokio::test]
async fn a_rolling_roll_out_replaces_one_instance_after_another() {
    let deployment = Deployment::new();
    let outcome = deployment.roll_out(Shape::Rolling, 1).await;
    assert_eq!(outcome.result, StepResult::Succeeded);
    let (old, new) = (package(1), package(2));
    let group = |name: &str, package, instances| (name.to_owned(), package, instances);
    assert_eq!(
        deployment.target.phases(),
        [
            (1, vec![group("stable", old, 2), group("next", new, 1)]),
            (2, vec![group("stable", old, 1), group("next", new, 2)]),
            (3, vec![group("stable", new, 3)]),
        ]
    );
    assert_eq!(outcome.outputs["url"], "http://127.0.0.1:8101");
}

#[tokio::test]
async fn a_canary_stands_beside_its_baseline_and_is_followed_by_all() {
    let deployment = Deployment::canary(Canary::default());
    deployment.roll_out(Shape::Canary, 1).await;
    deployment.roll_out(Shape::Full, 1 + PHASES_PER_ROLL_OUT).await;
    let phases = deployment.target.phases();
    let names = |at: usize| {
        phases[at]
            .1
            .iter()
            .map(|(name, _, _)| name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["stable", "baseline", "canary"]);
    assert_eq!((phases[1].0, names(1)), (1 + PHASES_PER_ROLL_OUT, vec!["stable"]));
}

#[tokio::test]
async fn doing_it_again_changes_nothing() {
    let deployment = Deployment::new();
    deployment.roll_out(Shape::BlueGreen, 1).await;
    let before = deployment.target.phases();
    let again = deployment.roll_out(Shape::BlueGreen, 1).await;
    assert_eq!(again.result, StepResult::Succeeded);
    assert_eq!(deployment.target.phases(), before);
}

#[tokio::test]
async fn an_attempt_that_was_lost_in_a_later_phase_is_taken_up_there() {
    let deployment = Deployment::new();
    deployment.target.inside().failures = 0;
    deployment.roll_out(Shape::Rolling, 1).await;
    // As if the server had died in the second phase, before it was done.
    {
        let mut inside = deployment.target.inside();
        inside.applied.truncate(1);
        inside.accepted = Some(Stamp {
            generation: 2,
            phase: 2,
        });
    }
    let again = deployment.roll_out(Shape::Rolling, 1).await;
    assert_eq!(again.result, StepResult::Succeeded);
    let phases: Vec<u32> = deployment.target.phases().iter().map(|(phase, _)| *phase).collect();
    assert_eq!(phases, [1, 2, 3]);
    assert!(deployment.log().contains("goes on at phase 2"), "{}", deployment.log());
}

#[tokio::test]
async fn a_newer_generation_is_never_undone() {
    let deployment = Deployment::new();
    deployment.target.inside().accepted = Some(Stamp {
        generation: 3,
        phase: 1,
    });
    let outcome = deployment.roll_out(Shape::Full, 1).await;
    assert!(matches!(outcome.result, StepResult::Failed { .. }));
    assert!(!outcome.retry && !is_rejected(&outcome));
    assert!(deployment.target.phases().is_empty());
}

#[tokio::test]
async fn a_cancelled_roll_out_stops_between_two_phases() {
    let deployment = Deployment::new();
    deployment.target.inside().cancel_at = Some((1, deployment.cancel.clone()));
    let outcome = deployment.roll_out(Shape::Rolling, 1).await;
    assert_eq!(outcome.result, StepResult::Cancelled);
    assert_eq!(deployment.target.phases().len(), 1);
}

#[tokio::test]
async fn a_package_that_does_not_get_healthy_is_rejected_after_retries() {
    let deployment = Deployment::new();
    deployment.target.inside().sick = vec![package(2)];
    for _ in 0..2 {
        let outcome = deployment.roll_out(Shape::Rolling, 1).await;
        assert!(matches!(outcome.result, StepResult::Failed { .. }));
        assert!(is_rejected(&outcome) && outcome.retry, "another attempt decides");
    }
    assert!(deployment.target.phases().is_empty());
    deployment.target.inside().sick.clear();
    assert_eq!(
        deployment.roll_out(Shape::Rolling, 1).await.result,
        StepResult::Succeeded
    );
}

#[tokio::test]
async fn that_the_earlier_package_does_not_come_up_says_nothing_about_the_new_one() {
    let deployment = Deployment::canary(Canary::default());
    deployment.target.inside().sick = vec![package(1)];
    let outcome = deployment.roll_out(Shape::Canary, 1).await;
    assert!(matches!(outcome.result, StepResult::Failed { .. }));
    assert!(!is_rejected(&outcome) && outcome.retry);
}

#[tokio::test]
async fn trouble_at_the_target_is_tried_again_and_says_nothing_about_the_package() {
    let mut deployment = Deployment::new();
    deployment.purpose = Purpose::Return;
    deployment.target.inside().failures = 1;
    let outcome = deployment.roll_out(Shape::Full, 1).await;
    assert!(outcome.retry && !is_rejected(&outcome));
    assert_eq!(deployment.roll_out(Shape::Full, 1).await.result, StepResult::Succeeded);
}
