//! The whole table of who may do what, and the corners that a table does not show.

use std::fmt::Write as _;

use access::{
    Action, ComponentScope, Decision, EnvironmentScope, Grant, Principal, Resource, Rights, Role, authorize, may_grant,
};
use facts::{Actor, ActorId, ComponentName, EnvironmentName, RunId};

fn component(name: &str) -> ComponentName {
    ComponentName::new(name).unwrap()
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

fn known(grants: Vec<Grant>) -> Principal {
    Principal::Known {
        actor: Actor::User(ActorId::of_key("somebody")),
        rights: Rights {
            grants,
            ..Rights::default()
        },
    }
}

fn grant(role: Role, components: ComponentScope, environments: EnvironmentScope) -> Grant {
    Grant {
        role,
        components,
        environments,
    }
}

#[test]
fn the_table_of_roles_actions_and_resources() {
    let shop = || ComponentScope::Team("shop".into());
    let production = || EnvironmentScope::One(environment("production"));
    let mut principals = vec![
        ("anonymous".to_owned(), Principal::Anonymous),
        ("throughline itself".to_owned(), Principal::System),
        ("known, without a role".to_owned(), known(vec![])),
    ];
    for role in Role::ALL {
        principals.push((format!("{role}"), known(vec![Grant::everywhere(role)])));
    }
    for role in Role::ALL {
        principals.push((
            format!("{role} of team shop"),
            known(vec![grant(role, shop(), EnvironmentScope::All)]),
        ));
    }
    for role in [Role::Operator, Role::Admin] {
        principals.push((
            format!("{role} of shop/cart in production"),
            known(vec![grant(
                role,
                ComponentScope::One(component("shop/cart")),
                production(),
            )]),
        ));
        principals.push((
            format!("{role} in production"),
            known(vec![grant(role, ComponentScope::All, production())]),
        ));
    }
    let resources = [
        ("server", Resource::Server),
        ("shop/cart", Resource::Component(component("shop/cart"))),
        ("shop/till", Resource::Component(component("shop/till"))),
        ("bank/book", Resource::Component(component("bank/book"))),
        (
            "shop/cart staging",
            Resource::Placement(component("shop/cart"), environment("staging")),
        ),
        (
            "shop/cart production",
            Resource::Placement(component("shop/cart"), environment("production")),
        ),
        (
            "bank/book production",
            Resource::Placement(component("bank/book"), environment("production")),
        ),
        ("production", Resource::Environment(environment("production"))),
    ];
    let mut table = String::new();
    for (name, principal) in &principals {
        writeln!(table, "# {name}").unwrap();
        for (on, resource) in &resources {
            let allowed: Vec<_> = Action::ALL
                .into_iter()
                .filter(|action| authorize(principal, *action, resource).is_allowed())
                .map(|action| format!("{action:?}"))
                .collect();
            let allowed = if allowed.is_empty() {
                "nothing".to_owned()
            } else {
                allowed.join(" ")
            };
            writeln!(table, "{on}: {allowed}").unwrap();
        }
        writeln!(table).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn each_role_may_do_all_that_the_one_below_may() {
    for pair in Role::ALL.windows(2) {
        for action in Action::ALL {
            let may = |role| authorize(&known(vec![Grant::everywhere(role)]), action, &Resource::Server).is_allowed();
            assert!(!may(pair[0]) || may(pair[1]), "{action:?}");
        }
    }
}

#[test]
fn a_run_has_no_rights_of_its_own() {
    let run = Principal::Known {
        actor: Actor::Run(RunId::of_key("a run")),
        rights: Rights::default(),
    };
    for action in Action::ALL {
        assert!(!authorize(&run, action, &Resource::Server).is_allowed(), "{action:?}");
    }
}

#[test]
fn two_grants_do_not_add_up_to_a_third() {
    let both = known(vec![
        grant(
            Role::Admin,
            ComponentScope::One(component("shop/cart")),
            EnvironmentScope::One(environment("staging")),
        ),
        grant(
            Role::Viewer,
            ComponentScope::All,
            EnvironmentScope::One(environment("production")),
        ),
    ]);
    let production = Resource::Placement(component("shop/cart"), environment("production"));
    assert!(authorize(&both, Action::Read, &production).is_allowed());
    assert!(!authorize(&both, Action::Deploy, &production).is_allowed());
}

#[test]
fn a_refusal_says_what_it_would_take_and_anonymous_is_sent_to_the_door() {
    assert_eq!(
        authorize(&Principal::Anonymous, Action::Read, &Resource::Server),
        Decision::LogIn
    );
    let Decision::Deny { reason } = authorize(
        &known(vec![Grant::everywhere(Role::Developer)]),
        Action::Deploy,
        &Resource::Placement(component("shop/cart"), environment("production")),
    ) else {
        panic!("a developer does not deploy")
    };
    assert_eq!(
        reason,
        "you may not deploy here: that needs the role operator for shop/cart in production"
    );
}

#[test]
fn duties_are_held_by_name_and_all_of_them_by_an_admin_of_everything() {
    let mut rights = Rights::everywhere(Role::Operator);
    rights.duties.insert("dba".into());
    let actor = Actor::User(ActorId::of_key("somebody"));
    let dba = Principal::Known { actor, rights };
    assert!(dba.has_duty("dba") && !dba.has_duty("security"));
    assert!(known(vec![Grant::everywhere(Role::Admin)]).has_duty("security"));
    assert!(!Principal::System.has_duty("security") && !Principal::Anonymous.has_duty("security"));
}

#[test]
fn nobody_gives_more_than_they_administer() {
    let team = || ComponentScope::Team("shop".into());
    let all = || EnvironmentScope::All;
    let of_team = known(vec![grant(Role::Admin, team(), all())]);
    let of_all = known(vec![Grant::everywhere(Role::Admin)]);
    let gives = |principal: &Principal, components, environments| {
        let grants = vec![grant(Role::Viewer, components, environments)];
        let rights = Rights {
            grants,
            ..Rights::default()
        };
        may_grant(principal, &rights).is_allowed()
    };
    let cart = || ComponentScope::One(component("shop/cart"));
    assert!(gives(&of_team, team(), all()) && gives(&of_team, cart(), all()));
    assert!(!gives(&of_team, ComponentScope::All, all()));
    assert!(!gives(&of_team, ComponentScope::Team("bank".into()), all()));
    assert!(!gives(&of_team, ComponentScope::One(component("bank/book")), all()));
    assert!(gives(&of_all, ComponentScope::All, all()));
    let in_production = EnvironmentScope::One(environment("production"));
    let here = known(vec![grant(Role::Admin, ComponentScope::All, in_production.clone())]);
    assert!(gives(&here, cart(), in_production) && !gives(&here, cart(), all()));
    let operator = known(vec![Grant::everywhere(Role::Operator)]);
    assert!(!gives(&operator, cart(), all()));
    for principal in [Principal::Anonymous, Principal::System, known(vec![])] {
        assert!(!may_grant(&principal, &Rights::default()).is_allowed());
    }
    let mut duties = Rights::default();
    duties.duties.insert("dba".into());
    assert!(!may_grant(&of_team, &duties).is_allowed() && may_grant(&of_all, &duties).is_allowed());
}
