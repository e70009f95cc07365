//! From what was counted in windows to how many there were, with the interval that holds the truth.
//!
//! Each window stands for the time since the one before it. What is exported grows only when a window ends, so no
//! number ever falls; the interval also covers what has come since. Two things make it wide: rates that differ from
//! window to window, and the probes themselves, which slow a busy loop down while they are on.

use std::time::Duration;

use crate::model::Count;

/// What one hit costs the target, ns: the range of what was measured (500 to 1,500).
const COST_NS: (f64, f64) = (450.0, 1_500.0);

/// Nothing that is probed can be done faster than this, ns (a map write takes 8).
const FASTEST_NS: f64 = 4.0;

/// How much a rate varies from window to window at least, as a share of it: a few that agree by chance prove nothing, as
/// what comes in bursts may have the same number of bursts in each.
const VARIATION: f64 = 0.1;

/// So few windows without an event prove nothing.
const FEW: u32 = 3;

/// Half-width of the interval in standard deviations, once there are windows enough.
const SIGMAS: f64 = 3.0;

/// One window of one kind of one process.
#[derive(Clone, Debug)]
pub struct Window {
    /// When it closed, CLOCK_MONOTONIC ns.
    pub closed_ns: u64,
    /// How long events were counted.
    pub length: Duration,
    /// Events counted.
    pub events: u64,
    /// Hits of the whole family in it, by CPU: what the probes cost there.
    pub family_by_cpu: Vec<u64>,
}

/// A number of events of one kind, part exact and part estimated.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// Counted while every event was.
    exact: u64,
    /// When that ended, or the last window closed, ns.
    since_ns: u64,
    value: u64,
    low: f64,
    high: f64,
    windows: u32,
    /// When the exact part ended, ns.
    begun_ns: u64,
    /// How long all windows together were open, ns.
    observed: f64,
    /// Whether any of them saw an event.
    seen: bool,
    last: Rate,
    /// Sum of squared differences of neighbouring rates, and of squared spans: sampling error.
    differences: f64,
    spans: f64,
}

/// Events per ns: as counted, corrected for the probes' cost, and at most.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    low: f64,
    middle: f64,
    high: f64,
}

impl Estimate {
    /// `exact` events were counted one by one until `now_ns`; from now on there are windows.
    #[must_use]
    pub fn new(exact: u64, now_ns: u64) -> Self {
        Self { exact, since_ns: now_ns, begun_ns: now_ns, ..Self::default() }
    }

    /// Takes a window in; by how much the exported number grows.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "estimates")]
    pub fn add(&mut self, window: &Window) -> u64 {
        let rate = Rate::of(window);
        let span = window.closed_ns.saturating_sub(self.since_ns) as f64;
        // The rate in between: the mean of both ends, which follows a slope.
        let before = if self.windows == 0 { rate } else { self.last };
        let growth = (span * (before.middle + rate.middle) / 2.0) as u64;
        self.value = self.value.saturating_add(growth);
        self.low += span * (before.low + rate.low) / 2.0;
        self.high += span * (before.high + rate.high) / 2.0;
        if self.windows > 0 {
            self.differences += (rate.middle - before.middle).powi(2) / 2.0;
        }
        self.spans += span * span;
        self.windows += 1;
        self.observed += window.length.as_nanos() as f64;
        self.seen |= window.events > 0;
        self.last = rate;
        self.since_ns = self.since_ns.max(window.closed_ns);
        growth
    }

    /// How many there were until `now_ns`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "estimates")]
    pub fn count(&self, now_ns: u64) -> Count {
        let value = self.exact.saturating_add(self.value);
        let waiting = now_ns.saturating_sub(self.since_ns) as f64;
        let whole = now_ns.saturating_sub(self.begun_ns) as f64;
        if self.windows < FEW && !self.seen {
            // Nothing is known of the time since the exact part ended but the speed of the machine: the process may not even
            // have been on a CPU in a window.
            let most = whole / FASTEST_NS;
            return Count { value, low: self.exact, high: value.saturating_add(most as u64).max(value.saturating_add(1)) };
        }
        let error = self.error(waiting);
        let low = (self.low - error).max(0.0) as u64;
        // The rule of three: what was not seen in so much time may still have come this often in the rest.
        let unseen = whole * 3.0 / self.observed.max(1.0);
        let high = (self.high + self.last.high * waiting + error + unseen) as u64 + 1;
        Count { value, low: self.exact.saturating_add(low).min(value), high: self.exact.saturating_add(high).max(value + 1) }
    }

    /// The same, with the time since the last window at its rate: for those who look, not for those who subtract, as it may fall.
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "estimates")]
    pub fn carried(&self, now_ns: u64) -> Count {
        let count = self.count(now_ns);
        let since = now_ns.saturating_sub(self.since_ns) as f64 * self.last.middle;
        Count { value: count.value.saturating_add(since as u64).min(count.high), ..count }
    }

    /// Half-width of the sampling error, in events. `waiting` ns have passed since the last window.
    fn error(&self, waiting: f64) -> f64 {
        let spans = self.spans + waiting * waiting;
        if self.windows < 2 {
            // One window tells a rate and nothing of how it varies.
            return spans.sqrt() * self.last.middle;
        }
        let pairs = f64::from(self.windows - 1);
        let deviation = (self.differences / pairs).sqrt().max(VARIATION * self.last.middle);
        // Few pairs know the deviation badly: Student's t at 99 % is 64, 9.9, 5.8, 4.6 for 1 to 4 degrees of freedom.
        let sigmas = SIGMAS * (1.0 + 4.0 / (pairs * pairs));
        sigmas * deviation * spans.sqrt()
    }
}

impl Rate {
    /// While a probe is on, its cost slows down what it counts. On a CPU with n hits in T, T - n c was left for the
    /// target's own work: n of these would have come in that time.
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    fn of(window: &Window) -> Self {
        let length = (window.length.as_nanos() as f64).max(1.0);
        let family: f64 = window.family_by_cpu.iter().map(|hits| *hits as f64).sum();
        let counted = window.events as f64 / length;
        if family <= 0.0 {
            return Self { low: counted, middle: counted, high: counted };
        }
        let inflated = |cost: f64| -> f64 {
            let free = |hits: f64| hits * length / (length - hits * cost).max(hits * FASTEST_NS);
            window.family_by_cpu.iter().map(|hits| free(*hits as f64)).sum::<f64>() / family
        };
        Self { low: counted, middle: counted * inflated(COST_NS.0), high: counted * inflated(COST_NS.1) }
    }
}

#[cfg(test)]
mod tests;
