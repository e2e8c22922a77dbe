use engine::{RunRequest, RunResult, query};
use facts::RunId;
use pipeline::PlannedStep;
use pipeline::plan::{Concurrency, GroupRule, Resources};
use serde_json::json;

use crate::bench::{Bench, name, nothing, request, step};

/// A run of one step of this name, in a group.
fn of(called: &str, rule: GroupRule) -> RunRequest {
    let concurrency = Some(Concurrency {
        group: "deploy-$THROUGHLINE_COMPONENT".to_owned(),
        rule,
    });
    request(vec![PlannedStep {
        concurrency,
        ..step(called, &[], json!({"hold": true}))
    }])
}

async fn reason(bench: &Bench, run: RunId) -> String {
    let row = query::run(&*bench.ledger, run).await.unwrap().unwrap();
    row.reason.unwrap_or_default()
}

#[tokio::test]
async fn of_the_runs_in_a_group_one_works_at_a_time_also_after_a_restart() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let mut runs = Vec::new();
    for called in ["first", "second", "third"] {
        let run = engine
            .submit(of(called, GroupRule::Queue), nothing())
            .await
            .unwrap()
            .run;
        if called == "first" {
            bench.world.begun("first-1").await;
        }
        runs.push(run);
    }
    let waits = bench.until(|| engine.waiting(runs[1]).pop()).await;
    assert_eq!(
        (waits.run, waits.by, waits.group.as_str()),
        (runs[0], Some(name("first")), "deploy-shop/cart")
    );
    engine.stop().await;
    // The attempt that was open is lost with its server; it holds the group until it is done.
    let engine = bench.engine().await;
    bench.world.begun("first-2").await;
    for called in ["first", "second", "third"] {
        bench.world.release(called);
    }
    for run in &runs {
        assert_eq!(engine.wait(*run).await.unwrap(), Some(RunResult::Succeeded));
    }
    assert_eq!(bench.world.performed(), ["first-1", "first-2", "second-1", "third-1"]);
    assert_eq!(engine.waiting(runs[2]), []);
    bench.check().await;
}

#[tokio::test]
async fn a_newer_run_ends_the_one_that_waits() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let one = engine
        .submit(of("one", GroupRule::Newest), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("one-1").await;
    let two = engine
        .submit(of("two", GroupRule::Newest), nothing())
        .await
        .unwrap()
        .run;
    bench.until(|| engine.waiting(two).pop()).await;
    let three = engine
        .submit(of("three", GroupRule::Newest), nothing())
        .await
        .unwrap()
        .run;
    assert_eq!(engine.wait(two).await.unwrap(), Some(RunResult::Cancelled));
    assert_eq!(
        reason(&bench, two).await,
        "step `two`: a newer run took its turn in the group `deploy-shop/cart`"
    );
    bench.world.release("one");
    bench.world.release("three");
    assert_eq!(engine.wait(one).await.unwrap(), Some(RunResult::Succeeded));
    assert_eq!(engine.wait(three).await.unwrap(), Some(RunResult::Succeeded));
    bench.check().await;
}

#[tokio::test]
async fn a_newer_run_stops_the_one_that_works() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let one = engine
        .submit(of("one", GroupRule::Replace), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("one-1").await;
    let two = engine
        .submit(of("two", GroupRule::Replace), nothing())
        .await
        .unwrap()
        .run;
    assert_eq!(engine.wait(one).await.unwrap(), Some(RunResult::Cancelled));
    assert_eq!(reason(&bench, one).await, "step `one`: a newer run took its turn");
    bench.world.release("two");
    assert_eq!(engine.wait(two).await.unwrap(), Some(RunResult::Succeeded));
    bench.check().await;
}

#[tokio::test]
async fn a_whole_run_may_be_in_a_group() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let whole = |called: [&str; 2], rule| {
        let mut asked = request(vec![
            step(called[0], &[], json!({"hold": true})),
            step(called[1], &[called[0]], json!({})),
        ]);
        if let Ok(plan) = &mut asked.plan {
            plan.concurrency = Some(Concurrency {
                group: "all".to_owned(),
                rule,
            });
        }
        asked
    };
    let one = engine
        .submit(whole(["a1", "a2"], GroupRule::Queue), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("a1-1").await;
    let two = engine
        .submit(whole(["b1", "b2"], GroupRule::Queue), nothing())
        .await
        .unwrap()
        .run;
    let waits = bench.until(|| engine.waiting(two).pop()).await;
    assert_eq!((waits.step, waits.run, waits.by), (None, one, None));
    let three = engine
        .submit(whole(["c1", "c2"], GroupRule::Replace), nothing())
        .await
        .unwrap()
        .run;
    for run in [one, two] {
        assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Cancelled));
        assert_eq!(
            reason(&bench, run).await,
            format!("run {three}, which is newer, took its turn in the group `all`")
        );
    }
    bench.world.release("c1");
    assert_eq!(engine.wait(three).await.unwrap(), Some(RunResult::Succeeded));
    bench.check().await;
}

#[tokio::test]
async fn steps_that_take_the_whole_machine_work_one_after_the_other() {
    let bench = Bench {
        max_parallel: 4,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let steps = (0..6).map(|n| PlannedStep {
        resources: Some(Resources {
            cpus_milli: Some(3_000),
            memory_bytes: None,
        }),
        ..step(&format!("s{n}"), &[], json!({}))
    });
    assert_eq!(
        bench.finish(&engine, request(steps.collect())).await,
        RunResult::Succeeded
    );
    assert_eq!(bench.world.most_working(), 1);
}

/// Whoever took over may have driven a run further than the one that still holds it.
#[tokio::test]
async fn what_another_server_has_ended_keeps_nobody_waiting() {
    let bench = Bench::new();
    let (first, second) = (bench.engine().await, bench.engine().await);
    let mut asks = of("asks", GroupRule::Queue);
    if let Ok(plan) = &mut asks.plan {
        plan.steps[0].input = json!({"unknown": true});
    }
    let one = first.submit(asks, nothing()).await.unwrap().run;
    let mut head = bench.ledger.follow();
    while bench.steps(one).await != ["asks: asking (the wire was cut)"] {
        head.changed().await.unwrap();
    }
    let two = first
        .submit(of("waits", GroupRule::Queue), nothing())
        .await
        .unwrap()
        .run;
    bench.until(|| first.waiting(two).pop()).await;
    second
        .resolve(one, &name("asks"), true, facts::Actor::System)
        .await
        .unwrap();
    bench.world.release("waits");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), first.wait(two));
    assert_eq!(ended.await.unwrap().unwrap(), Some(RunResult::Succeeded));
    bench.check().await;
}
