use std::time::Instant;

use executor::Ended;

use crate::support::local;

/// No assertion on time, which would fail on a busy machine: the figure is printed (`--no-capture`).
#[tokio::test]
async fn a_chain_of_short_steps_goes_through_one_shim() {
    const STEPS: u32 = 100;
    let bench = local();
    bench.make(bench.job("warm", "true")).await;
    let started = Instant::now();
    for n in 0..STEPS {
        let outcome = bench.make(bench.job(&format!("step-{n}"), "true")).await;
        assert_eq!(outcome.ended, Ended::Succeeded);
    }
    let through_shim = started.elapsed() / STEPS;

    let started = Instant::now();
    for _ in 0..STEPS {
        let spec = process::Spec::new("/bin/sh").args(["-eu", "-c", "true"]);
        assert!(process::spawn(spec).unwrap().wait().await.unwrap().ending.is_success());
    }
    println!(
        "a `true` step through the shim: {through_shim:?}; a process alone: {:?}",
        started.elapsed() / STEPS
    );
    bench.executor.close(bench.run).await.unwrap();
}
