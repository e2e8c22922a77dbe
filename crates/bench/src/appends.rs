//! How many facts a store takes in a second, with the chain of hashes and the views of a server.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use facts::{Clock as _, NewFact, SystemClock};
use ledger::{Address, Append, Folding, Ledger, MemoryLedger, PostgresLedger, SqliteLedger, View};
use serde_json::{Value, json};

use crate::story::{Sample, Story};

/// What is asked for.
pub struct Asked {
    /// `memory`, `sqlite`, or the address of a database.
    pub store: String,
    /// How many facts.
    pub count: usize,
    /// By how many at a time.
    pub at_once: usize,
    /// How many facts each append has.
    pub each: usize,
    /// Where files are put.
    pub folder: PathBuf,
}

/// Measures, and says how many facts a second were taken and how long an append took.
///
/// # Errors
/// When the sample cannot be read, or the store refuses.
pub async fn measure(sample: &Path, asked: Asked) -> Result<Value, Box<dyn Error>> {
    let story = Story::of(&Sample::read(sample).await?.story)?;
    // What decisions read commits with the facts; what follows later is a work of its own.
    let views: Vec<Arc<dyn View>> = server::views::all()
        .into_iter()
        .filter(|view| view.folding() == Folding::Inline)
        .collect();
    let named: Vec<&str> = views.iter().map(|view| view.name()).collect();
    let clock = Arc::new(SystemClock);
    let ledger: Arc<dyn Ledger> = match asked.store.as_str() {
        "memory" => Arc::new(MemoryLedger::new(views.clone(), clock)?),
        "sqlite" => Arc::new(SqliteLedger::open(
            &asked.folder.join("ledger.db"),
            views.clone(),
            clock,
        )?),
        address => Arc::new(PostgresLedger::open(&address.parse::<Address>()?, views.clone(), clock).await?),
    };
    // Each of those who append at once tells stories of its own; all are made before the time begins.
    let now = SystemClock.now();
    let mut told: Vec<Vec<Vec<NewFact>>> = Vec::new();
    let share = asked.count.div_ceil(asked.at_once);
    let mut number = 0;
    for _ in 0..asked.at_once {
        let mut own = Vec::new();
        while own.len() < share {
            own.extend(story.told(number, now)?);
            number += 1;
        }
        own.truncate(share);
        told.push(own.chunks(asked.each).map(<[NewFact]>::to_vec).collect());
    }
    let count: usize = told.iter().flatten().map(Vec::len).sum();
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for own in told {
        let ledger = ledger.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::with_capacity(own.len());
            for facts in own {
                let begun = Instant::now();
                ledger.append(Append::unconditional(facts)).await?;
                times.push(begun.elapsed());
            }
            Ok::<_, ledger::AppendError>(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    Ok(json!({
        "facts": count,
        "seconds": seconds,
        "facts_a_second": count as f64 / seconds,
        "append_ms": { "median": at(0.5), "p99": at(0.99) },
        "views": named,
    }))
}
