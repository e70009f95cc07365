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
/// So many, within a minute, are a rush.
const RUSH: usize = 400;
/// Of those that come evenly so many standard deviations early on average are one case in 200.
const EARLY: f64 = -2.6;

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

/// Whether so many began, and so evenly up to `end`, that it can be no burst, nor its end: in none of the finer parts fewer than two thirds
/// of what is usual, or more than half as many again; and they came not early on average, by more than chance would have it.
pub(super) fn rush(births: &[Tick], end: Tick) -> bool {
    let Some(began) = births.get(..births.partition_point(|at| *at <= end)).filter(|began| began.len() >= RUSH) else { return false };
    let counts = counts(began, end, FINE_PARTS);
    let usual = float(began.len()) / float(FINE_PARTS);
    let is_even = counts.iter().all(|count| (usual * 2.0 / 3.0..=usual * 3.0 / 2.0).contains(count));
    let first = began.first().copied().unwrap_or(end);
    is_even && trend(began, first, f64::from(end - first)) >= EARLY
}

/// Beginnings, in order: who was first seen at one look began evenly since the look before it, as far as is known, and no more than `gap`
/// earlier.
pub(super) fn even(births: &[Tick], gap: Tick) -> Vec<Tick> {
    let (mut even, mut before) = (Vec::with_capacity(births.len()), 0);
    for seen in births.chunk_by(|a, b| a == b) {
        let at = seen.first().copied().unwrap_or_default();
        let (between, count) = (u64::from(gap.min(at.saturating_sub(before))), u64::try_from(seen.len()).unwrap_or(u64::MAX));
        let ahead = |ahead: u64| Tick::try_from(between * (2 * ahead + 1) / (2 * count)).unwrap_or_default();
        even.extend((0..count).rev().map(|index| at.saturating_sub(ahead(index))));
        before = at;
    }
    even
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

/// Whether those who began in a watch of this `length`, and are older than `threshold`, surely came more and more rarely, as do the
/// connections of a pool that fills whenever the load is higher than ever before. Either fewer are in the last third than chance would
/// leave there of those who come evenly (in one of thirty cases), or they came early on average (Laplace's test of a trend, one in forty)
/// and are few there, too. As load may have gone down, more than three eighths or half of the share of that third are never asked for.
pub(super) fn fade(births: &[Tick], threshold: Tick, length: Tick) -> bool {
    let third = length / 3;
    let (count, judged) = (float(births.len()), f64::from(length.saturating_sub(threshold).max(1)));
    let recent = float(births.iter().filter(|at| **at >= length - third).count());
    let share = f64::from(third.saturating_sub(threshold)) / judged;
    let usual = count * share;
    let by_chance = usual - 1.9 * (usual * (1.0 - share)).sqrt();
    recent < by_chance.min(usual * 3.0 / 8.0) || (trend(births, 0, judged) < -2.0 && recent < usual / 2.0)
}

/// Laplace's test of a trend: by how many standard deviations those that began in so much time from `start` on came late, on average.
fn trend(births: &[Tick], start: Tick, length: f64) -> f64 {
    let count = float(births.len());
    let mean = births.iter().map(|at| f64::from(at.saturating_sub(start))).sum::<f64>() / count.max(1.0);
    (mean / length.max(1.0) - 0.5) * (12.0 * count).sqrt()
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

    /// So many that begin at these shares of `length`, in order.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of a short time")]
    fn births(count: u32, length: Tick, at: impl Fn(f64) -> f64) -> Vec<Tick> {
        let mut births: Vec<Tick> = (0..count).map(|index| (at(f64::from(index) / f64::from(count)) * f64::from(length)) as Tick).collect();
        births.sort_unstable();
        births.retain(|at| *at <= length);
        births
    }

    /// Whether so many that begin at these shares of a minute go on.
    fn check(name: &str, count: u32, at: impl Fn(f64) -> f64, expected: bool) {
        let births = births(count, 6000, at);
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

    /// Whether so many that begin at these shares of 45 s rush, seen at once and each five seconds.
    fn check_rush(name: &str, count: u32, at: impl Fn(f64) -> f64, expected: bool) {
        let mut births = births(count, 4500, at);
        assert_eq!(rush(&births, 4500), expected, "{name}, {count}");
        births.iter_mut().for_each(|at| *at = at.next_multiple_of(500));
        assert_eq!(rush(&even(&births, 500), 4500), expected, "{name}, {count}, each five seconds");
    }

    #[test]
    fn what_rushes() {
        for count in [1000, 5000, 50_000] {
            check_rush("evenly", count, |share| share, true);
            check_rush("more and more", count, |share| share.powf(0.9), true);
            check_rush("faster and faster", count, |share| share.powf(0.4), false);
            check_rush("fewer and fewer", count, |share| share.powf(1.3), false);
            check_rush("in six waves", count, |share| (share * 6.0).floor() / 6.0, false);
            check_rush("until the last part", count, |share| share * 0.9, false);
            // Who tries again after 30 to 60 s.
            let residual = |share: f64| if share < 2.0 / 3.0 { share } else { (4.0 - (12.0 * (1.0 - share)).sqrt()) / 3.0 };
            check_rush("clients that come back", count, residual, false);
        }
        check_rush("in 45 bursts", 2000, |share| ((share * 45.0).floor() + 0.5) / 45.0, true);
        check_rush("too few", 350, |share| share, false);
        check_rush("none", 0, |share| share, false);
    }

    #[test]
    fn who_was_first_seen_at_one_look() {
        let births = [500, 500, 1000, 1000, 1000, 1000, 3000, 3100];
        assert_eq!(even(&births, 400), [200, 400, 650, 750, 850, 950, 2800, 3050]);
        assert_eq!(even(&births, 0), births);
        assert!(even(&[], 400).is_empty());
    }

    /// Whether so many that begin evenly in each third of a minute fade, without a threshold and with one of ten seconds.
    fn check_fade(thirds: [u32; 3], expected: [bool; 2]) {
        let third = |(index, count): (u32, u32)| (0..count).map(move |at| index * 2000 + at * 2000 / count);
        let births: Vec<Tick> = (0..).zip(thirds).flat_map(third).collect();
        assert_eq!([0, 1000].map(|threshold| fade(&births, threshold, 6000)), expected, "{thirds:?}");
    }

    #[test]
    fn what_fades() {
        check_fade([2, 1, 1], [false; 2]);
        check_fade([4, 4, 1], [false; 2]);
        check_fade([14, 7, 2], [true, true]);
        check_fade([14, 7, 3], [true, false]);
        check_fade([16, 4, 1], [true, true]);
        check_fade([7, 7, 7], [false; 2]);
        check_fade([7, 7, 4], [false; 2]);
        check_fade([9, 9, 2], [true, false]);
        check_fade([50, 30, 20], [false; 2]);
        check_fade([50, 40, 10], [true, false]);
        check_fade([10, 30, 8], [false; 2]);
        check_fade([0, 0, 0], [false; 2]);
    }
}
