//! Random bytes that a seed decides.

use std::sync::Mutex;

use facts::{Digest, Entropy};

/// Entropy that gives the same bytes for the same seed, in the order in which it is asked. Not for
/// anything secret.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    asked: Mutex<u64>,
}

impl SeededEntropy {
    /// Entropy from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            asked: Mutex::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            let block = Digest::of(format!("{} {}", self.seed, *asked));
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
            *asked += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(entropy: &SeededEntropy) -> [u8; 40] {
        let mut bytes = [0; 40];
        entropy.fill(&mut bytes);
        bytes
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        let entropy = SeededEntropy::new(1);
        let first = draw(&entropy);
        assert_ne!(first, draw(&entropy));
        assert_eq!(first, draw(&SeededEntropy::new(1)));
        assert_ne!(first, draw(&SeededEntropy::new(2)));
    }
}
