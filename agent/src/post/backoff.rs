//! How long to wait after a failure.
//!
//! In: failures in a row, what the receiver asks for. Out: a pause. Must not know: what failed.

use std::time::Duration;

use rand::RngExt as _;

/// After many.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest pause that a receiver may ask for.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// Failures since something succeeded.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After the first failure, at most.
    pub const SHORTEST: Duration = Duration::from_millis(500);

    /// Whether nothing has succeeded since the last failure.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Notes one more failure. Half to all of a time that doubles, so that agents that lost one receiver do not come back at once; what the
    /// receiver asked for, where that is longer.
    pub fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        let full = Self::SHORTEST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let pause = full.mul_f64(rand::rng().random_range(0.5..=1.0));
        asked.map_or(pause, |asked| pause.max(asked.min(ASKED_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut backoff = Backoff::default();
        for full in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let pause = backoff.after_failure(None);
            assert!((Duration::from_millis(full / 2)..=Duration::from_millis(full)).contains(&pause), "{full}: {pause:?}");
        }
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_ever() {
        let asked = |seconds| Backoff::default().after_failure(Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!((asked(0), asked(7), asked(u64::MAX)), (0, 7, 300));
    }
}
