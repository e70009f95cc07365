//! How long before the watch those began who were there when it began. Input: their goids, how many have begun since. Output: an age, too
//! short rather than too long. Must not know why it is asked.
//!
//! Ids are given in order: who has a higher one, of the same `go` statement, began later. As many as those take as long to begin as they do
//! now; who of them had ended by then is not counted.

use std::collections::HashMap;

use super::{
    Watch,
    member::{Member, Tick},
    tick,
};

/// Nobody is taken for older than so many times as long as was watched: before, as in a burst, they may have come faster. It is enough to
/// accuse nobody, as who is accused began while watched.
const TIMES: Tick = 4;
/// So many must have begun while watched to tell how fast they come.
const FEWEST: u64 = 5;
/// Where more were there, nothing is told: each takes 8 bytes.
const GOROUTINES: usize = 1 << 17;

/// Who was there at the start.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Goids of each `go` statement, sorted.
    goids: HashMap<u16, Vec<u64>>,
    /// How long the process had run: nobody is older.
    oldest: Tick,
}

impl Early {
    /// These are there at the start.
    pub(super) fn note(&mut self, members: &HashMap<u64, Member>) {
        self.goids.clear();
        if members.len() > GOROUTINES {
            return;
        }
        for (goid, member) in members {
            self.goids.entry(member.site).or_default().push(*goid);
        }
        self.goids.values_mut().for_each(|goids| goids.sort_unstable());
    }

    /// What was there at the start stands for others from now on, or is followed no more.
    pub(super) fn forget(&mut self) {
        self.goids.clear();
    }

    /// How old one of these was at the start, where since then, in so much time, so many have begun at its `go` statement.
    pub(super) fn age(&self, goid: u64, site: u16, births: u64, time: Tick) -> Tick {
        let Some(goids) = self.goids.get(&site).filter(|_| births >= FEWEST) else { return 0 };
        let later = goids.len() - goids.partition_point(|other| *other <= goid);
        let age = u64::try_from(later).unwrap_or(0).saturating_mul(u64::from(time)) / births;
        Tick::try_from(age).unwrap_or(Tick::MAX).min(self.oldest).min(time.saturating_mul(TIMES))
    }
}

impl Watch {
    /// The process had run for so long, ns, when the watch began. Where nobody says so, nobody is taken for older than the watch.
    pub fn ran_before(&mut self, age_ns: u64) {
        self.early.oldest = tick(age_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_began_later_took_as_long_to_begin_as_they_do_now() {
        let mut early = Early { oldest: 5000, ..Early::default() };
        let at = |site| Member::new(true, 0, site, 0, 0, 0, 0);
        // A hundred of one statement, twice as many of another.
        early.note(&(0..300).map(|goid| (goid, at(u16::from(goid % 3 > 0)))).collect());
        let ages = |goid, births| early.age(goid, 0, births, 1000);
        assert_eq!([ages(0, 10), ages(150, 10), ages(297, 10)], [4000, 4000, 0]);
        assert_eq!([ages(0, 100), ages(150, 100), ages(0, 1000)], [990, 490, 99]);
        assert_eq!([ages(0, 4), early.age(7, 2, 10, 1000)], [0, 0], "too few to tell, and none");
        early.forget();
        assert_eq!(early.age(0, 0, 10, 1000), 0);
    }
}
