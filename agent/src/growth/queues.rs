//! Whose pending timers end no wait: of those who wait one behind the other, and of those at a place where none did. Input: members, their
//! groups, the last [`Proof`]. Output: a mark on members. Must not know where they were made.
//!
//! A timer that leads to what somebody waits on is a reason to believe that the wait will end, and no more: its function may do something
//! else, and be due again and again. It did so where it came due, those who waited still wait, and others have come to wait behind
//! them: what is served at all serves its oldest waiter first. And where each has an object of its own: when timers of several came due,
//! no other leads there any more, and all of them still wait.

use std::collections::HashMap;

use super::{
    groups::Groups,
    member::{Member, Tick},
};
use crate::model::{Proof, RuntimeAddress, Waiter};

/// So many must wait in the queue.
const QUEUE: u32 = 3;

/// Those of one group who wait on one object.
#[derive(Clone, Copy, Debug, Default)]
struct Queue {
    waiters: u32,
    /// The first proof that saw one of them wait still after a timer had come due; 0: none.
    outlived: u16,
    /// When the last of them began to wait.
    youngest: Tick,
}

/// Marks those who wait in a queue that a timer has not served. `proofs`: when each began, the last one being `proof`.
pub(super) fn void_deadlines(members: &mut HashMap<u64, Member>, groups: &Groups, proof: &Proof, proofs: &[Tick]) {
    // Of several things that somebody waits on the timer may lead to one, and of several timers the latest may end the wait.
    let object = |member: &Member, waiter: &Waiter| {
        let one = usize::from(member.proof) == proofs.len() && waiter.objects.len() == 1 && waiter.deadline_ns == waiter.last_deadline_ns;
        waiter.objects.first().copied().filter(|_| one)
    };
    let mut queues: HashMap<(u32, RuntimeAddress), Queue> = HashMap::new();
    for (goid, waiter) in &proof.waiters {
        let Some(member) = members.get(goid) else { continue };
        if let Some(object) = object(member, waiter) {
            queues.entry((member.group, object)).or_default().add(member);
        }
    }
    for (goid, waiter) in &proof.waiters {
        let Some(member) = members.get_mut(goid) else { continue };
        let queue = object(member, waiter).and_then(|object| queues.get(&(member.group, object)));
        let outlives = groups.outlives_timers(member.group);
        member.set_deadline_void(outlives || queue.is_some_and(|queue| queue.is_not_served(proofs)));
    }
}

impl Queue {
    fn add(&mut self, member: &Member) {
        self.waiters += 1;
        self.youngest = self.youngest.max(member.since);
        if member.outlived != 0 {
            self.outlived = if self.outlived == 0 { member.outlived } else { self.outlived.min(member.outlived) };
        }
    }

    fn is_not_served(&self, proofs: &[Tick]) -> bool {
        let seen = usize::from(self.outlived).checked_sub(1).and_then(|index| proofs.get(index));
        self.waiters >= QUEUE && seen.is_some_and(|seen| self.youngest > *seen)
    }
}
