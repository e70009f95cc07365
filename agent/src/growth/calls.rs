//! How long goroutines are in one system call, or in one call of C. Input: what their threads did. Output: times. Must not know what follows
//! from it.
//!
//! The runtime does not tell one call from the next: from Go 1.26 on `g.trackingSeq` stays as it is when a goroutine comes back from one and
//! enters another. The kernel does: a thread that was asleep at two times, and was switched off as often at both, has not run in between.

use std::collections::HashMap;

use super::member::Tick;
use crate::model::Asleep;

/// A call that goes on, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Call {
    thread: Asleep,
    /// When its thread was seen first, and last.
    since: Tick,
    seen: Tick,
}

/// Those of goroutines, by goid, that were in calls when their threads were looked at.
#[derive(Debug, Default)]
pub(super) struct Calls(HashMap<u64, Call>);

impl Calls {
    /// Whether to look at the thread of this one: the longer it has been known, the more rarely.
    pub(super) fn wants(&self, goid: u64, now: Tick) -> bool {
        self.0.get(&goid).is_none_or(|call| now.saturating_sub(call.seen) >= (call.seen - call.since) / 4)
    }

    /// Its thread was looked at: asleep, or not. If the call that was known has ended: how long it lasted, at most.
    pub(super) fn see(&mut self, goid: u64, thread: Option<Asleep>, now: Tick) -> Option<Tick> {
        if let Some(call) = self.0.get_mut(&goid).filter(|call| thread == Some(call.thread)) {
            call.seen = now;
            return None;
        }
        let ended = self.end(goid, now);
        if let Some(thread) = thread {
            self.0.insert(goid, Call { thread, since: now, seen: now });
        }
        ended
    }

    /// It is in no call any more. How long the one that was known lasted, at most.
    pub(super) fn end(&mut self, goid: u64, now: Tick) -> Option<Tick> {
        self.0.remove(&goid).map(|call| now.saturating_sub(call.since))
    }

    /// Forgets those that are followed no more.
    pub(super) fn keep(&mut self, is_followed: impl Fn(u64) -> bool) {
        self.0.retain(|goid, _| is_followed(*goid));
    }

    /// How long it surely has been in one call.
    pub(super) fn lasts(&self, goid: u64) -> Tick {
        self.0.get(&goid).map_or(0, |call| call.seen - call.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_is_told_from_the_next() {
        let thread = |thread, switches| Some(Asleep { thread, switches });
        let mut calls = Calls::default();
        // When, the thread; what has ended, how long the call lasts then.
        for (now, thread, ended, lasts) in [
            (100, thread(7, 3), None, 0),
            (200, thread(7, 3), None, 100),
            (300, thread(7, 3), None, 200),
            (400, thread(7, 4), Some(300), 0),
            (500, thread(8, 4), Some(100), 0),
            (600, None, Some(100), 0),
            (700, None, None, 0),
            (800, thread(8, 9), None, 0),
            (900, thread(8, 9), None, 100),
        ] {
            assert_eq!((calls.see(1, thread, now), calls.lasts(1)), (ended, lasts), "at {now}");
        }
        assert!(!calls.wants(1, 924) && calls.wants(1, 925) && calls.wants(2, 0));
        assert_eq!((calls.end(1, 1000), calls.end(1, 1000), calls.lasts(1)), (Some(200), None, 0));
    }
}
