//! Where one thing ends and another begins: what a fact changes, and what it leaves as it was.

use facts::DeploymentId;
use facts::published::Judgement;

use super::*;
use crate::gate::{GateVerdict, Requirement};
use crate::kinds::{EnvironmentProven, PackageBarred, PackageUnbarred};

fn barred(number: u64, place: &str) -> DeliveryFact {
    PackageBarred {
        package: package(number),
        environment: environment(place),
        deployment: DeploymentId::of_key("it"),
        reasons: vec!["it failed".to_owned()],
    }
    .into()
}

fn unbarred(number: u64) -> DeliveryFact {
    PackageUnbarred {
        package: package(number),
        cause: "a broken disk".to_owned(),
    }
    .into()
}

fn proven(number: u64, generation: u64) -> DeliveryFact {
    EnvironmentProven {
        environment: environment("staging"),
        generation,
        package: package(number),
    }
    .into()
}

/// Package 1 stands in staging, and is not proven there for an hour.
fn soaking() -> World {
    let mut staging = policy("staging", &[]);
    staging.soak = Duration::from_secs(3_600);
    let mut world = World::new(vec![staging]);
    world.accept(1);
    let intent = world.advance().remove(0);
    world.succeed(&intent);
    assert_eq!(world.current("staging").package, Some(package(1)));
    world
}

#[test]
fn a_proof_counts_for_its_generation_and_package_alone() {
    let mut world = soaking();
    let is_proven = |world: &World| world.state.environment(&environment("staging")).is_proven;
    for fact in [proven(1, 7), proven(2, 1)] {
        world.take_in(&fact);
        assert!(!is_proven(&world), "{fact:?}");
    }
    world.take_in(&proven(1, 1));
    assert!(is_proven(&world));
}

#[test]
fn what_is_found_bad_is_proven_no_more_and_nothing_else_changes() {
    let mut world = soaking();
    world.accept(2);
    let staging = |world: &World| world.state.environment(&environment("staging"));
    world.take_in(&barred(2, "staging"));
    assert!(!staging(&world).is_proven, "what soaks goes on to soak");
    world.take_in(&proven(1, 1));
    world.take_in(&barred(2, "staging"));
    assert!(staging(&world).is_proven);
    world.take_in(&barred(1, "staging"));
    assert!(!staging(&world).is_proven && staging(&world).proven.is_empty());
}

#[test]
fn what_is_there_already_does_not_come_once_more_when_its_bar_is_lifted() {
    let mut world = soaking();
    world.take_in(&barred(1, "staging"));
    world.take_in(&unbarred(1));
    assert_eq!(world.advance(), []);
}

#[test]
fn the_obstacle_that_is_told_is_the_worst() {
    let requirement = |name: &str, judgement| Requirement {
        name: name.to_owned(),
        judgement,
        reason: String::new(),
        waits_for: None,
    };
    let verdict = |judgement| GateVerdict {
        judgement,
        requirements: vec![
            requirement("tests", Judgement::Pass),
            requirement("approval", Judgement::Wait),
            requirement("bar", Judgement::Fail),
        ],
    };
    let told = |judgement| verdict(judgement).obstacle().map(|one| one.name.clone());
    assert_eq!(told(Judgement::Fail).as_deref(), Some("bar"));
    assert_eq!(told(Judgement::Wait).as_deref(), Some("approval"));
    assert_eq!(told(Judgement::Pass), None);
}
