//! Counts, by reason, of what happens to the agent's own services: a room counts, `metrics` shows.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter for each of a closed set of reasons. Shared between who counts and who shows.
#[derive(Debug)]
pub struct Tally {
    reasons: &'static [&'static str],
    counts: Vec<AtomicU64>,
}

impl Tally {
    /// All at 0. A single reason without a name is a plain counter.
    #[must_use]
    pub fn new(reasons: &'static [&'static str]) -> Self {
        Self { reasons, counts: reasons.iter().map(|_| AtomicU64::new(0)).collect() }
    }

    /// One more. A reason that is not of the set is not counted: the sets are closed, so there is none.
    pub fn count(&self, reason: &str) {
        if let Some(count) = self.reasons.iter().position(|known| *known == reason).and_then(|at| self.counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every reason with its count.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reasons.iter().zip(&self.counts).map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
    }
}

impl Default for Tally {
    /// A plain counter.
    fn default() -> Self {
        Self::new(&[""])
    }
}
