//! When lives end by a timer: deadlines that outlast single turns of a loop. Input: members, the last [`Proof`]. Output: the time when a
//! goroutine's life is over. Must not know rules.
//!
//! A loop that waits with a time limit makes a new timer at each turn: that says nothing of the loop's end. A timer that was pending in one
//! wait, and is pending still in a later one, due at the same time, was not made by the turn: it is the deadline of the whole.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    NS_PER_TICK,
    member::{Member, Tick},
    tick,
};
use crate::model::Proof;

/// The latest timer that led to what a goroutine waited on.
#[derive(Clone, Copy, Debug)]
struct End {
    /// When it is due, in ns: no two timers that are made one after another are due at the same nanosecond.
    due_ns: u64,
    /// When the wait began in which it was seen first.
    since: Tick,
    kind: Kind,
}

/// What is known of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It was seen in one wait only.
    Fresh,
    /// The same was seen in a later wait: it outlasts the turns of the loop.
    Outlasts,
    /// In an earlier wait there was another: each turn makes its own.
    Renewed,
}

/// Of goroutines, by goid, that run again and again.
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<u64, End>);

impl Ends {
    /// One more proof.
    pub(super) fn proof(&mut self, members: &HashMap<u64, Member>, proof: &Proof) {
        self.0.retain(|goid, _| members.contains_key(goid));
        for (goid, waiter) in &proof.waiters {
            let member = members.get(goid).filter(|member| member.seq == waiter.seq);
            let (Some(member), Some(due_ns)) = (member, waiter.last_deadline_ns) else { continue };
            let Entry::Occupied(mut entry) = self.0.entry(*goid) else {
                self.0.insert(*goid, End { due_ns, since: member.since, kind: Kind::Fresh });
                continue;
            };
            let end = entry.get_mut();
            match (end.due_ns == due_ns, member.since > end.since) {
                (true, true) => end.kind = Kind::Outlasts,
                (false, true) => *end = End { due_ns, since: member.since, kind: Kind::Renewed },
                (false, false) => end.due_ns = due_ns,
                (true, false) => {}
            }
        }
    }

    /// Whether a timer will end the life of this goroutine after `now`, of a watch that began at `started_ns`. One that was seen once is
    /// believed where it comes later than in three usual `gap`s between two turns.
    pub(super) fn end(&self, goid: u64, gap: Tick, now: Tick, started_ns: u64) -> bool {
        let now_ns = started_ns.saturating_add(u64::from(now) * NS_PER_TICK);
        match self.0.get(&goid) {
            Some(End { kind: Kind::Outlasts, due_ns, .. }) if *due_ns > now_ns => true,
            // It need not wait for the timer now: it runs again and again.
            Some(End { kind: Kind::Fresh, due_ns, .. }) => tick(due_ns.saturating_sub(now_ns)) > gap.saturating_mul(3),
            _ => false,
        }
    }
}
