//! The way of packages, told as stories: facts go in, decisions come out.

use std::time::Duration;

use facts::published::StateVector;
use facts::{
    Actor, ActorId, Commit, ComponentId, ComponentName, Digest, EnvironmentName, ReleaseLine, RunId, Timestamp, Version,
};
use serde_json::json;

use super::*;
use crate::kinds::{DeliveryFact, DeploymentIntended, DeploymentResult, PackageAccepted, Purpose};
use crate::path::{ApprovalRule, Canary, EnvironmentPolicy, Path, Strategy, TargetPolicy};
use crate::plan::{ADMIT, ANALYZE, CONFIGURE, MIGRATE, ROLL_OUT, VERIFY};
use crate::state::State;

mod depends;
mod edges;
mod gates;
mod trouble;

struct World {
    component: ComponentId,
    state: State,
    path: Path,
    now: Timestamp,
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

fn policy(name: &str, after: &[&str]) -> EnvironmentPolicy {
    EnvironmentPolicy {
        name: environment(name),
        after: after.iter().map(|name| environment(name)).collect(),
        lines: vec![ReleaseLine::new("main").unwrap()],
        soak: Duration::ZERO,
        approvals: Vec::new(),
        gates: Vec::new(),
        strategy: Strategy::Rolling,
        target: TargetPolicy::Process { instances: 1 },
        address: None,
        database: None,
    }
}

fn package(number: u64) -> Digest {
    Digest::of(format!("package {number}"))
}

fn person(name: &str) -> Actor {
    Actor::User(ActorId::of_key(name))
}

impl World {
    fn new(environments: Vec<EnvironmentPolicy>) -> Self {
        Self {
            component: ComponentId::of_key("shop/cart"),
            state: State::default(),
            path: Path::new(environments, Digest::of("policy")),
            now: Timestamp::from_second(1_000).unwrap(),
        }
    }

    fn staging_and_production() -> Self {
        let mut production = policy("production", &["staging"]);
        production.strategy = Strategy::Canary(Canary::default());
        Self::new(vec![production, policy("staging", &[])])
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self
            .now
            .checked_add(Duration::from_secs(seconds.unsigned_abs()))
            .unwrap();
    }

    fn take_in(&mut self, fact: &DeliveryFact) {
        self.state.evolve(fact, self.now);
    }

    fn accept_on(&mut self, number: u64, line: &str) {
        self.take_in(
            &PackageAccepted {
                package: package(number),
                version: Version::new(format!("1.{number}.0")).unwrap(),
                component_name: ComponentName::new("shop/cart").unwrap(),
                commit: Commit::new(format!("{number:040}")).unwrap(),
                line: ReleaseLine::new(line).unwrap(),
                order: number,
                run: RunId::of_key(&number.to_string()),
                author: person("author"),
                definition: Digest::of("definition"),
                gates: Vec::new(),
            }
            .into(),
        );
    }

    fn accept(&mut self, number: u64) {
        self.accept_on(number, "main");
    }

    /// Decides, takes in what was decided, and returns what it intends.
    fn advance(&mut self) -> Vec<DeploymentIntended> {
        let decision = advance(self.component, &self.state, &self.path, self.now);
        for fact in &decision.facts {
            self.take_in(fact);
        }
        let again = advance(self.component, &self.state, &self.path, self.now);
        assert_eq!(again.facts, [], "a decision that was taken in is not made again");
        intents(&decision.facts)
    }

    fn end(&mut self, intent: &DeploymentIntended, steps: &[(&str, bool, serde_json::Value)]) {
        let steps = steps.iter().map(|(action, succeeded, outputs)| StepEnded {
            action: (*action).to_owned(),
            began: true,
            succeeded: *succeeded,
            timed_out: false,
            message: (!succeeded).then(|| format!("{action} says no")),
            outputs: outputs.clone(),
        });
        let steps: Vec<_> = steps.collect();
        let result = if steps.iter().all(|step| step.succeeded) {
            RunResult::Succeeded
        } else {
            RunResult::Failed
        };
        for fact in finish(
            intent,
            &RunEnded {
                run: intent.run,
                result,
                reason: None,
                steps,
            },
        ) {
            self.take_in(&fact);
        }
    }

    fn succeed(&mut self, intent: &DeploymentIntended) {
        let configuration = Digest::of(format!("configuration of {}", intent.package));
        self.end(
            intent,
            &[
                (ADMIT, true, json!(null)),
                (MIGRATE, true, json!({ "schema": { "main": "2" } })),
                (CONFIGURE, true, json!({ "configuration": configuration })),
                (ROLL_OUT, true, json!({})),
                (VERIFY, true, json!(null)),
            ],
        );
    }

    fn reject(&mut self, intent: &DeploymentIntended) {
        self.end(
            intent,
            &[
                (MIGRATE, true, json!({ "schema": { "main": "3" } })),
                (CONFIGURE, true, json!({})),
                (ROLL_OUT, true, json!({})),
                (ANALYZE, false, json!({ "rejected": true })),
            ],
        );
    }

    /// Brings a package all the way.
    fn deliver(&mut self, number: u64) {
        self.accept(number);
        for _ in 0..2 {
            for intent in self.advance() {
                self.succeed(&intent);
            }
        }
        self.advance();
        assert_eq!(self.current("production").package, Some(package(number)));
    }

    fn current(&self, name: &str) -> StateVector {
        self.state.environment(&environment(name)).current
    }
}

fn intents(facts: &[DeliveryFact]) -> Vec<DeploymentIntended> {
    let intents = facts.iter().filter_map(|fact| match fact {
        DeliveryFact::Intended(intent) => Some(intent.clone()),
        _ => None,
    });
    intents.collect()
}

#[test]
fn a_package_goes_to_staging_and_when_proven_there_to_production() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let first = world.advance();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].environment.as_str(), first[0].generation), ("staging", 1));
    assert_eq!(world.advance(), [], "nothing more while it is under way");
    world.succeed(&first[0]);
    let second = world.advance();
    assert_eq!(second.len(), 1);
    assert_eq!(
        (second[0].environment.as_str(), second[0].package),
        ("production", package(1))
    );
    world.succeed(&second[0]);
    assert_eq!(world.advance(), []);
    assert_eq!(world.current("production").package, Some(package(1)));
    assert_eq!(world.current("production").schema["main"], "2");
}

#[test]
fn the_soak_time_passes_before_a_package_counts_as_proven() {
    let mut staging = policy("staging", &[]);
    staging.soak = Duration::from_secs(60);
    let mut world = World::new(vec![staging, policy("production", &["staging"])]);
    world.accept(1);
    let first = world.advance();
    world.succeed(&first[0]);
    let decision = advance(world.component, &world.state, &world.path, world.now);
    assert_eq!(decision.facts, []);
    assert_eq!(
        decision.wake_at,
        Some(world.now.checked_add(Duration::from_secs(60)).unwrap())
    );
    world.wait(59);
    assert_eq!(world.advance(), []);
    world.wait(1);
    assert_eq!(world.advance()[0].environment.as_str(), "production");
}

#[test]
fn the_newest_candidate_goes_and_older_ones_are_superseded() {
    let mut world = World::staging_and_production();
    world.accept(1);
    let first = world.advance();
    for number in 2..=4 {
        world.accept(number);
    }
    world.succeed(&first[0]);
    let next = world.advance();
    let staging = next
        .iter()
        .find(|intent| intent.environment.as_str() == "staging")
        .unwrap();
    assert_eq!(staging.package, package(4));
    let here = world.state.environment(&environment("staging"));
    assert_eq!(here.superseded.get(&package(2)), Some(&package(4)));
    assert_eq!(here.superseded.get(&package(3)), Some(&package(4)));
}

#[test]
fn a_build_that_ends_late_does_not_bring_an_older_commit_back() {
    let mut world = World::staging_and_production();
    world.deliver(2);
    world.accept(1);
    assert_eq!(world.advance(), []);
}

#[test]
fn a_rejected_package_goes_back_as_a_whole_and_never_comes_again() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    let before = world.current("production");
    world.accept(2);
    let staging = world.advance();
    world.succeed(&staging[0]);
    let production = world.advance();
    world.reject(&production[0]);
    let back = world.advance();
    assert_eq!(back.len(), 1);
    assert_eq!((back[0].purpose, back[0].package), (Purpose::Return, package(1)));
    assert_eq!(back[0].generation, production[0].generation + 1);
    assert_eq!(
        back[0].reasons,
        ["the deployment of 1.2.0 failed; the environment returns to 1.1.0 as a whole"]
    );
    world.succeed(&back[0]);
    assert_eq!(world.advance(), []);
    let after = world.current("production");
    assert_eq!(
        (after.package, after.configuration),
        (before.package, before.configuration)
    );
    assert!(world.state.packages[&package(2)].bar.is_some());
    world.wait(1_000_000);
    assert_eq!(world.advance(), [], "never again by itself");
    let asked = promote(
        &world.state,
        &world.path,
        &environment("production"),
        package(2),
        person("x"),
        world.now,
    );
    assert!(
        matches!(asked, Err(AskError::Refused { .. })),
        "nor when somebody asks: {asked:?}"
    );
}

#[test]
fn a_barred_package_may_come_again_once_its_cause_is_linked() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.accept(2);
    let staging = world.advance();
    world.reject(&staging[0]);
    let back = world.advance();
    world.succeed(&back[0]);
    world.advance();
    let unbarred = unbar(&world.state, package(2), "the staging database was full").unwrap();
    world.take_in(&unbarred);
    let again = world.advance();
    assert_eq!(
        (again[0].environment.as_str(), again[0].package),
        ("staging", package(2))
    );
    assert_eq!(
        unbar(&world.state, package(2), "x"),
        Err(AskError::NotBarred(package(2)))
    );
}

#[test]
fn trouble_that_says_nothing_about_the_package_does_not_bar_it() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.accept(2);
    let staging = world.advance();
    world.end(&staging[0], &[(ADMIT, false, json!(null))]);
    assert_eq!(
        world.advance(),
        [],
        "nothing was touched: there is nothing to go back from, and no blind retry"
    );
    assert!(world.state.packages[&package(2)].bar.is_none());
    let last = world.state.environment(&environment("staging")).last.unwrap();
    assert_eq!((last.result, last.disturbed), (DeploymentResult::Failed, false));
    let asked = promote(
        &world.state,
        &world.path,
        &environment("staging"),
        package(2),
        person("x"),
        world.now,
    )
    .unwrap();
    world.take_in(&asked);
    assert_eq!(world.advance()[0].purpose, Purpose::Promotion);
}

#[test]
fn a_return_that_fails_waits_for_a_person() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.accept(2);
    let staging = world.advance();
    world.reject(&staging[0]);
    let back = world.advance();
    world.end(&back[0], &[(ROLL_OUT, false, json!(null))]);
    assert_eq!(world.advance(), []);
    let asked = roll_back(
        world.component,
        &world.state,
        &world.path,
        &environment("staging"),
        Some(package(1)),
        "again",
        world.now,
    );
    assert_eq!(intents(&asked.unwrap())[0].package, package(1));
}

#[test]
fn a_rollback_bars_what_it_leaves_and_goes_to_what_was_proven() {
    let mut world = World::staging_and_production();
    world.deliver(1);
    world.deliver(2);
    let facts = roll_back(
        world.component,
        &world.state,
        &world.path,
        &environment("production"),
        None,
        "the prices are wrong",
        world.now,
    )
    .unwrap();
    for fact in &facts {
        world.take_in(fact);
    }
    let back = &intents(&facts)[0];
    assert_eq!((back.purpose, back.package), (Purpose::Rollback, package(1)));
    world.succeed(back);
    assert_eq!(world.advance(), []);
    assert!(world.state.packages[&package(2)].bar.is_some());
    let again = roll_back(
        world.component,
        &world.state,
        &world.path,
        &environment("production"),
        None,
        "more",
        world.now,
    );
    assert_eq!(again, Err(AskError::NothingToReturnTo(environment("production"))));
}

#[test]
fn an_approval_counts_for_one_package_one_generation_and_not_by_the_author() {
    let mut production = policy("production", &["staging"]);
    production.approvals = vec![ApprovalRule {
        role: "operations".into(),
        of: 2,
    }];
    let mut world = World::new(vec![policy("staging", &[]), production]);
    let place = environment("production");
    world.accept(1);
    let staging = world.advance();
    world.succeed(&staging[0]);
    assert_eq!(world.advance(), []);
    let by =
        |world: &World, who: &str| approve(&world.state, &world.path, &place, package(1), "operations", person(who));
    assert_eq!(by(&world, "author"), Err(AskError::OwnChange));
    let first = by(&world, "ada").unwrap();
    world.take_in(&first);
    world.take_in(&first);
    assert_eq!(world.advance(), [], "one person twice is one approval");
    let second = by(&world, "bob").unwrap();
    world.take_in(&second);
    let intents = world.advance();
    assert_eq!(intents[0].environment, place);
    world.succeed(&intents[0]);
    world.accept(2);
    let staging = world.advance();
    world.succeed(&staging[0]);
    assert_eq!(world.advance(), [], "the next package needs approvals of its own");
}

#[test]
fn a_line_that_is_not_delivered_here_does_not_come_here() {
    let mut world = World::staging_and_production();
    world.accept_on(1, "topic");
    assert_eq!(world.advance(), []);
}

#[test]
fn a_commit_that_comes_to_the_main_line_later_needs_no_other_build() {
    let mut world = World::staging_and_production();
    world.accept_on(1, "topic");
    assert_eq!(world.advance(), []);
    let known = world.state.packages[&package(1)].clone();
    let again = PackageAccepted {
        package: known.digest,
        version: known.version,
        component_name: known.component_name,
        commit: known.commit,
        line: ReleaseLine::new("main").unwrap(),
        order: 7,
        run: known.run,
        author: known.author,
        definition: known.definition,
        gates: known.gates,
    };
    for fact in accept(&world.state, &again, &[]) {
        world.take_in(&fact);
    }
    assert_eq!(world.advance()[0].package, package(1));
    assert_eq!(accept(&world.state, &again, &[]), [], "it is on both lines now");
}

#[test]
fn the_organisations_condition_holds_a_package_back_with_its_message() {
    let mut production = policy("production", &["staging"]);
    production.gates = vec![policy::Gate {
        name: "no first versions".into(),
        when: policy::Condition::compile_for("candidate.version != '1.1.0'", &policy::scope::GATE).unwrap(),
        message: "1.1.0 is for us alone".into(),
    }];
    let mut world = World::new(vec![policy("staging", &[]), production]);
    world.accept(1);
    let staging = world.advance();
    world.succeed(&staging[0]);
    assert_eq!(world.advance(), []);
    let verdict = crate::gate::judge(
        &world.state,
        &world.path,
        world.path.get(&environment("production")).unwrap(),
        &world.state.packages[&package(1)],
        world.now,
    );
    assert_eq!(verdict.obstacle().unwrap().reason, "1.1.0 is for us alone");
    world.accept(2);
    let staging = world.advance();
    world.succeed(&staging[0]);
    assert_eq!(world.advance()[0].package, package(2));
}
