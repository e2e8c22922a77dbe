//! Chance that a seed decides.

use facts::Entropy as _;
use testkit::SeededEntropy;

/// What to choose by.
pub struct Random(SeededEntropy);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `end`, which is above 0.
    pub fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % end as u64).unwrap()
    }
}
