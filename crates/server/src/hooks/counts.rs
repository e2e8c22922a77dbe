//! How many webhooks came since the server started, by what they were taken for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use access::{HookId, Verdict};

/// A hook's refusals are kept for people at most this often; all of them are counted.
const PAUSE: Duration = Duration::from_secs(1);

/// The counts, and when a refusal was last kept.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_word: Mutex<BTreeMap<&'static str, u64>>,
    kept: Mutex<BTreeMap<HookId, Instant>>,
}

/// What is counted beside verdicts: an address that is no hook's.
const UNKNOWN: &str = "unknown";

impl Counts {
    /// One more of this verdict; of an address that is no hook's where there is none.
    pub fn add(&self, verdict: Option<Verdict>) {
        let word = verdict.map_or(UNKNOWN, Verdict::as_str);
        *self
            .by_word
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(word)
            .or_default() += 1;
    }

    /// All counts, those of what never came too.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.by_word.lock().unwrap_or_else(PoisonError::into_inner);
        let words = Verdict::ALL.iter().map(|verdict| verdict.as_str()).chain([UNKNOWN]);
        words
            .map(|word| (word, counts.get(word).copied().unwrap_or(0)))
            .collect()
    }

    /// Whether a refusal that came at `now` is kept. Whoever only knows the address must not make the disk busy.
    pub fn keeps_refusal(&self, hook: &HookId, now: Instant) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.get(hook).is_some_and(|last| now.duration_since(*last) < PAUSE) {
            return false;
        }
        kept.insert(hook.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_refusals_kept_now_and_then() {
        let counts = Counts::default();
        counts.add(Some(Verdict::Refused));
        counts.add(Some(Verdict::Refused));
        counts.add(None);
        let all: BTreeMap<_, _> = counts.all().into_iter().collect();
        assert_eq!((all["refused"], all["unknown"], all["accepted"]), (2, 1, 0));
        let hook = |digit: &str| HookId::new(&format!("hook_{}", digit.repeat(43))).unwrap();
        let now = Instant::now();
        assert!(counts.keeps_refusal(&hook("a"), now));
        assert!(!counts.keeps_refusal(&hook("a"), now + PAUSE / 2));
        assert!(counts.keeps_refusal(&hook("b"), now + PAUSE / 2));
        assert!(counts.keeps_refusal(&hook("a"), now + PAUSE));
    }
}
