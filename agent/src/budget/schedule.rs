//! When the probes of a busy family are on: one short window at a random time of each period.

use std::time::Duration;

/// How long the probes count in one window.
pub const WINDOW: Duration = Duration::from_millis(5);

/// The shortest period: one window in each.
const PERIOD: Duration = Duration::from_secs(5);

/// How far apart the first windows are, and how many they are: a rate that is known twice says how it varies.
const FIRST_PERIOD: Duration = Duration::from_secs(1);
const FIRST: u32 = 3;

/// The share of time that windows may take, switching included: 1 in this many.
const DUTY: u32 = 200;

/// The windows of one family of one executable.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    period: Duration,
    /// Start of the running period, ns.
    start_ns: u64,
    windows: u32,
}

impl Schedule {
    /// Starts at `now_ns`.
    #[must_use]
    pub const fn new(now_ns: u64) -> Self {
        Self { period: FIRST_PERIOD, start_ns: now_ns, windows: 0 }
    }

    /// When the next window opens, ns: at a random time (`random` in 0..1) of the period that runs at `now_ns` or comes.
    /// `exposure` is how long the probes of the last window were in place, switching included.
    pub fn next(&mut self, now_ns: u64, exposure: Duration, random: f64) -> u64 {
        let shortest = if self.windows < FIRST { FIRST_PERIOD } else { PERIOD };
        self.windows = self.windows.saturating_add(1);
        self.period = shortest.max(exposure * DUTY);
        let period_ns = nanos(self.period);
        let begin = self.start_ns.max(now_ns);
        self.start_ns = self.start_ns.saturating_add(period_ns).max(now_ns);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a period")]
        let offset = (period_ns as f64 * random.clamp(0.0, 1.0)) as u64;
        (self.start_ns.saturating_sub(period_ns).saturating_add(offset)).max(begin)
    }

    /// The share of time in which events are counted.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        WINDOW.as_secs_f64() / self.period.as_secs_f64()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn one_window_in_each_period() {
        let mut schedule = Schedule::new(0);
        let mut now = 0;
        for (period, random) in [0.0, 0.99, 0.5, 0.01, 0.7].into_iter().enumerate() {
            let at = schedule.next(now, Duration::from_millis(5), random);
            let (from, to) = [(0, 1), (1, 2), (2, 3), (3, 8), (8, 13)][period];
            assert!((from * SECOND..to * SECOND).contains(&at), "window {period} at {at}");
            now = at + 5_000_000;
        }
    }

    #[test]
    fn slow_switching_stretches_the_period() {
        let mut schedule = Schedule::new(0);
        schedule.next(0, Duration::from_secs(2), 0.5);
        assert_eq!(schedule.period, Duration::from_secs(400));
        assert!(schedule.ratio() < 0.000_02);
    }
}
