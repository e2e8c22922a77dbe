use std::time::{Duration, Instant};

use executor::{Ended, IsolationMode};

use crate::support::local_with;

async fn a_step(mode: IsolationMode) -> Duration {
    const STEPS: u32 = 100;
    let bench = local_with(|options| options.isolation = mode);
    bench.make(bench.job("warm", "true")).await;
    let started = Instant::now();
    for n in 0..STEPS {
        let outcome = bench.make(bench.job(&format!("step-{n}"), "true")).await;
        assert_eq!(outcome.ended, Ended::Succeeded);
    }
    let each = started.elapsed() / STEPS;
    bench.executor.close(bench.run).await.unwrap();
    each
}

/// No assertion on time, which would fail on a busy machine: the figures are printed (`--no-capture`).
#[tokio::test]
async fn a_chain_of_short_steps_goes_through_one_shim() {
    const PROCESSES: u32 = 100;
    let isolated = a_step(IsolationMode::Available).await;
    let off = a_step(IsolationMode::Off).await;
    let started = Instant::now();
    for _ in 0..PROCESSES {
        let spec = process::Spec::new("/bin/sh").args(["-eu", "-c", "true"]);
        assert!(process::spawn(spec).unwrap().wait().await.unwrap().ending.is_success());
    }
    println!(
        "a `true` step through the shim, isolated: {isolated:?}; not isolated: {off:?}; a process alone: {:?}",
        started.elapsed() / PROCESSES
    );
}
