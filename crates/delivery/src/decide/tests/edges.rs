//! Where one thing ends and another begins: what a fact changes, and what it leaves as it was.

use facts::DeploymentId;
use facts::published::Judgement;

use super::*;
use crate::gate::{self, GateVerdict, Requirement, WaitsFor};
use crate::kinds::{Dependency, EnvironmentProven, PackageBarred, PackageUnbarred};

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

#[test]
fn what_a_package_depends_on_is_recorded_with_it_and_only_where_there_is_something() {
    let world = World::staging_and_production();
    let accepted = PackageAccepted {
        package: package(1),
        version: Version::new("1.1.0").unwrap(),
        component_name: ComponentName::new("shop/cart").unwrap(),
        commit: Commit::new(format!("{:040}", 1)).unwrap(),
        line: ReleaseLine::new("main").unwrap(),
        order: 1,
        run: RunId::of_key("1"),
        author: person("author"),
        definition: Digest::of("definition"),
        gates: Vec::new(),
    };
    let on = Dependency {
        component: ComponentId::of_key("shop/core"),
        component_name: ComponentName::new("shop/core").unwrap(),
        commit: Commit::new(format!("{:040}", 7)).unwrap(),
        change: None,
        delivered: true,
    };
    let kinds = |on: &[Dependency]| {
        let facts = accept(&world.state, &accepted, on);
        facts.iter().map(DeliveryFact::kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), ["package.accepted"]);
    assert_eq!(kinds(&[on]), ["package.accepted", "package.depends"]);
}

#[test]
fn any_earlier_package_that_is_proven_may_be_asked_back_and_no_other() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.deliver(2);
    world.accept_on(3, "topic");
    let back = |to| {
        let staging = environment("staging");
        roll_back(
            world.component,
            &world.state,
            &world.path,
            &staging,
            Some(to),
            "slow",
            world.now,
        )
    };
    assert_eq!(intents(&back(package(1)).unwrap())[0].package, package(1));
    assert_eq!(
        back(package(3)),
        Err(AskError::NothingToReturnTo(environment("staging")))
    );
}

#[test]
fn an_environment_in_which_another_package_is_being_deployed_is_waited_for() {
    let mut world = World::new(vec![policy("staging", &[])]);
    world.accept(1);
    world.accept(2);
    let open = world.advance().remove(0);
    assert_eq!(open.package, package(2));
    let free = |number| {
        let policy = world.path.get(&environment("staging")).unwrap();
        let verdict = gate::judge(
            &world.state,
            &world.path,
            policy,
            &world.state.packages[&package(number)],
            world.now,
        );
        let mut of_it = verdict
            .requirements
            .into_iter()
            .filter(|one| one.name == "environment is free");
        of_it.next().unwrap()
    };
    assert_eq!(free(2).judgement, Judgement::Pass);
    let waits = free(1);
    assert_eq!(waits.judgement, Judgement::Wait);
    assert!(matches!(waits.waits_for, Some(WaitsFor::Deployment { package: by }) if by == package(2)));
}
