//! What happens when the path is disturbed: returns that fail, states without a way back, wishes that
//! were overtaken.

use super::*;
use crate::gate::{self, WaitsFor};
use crate::kinds::PromotionRequested;
use facts::published::Judgement;

impl World {
    fn fail(&mut self, intent: &DeploymentIntended) {
        self.end(intent, &[(ADMIT, true, json!(null)), (ROLL_OUT, false, json!(null))]);
    }

    fn fail_before_anything_is_touched(&mut self, intent: &DeploymentIntended) {
        self.end(intent, &[(ADMIT, false, json!(null))]);
    }

    fn ask_for(&mut self, place: &str, number: u64) {
        let wish = PromotionRequested {
            package: package(number),
            environment: environment(place),
            by: person("ada"),
        };
        self.take_in(&wish.into());
    }

    fn roll_back(&mut self, place: &str, to: Option<u64>) -> Result<DeploymentIntended, AskError> {
        let (state, path) = (&self.state, &self.path);
        let to = to.map(package);
        let facts = roll_back(
            self.component,
            state,
            path,
            &environment(place),
            to,
            "it is bad",
            self.now,
        )?;
        for fact in &facts {
            self.take_in(fact);
        }
        Ok(intents(&facts).remove(0))
    }

    fn gate(&self, place: &str, number: u64) -> gate::GateVerdict {
        let policy = self.path.get(&environment(place)).unwrap();
        let package = &self.state.packages[&package(number)];
        gate::judge(&self.state, &self.path, policy, package, self.now)
    }

    /// One package proven in staging, the next one rejected there, and the return failed.
    fn with_a_failed_return() -> Self {
        let mut world = Self::staging_and_production();
        world.deliver(1);
        world.accept(2);
        let staging = world.advance();
        world.reject(&staging[0]);
        let back = world.advance();
        world.fail(&back[0]);
        world
    }
}

#[test]
fn an_environment_whose_first_deployment_failed_takes_the_next_package() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let first = world.advance();
    world.reject(&first[0]);
    assert_eq!(world.advance(), [], "there is nothing to go back to");
    world.accept(2);
    let next = world.advance();
    assert_eq!((next[0].package, next[0].purpose), (package(2), Purpose::Advance));
    world.succeed(&next[0]);
    assert_eq!(world.advance()[0].environment.as_str(), "production");
}

#[test]
fn a_return_that_ends_before_it_touched_anything_leaves_the_environment_disturbed() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.accept(2);
    let staging = world.advance();
    world.reject(&staging[0]);
    let back = world.advance();
    world.fail_before_anything_is_touched(&back[0]);
    world.accept(3);
    assert_eq!(world.advance(), [], "traces of the bad package may still be there");
    let verdict = world.gate("staging", 3);
    assert_eq!(verdict.judgement, Judgement::Wait);
    let obstacle = verdict.obstacle().unwrap();
    assert_eq!(obstacle.name, "environment is whole");
    assert!(matches!(obstacle.waits_for, Some(WaitsFor::Person { .. })));
}

#[test]
fn after_a_return_that_failed_a_person_may_go_forward() {
    let mut world = World::with_a_failed_return();
    world.accept(3);
    assert_eq!(world.advance(), []);
    world.ask_for("staging", 3);
    let forward = world.advance();
    assert_eq!(
        (forward[0].package, forward[0].purpose),
        (package(3), Purpose::Promotion)
    );
    world.fail_before_anything_is_touched(&forward[0]);
    let back = world.advance();
    assert_eq!((back[0].package, back[0].purpose), (package(1), Purpose::Return));
}

#[test]
fn after_a_return_that_failed_a_rollback_brings_the_same_state_and_bars_nothing() {
    let mut world = World::with_a_failed_return();
    let back = world.roll_back("staging", None).unwrap();
    assert_eq!((back.package, back.purpose), (package(1), Purpose::Rollback));
    assert!(world.state.packages[&package(1)].bar.is_none());
    world.succeed(&back);
    assert_eq!(world.advance(), []);
    assert_eq!(
        world
            .state
            .environment(&environment("staging"))
            .mend(&world.state.packages),
        None
    );
}

#[test]
fn a_return_never_brings_a_barred_package() {
    let mut world = World::new(vec![policy("europe", &[]), policy("america", &[])]);
    let deploy = |world: &mut World, good: &[&str]| {
        for intent in world.advance() {
            if good.contains(&intent.environment.as_str()) {
                world.succeed(&intent);
            } else {
                world.reject(&intent);
            }
        }
        world.advance()
    };
    world.accept(1);
    deploy(&mut world, &["europe", "america"]);
    world.accept(2);
    let back = deploy(&mut world, &["europe"]);
    assert_eq!((back[0].environment.as_str(), back[0].package), ("america", package(1)));
    world.succeed(&back[0]);
    // Europe runs what was found bad in America. What comes next fails there.
    world.accept(3);
    let next = world.advance();
    let europe = next
        .iter()
        .find(|intent| intent.environment.as_str() == "europe")
        .unwrap();
    assert_eq!(europe.from.package, Some(package(2)));
    world.fail(europe);
    let back = world.advance();
    assert_eq!((back[0].environment.as_str(), back[0].package), ("europe", package(1)));
}

#[test]
fn after_a_rollback_an_older_commit_whose_build_ends_late_does_not_come() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.deliver(3);
    let back = world.roll_back("staging", None).unwrap();
    world.succeed(&back);
    world.accept(2);
    assert_eq!(world.advance(), [], "what was rolled back held the older commit");
    world.accept(4);
    assert_eq!(world.advance()[0].package, package(4));
}

#[test]
fn a_wish_survives_a_return_and_is_void_after_anything_else() {
    let mut production = policy("production", &["staging"]);
    production.approvals = vec![ApprovalRule {
        role: "operations".into(),
        of: 1,
    }];
    let mut world = World::new(vec![policy("staging", &[]), production]);
    world.accept(1);
    let staging = world.advance();
    world.succeed(&staging[0]);
    world.advance();
    world.ask_for("staging", 1);
    let again = world.advance();
    assert_eq!(again[0].purpose, Purpose::Promotion);
    world.accept(2);
    world.ask_for("staging", 1);
    world.fail(&again[0]);
    let back = world.advance();
    assert_eq!(back[0].purpose, Purpose::Return);
    let wished = |world: &World| world.state.environment(&environment("staging")).requested;
    assert!(
        wished(&world).is_some(),
        "a return restores what the person was looking at"
    );
    world.succeed(&back[0]);
    assert_eq!(wished(&world), None, "what was asked for is there");
    let next = world.advance();
    assert_eq!(next[0].package, package(2));
    world.ask_for("production", 2);
    world.reject(&next[0]);
    assert_eq!(
        world.state.environment(&environment("production")).requested,
        None,
        "it was found bad"
    );
}

#[test]
fn an_approval_is_refused_while_its_generation_is_about_to_pass() {
    let mut staging = policy("staging", &[]);
    staging.approvals = vec![ApprovalRule {
        role: "operations".into(),
        of: 1,
    }];
    let mut world = World::new(vec![staging]);
    let place = environment("staging");
    world.accept(1);
    let give = |world: &World, number| {
        approve(
            &world.state,
            &world.path,
            &place,
            package(number),
            "operations",
            person("x"),
        )
    };
    let approval = give(&world, 1).unwrap();
    world.take_in(&approval);
    let first = world.advance();
    world.accept(2);
    assert_eq!(give(&world, 2), Err(AskError::Busy(place.clone())));
    world.succeed(&first[0]);
    assert!(give(&world, 2).is_ok());
}

#[test]
fn a_check_that_never_ends_says_that_the_package_is_bad() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let intent = world.advance().remove(0);
    let step = |action: &str, succeeded, timed_out| StepEnded {
        action: action.to_owned(),
        began: true,
        succeeded,
        timed_out,
        message: None,
        outputs: json!(null),
    };
    let ended = |steps| RunEnded {
        run: intent.run,
        result: RunResult::Failed,
        reason: None,
        steps,
    };
    let results = |steps| {
        let facts = finish(&intent, &ended(steps));
        let bars = facts
            .iter()
            .filter(|fact| matches!(fact, DeliveryFact::Barred(_)))
            .count();
        let result = facts.iter().find_map(|fact| match fact {
            DeliveryFact::Finished(body) => Some(body.result),
            _ => None,
        });
        (result, bars)
    };
    assert_eq!(
        results(vec![step(ROLL_OUT, true, false), step(VERIFY, false, true)]),
        (Some(DeploymentResult::Rejected), 1)
    );
    assert_eq!(
        results(vec![step(MIGRATE, false, true)]),
        (Some(DeploymentResult::Failed), 0)
    );
}

#[test]
fn a_run_without_steps_tells_its_own_reason() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let intent = world.advance().remove(0);
    let facts = finish(
        &intent,
        &RunEnded {
            run: intent.run,
            result: RunResult::Failed,
            reason: Some("the package cannot be read".into()),
            steps: Vec::new(),
        },
    );
    let DeliveryFact::Finished(body) = &facts[0] else {
        panic!("{facts:?}")
    };
    assert_eq!(body.reasons, ["the package cannot be read"]);
    assert!(!body.disturbed);
}

#[test]
fn an_environment_that_leaves_the_policy_keeps_its_state_until_it_comes_back() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.accept(2);
    let staging = world.advance();
    let whole = world.path.clone();
    world.path = Path::new(vec![policy("production", &[])], Digest::of("without staging"));
    world.reject(&staging[0]);
    assert_eq!(
        world.advance(),
        [],
        "the end of the open deployment is taken in, and bars"
    );
    world.path = whole;
    let back = world.advance();
    assert_eq!((back[0].environment.as_str(), back[0].package), ("staging", package(1)));
}

#[test]
fn what_was_found_bad_elsewhere_is_not_proven_by_time() {
    let mut europe = policy("europe", &[]);
    europe.soak = Duration::from_secs(60);
    let mut world = World::new(vec![europe, policy("america", &[])]);
    world.accept(1);
    let both = world.advance();
    for intent in &both {
        match intent.environment.as_str() {
            "europe" => world.succeed(intent),
            _ => world.reject(intent),
        }
    }
    world.wait(100);
    world.advance();
    assert!(!world.state.environment(&environment("europe")).has_proven(package(1)));
}

#[test]
fn what_was_found_bad_somewhere_has_to_be_proven_there_again() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.deliver(2);
    let back = world.roll_back("staging", None).unwrap();
    world.succeed(&back);
    let unbarred = unbar(&world.state, package(2), "a broken test").unwrap();
    world.take_in(&unbarred);
    assert_eq!(
        world.gate("production", 2).obstacle().unwrap().name,
        "proven in staging"
    );
    let again = world.advance();
    assert_eq!(
        (again[0].environment.as_str(), again[0].package),
        ("staging", package(2))
    );
}
