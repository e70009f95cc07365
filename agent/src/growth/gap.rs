//! For how long nobody looked. Input: the times between two censuses, one after another. Output: the longest that still matters. Must not
//! know what was missed.

use super::member::Tick;

/// A gap is forgotten, bit by bit, over so many times its length. What began or ended in it was taken for shorter than it was, by as much:
/// by then waits and lives of that length were measured many times more. It must be forgotten, or who watches a machine that once stood
/// still for an hour says nothing of what leaks in less than hours ever after.
const FORGET: Tick = 64;

/// The longest time between two censuses, and when it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    length: Tick,
    ended: Tick,
}

impl Gap {
    /// Nobody looked for `length`, up to `now`.
    pub(super) fn add(&mut self, length: Tick, now: Tick) {
        if length >= self.at(now) {
            *self = Self { length, ended: now };
        }
    }

    /// How much of it still matters at `now`.
    pub(super) fn at(self, now: Tick) -> Tick {
        self.length.saturating_sub(now.saturating_sub(self.ended) / FORGET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gaps of these lengths, one after another: the longest that matters at the end.
    fn check(gaps: &[Tick], expected: Tick) {
        let (mut gap, mut now) = (Gap::default(), 0);
        for length in gaps {
            now += length;
            gap.add(*length, now);
        }
        assert_eq!(gap.at(now), expected, "{gaps:?}");
    }

    #[test]
    fn a_long_gap_is_forgotten_in_time() {
        check(&[], 0);
        check(&[20, 30, 25], 30);
        check(&[&[6000][..], &[100; 64]].concat(), 5900);
        check(&[&[6000][..], &[100; 1920]].concat(), 3000);
        check(&[&[6000][..], &[100; 4000]].concat(), 100);
        check(&[&[6000][..], &[100; 1920], &[3100], &[100; 10]].concat(), 3085);
    }
}
