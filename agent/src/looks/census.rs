//! One census: every goroutine, where those wait of whom the [`Watch`](crate::growth::Watch) asks, what the process holds. Input: a process'
//! memory and /proc. Output: what the watch is told. Must not know proofs.

use std::time::Duration;

use super::{Deadline, Looks, Seen, clock, held, nanos};
use crate::{
    goruntime::RuntimeError,
    growth::census_period,
    model::{Goroutine, GoroutineState, RuntimeAddress},
};

/// Calls of a stack that are read: the first outside of the runtime is among the first ten.
const DEPTH: usize = 24;

impl<D: Deadline> Looks<D> {
    /// Takes one, and says when the next is due.
    pub(super) fn census(&mut self) -> Result<Seen, RuntimeError> {
        let began = clock();
        if !self.outside.connections(&self.root, &mut self.watch, began) {
            self.failures.connections();
        }
        let mut wanted: Vec<Goroutine> = Vec::new();
        self.watch.begin_census(began);
        let watch = &mut self.watch;
        let counted = self.runtime.census(&mut |goroutine| {
            if watch.see(goroutine) {
                wanted.push(goroutine.clone());
            }
        });
        if self.watch.is_full() {
            self.failures.statements();
        }
        // A census that ended early has not seen everybody: nobody is missed then.
        match counted {
            Ok(_) => self.watch.end_census(),
            Err(error) => {
                self.watch.cut_census();
                self.problem = Some(error);
                match error {
                    RuntimeError::Gone => return Ok(Seen::Gone),
                    RuntimeError::NotPermitted => return Err(error),
                    _ => {}
                }
            }
        }
        if counted.is_ok() {
            self.censuses += 1;
            self.last_census_ns = began;
            self.calls(&wanted);
            self.stacks(&wanted);
            self.memory(began);
        }
        let cost = Duration::from_nanos(clock().saturating_sub(began));
        self.next_census_ns = began.saturating_add(nanos(census_period(self.interval, cost)));
        Ok(Seen::Alive)
    }

    /// Looks at the threads of those who are in system calls or in C.
    fn calls(&mut self, wanted: &[Goroutine]) {
        let mut in_calls = wanted.iter().filter(|goroutine| goroutine.state == GoroutineState::Syscall).peekable();
        if in_calls.peek().is_none() {
            return;
        }
        self.threads.begin();
        for goroutine in in_calls {
            let thread = self.runtime.thread(goroutine);
            let asleep =
                thread.and_then(|thread| self.threads.asleep(&self.root, self.subject.listed.pid, thread, self.outside.descriptors()));
            self.watch.call(goroutine.goid, asleep);
        }
    }

    fn stacks(&mut self, wanted: &[Goroutine]) {
        let frame_size = |at: RuntimeAddress| self.subject.symbolizer.frame_size(at.to_virtual(self.subject.load_bias));
        let Ok(stacks) = self.runtime.stacks(wanted, DEPTH, &frame_size) else { return };
        for (goroutine, stack) in wanted.iter().zip(&stacks) {
            if let Some(at) = self.subject.waiting(&stack.calls) {
                self.watch.stack(goroutine.goid, at);
            }
        }
    }

    fn memory(&mut self, now: u64) {
        if now < self.trend.next_ns() {
            return;
        }
        let Ok(figures) = self.runtime.figures() else { return };
        if let Some(bytes) = held(&figures) {
            self.trend.note(now, bytes);
        }
        if let Some(timers) = figures.timers.filter(|_| self.subject.keeps_tickers()) {
            self.watch.timers(timers);
        }
    }
}
