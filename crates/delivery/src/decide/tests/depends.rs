//! Packages that depend on changes of another component.

use std::collections::BTreeSet;
use std::sync::Arc;

use facts::published::Judgement;

use super::*;
use crate::depends::Other;
use crate::gate::{self, Requirement, WaitsFor};
use crate::kinds::{Dependency, PackageDepends};

/// A component, and another one whose changes it depends on; the commits of both have numbers.
struct Two {
    cart: World,
    core: World,
}

impl Two {
    fn new() -> Self {
        let world = || World::new(vec![policy("staging", &[]), policy("production", &["staging"])]);
        let mut core = world();
        core.component = ComponentId::of_key("shop/core");
        Self { cart: world(), core }
    }

    fn change(&self, number: u64) -> Dependency {
        Dependency {
            component: self.core.component,
            component_name: ComponentName::new("shop/core").unwrap(),
            commit: Commit::new(format!("{number:040}")).unwrap(),
            change: None,
            delivered: true,
        }
    }

    /// A package comes onto the path that depends on a change of the other component.
    fn accept(&mut self, number: u64, on: &[Dependency]) {
        self.cart.accept(number);
        let depends = PackageDepends {
            package: package(number),
            on: on.to_vec(),
        };
        self.cart.take_in(&depends.into());
        self.look();
    }

    /// What the driver brings.
    fn look(&mut self) {
        let on: Vec<Dependency> = self
            .cart
            .state
            .packages
            .values()
            .flat_map(|one| one.depends_on.clone())
            .collect();
        let state = Arc::new(self.core.state.clone());
        for on in on {
            let holds = |package: &&crate::state::Package| package.commit >= on.commit;
            let holders: BTreeSet<Digest> = state.packages.values().filter(holds).map(|one| one.digest).collect();
            let other = Other {
                state: state.clone(),
                holders,
            };
            self.cart.state.others.insert((on.component, on.commit), other);
        }
    }

    /// Where the package stands before an environment because of the other component.
    fn requirement(&mut self, place: &str, number: u64) -> Requirement {
        self.look();
        let verdict = gate::judge(
            &self.cart.state,
            &self.cart.path,
            self.cart.path.get(&environment(place)).unwrap(),
            &self.cart.state.packages[&package(number)],
            self.cart.now,
        );
        let mut of_it = verdict
            .requirements
            .into_iter()
            .filter(|one| one.name == "depends on shop/core");
        of_it.next().unwrap()
    }

    #[track_caller]
    fn waits(&mut self, place: &str, number: u64, expected: &str) {
        let requirement = self.requirement(place, number);
        assert_eq!(requirement.judgement, Judgement::Wait, "{requirement:?}");
        assert_eq!(requirement.reason, expected);
        assert!(matches!(requirement.waits_for, Some(WaitsFor::Change { .. })));
        assert_eq!(
            self.cart
                .advance()
                .iter()
                .filter(|one| one.environment.as_str() == place)
                .count(),
            0
        );
    }

    /// What happens next by itself, of the component.
    fn advance(&mut self) -> Vec<DeploymentIntended> {
        self.look();
        self.cart.advance()
    }

    /// The other component's package goes one environment further.
    fn core_goes_on(&mut self) {
        for intent in self.core.advance() {
            self.core.succeed(&intent);
        }
        self.core.advance();
    }
}

const ONE: &str = "0000000000";

#[test]
fn what_a_package_passes_over_waits_for_is_waited_for_although_the_package_knows_it_otherwise() {
    let mut two = Two::new();
    two.accept(1, &[two.change(1)]);
    let not_delivered = Dependency {
        delivered: false,
        ..two.change(1)
    };
    two.accept(2, &[not_delivered]);
    two.waits(
        "staging",
        2,
        &format!(
            "no package of shop/core on the path holds {ONE}; it has to come to a release line that is delivered to staging"
        ),
    );
}

#[test]
fn a_package_waits_until_what_it_depends_on_is_proven_in_the_same_environment() {
    let mut two = Two::new();
    two.accept(1, &[two.change(1)]);
    two.waits(
        "staging",
        1,
        &format!(
            "no package of shop/core on the path holds {ONE}; it has to come to a release line that is delivered to staging"
        ),
    );
    two.core.accept_on(1, "topic");
    two.waits(
        "staging",
        1,
        &format!("{ONE} of shop/core is on no release line that is delivered to staging"),
    );
    two.core.accept(2);
    two.waits(
        "staging",
        1,
        &format!("{ONE} of shop/core is on the path in 1.2.0, and has not come to staging yet"),
    );
    let coming = two.core.advance();
    two.waits(
        "staging",
        1,
        &format!("{ONE} of shop/core is being deployed to staging, in 1.2.0"),
    );
    two.core.succeed(&coming[0]);
    // A newer package that holds the change stands for it.
    two.waits(
        "staging",
        1,
        &format!("{ONE} of shop/core is in staging, in 1.2.0, and not proven there yet"),
    );
    two.core.advance(); // It is proven in staging, and on its way to production.
    let staging = two.advance();
    assert_eq!(staging.len(), 1);
    assert_eq!(staging[0].package, package(1));
    assert!(
        staging[0]
            .reasons
            .iter()
            .any(|reason| reason.contains("is proven in staging, in 1.2.0"))
    );
    two.cart.succeed(&staging[0]);
    assert_eq!(two.advance(), []);
    two.waits(
        "production",
        1,
        &format!("{ONE} of shop/core is being deployed to production, in 1.2.0"),
    );
}

#[test]
fn an_environment_that_it_has_not_come_to_yet_is_told_with_those_where_it_is() {
    let mut two = Two::new();
    let mut production = policy("production", &["staging"]);
    production.approvals = vec![ApprovalRule {
        role: "operations".into(),
        of: 1,
    }];
    two.core.path = Path::new(vec![policy("staging", &[]), production], Digest::of("policy"));
    two.core.accept(1);
    two.core_goes_on();
    two.accept(1, &[two.change(1)]);
    let staging = two.advance();
    two.cart.succeed(&staging[0]);
    two.waits(
        "production",
        1,
        &format!("{ONE} of shop/core is in staging, and not in production yet"),
    );
}

#[test]
fn what_goes_back_holds_back_what_depends_on_it_and_says_so() {
    let mut two = Two::new();
    for number in 1..=2 {
        two.core.accept(number);
        two.core_goes_on();
    }
    assert_eq!(
        two.core.state.environment(&environment("staging")).current.package,
        Some(package(2))
    );
    let back = roll_back(
        two.core.component,
        &two.core.state,
        &two.core.path,
        &environment("staging"),
        None,
        "slow",
        two.core.now,
    );
    for fact in back.unwrap() {
        two.core.take_in(&fact);
    }
    let open = two.core.state.environment(&environment("staging")).open.unwrap().intent;
    two.core.succeed(&open);
    two.core.advance();
    two.accept(1, &[two.change(2)]);
    two.waits(
        "staging",
        1,
        &format!("{ONE} of shop/core was found bad in staging (asked for: slow); a change of shop/core that mends it has to come"),
    );
    // The cause is linked: it may come again, and is not there yet.
    let unbarred = unbar(&two.core.state, package(2), "https://example.org/1").unwrap();
    two.core.take_in(&unbarred);
    let requirement = two.requirement("staging", 1);
    assert_eq!(requirement.judgement, Judgement::Wait);
    // What mends it has it behind it.
    two.core.accept(3);
    two.core_goes_on();
    assert_eq!(two.advance()[0].package, package(1));
}

#[test]
fn a_newer_package_also_waits_for_what_those_depend_on_that_it_passes_over() {
    let mut two = Two::new();
    two.accept(1, &[two.change(1)]);
    two.cart.accept(2);
    let requirement = two.requirement("staging", 2);
    assert_eq!(requirement.judgement, Judgement::Wait);
    assert_eq!(two.advance(), [], "2 has the change behind it that needs the other");
    two.core.accept(1);
    two.core_goes_on();
    let staging = two.advance();
    assert_eq!(staging[0].package, package(2));
    two.cart.succeed(&staging[0]);
    two.advance();
    // What is there has it: what comes after does not ask again.
    two.cart.accept(3);
    assert_eq!(two.advance()[0].package, package(3));
}

#[test]
fn what_makes_no_package_is_not_waited_for() {
    let mut two = Two::new();
    let mut on = two.change(1);
    on.delivered = false;
    two.accept(1, &[on]);
    let requirement = two.requirement("staging", 1);
    assert_eq!(requirement.judgement, Judgement::Pass);
    assert!(
        requirement.reason.contains("makes no package"),
        "{}",
        requirement.reason
    );
    assert_eq!(two.advance()[0].package, package(1));
}

#[test]
fn a_return_asks_for_nothing() {
    let mut two = Two::new();
    two.core.accept(1);
    two.core_goes_on();
    two.accept(1, &[two.change(1)]);
    let staging = two.advance();
    two.cart.succeed(&staging[0]);
    two.advance();
    two.cart.accept(2);
    let second = two.advance();
    let second = second
        .iter()
        .find(|one| one.environment.as_str() == "staging")
        .unwrap()
        .clone();
    // Meanwhile the other is gone.
    two.core.state = State::default();
    two.cart.reject(&second);
    let back = two.advance();
    let back = back.iter().find(|one| one.environment.as_str() == "staging").unwrap();
    assert_eq!((back.purpose, back.package), (Purpose::Return, package(1)));
}

#[test]
fn what_a_newer_package_depends_on_holds_no_older_one() {
    let mut two = Two::new();
    two.accept(1, &[]);
    two.accept(2, &[two.change(1)]);
    two.look();
    let one = &two.cart.state.packages[&package(1)];
    let staging = two.cart.state.environment(&environment("staging"));
    assert!(crate::depends::of(&two.cart.state, &staging, one).is_empty());
    // What is there already brought its own: nobody waits for that once more.
    for number in [2, 3] {
        two.cart
            .state
            .environments
            .entry(environment("staging"))
            .or_default()
            .current
            .package = Some(package(2));
        two.cart.accept(number);
    }
    let staging = two.cart.state.environment(&environment("staging"));
    let three = &two.cart.state.packages[&package(3)];
    assert!(crate::depends::of(&two.cart.state, &staging, three).is_empty());
}

#[test]
fn a_change_that_was_proven_stays_so_while_a_newer_package_that_holds_it_soaks() {
    let mut two = Two::new();
    two.core.accept(1);
    two.core_goes_on();
    two.core.accept(2);
    let coming = two.core.advance();
    let staging = coming.iter().find(|one| one.environment.as_str() == "staging").unwrap();
    two.core.succeed(staging);
    assert!(!two.core.state.environment(&environment("staging")).is_proven);
    two.accept(1, &[two.change(1)]);
    let requirement = two.requirement("staging", 1);
    assert_eq!(requirement.judgement, Judgement::Pass, "{requirement:?}");
}
