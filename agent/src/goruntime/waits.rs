//! Since when goroutines have not run. Input nouns: the [`Goroutine`]s of one census after the other. Output: instants. Must not know
//! memory.

use std::collections::HashMap;

use crate::model::{Goroutine, GoroutineState};

/// Goroutines that were blocked in the censuses so far, each with the first census from which on it has not run.
#[derive(Clone, Debug)]
pub struct Waits {
    known: HashMap<u64, Wait>,
    limit: usize,
    census: u32,
    now_ns: u64,
}

#[derive(Clone, Debug)]
struct Wait {
    seq: u8,
    /// See [`Goroutine::wait_since`].
    told: Option<u64>,
    since_ns: u64,
    census: u32,
}

impl Waits {
    /// For so many goroutines, some 48 bytes each; of others nothing is known.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), limit, census: 0, now_ns: 0 }
    }

    /// A census begins at this time.
    pub fn begin(&mut self, now_ns: u64) {
        self.census = self.census.wrapping_add(1);
        self.now_ns = now_ns;
    }

    /// The goroutine as this census has it: an instant of an earlier one since which it has not run, if there is one.
    pub fn since(&mut self, goroutine: &Goroutine) -> Option<u64> {
        if !matches!(goroutine.state, GoroutineState::Waiting | GoroutineState::Syscall) {
            return None;
        }
        let Goroutine { goid, seq, wait_since: told, .. } = goroutine;
        let (census, now_ns, is_full) = (self.census, self.now_ns, self.known.len() >= self.limit);
        let Some(wait) = self.known.get_mut(goid) else {
            if !is_full {
                self.known.insert(*goid, Wait { seq: *seq, told: *told, since_ns: now_ns, census });
            }
            return None;
        };
        // The number has 8 bits only; but one that ran loses the time that the collector had noted.
        let same = wait.seq == *seq && (wait.told.is_none() || wait.told == *told);
        let since_ns = if same { wait.since_ns } else { now_ns };
        *wait = Wait { seq: *seq, told: *told, since_ns, census };
        same.then_some(since_ns)
    }

    /// The census is over: who was not in it has ended, or runs.
    pub fn end(&mut self) {
        self.known.retain(|_, wait| wait.census == self.census);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Censuses, one a second from second 1 on, of goroutine 7: its state, number and noted time. Expected: since which second.
    fn check(censuses: &[(GoroutineState, u8, Option<u64>)], expected: &[Option<u64>]) {
        let mut waits = Waits::new(1);
        let found: Vec<Option<u64>> = (1..)
            .zip(censuses)
            .map(|(second, (state, seq, wait_since))| {
                waits.begin(second);
                let since = waits.since(&Goroutine { seq: *seq, wait_since: *wait_since, ..Goroutine::bare(7, *state) });
                assert_eq!(waits.since(&Goroutine::bare(8, *state)), None, "there is room for one");
                waits.end();
                since
            })
            .collect();
        assert_eq!(found, expected, "{censuses:?}");
    }

    #[test]
    fn instants() {
        use GoroutineState::{Dead, Runnable, Syscall, Waiting};
        check(&[(Waiting, 3, None), (Waiting, 3, None), (Waiting, 3, None)], &[None, Some(1), Some(1)]);
        check(&[(Syscall, 3, None), (Syscall, 3, None)], &[None, Some(1)]);
        // Ran in between.
        check(&[(Waiting, 3, None), (Waiting, 4, None), (Waiting, 4, None)], &[None, None, Some(2)]);
        check(&[(Waiting, 3, None), (Runnable, 3, None), (Waiting, 3, None)], &[None; 3]);
        check(&[(Waiting, 3, None), (Dead, 3, None), (Waiting, 3, None), (Waiting, 3, None)], &[None, None, None, Some(3)]);
        // 256 times.
        check(&[(Waiting, 3, Some(9)), (Waiting, 3, None), (Waiting, 3, Some(10))], &[None, None, Some(2)]);
        check(&[(Waiting, 3, None), (Waiting, 3, Some(9)), (Waiting, 3, Some(9)), (Waiting, 3, Some(10))], &[None, Some(1), Some(1), None]);
    }
}
