//! What looking through very many facts costs: no question goes through all of them.

use std::sync::Arc;
use std::time::Duration;

use facts::{
    Actor, ActorId, Commit, ComponentId, Digest, FactId, NewFact, RunId, Stream, SystemClock, SystemEntropy, Trust,
};
use ledger::{Ledger, PostgresLedger, SqliteLedger};
use serde_json::{Value, json};

use super::*;
use crate::changes::kinds::{CHANGE_ARRIVED, CHANGE_DESCRIBED, COMPONENT_CREATED};
use crate::recorded::RecordedView;
use crate::search::SearchView;

/// Facts of components, their changes and their builds, as a server records them.
struct Generator {
    at: Timestamp,
    number: u64,
}

impl Generator {
    fn fact(&mut self, stream: Stream, kind: &str, body: Value) -> NewFact {
        self.number += 1;
        self.at = self.at.checked_add(Duration::from_millis(700)).unwrap();
        NewFact {
            stream,
            id: FactId::new(self.at, &SystemEntropy),
            kind: kind.to_owned(),
            kind_version: 1,
            occurred_at: self.at,
            actor: match self.number % 3 {
                0 => Actor::User(ActorId::of_key(&format!("person {}", self.number % 40))),
                _ => Actor::System,
            },
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: None,
            body,
        }
    }

    /// The facts of one change of one of the components: ten of them.
    fn change(&mut self, number: u64) -> Vec<NewFact> {
        let component = ComponentId::of_key(&format!("team/service{}", number % 60));
        let commit = Commit::new(&Digest::of(format!("commit {number}")).hex()[..40]).unwrap();
        let (run, repository) = (
            RunId::of_key(&format!("run {number}")),
            Stream::new("repository", component),
        );
        let of_run = || Stream::new("run", run);
        let subject = format!(
            "Mend the {} of order {number}",
            ["price", "colour", "weight", "name"][number as usize % 4]
        );
        let requested = json!({
            "kind": "build", "key": format!("build:{number}"), "component": component, "component_name": "team/service",
            "commit": commit, "line": "main", "definition": Digest::of("definition"), "trust": "trusted", "steps": 2,
        });
        let started = |step: &str| json!({ "step": step, "attempt": 1 });
        let ended = |step: &str| json!({ "step": step, "attempt": 1, "result": "succeeded", "next": { "step": "finished", "result": "succeeded" } });
        let mut facts = Vec::new();
        if number < 60 {
            let body = json!({ "component": component, "name": format!("team/service{number}") });
            facts.push(self.fact(repository.clone(), COMPONENT_CREATED, body));
        }
        facts.push(self.fact(
            repository.clone(),
            CHANGE_ARRIVED,
            json!({ "commit": commit, "branch": "main", "tip": true }),
        ));
        facts.push(self.fact(
            repository,
            CHANGE_DESCRIBED,
            json!({ "commit": commit, "subject": subject }),
        ));
        facts.push(self.fact(of_run(), engine::kinds::REQUESTED, requested));
        facts.push(self.fact(of_run(), engine::kinds::STARTED, json!({})));
        for step in ["build", "package"] {
            facts.push(self.fact(of_run(), engine::kinds::ATTEMPT_STARTED, started(step)));
            facts.push(self.fact(of_run(), engine::kinds::ATTEMPT_FINISHED, ended(step)));
        }
        facts.push(self.fact(of_run(), engine::kinds::FINISHED, json!({ "result": "succeeded" })));
        facts
    }
}

fn views() -> Vec<Arc<dyn ledger::View>> {
    vec![Arc::new(RecordedView), Arc::new(SearchView)]
}

fn opened(folder: &std::path::Path) -> SqliteLedger {
    SqliteLedger::open(&folder.join("ledger.db"), views(), Arc::new(SystemClock)).unwrap()
}

/// Records at least so many facts, and waits until the views know of them.
async fn filled(ledger: &dyn Ledger, facts: u64) {
    let mut generator = Generator {
        at: Timestamp::from_second(1_790_000_000).unwrap(),
        number: 0,
    };
    let (mut change, mut head) = (0, 0);
    while head < facts {
        let mut batch = Vec::new();
        for _ in 0..200 {
            batch.extend(generator.change(change));
            change += 1;
        }
        head += batch.len() as u64;
        ledger.append(ledger::Append::unconditional(batch)).await.unwrap();
    }
    let mut known = ledger.follow_views();
    known.wait_for(|position| *position >= head).await.unwrap();
}

/// What people filter by, each for itself and together.
fn filters() -> Vec<(String, Filter)> {
    let person = Actor::User(ActorId::of_key("person 3"));
    let nobody = Actor::User(ActorId::of_key("nobody"));
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let mut all = Vec::new();
    for stream in [None, Some("run"), Some("repository"), Some("nothing/such")] {
        for kind in [None, Some("attempt.finished"), Some("no.such")] {
            for actor in [None, Some(person), Some(nobody)] {
                for (since, until) in [
                    (None, None),
                    (Some(at(1)), None),
                    (None, Some(at(1))),
                    (Some(at(4_000_000_000)), None),
                ] {
                    let named = format!("{stream:?} {kind:?} {actor:?} {since:?} {until:?}");
                    let filter = Filter {
                        stream: stream.map(str::to_owned),
                        kind: kind.map(str::to_owned),
                        actor,
                        since,
                        until,
                    };
                    all.push((named, filter));
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn no_question_about_facts_goes_through_all_of_them_or_sorts_them() {
    let folder = testkit::folder();
    let ledger = opened(folder.path());
    filled(&ledger, 1).await;
    let mut wrong = Vec::new();
    for (named, filter) in filters() {
        let next = list(&ledger, &filter, None, 1).await.unwrap().next;
        for after in [None, next.map(|next| next.to_string())] {
            let plan = ledger.plan(filter.question(after, 50)).await.unwrap();
            let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"));
            let scans = plan.iter().any(|line| line.starts_with("SCAN"));
            if sorts || scans && filters_something(&filter) {
                wrong.push(format!("{named}: {plan:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_question_about_facts_goes_through_all_of_them_or_sorts_them_on_postgresql() {
    let Some(database) = testkit::Postgres::start() else {
        return;
    };
    let address = database.address().parse().unwrap();
    let ledger = PostgresLedger::open(&address, views(), Arc::new(SystemClock))
        .await
        .unwrap();
    filled(&ledger, 1).await;
    let mut wrong = Vec::new();
    for (named, filter) in filters() {
        let next = list(&ledger, &filter, None, 1).await.unwrap().next;
        for after in [None, next.map(|next| next.to_string())] {
            let plan = ledger.plan(filter.question(after, 50)).await.unwrap();
            if plan
                .iter()
                .any(|line| line.contains("Seq Scan") || line.contains("Sort"))
            {
                wrong.push(format!("{named}: {plan:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong[0]);
}

/// Without any filter the facts are gone through from the newest, and no further than the page.
fn filters_something(filter: &Filter) -> bool {
    let times = filter.since.is_some() || filter.until.is_some();
    times || filter.stream.is_some() || filter.kind.is_some() || filter.actor.is_some()
}
