//! When goroutines began who are suspected, or who are there at all. Input: single beginnings. Output: whether they go on beginning. Must
//! not know goroutines, nor groups.
//!
//! A watch with an end must judge by what it has seen when it ends. One without an end can wait until what it sees is more than a burst:
//! all clients that come back, or a server that warms up, are many at first, and fewer and fewer, or they come in waves. What leaks goes
//! on as it began. So two things are asked of what began since the first of them: that they fill each of many equal parts of the time,
//! and that they became not fewer, both beyond what chance would do.

use super::member::Tick;

/// Parts of the time that must all be filled: the more where there are enough goroutines to fill them.
const PARTS: usize = 6;
const FINE_PARTS: usize = 12;
/// So many in each of the finer parts, on average, tell full from empty.
const PER_FINE_PART: usize = 6;

/// Beginnings, in order once [`Births::sort`] was called.
#[derive(Clone, Debug, Default)]
pub(super) struct Births(Vec<Tick>);

impl Births {
    pub(super) fn add(&mut self, at: Tick) {
        self.0.push(at);
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    pub(super) fn all(&self) -> &[Tick] {
        &self.0
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn oldest(&self) -> Option<Tick> {
        self.0.first().copied()
    }

    pub(super) fn youngest(&self) -> Option<Tick> {
        self.0.last().copied()
    }

    /// Those from `start` on.
    pub(super) fn since(&self, start: Tick) -> &[Tick] {
        self.0.get(self.0.partition_point(|at| *at < start)..).unwrap_or_default()
    }
}

/// Whether beginnings, in order, fill all the time from the first of them up to `end`, and have become not fewer.
pub(super) fn go_on(births: &[Tick], end: Tick) -> bool {
    let counts = parts(births, end);
    let least = least(&counts);
    counts.iter().all(|count| *count > 0.0 && *count >= least) && keep_pace(births, end)
}

/// Whether they fill the last part of that time.
pub(super) fn last(births: &[Tick], end: Tick) -> bool {
    let counts = parts(births, end);
    counts.last().is_some_and(|last| *last > 0.0 && *last >= least(&counts))
}

/// What must be in each part: half of what is usual, and as many fewer as chance would have it.
fn least(counts: &[f64]) -> f64 {
    let half = counts.iter().sum::<f64>() / float(counts.len()) / 2.0;
    half - half.sqrt()
}

/// How many began in each part of the time that is to be filled.
fn parts(births: &[Tick], end: Tick) -> Vec<f64> {
    counts(births, end, if births.len() >= FINE_PARTS * PER_FINE_PART { FINE_PARTS } else { PARTS })
}

/// Whether in the last third of the time from the first beginning up to `end` surely two thirds as many began as in the first.
pub(super) fn keep_pace(births: &[Tick], end: Tick) -> bool {
    let [first, .., last] = counts(births, end, 3)[..] else { return false };
    let doubt = |count: f64| count.sqrt() / 2.0;
    last - doubt(last) >= (first + doubt(first)) * 2.0 / 3.0
}

/// How many began in each of equal parts of the time from the first of them up to `end`.
fn counts(births: &[Tick], end: Tick, parts: usize) -> Vec<f64> {
    let first = births.first().copied().unwrap_or(end);
    let length = u64::from(end.saturating_sub(first).max(1));
    let mut counts = vec![0.0; parts];
    for at in births.iter().take_while(|at| **at <= end) {
        let part = u64::from(at - first).saturating_mul(u64::try_from(parts).unwrap_or(1)) / length;
        let part = usize::try_from(part).unwrap_or(parts).min(parts.saturating_sub(1));
        if let Some(count) = counts.get_mut(part) {
            *count += 1.0;
        }
    }
    counts
}

/// A small number with a point.
fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether so many that begin at these shares of a minute go on.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of a minute")]
    fn check(name: &str, count: u32, at: impl Fn(f64) -> f64, expected: bool) {
        let mut births: Vec<Tick> = (0..count).map(|index| (at(f64::from(index) / f64::from(count)) * 6000.0) as Tick).collect();
        births.sort_unstable();
        births.retain(|at| *at <= 6000);
        assert_eq!(go_on(&births, 6000), expected, "{name}");
    }

    #[test]
    fn what_goes_on() {
        for count in [30, 60, 72, 100, 1000] {
            check("evenly", count, |share| share, true);
            check("more and more", count, |share| share.powf(0.8), true);
            check("in eighteen bursts", count, |share| (share * 18.0).floor() / 18.0, true);
            check("at once", count, |_| 0.1, false);
            check("until two thirds", count, |share| share * 0.67, false);
            check("in three waves", count, |share| (share * 3.0).floor() / 3.0 + 0.1, false);
            // Who tries again after 30 to 60 s, of whom each is somewhere in its pause.
            let residual = |share: f64| if share < 2.0 / 3.0 { share * 0.75 } else { 1.0 - (3.0 * (1.0 - share)).sqrt() / 2.0 };
            check("clients that come back", count, residual, false);
            check("fewer and fewer", count, |share| share * share, false);
        }
        check("too few to tell", 12, |share| share, false);
        check("none", 0, |share| share, false);
    }
}
