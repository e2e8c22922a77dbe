//! A server as far as attempts go, for the tests to kill: `starter DATA_FOLDER RUN STEP FOLDER SCRIPT
//! [CONTAINER [SERVICES]]` starts an attempt, says `started`, waits for its end and says how it ended.

use std::io::Write as _;
use std::time::Duration;

use executor::{AttemptKey, Executor as _, Job, LocalExecutor, LocalOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, run, step, folder, script, more @ ..] = &arguments[..] else {
        return Err("five arguments, or more".into());
    };
    let container = match more.first() {
        Some(container) => serde_json::from_str(container)?,
        None => None,
    };
    let services = match more.get(1) {
        Some(services) => serde_json::from_str(services)?,
        None => Vec::new(),
    };
    let program = std::env::current_exe()?.with_file_name("shim");
    let mut options = LocalOptions::new(data, program);
    options.idle = Duration::from_secs(20);
    options.grace = Duration::from_millis(300);
    options.containers = executor::conformance::image::engine().0;
    let executor = LocalExecutor::new(options)?;
    let key = AttemptKey {
        run: run.parse()?,
        step: step.parse()?,
        attempt: 1,
    };
    let job = Job {
        key: key.clone(),
        script: script.clone(),
        shell: ["sh", "-eu", "-c"].map(String::from).into(),
        folder: folder.into(),
        variables: Default::default(),
        secrets: Vec::new(),
        timeout: None,
        durable_outcome: true,
        nice: 0,
        log_budget: 1 << 20,
        limits: executor::Limits::default(),
        container,
        services,
    };
    executor.start(job).await?;
    println!("started");
    std::io::stdout().flush()?;
    println!("{:?}", executor.wait(&key).await?.ended);
    Ok(())
}
