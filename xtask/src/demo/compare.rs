//! What a service says that it did, against what the agent saw from outside between the same two moments. Pure.
//!
//! In: the agent's counters before "go" and after "stop", and the service's own counts in between. Out: one [`Row`] per counter, and
//! one for the goroutines that live at the end.

use std::collections::BTreeSet;
use std::fmt;

use super::agent::{Count, Process, family_of};
use super::services::Counts;
use super::text::exact;

/// One counter of one service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) counter: String,
    /// What the service counted itself.
    pub(super) own: u64,
    pub(super) agent: Seen,
}

/// What the agent saw between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Every event was counted: this many.
    Exactly(i128),
    /// An estimate: not fewer than the first, not more than the last.
    Between { low: i128, value: i128, high: i128 },
    /// The agent says of a family that it is exact, and shows an interval, or does not count it at all.
    Contradiction,
}

impl Row {
    /// Whether the agent is right: no difference where it is exact, the truth in the interval where it is not.
    pub(super) fn holds(&self) -> bool {
        let own = i128::from(self.own);
        match self.agent {
            Seen::Exactly(number) => number == own,
            Seen::Between { low, high, .. } => (low..=high).contains(&own),
            Seen::Contradiction => false,
        }
    }

    /// Whether nothing of this kind happened, and the agent says so too.
    pub(super) fn is_nothing(&self) -> bool {
        let nothing = matches!(self.agent, Seen::Exactly(0) | Seen::Between { value: 0, .. });
        self.own == 0 && nothing && self.holds()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: i128| match u64::try_from(number) {
            Ok(number) => exact(number),
            Err(_) => number.to_string(),
        };
        match *self {
            Self::Exactly(seen) => f.pad(&number(seen)),
            Self::Between { low, value, high } => f.pad(&format!("~{}  [{}, {}]", number(value), number(low), number(high))),
            Self::Contradiction => f.pad("not counted"),
        }
    }
}

/// What a service calls its runtime.NumGoroutine.
const LIVE: &str = "goroutines";

/// One row for each counter that the service or the agent knows.
pub(super) fn rows(own: &Counts, before: &Process, after: &Process) -> Vec<Row> {
    let counters: BTreeSet<&String> = own.keys().filter(|counter| *counter != LIVE).chain(after.counters.keys()).collect();
    let row = |counter: &String| Row {
        counter: counter.clone(),
        own: own.get(counter).copied().unwrap_or(0),
        agent: seen(before.count(counter), after.counters.get(counter).copied(), after.is_exact(family_of(counter))),
    };
    let live = own.get(LIVE).map(|live| Row {
        counter: LIVE.into(),
        own: *live,
        agent: after.runtime.as_ref().map_or(Seen::Contradiction, |runtime| Seen::Exactly(runtime.goroutines.into())),
    });
    live.into_iter().chain(counters.into_iter().map(row)).collect()
}

fn seen(before: Count, after: Option<Count>, is_exact: Option<bool>) -> Seen {
    let (Some(after), Some(is_exact)) = (after, is_exact) else { return Seen::Contradiction };
    let difference = |late: u64, early: u64| i128::from(late) - i128::from(early);
    let value = difference(after.value, before.value);
    let (low, high) = (difference(after.low, before.high), difference(after.high, before.low));
    match is_exact {
        true if low == high => Seen::Exactly(value),
        true => Seen::Contradiction,
        false => Seen::Between { low, value, high },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::agent::{Mode, Runtime};

    const fn count(value: u64, low: u64, high: u64) -> Count {
        Count { value, low, high }
    }

    fn check(own: u64, before: Count, after: Option<Count>, is_exact: Option<bool>, expected: (Seen, bool)) {
        let agent = seen(before, after, is_exact);
        let row = Row { counter: "map_writes_faststr".into(), own, agent };
        assert_eq!((row.agent, row.holds()), expected, "{own} {before:?} {after:?}");
    }

    #[test]
    fn exact_families_must_agree() {
        let before = count(5, 5, 5);
        check(10, before, Some(count(15, 15, 15)), Some(true), (Seen::Exactly(10), true));
        check(10, before, Some(count(16, 16, 16)), Some(true), (Seen::Exactly(11), false));
        check(10, before, Some(count(14, 14, 14)), Some(true), (Seen::Exactly(9), false));
        check(0, before, Some(count(4, 4, 4)), Some(true), (Seen::Exactly(-1), false));
        check(10, before, Some(count(15, 14, 16)), Some(true), (Seen::Contradiction, false));
    }

    #[test]
    fn estimates_must_hold_the_truth() {
        let before = count(100, 90, 120);
        let after = Some(count(1000, 900, 1200));
        let seen = Seen::Between { low: 780, value: 900, high: 1110 };
        for (own, holds) in [(779, false), (780, true), (900, true), (1110, true), (1111, false)] {
            check(own, before, after, Some(false), (seen, holds));
        }
    }

    #[test]
    fn what_is_not_counted_is_not_right() {
        check(0, Count::default(), None, None, (Seen::Contradiction, false));
        check(0, Count::default(), Some(count(0, 0, 0)), None, (Seen::Contradiction, false));
    }

    #[test]
    fn every_counter_has_a_row() {
        let family = |mode: &str| Mode { mode: mode.into() };
        let after = Process {
            families: [("goroutine".into(), family("exact")), ("map".into(), family("sampled"))].into(),
            counters: [("goroutine_starts".into(), count(3, 3, 3)), ("map_clears".into(), count(0, 0, 1))].into(),
            runtime: Some(Runtime { goroutines: 4, ..Runtime::default() }),
            ..Process::default()
        };
        let own = Counts::from([("goroutines".to_owned(), 4), ("goroutine_starts".to_owned(), 3), ("sleeps".to_owned(), 1)]);
        let rows = rows(&own, &Process::default(), &after);
        let shown: Vec<_> = rows.iter().map(|row| (row.counter.as_str(), row.agent.to_string(), row.holds(), row.is_nothing())).collect();
        assert_eq!(
            shown,
            [
                ("goroutines", "4".to_owned(), true, false),
                ("goroutine_starts", "3".to_owned(), true, false),
                ("map_clears", "~0  [0, 1]".to_owned(), true, true),
                ("sleeps", "not counted".to_owned(), false, false),
            ]
        );
    }
}
