//! Connections that others made to a process, by inode, and when each was first seen. Input: the inodes that are open now. Output: which
//! goroutines came along with them. Must not know /proc.

use std::collections::HashMap;

use super::member::Tick;

/// Connections remembered. Where there were more, it is not known any more when those began that there were then.
const CONNECTIONS: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Those that are open, and those that were until a moment ago.
    known: HashMap<u64, Opened>,
    /// When they were looked at first: who was open then has no known beginning.
    first_look: Option<Tick>,
    /// When there were more than can be remembered, the last time.
    overflowed: Option<Tick>,
    last_look: Tick,
}

/// When a connection was opened: where looks cost much they are far apart.
#[derive(Clone, Copy, Debug)]
struct Opened {
    /// At the look before it was not there.
    after: Tick,
    seen: Tick,
    /// When it was there no more.
    closed: Option<Tick>,
}

impl Connections {
    /// These are open now. Who is not among them has been closed; its goroutines may need until `slack` after that to end. Whether all could
    /// be remembered.
    pub(super) fn are(&mut self, now: Tick, inodes: &[u64], slack: Tick) -> bool {
        self.first_look.get_or_insert(now);
        if inodes.len() > CONNECTIONS {
            self.overflowed = Some(now);
        }
        let before = std::mem::take(&mut self.known);
        let fresh = Opened { after: self.last_look, seen: now, closed: None };
        let was_open = |inode: &u64| before.get(inode).copied().filter(|opened| opened.closed.is_none());
        self.known = inodes.iter().take(CONNECTIONS).map(|inode| (*inode, was_open(inode).unwrap_or(fresh))).collect();
        for (inode, opened) in before {
            let closed = opened.closed.unwrap_or(now);
            if now.saturating_sub(closed) <= slack && self.known.len() < CONNECTIONS {
                self.known.entry(inode).or_insert(Opened { closed: Some(closed), ..opened });
            }
        }
        self.last_look = now;
        inodes.len() <= CONNECTIONS
    }

    /// Whether goroutines that began at these times, each of which stands for `one_in`, came along with connections that are still open, or
    /// were until a moment ago: half to twice as many, and four fifths of the goroutines within `slack` of one. Who began when there were too
    /// many to tell may have.
    pub(super) fn explain(&self, births: &[Tick], one_in: u64, slack: Tick) -> bool {
        let Some(first) = self.first_look.map(|first| first.max(self.overflowed.unwrap_or(0))) else { return false };
        let is_known = |birth: &&Tick| self.overflowed.is_none_or(|until| **birth > until.saturating_add(slack));
        let births: Vec<Tick> = births.iter().filter(is_known).copied().collect();
        if births.is_empty() {
            return self.overflowed.is_some();
        }
        let mut opened: Vec<Opened> = self.known.values().copied().filter(|opened| opened.seen > first).collect();
        let all = births.len().saturating_mul(usize::try_from(one_in).unwrap_or(usize::MAX));
        let open = opened.iter().filter(|opened| opened.closed.is_none()).count();
        if opened.len() * 2 < all || open > all.saturating_mul(2) {
            return false;
        }
        opened.sort_unstable_by_key(|opened| opened.seen);
        let near = |birth: &&Tick| {
            let next = opened.partition_point(|opened| opened.seen < birth.saturating_sub(slack));
            opened.get(next).is_some_and(|opened| opened.after <= birth.saturating_add(slack))
        };
        births.iter().filter(near).count() * 5 >= births.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One connection each second from second 2 on, looked at each `period` seconds: whether goroutines that begin along with them, and
    /// others that begin so many seconds later, are explained after a minute; `closed`: all are closed then.
    fn check(period: usize, late: Tick, closed: Tick, expected: bool) {
        let mut connections = Connections::default();
        for second in (0..=if closed == 0 { 60 } else { 58 }).step_by(period) {
            let open: Vec<u64> = (2..=second).collect();
            connections.are(Tick::try_from(second).unwrap() * 100, &open, 100);
        }
        for ago in (0..closed).rev() {
            connections.are(6000 - ago, &[], 100);
        }
        let births: Vec<Tick> = (2..50).map(|second| (second + late) * 100).collect();
        assert_eq!(connections.explain(&births, 1, 100), expected, "each {period} s, {late} s late, closed for {closed}");
        // Of four as many only one in four is followed.
        let some: Vec<Tick> = births.iter().copied().step_by(4).collect();
        assert_eq!(connections.explain(&some, 4, 100), expected, "one in four");
        assert!(closed > 0 || !connections.explain(&some, 1, 100), "too few for so many that are open");
        assert!(!connections.explain(&births, 4, 100), "too many");
    }

    #[test]
    fn who_came_along() {
        check(1, 0, 0, true);
        check(6, 0, 0, true);
        check(15, 0, 0, true);
        check(1, 30, 0, false);
        check(6, 30, 0, false);
        check(1, 0, 50, true);
        check(1, 0, 150, false);
        assert!(!Connections::default().explain(&[100], 1, 100), "nobody looked");
    }

    #[test]
    fn more_than_are_remembered() {
        let mut connections = Connections::default();
        for (second, count) in [(0, 10), (1, CONNECTIONS as u64 + 1), (2, 10)] {
            let all = connections.are(second * 100, &(0..count).collect::<Vec<_>>(), 100);
            assert_eq!(
                (connections.explain(&[50, 100], 1, 100), all),
                (second > 0, second != 1),
                "who was forgotten comes back without its age"
            );
            assert!(!connections.explain(&[50, 5000], 1, 100), "who began later");
        }
    }
}
