//! Verdicts that builds publish about packages.

use facts::published::{Judgement, VERDICT_RECORDED, VerdictRecorded};
use facts::{Actor, Digest, FactId, NewFact, RunId, Stream, Timestamp, Trust};
use serde_json::json;

/// A verdict on a package as a whole.
#[derive(Debug, Clone)]
pub struct Published {
    /// What was judged.
    pub about: &'static str,
    /// What it came to.
    pub result: Judgement,
    /// Sentences a person understands.
    pub reasons: Vec<String>,
    /// The numbers behind them.
    pub numbers: serde_json::Value,
    /// Digests of the evidence.
    pub evidence: Vec<Digest>,
}

impl Published {
    /// The fact of the verdict that `run` came to at `at`. The same attempt, counted from 0, makes the
    /// same fact.
    pub fn fact(self, package: Digest, run: RunId, at: Timestamp, attempt: u32) -> NewFact {
        let place = Stream::new("run", format!("{run}/{}", self.about));
        NewFact {
            stream: Stream::new("verdict", package),
            id: FactId::derived(at, &place, 1, attempt),
            kind: VERDICT_RECORDED.to_owned(),
            kind_version: 1,
            occurred_at: at,
            actor: Actor::Run(run),
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: Some(run.to_string()),
            external_key: None,
            body: json!(VerdictRecorded {
                subject: package,
                about: self.about.to_owned(),
                environment: None,
                result: self.result,
                reasons: self.reasons,
                numbers: self.numbers,
                evidence: self.evidence,
                policy: None,
                valid_until: None,
            }),
        }
    }
}
