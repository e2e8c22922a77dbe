use engine::RunResult;
use pipeline::PlannedStep;
use serde_json::json;

use crate::bench::{Bench, nothing, request, step};

#[tokio::test]
async fn no_more_steps_work_at_once_than_there_are_places() {
    let bench = Bench {
        max_parallel: 3,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let steps = |n: usize| request((0..n).map(|n| step(&format!("s{n}"), &[], json!({}))).collect());
    let (one, two) = tokio::join!(bench.finish(&engine, steps(60)), bench.finish(&engine, steps(60)));
    assert_eq!((one, two), (RunResult::Succeeded, RunResult::Succeeded));
    assert!(bench.world.most_working() <= 3, "{}", bench.world.most_working());
    assert_eq!(engine.working(), 0);
}

#[tokio::test]
async fn a_large_run_does_not_keep_a_small_one_waiting() {
    let bench = Bench {
        max_parallel: 2,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let large: Vec<_> = (0..40)
        .map(|n| step(&format!("large{n}"), &[], json!({"hold": true})))
        .collect();
    let large = engine.submit(request(large), nothing()).await.unwrap().run;
    bench.world.begun("large1-1").await;
    let small = request(vec![
        step("small0", &[], json!({})),
        step("small1", &["small0"], json!({})),
    ]);
    let small = engine.submit(small, nothing()).await.unwrap().run;
    // One place becomes free: it goes to the small run, and comes back when that is finished.
    bench.world.release("large0");
    assert_eq!(engine.wait(small).await.unwrap(), Some(RunResult::Succeeded));
    assert!(bench.world.performed().len() < 8, "{:?}", bench.world.performed());
    for n in 0..40 {
        bench.world.release(&format!("large{n}"));
    }
    assert_eq!(engine.wait(large).await.unwrap(), Some(RunResult::Succeeded));
}

#[tokio::test]
async fn a_step_that_waits_for_a_person_takes_no_place() {
    let bench = Bench {
        max_parallel: 1,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let approve = PlannedStep {
        action: "approve".to_owned(),
        ..step("approve", &[], json!({"hold": true}))
    };
    let waiting = engine.submit(request(vec![approve]), nothing()).await.unwrap().run;
    bench.world.begun("approve-1").await;
    assert_eq!(
        bench.finish(&engine, request(vec![step("a", &[], json!({}))])).await,
        RunResult::Succeeded
    );
    bench.world.release("approve");
    assert_eq!(engine.wait(waiting).await.unwrap(), Some(RunResult::Succeeded));
}
