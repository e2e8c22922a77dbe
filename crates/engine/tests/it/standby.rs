//! Several servers on one ledger: one drives, the others record what people ask for, and take over.

use std::sync::Arc;

use engine::{Engine, RunRequest, RunResult};
use facts::{Actor, SystemClock};
use ledger::{AppendError, Fenced, Holder, Ledger, MemoryLedger, Taking};
use pipeline::Plan;
use pipeline::plan::{Concurrency, GroupRule};
use serde_json::json;

use crate::bench::{Bench, effect, name, nothing, request, step};

/// Tells an engine of each fact, as a server that leads does.
fn hearing(bench: &Bench, engine: &Engine) -> tokio::task::JoinHandle<()> {
    let (ledger, engine) = (bench.ledger.clone(), engine.clone());
    tokio::spawn(async move {
        let (mut head, mut position) = (ledger.follow(), 0);
        loop {
            head.borrow_and_update();
            for fact in ledger.read(position, 10_000).await.unwrap() {
                engine.hear(&fact).await.unwrap();
                position = fact.seq;
            }
            if head.changed().await.is_err() {
                return;
            }
        }
    })
}

#[tokio::test]
async fn a_run_that_is_asked_for_at_an_engine_that_stands_by_is_driven_by_the_one_that_leads() {
    let bench = Bench::new();
    let (leading, standing_by) = (bench.engine().await, bench.standing_by());
    let hearing = hearing(&bench, &leading);
    let asked = request(vec![step("a", &[], json!({})), step("b", &["a"], json!({}))]);
    let again = asked.clone();
    let submitted = standing_by.submit(asked, nothing()).await.unwrap();
    assert_eq!(
        standing_by.wait(submitted.run).await.unwrap(),
        Some(RunResult::Succeeded)
    );
    assert_eq!(bench.world.performed(), ["a-1", "b-1"]);
    let again = standing_by.submit(again, nothing()).await.unwrap();
    assert!(again.repeated && again.run == submitted.run);
    hearing.abort();
    bench.check().await;
}

#[tokio::test]
async fn what_is_wished_for_at_an_engine_that_stands_by_is_done_by_the_one_that_leads() {
    let bench = Bench::new();
    let (leading, standing_by) = (bench.engine().await, bench.standing_by());
    let hearing = hearing(&bench, &leading);

    // Cancelled while a step works: the one who leads stops it.
    let asked = request(vec![
        step("held", &[], json!({"hold": true})),
        step("after", &["held"], json!({})),
    ]);
    let run = leading.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("held-1").await;
    standing_by.cancel(run, Actor::System).await.unwrap();
    assert_eq!(standing_by.wait(run).await.unwrap(), Some(RunResult::Cancelled));
    let late = standing_by.cancel(run, Actor::System).await.unwrap_err();
    assert!(late.to_string().starts_with("the run is finished"), "{late}");

    // Attempted again, although nobody drives it any more.
    bench.world.release("held");
    standing_by.retry(run, Actor::System).await.unwrap();
    assert_eq!(standing_by.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(bench.world.performed(), ["held-1", "held-2", "after-1"]);

    // Answered.
    let asked = request(vec![
        effect("deploy", json!({"unknown": true, "blind": true})),
        step("told", &["deploy"], json!({})),
    ]);
    let run = leading.submit(asked, nothing()).await.unwrap().run;
    loop {
        let answered = standing_by.resolve(run, &name("deploy"), true, Actor::System).await;
        match answered {
            Ok(()) => break,
            // Nobody is asked yet.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    assert_eq!(standing_by.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    assert!(bench.world.performed().ends_with(&["deploy-1".into(), "told-1".into()]));

    let unknown = request(Vec::new()).run;
    let error = standing_by.cancel(unknown, Actor::System).await.unwrap_err();
    assert!(error.to_string().contains("there is no run"), "{error}");
    hearing.abort();
    bench.check().await;
}

#[tokio::test]
async fn what_a_run_waits_for_in_its_group_is_seen_at_an_engine_that_stands_by() {
    let bench = Bench::new();
    let (leading, standing_by) = (bench.engine().await, bench.standing_by());
    let asked = |called: &str, of_step: bool| {
        let group = Some(Concurrency {
            group: "deploy".to_owned(),
            rule: GroupRule::Queue,
        });
        let mut only = step(called, &[], json!({"hold": true}));
        let mut plan = Plan::of(Vec::new());
        match of_step {
            true => only.concurrency = group,
            false => plan.concurrency = group,
        }
        plan.steps = vec![only];
        RunRequest {
            plan: Ok(plan),
            ..request(Vec::new())
        }
    };
    for (first, second, of_steps) in [("one", "two", true), ("three", "four", false)] {
        let holds = leading.submit(asked(first, of_steps), nothing()).await.unwrap().run;
        bench.world.begun(&format!("{first}-1")).await;
        let waits = leading.submit(asked(second, of_steps), nothing()).await.unwrap().run;
        let known = bench.until(|| leading.waiting(waits).pop()).await;
        assert_eq!(known.run, holds);
        assert_eq!(known.by, of_steps.then(|| name(first)));
        assert_eq!(standing_by.waits(waits).await.unwrap(), std::slice::from_ref(&known));
        assert_eq!(leading.waits(waits).await.unwrap(), [known]);
        assert_eq!(standing_by.waits(holds).await.unwrap(), []);
        for (run, called) in [(holds, first), (waits, second)] {
            bench.world.release(called);
            assert_eq!(leading.wait(run).await.unwrap(), Some(RunResult::Succeeded));
        }
        assert_eq!(standing_by.waits(waits).await.unwrap(), []);
    }
    let unknown = request(Vec::new()).run;
    let error = standing_by.waits(unknown).await.unwrap_err();
    assert!(error.to_string().contains("there is no run"), "{error}");
    bench.check().await;
}

#[tokio::test]
async fn whoever_takes_over_goes_on_where_the_other_was_and_the_other_records_nothing_more() {
    let views: Vec<Arc<dyn ledger::View>> = vec![Arc::new(engine::RunsView)];
    let memory = MemoryLedger::new(views, Arc::new(SystemClock)).unwrap();
    let leases = memory.leases();
    let plain: Arc<dyn Ledger> = Arc::new(memory);
    let bench = Bench::on(plain.clone());
    let server = |id: &str, ended: &[String]| {
        let holder = Holder {
            id: id.to_owned(),
            place: format!("server {id}"),
        };
        let term = std::time::Duration::from_secs(3_600);
        let fenced = Arc::new(Fenced::new(plain.clone()));
        match leases.take("runs", &holder, ended, term).unwrap() {
            Taking::Taken(fence) => fenced.carry(fence),
            Taking::Held(by) => panic!("{by:?}"),
        }
        fenced
    };
    let first = server("one", &[]);
    let overtaken = Bench {
        ledger: first.clone(),
        world: bench.world.clone(),
        ..Bench::on(plain.clone())
    };
    let one = overtaken.engine().await;
    let asked = request(vec![
        step("a", &[], json!({"hold": true})),
        step("b", &["a"], json!({})),
    ]);
    let run = one.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("a-1").await;

    let second = server("two", &["one".to_owned()]);
    let going_on = Bench {
        ledger: second,
        world: bench.world.clone(),
        ..Bench::on(plain.clone())
    };
    bench.world.survived.lock().unwrap().insert("a".into(), json!({}));
    let two = going_on.standing_by();
    two.lead().await.unwrap();
    assert_eq!(two.wait(run).await.unwrap(), Some(RunResult::Succeeded));
    let head = plain.head().await.unwrap();

    // What the first learns after that goes nowhere.
    bench.world.release("a");
    let error = one.submit(request(vec![step("c", &[], json!({}))]), nothing()).await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, engine::SubmitError::Append(AppendError::Fenced { .. })),
        "{error}"
    );
    one.stop().await;
    assert_eq!(plain.head().await.unwrap(), head);
    assert_eq!(bench.world.performed(), ["a-1", "b-1"]);
    bench.check().await;
}
