//! Events per second, from counters read now and then. Pure: the clock is passed in.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Exact counters: the time looked back on, seconds.
const BACK: f64 = 5.0;

/// Estimates grow when a window ends, each some seconds: so many growths are looked back on.
const GROWTHS: usize = 3;

/// Readings of every counter of every process.
#[derive(Debug, Default)]
pub(super) struct Rates(HashMap<(u32, &'static str), Readings>);

#[derive(Debug, Default)]
struct Readings {
    is_exact: bool,
    /// Seconds and number, oldest first.
    points: VecDeque<(f64, u64)>,
}

impl Rates {
    /// A counter of the process `pid` stands at `value` at `now` seconds.
    pub(super) fn note(&mut self, pid: u32, counter: &'static str, is_exact: bool, now: f64, value: u64) {
        let Readings { is_exact: was_exact, points } = self.0.entry((pid, counter)).or_default();
        if *was_exact && !is_exact {
            // From the last exact reading on, windows tell the rate.
            points.drain(..points.len().saturating_sub(1));
        }
        *was_exact = is_exact;
        if is_exact {
            points.push_back((now, value));
            while points.get(1).is_some_and(|(second, _)| now - second >= BACK) {
                points.pop_front();
            }
        } else if points.back().is_none_or(|(_, last)| *last != value) {
            points.push_back((now, value));
            while points.len() > GROWTHS + 1 {
                points.pop_front();
            }
        }
    }

    /// Events per second; none before there are two readings.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn of(&self, pid: u32, counter: &'static str) -> Option<f64> {
        let points = &self.0.get(&(pid, counter))?.points;
        let ((first, from), (last, to)) = (points.front()?, points.back()?);
        (last > first).then(|| (to.saturating_sub(*from) as f64) / (last - first))
    }

    /// Whether an exact counter has grown early and late in the time looked back on: what starts once and stays is no leak.
    pub(super) fn keeps_growing(&self, pid: u32, counter: &'static str) -> bool {
        let Some(Readings { points, .. }) = self.0.get(&(pid, counter)) else { return false };
        let (Some((first, from)), Some((last, to))) = (points.front(), points.back()) else { return false };
        let half = points.iter().find(|(at, _)| *at >= (first + last) / 2.0);
        last - first >= BACK / 2.0 && half.is_some_and(|(_, middle)| from < middle && middle < to)
    }

    /// Forgets processes that are not there any more.
    pub(super) fn keep(&mut self, pids: &BTreeSet<u32>) {
        self.0.retain(|(pid, _), _| pids.contains(pid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_exact: bool, readings: &[(f64, u64)], expected: Option<f64>) {
        let mut rates = Rates::default();
        for (now, value) in readings {
            rates.note(1, "x", is_exact, *now, *value);
        }
        assert_eq!(rates.of(1, "x"), expected, "{readings:?}");
    }

    #[test]
    fn exact_counters_look_back_on_seconds() {
        check(true, &[], None);
        check(true, &[(0.0, 7)], None);
        check(true, &[(0.0, 0), (1.0, 20), (2.0, 40)], Some(20.0));
        check(true, &[(0.0, 0), (1.0, 1000), (6.0, 1000)], Some(0.0));
    }

    #[test]
    fn what_starts_once_does_not_keep_growing() {
        for (readings, expected) in [
            ([(0.0, 0), (1.5, 10), (3.0, 20)], true),
            ([(0.0, 0), (1.0, 10), (2.0, 20)], false), // too short to tell
            ([(0.0, 0), (1.5, 20), (3.0, 20)], false),
            ([(0.0, 0), (1.5, 0), (3.0, 20)], false),
        ] {
            let mut rates = Rates::default();
            for (now, value) in readings {
                rates.note(1, "x", true, now, value);
            }
            assert_eq!(rates.keeps_growing(1, "x"), expected, "{readings:?}");
        }
        assert!(!Rates::default().keeps_growing(1, "x"));
    }

    #[test]
    fn estimates_look_back_on_growths() {
        check(false, &[(0.0, 100), (1.0, 100)], None);
        check(false, &[(0.0, 100), (1.0, 100), (2.0, 2100), (3.0, 2100), (4.0, 2100)], Some(1000.0));
    }

    #[test]
    fn windows_begin_where_exactness_ends() {
        let mut rates = Rates::default();
        rates.note(1, "x", true, 0.0, 0);
        rates.note(1, "x", true, 1.0, 9_000);
        rates.note(1, "x", false, 2.0, 9_000);
        assert_eq!(rates.of(1, "x"), None);
        rates.note(1, "x", false, 3.0, 69_000);
        assert_eq!(rates.of(1, "x"), Some(30_000.0));
        rates.keep(&BTreeSet::new());
        assert_eq!(rates.of(1, "x"), None);
    }
}
