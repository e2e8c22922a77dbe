//! What every store does, whatever it stores in.

mod append;
mod followed;
mod history;
mod leases;
mod long;
mod views;

use std::sync::Arc;

use ledger::{Append, Leases, Ledger, MemoryLedger, PostgresLedger, Select, SqliteLedger};
use testkit::{ManualClock, Postgres};

use crate::sample::{upcasters, views as sample_views};
use append::*;
use followed::*;
use history::*;
use leases::*;
use long::*;
use views::*;

pub use followed::{caught_up, count};
pub use long::noise;

/// A ledger under test.
pub struct Fixture {
    pub ledger: Arc<dyn Ledger>,
    pub leases: Arc<dyn Leases>,
    pub clock: ManualClock,
    /// What goes with the ledger: a folder, a database.
    _place: Box<dyn std::any::Any>,
}

async fn memory() -> Option<Fixture> {
    let clock = ManualClock::new();
    let ledger = MemoryLedger::with_upcasters(sample_views(), upcasters(), Arc::new(clock.clone())).unwrap();
    Some(Fixture {
        leases: ledger.leases(),
        ledger: Arc::new(ledger),
        clock,
        _place: Box::new(()),
    })
}

async fn sqlite() -> Option<Fixture> {
    let clock = ManualClock::new();
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    let ledger =
        SqliteLedger::open_with_upcasters(&path, sample_views(), upcasters(), Arc::new(clock.clone())).unwrap();
    Some(Fixture {
        leases: ledger.leases(),
        ledger: Arc::new(ledger),
        clock,
        _place: Box::new(folder),
    })
}

async fn postgres() -> Option<Fixture> {
    let clock = ManualClock::new();
    let database = Postgres::start()?;
    let address = database.address().parse().unwrap();
    let opening = PostgresLedger::open_with_upcasters(&address, sample_views(), upcasters(), Arc::new(clock.clone()));
    let ledger = opening.await.unwrap();
    Some(Fixture {
        leases: ledger.leases(),
        ledger: Arc::new(ledger),
        clock,
        _place: Box::new(database),
    })
}

macro_rules! ledger_conformance {
    ($($store:ident),*) => { $(
        mod $store {
            ledger_conformance!(@tests $store:
                an_empty_ledger_is_whole,
                facts_get_dense_positions_and_versions_and_a_chain,
                all_facts_of_an_append_are_recorded_or_none,
                a_repeated_append_is_answered_and_changes_nothing,
                an_id_is_never_given_to_another_fact,
                an_append_is_refused_when_its_subjects_have_changed,
                a_condition_can_be_checked_without_facts,
                a_claim_is_held_by_one_fact,
                a_fact_that_a_view_refuses_is_not_recorded,
                a_panic_in_a_view_refuses_that_append_alone,
                a_view_may_use_its_own_tables_only,
                what_is_too_large_is_refused,
                a_body_that_would_not_read_back_is_refused,
                each_of_many_appends_at_once_is_decided_on_its_own,
                exactly_one_of_many_conflicting_appends_wins,
                followers_wake_after_each_commit_and_see_no_gap,
                a_lease_is_one_holders_until_it_runs_out_is_given_back_or_its_holder_has_ended,
                who_was_replaced_without_knowing_records_nothing_more,
                of_many_appends_at_once_those_of_the_replaced_are_refused_alone,
                a_read_gives_what_was_asked_for,
                old_bodies_are_read_in_todays_shape,
                a_view_holds_what_the_facts_say,
                rows_are_filtered_and_ordered,
                rows_that_hold_nothing_are_found_and_ordered,
                pages_of_rows_meet_without_gap_or_overlap,
                a_question_that_does_not_fit_is_refused,
                a_whole_ledger_verifies_from_each_checkpoint,
                a_checkpoint_of_another_history_is_noticed,
                a_ledger_verifies_while_facts_are_appended,
                rebuilt_views_are_the_same,
                appends_go_on_during_a_rebuild,
                a_followed_view_comes_to_the_head_without_being_asked,
                a_followed_view_holds_exactly_the_facts_up_to_its_position,
                what_a_followed_view_cannot_take_in_is_recorded_and_stops_it_alone,
                a_rebuild_folds_followed_views_too,
                an_export_carries_its_own_proof,
                odd_texts_and_numbers_come_back_as_they_were,
                keys_of_any_length_are_found_ordered_and_paged,
                rows_with_long_keys_are_changed_removed_and_folded_again,
                a_row_whose_indexed_text_becomes_long_and_short_again_stays_one,
            );
        }
    )* };
    (@tests $store:ident: $($test:ident,)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            if let Some(fixture) = super::$store().await {
                super::$test(fixture).await;
            }
        }
    )* };
}

ledger_conformance!(memory, sqlite, postgres);

async fn append(ledger: &dyn Ledger, facts: Vec<facts::NewFact>) -> ledger::Appended {
    ledger.append(Append::unconditional(facts)).await.unwrap()
}

async fn totals(ledger: &dyn Ledger) -> Vec<(String, i64)> {
    let selected = ledger.select(Select::from("things")).await.unwrap();
    selected
        .rows
        .iter()
        .map(|row| (row.text("name").unwrap().to_owned(), row.integer("total").unwrap()))
        .collect()
}
