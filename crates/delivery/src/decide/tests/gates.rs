//! What each requirement of a gate says, and of what it says it.

use super::*;
use crate::gate::{self, Requirement, WaitsFor};
use facts::published::Judgement;
use pipeline::document::Gate;

impl World {
    fn requirement(&self, place: &str, number: u64, name: &str) -> Option<Requirement> {
        let policy = self.path.get(&environment(place)).unwrap();
        let package = &self.state.packages[&package(number)];
        let verdict = gate::judge(&self.state, &self.path, policy, package, self.now);
        verdict.requirements.into_iter().find(|one| one.name == name)
    }

    fn proof(&self, number: u64) -> Requirement {
        self.requirement("production", number, "proven in staging").unwrap()
    }
}

fn not_there() -> WaitsFor {
    WaitsFor::Environment {
        environment: environment("staging"),
    }
}

#[test]
fn a_package_that_soaks_in_an_earlier_environment_is_told_from_one_that_never_came_there() {
    let mut staging = policy("staging", &[]);
    staging.soak = Duration::from_secs(3_600);
    let mut world = World::new(vec![staging, policy("production", &["staging"])]);
    world.accept(1);
    let intent = world.advance().remove(0);
    assert_eq!(world.proof(1).waits_for, Some(not_there()), "it is not there yet");
    world.succeed(&intent);
    let until = world.now.checked_add(Duration::from_secs(3_600)).unwrap();
    world.accept(2);
    let soaks = WaitsFor::Soak {
        environment: environment("staging"),
        until,
    };
    assert_eq!(world.proof(1).waits_for, Some(soaks));
    assert_eq!(world.proof(2).waits_for, Some(not_there()));
}

#[test]
fn only_the_package_whose_own_deployment_failed_is_told_so() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let intent = world.advance().remove(0);
    world.accept(2);
    assert_eq!(world.proof(1).judgement, Judgement::Wait, "it is under way");
    world.reject(&intent);
    let failed = world.proof(1);
    assert_eq!(failed.judgement, Judgement::Fail);
    assert!(
        failed.reason.starts_with("its deployment to staging did not succeed: "),
        "{}",
        failed.reason
    );
    assert_eq!(world.proof(2).waits_for, Some(not_there()));
}

#[test]
fn a_package_that_was_followed_by_another_before_it_was_proven_did_not_fail() {
    let mut staging = policy("staging", &[]);
    staging.soak = Duration::from_secs(3_600);
    let mut world = World::new(vec![staging, policy("production", &["staging"])]);
    world.accept(1);
    let first = world.advance().remove(0);
    world.succeed(&first);
    // Its deployment is the last one that ended, and what is there is not what it brought any more.
    let here = world.state.environments.get_mut(&environment("staging")).unwrap();
    here.current.package = None;
    assert_eq!(world.proof(1).waits_for, Some(not_there()));
}

#[test]
fn it_is_told_how_many_approvals_are_missing() {
    let mut production = policy("production", &["staging"]);
    production.approvals = vec![ApprovalRule {
        role: "operations".into(),
        of: 3,
    }];
    let mut world = World::new(vec![policy("staging", &[]), production]);
    world.accept(1);
    let staging = world.advance().remove(0);
    world.succeed(&staging);
    assert_eq!(world.advance(), []);
    for (given, who) in ["ada", "bob", "cleo"].into_iter().enumerate() {
        let told = world.requirement("production", 1, "approved by operations").unwrap();
        let missing = WaitsFor::Approval {
            role: "operations".into(),
            missing: 3 - u32::try_from(given).unwrap(),
        };
        assert_eq!(told.waits_for, Some(missing));
        assert!(told.reason.starts_with(&format!("{given} of 3 ")), "{}", told.reason);
        let place = environment("production");
        let fact = approve(&world.state, &world.path, &place, package(1), "operations", person(who)).unwrap();
        world.take_in(&fact);
    }
    let told = world.requirement("production", 1, "approved by operations").unwrap();
    assert_eq!((told.judgement, told.waits_for), (Judgement::Pass, None));
}

#[test]
fn a_gate_that_a_component_adds_for_one_environment_holds_there_alone() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let gate = |name: &str, place: Option<&str>| Gate {
        name: name.to_owned(),
        environment: place.map(environment),
        when: "candidate.version == 'none'".to_owned(),
        message: format!("{name} says no"),
    };
    let known = world.state.packages.get_mut(&package(1)).unwrap();
    known.gates = vec![
        gate("here", Some("staging")),
        gate("there", Some("production")),
        gate("all", None),
    ];
    for (place, expected) in [("staging", ["here", "all"]), ("production", ["there", "all"])] {
        for name in ["here", "there", "all"] {
            let told = world.requirement(place, 1, name).map(|one| (one.judgement, one.reason));
            let says_no = (Judgement::Fail, format!("{name} says no"));
            assert_eq!(told, expected.contains(&name).then_some(says_no), "{place} {name}");
        }
    }
}
