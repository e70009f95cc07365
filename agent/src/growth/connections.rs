//! Connections that others made to a process, by inode, and when each was first seen. Input: the inodes that are open now. Output: which
//! goroutines came along with them. Must not know /proc.

use std::collections::HashMap;

use super::member::Tick;

/// Connections remembered: a server with more has its goroutines cleared by those.
const CONNECTIONS: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Connections {
    open: HashMap<u64, Tick>,
    /// When they were looked at first: who was open then has no known beginning.
    first_look: Option<Tick>,
}

impl Connections {
    /// These are open now. Who is not among them has been closed.
    pub(super) fn are(&mut self, now: Tick, inodes: &[u64]) {
        self.first_look.get_or_insert(now);
        let before = std::mem::take(&mut self.open);
        self.open = inodes.iter().take(CONNECTIONS).map(|inode| (*inode, before.get(inode).copied().unwrap_or(now))).collect();
    }

    /// Whether goroutines that began at these times came along with connections that are still open: half to twice as many, and four
    /// fifths of the goroutines within `slack` of one.
    pub(super) fn explain(&self, births: &[Tick], slack: Tick) -> bool {
        let Some(first) = self.first_look else { return false };
        let mut opened: Vec<Tick> = self.open.values().copied().filter(|tick| *tick > first).collect();
        let (goroutines, connections) = (births.len(), opened.len());
        if goroutines == 0 || connections * 2 < goroutines || connections > goroutines * 2 {
            return false;
        }
        opened.sort_unstable();
        let near = |birth: &&Tick| {
            let next = opened.partition_point(|tick| *tick < birth.saturating_sub(slack));
            opened.get(next).is_some_and(|tick| *tick <= birth.saturating_add(slack))
        };
        births.iter().filter(near).count() * 5 >= goroutines * 4
    }
}
