//! Whether a process' hits of one family fit: a leaky bucket.

/// Hits per second that a family of a process may cost for ever: 2,000 x 0.8 us = 0.16 % of a core.
pub(super) const SUSTAINED_PER_SECOND: u64 = 2_000;

/// Hits that may come at once: 4,096 x 0.8 us = 3 ms of the target's time.
const BURST: u64 = 4_096;

/// The level of one family of one process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    level: u64,
    at_ns: u64,
}

impl Bucket {
    /// Pours `hits` in at `now_ns`; whether it runs over, so that the probes must not stay on.
    pub fn pour(&mut self, hits: u64, now_ns: u64) -> bool {
        let elapsed_ns = now_ns.saturating_sub(self.at_ns);
        let leaked = u128::from(elapsed_ns) * u128::from(SUSTAINED_PER_SECOND) / 1_000_000_000;
        self.level = self.level.saturating_sub(u64::try_from(leaked).unwrap_or(u64::MAX)).saturating_add(hits);
        self.at_ns = self.at_ns.max(now_ns);
        self.level > BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pours 1,024 hits each `every_ns`; after how many of `times` it ran over.
    fn check(every_ns: u64, times: u64, expected: Option<u64>) {
        let mut bucket = Bucket::default();
        let over = (1..=times).find(|i| bucket.pour(1_024, 1_000_000_000 + i * every_ns));
        assert_eq!(over, expected, "one record each {every_ns} ns");
    }

    #[test]
    fn rates() {
        check(1_000_000_000, 10_000, None); // 1,024/s
        check(512_000_000, 10_000, None); // 2,000/s, for ever
        check(500_000_000, 10_000, Some(130)); // 2,048/s: in the end
        check(102_400_000, 10_000, Some(5)); // 10,000/s: within a second
        check(1_000_000, 10_000, Some(5)); // 1,000,000/s: at once
    }
}
