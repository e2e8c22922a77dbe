//! Light, steady requests on what is deployed; every answer and every failure is noted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// What the requests came to.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub sent: u64,
    /// Answers that are errors, by the package that gave them.
    pub errors: BTreeMap<String, u64>,
    /// Requests without an answer, with the time since the load began.
    pub unanswered: Vec<(Duration, String)>,
    /// Errors that name no package.
    pub unattributed: Vec<(Duration, String)>,
}

/// Load that goes on until it is ended.
pub struct Load {
    ended: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    /// About a hundred requests a second to `url`.
    pub fn start(url: &str) -> Self {
        let (ended, tally) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Tally>>::default());
        let (url, until, noted) = (url.to_owned(), ended.clone(), tally.clone());
        let thread = std::thread::spawn(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(PATIENCE))
                // Each request has a connection of its own, so that none is lost with an idle one.
                .max_idle_connections(0)
                .build()
                .into();
            let begun = Instant::now();
            while !until.load(Ordering::Relaxed) {
                let answer = agent.get(&url).call();
                let mut tally = noted.lock().unwrap();
                tally.sent += 1;
                match answer {
                    Err(error) => tally.unanswered.push((begun.elapsed(), error.to_string())),
                    Ok(answer) if answer.status().is_success() => {}
                    Ok(answer) => match answer.headers().get("throughline-package") {
                        Some(package) => {
                            let package = package.to_str().unwrap_or("?").to_owned();
                            *tally.errors.entry(package).or_default() += 1;
                        }
                        None => tally.unattributed.push((begun.elapsed(), answer.status().to_string())),
                    },
                }
                drop(tally);
                std::thread::sleep(Duration::from_millis(8));
            }
        });
        Self { ended, tally, thread }
    }

    /// Ends it; what it came to.
    pub fn end(self) -> Tally {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
        self.tally.lock().unwrap().clone()
    }
}
