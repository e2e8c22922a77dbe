//! Every page, filled with the samples.

use maud::Markup;

use crate::model::{ErrorPage, LoginPage, Theme};
use crate::{
    change, component, difference, door, environment, gallery, ledger, overview, package, repository, run, runs,
    search, settings,
};

/// Every page there is, with its name.
pub fn every_page(theme: Theme) -> Vec<(&'static str, Markup)> {
    let frame = super::frame(theme);
    let mut noticed = frame.clone();
    noticed.notices = vec![super::notice()];
    let mut outside = frame.clone();
    outside.viewer = None;
    let [nothing, two] = super::commit_pages();
    let [running, whole, broken] = super::verifications();
    let missing = ErrorPage {
        status: 404,
        message: "No change of shop/cart begins with 3f9a.".to_owned(),
        hint: Some("`throughline status` lists the latest changes".to_owned()),
        code: Some("change-not-found".to_owned()),
    };
    let login = LoginPage {
        next: "/".to_owned(),
        problem: Some("No such token, or it is revoked.".to_owned()),
    };
    vec![
        ("overview", overview::page(&noticed, &super::overview())),
        ("overview-empty", overview::page(&frame, &super::empty_overview())),
        ("change-under-way", change::page(&frame, &super::under_way())),
        ("change-held", change::page(&frame, &super::held())),
        ("change-waits", change::page(&frame, &super::waits())),
        ("change-delivered", change::page(&frame, &super::delivered())),
        ("change-returned", change::page(&frame, &super::returned())),
        ("run-running", run::page(&frame, &super::running_run())),
        ("run-failed", run::page(&frame, &super::failed_run())),
        ("run-services", run::page(&frame, &super::failed_build())),
        ("run-broken", run::page(&frame, &super::broken_run())),
        ("runs", runs::page(&frame, &super::run_list())),
        ("environment", environment::page(&frame, &super::environment())),
        ("difference", difference::page(&frame, &super::difference())),
        ("package", package::page(&frame, &super::package_page())),
        ("component", component::page(&frame, &super::component_page())),
        (
            "component-unlisted",
            component::page(&frame, &super::unlisted_component()),
        ),
        ("repository", repository::page(&frame, &super::repository_page())),
        ("commit-nothing", repository::commit(&frame, &nothing)),
        ("commit-two", repository::commit(&frame, &two)),
        ("ledger", ledger::page(&frame, &super::ledger())),
        ("fact", ledger::fact(&frame, &super::fact())),
        ("fact-broken", ledger::fact(&frame, &super::broken_fact())),
        ("verify-running", ledger::verify(&frame, &running)),
        ("verify-whole", ledger::verify(&frame, &whole)),
        ("verify-broken", ledger::verify(&frame, &broken)),
        ("settings", settings::page(&frame, &super::settings())),
        ("search", search::page(&frame, &super::found())),
        ("search-empty", search::page(&frame, &super::found_nothing(""))),
        ("search-nothing", search::page(&frame, &super::found_nothing("wisent"))),
        ("login", door::login(&outside, &login)),
        ("error", door::error(&frame, &missing)),
        ("parts", gallery::page(&frame)),
    ]
}
