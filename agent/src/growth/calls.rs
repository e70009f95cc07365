//! How long goroutines are in one system call, or in one call of C. Input: what their threads did. Output: times. Must not know what follows
//! from it.
//!
//! The runtime does not tell one call from the next: from Go 1.26 on `g.trackingSeq` stays as it is when a goroutine comes back from one and
//! enters another. The kernel does: a thread that was asleep at two times, and was switched off as often at both, has not run in between.

use std::collections::HashMap;

use super::member::Tick;
use crate::model::Asleep;

/// What is known of a goroutine that has been in calls at all looks.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// When it was looked at first, and last.
    first: Tick,
    asked: Tick,
    /// Its thread, when it was last seen asleep.
    thread: Option<Asleep>,
    /// When the thread was seen like that first, and last.
    since: Tick,
    until: Tick,
    /// Since when it has been endless at all looks, if it was at the last.
    endless: Option<Tick>,
}

/// Those of goroutines, by goid, that were in calls when their threads were looked at.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<u64, Call>);

impl Calls {
    /// Whether to look at the thread of this one: the longer it has been in calls, the more rarely.
    pub(super) fn wants(&self, goid: u64, now: Tick) -> bool {
        self.0.get(&goid).is_none_or(|call| now.saturating_sub(call.asked) >= (call.asked - call.first) / 4)
    }

    /// Its thread was looked at, and slept; none: it did not, or nobody may know. If the call that was known has ended: how long it lasted,
    /// at most.
    pub(super) fn see(&mut self, goid: u64, thread: Option<Asleep>, now: Tick) -> Option<Tick> {
        let call = self.0.entry(goid).or_insert(Call { first: now, asked: now, thread: None, since: now, until: now, endless: None });
        call.asked = now;
        // What cannot be seen tells nothing: neither that a call goes on, nor that it has ended.
        let thread = thread?;
        let before = call.thread.replace(thread);
        let is_same = before.is_some_and(|before| (before.thread, before.switches) == (thread.thread, thread.switches));
        call.until = now;
        call.endless = thread.endless.then(|| call.endless.filter(|_| is_same).unwrap_or(now));
        if is_same {
            return None;
        }
        let since = std::mem::replace(&mut call.since, now);
        before.map(|_| now.saturating_sub(since))
    }

    /// It is in no call any more. How long the one that was known lasted, at most.
    pub(super) fn end(&mut self, goid: u64, now: Tick) -> Option<Tick> {
        self.0.remove(&goid).filter(|call| call.thread.is_some()).map(|call| now.saturating_sub(call.since))
    }

    /// Forgets those that are followed no more.
    pub(super) fn keep(&mut self, is_followed: impl Fn(u64) -> bool) {
        self.0.retain(|goid, _| is_followed(*goid));
    }

    /// How long it surely has been in one call that the process itself must end; 0 where the last look did not see that.
    pub(super) fn lasts(&self, goid: u64) -> Tick {
        let call = self.0.get(&goid).filter(|call| call.until == call.asked);
        call.and_then(|call| Some(call.until - call.endless?)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_told_from_the_next() {
        let thread = |thread, switches| Some(Asleep { thread, switches, endless: true });
        let ends = |thread, switches| Some(Asleep { thread, switches, endless: false });
        let mut calls = Calls::default();
        // When, the thread; what has ended, how long the call lasts then.
        for (now, thread, ended, lasts) in [
            (50, None, None, 0),
            (100, thread(7, 3), None, 0),
            (200, thread(7, 3), None, 100),
            (300, thread(7, 3), None, 200),
            (400, thread(7, 4), Some(300), 0),
            (450, thread(7, 4), None, 50),
            (475, None, None, 0),
            (500, thread(8, 4), Some(100), 0),
            (600, None, None, 0),
            (700, thread(8, 4), None, 200),
            (750, ends(8, 4), None, 0),
            (800, ends(8, 9), Some(300), 0),
            (900, ends(8, 9), None, 0),
            (950, thread(8, 9), None, 0),
            (970, thread(8, 9), None, 20),
        ] {
            assert_eq!((calls.see(1, thread, now), calls.lasts(1)), (ended, lasts), "at {now}");
        }
        assert!(!calls.wants(1, 1199) && calls.wants(1, 1200) && calls.wants(2, 0));
        assert_eq!((calls.end(1, 1000), calls.end(1, 1000), calls.lasts(1)), (Some(200), None, 0));
    }
}
