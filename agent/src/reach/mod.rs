//! What is reachable in a target's memory: the conservative mark behind the evidence `proven`.
//!
//! Input nouns: [`Memory`] and [`Goroutine`]s, before and after. Output noun: [`Proof`]. Must not know processes, clocks, executables
//! or what is concluded from two proofs in a row.
//!
//! **The statement.** A goroutine that is blocked on channels, a semaphore or a Cond can only be woken by code that has a pointer into
//! them. If nothing that can run leads to such a pointer, it never runs again.
//!
//! **The order.** Goroutines are seen (`goroutines`), the heap's spans are listed (`spans`), and for each goroutine that may be proven
//! what it waits on is found (`waits`). Then marking begins at what is not in doubt: data, timers, specials (`roots`, `timers`,
//! `specials`), and the stacks of all other goroutines. Whatever of what is waited on is reached wakes its waiter: its stack is looked
//! into as well (`mark`). Then the goroutines are seen again; those that ran meanwhile were live, and so is what their stacks hold now.
//!
//! **Doubt is life.** What is not understood is a root. What is closed, on the other hand, is the runtime's own: goroutines,
//! processors, threads and queue entries of those who wait hold old values that the collector knows to be old.
//!
//! **What one proof cannot see.** The target runs while it is read, so a pointer may move from where it has not been looked for to where
//! it has. What is unreachable stays so: hence two proofs in a row. Registers of a goroutine that never leaves its processor are not
//! seen by any number of proofs: then there is none ([`NoProof::NeverPreempted`]). Left out are queues of finalizers and cleanups that
//! wait to be run, pointers in C memory, and in integers.

mod error;
mod goroutines;
mod mark;
mod pages;
mod roots;
mod source;
mod spans;
mod specials;
mod tickers;
mod timers;
mod waits;

use std::collections::HashMap;

use goroscope_gobin::{RuntimeFacts, VirtualAddress};

pub use self::error::{Limits, NoProof};
use self::goroutines::{Before, Candidate, Doing, Seen};
use self::mark::Mark;
use self::roots::{Roots, Variables};
use self::source::Source;
use self::spans::Spans;
use self::tickers::Ticking;
use self::waits::{Link, Queues};
use crate::model::{Goroutine, Memory, MemoryError, Proof, RuntimeAddress, Ticker, Waiter};

/// Data up to this size is looked at a second time, after the heap: a pointer may have moved into it.
const TWICE: u64 = 16 << 20;
/// Ranges that wait to be read before they are.
const RANGES: usize = 65_536;

/// Visits every goroutine of the process as it is now.
pub type Census<'a> = dyn FnMut(&mut dyn FnMut(&Goroutine)) -> Result<(), MemoryError> + 'a;

/// Proves, again and again, which goroutines of one process can never run again.
#[derive(Debug)]
pub struct Prover {
    facts: RuntimeFacts,
    minor: u16,
    load_bias: u64,
    limits: Limits,
    /// Who was on a processor when the last proof ended: goid and seq.
    running: Vec<(u64, u8)>,
}

/// A proof under way.
struct Run<'a> {
    source: Source<'a>,
    before: Before,
    candidates: Vec<Candidate>,
    links: Vec<Link>,
    /// Objects that are waited on, by their first byte, and the candidate.
    watched: Vec<(u64, usize)>,
    mark: Mark,
    roots: Roots<'a>,
    /// Sorted by timer.
    tickers: Vec<Ticking>,
    sudog: u32,
    /// [`Limits::memory`].
    memory: u64,
}

impl Prover {
    /// For one process: what its executable says of the runtime, its minor version of Go 1, how far it is loaded above its ELF
    /// addresses.
    #[must_use]
    pub const fn new(facts: RuntimeFacts, minor: u16, load_bias: u64, limits: Limits) -> Self {
        Self { facts, minor, load_bias, limits, running: Vec::new() }
    }

    /// Marks once. `census` visits every goroutine and is called before and after the heap is read; `is_recycled_stack` says of which
    /// goroutines the stack is not to be believed: the collector's own (`gcBgMarkWorker`, `bgsweep`, `bgscavenge`, `forcegchelper`, by
    /// their start function), but not those that run finalizers and cleanups. `clock` is CLOCK_MONOTONIC, ns.
    ///
    /// # Errors
    /// The memory cannot be read, or it is more than the limits allow.
    pub fn prove(
        &mut self,
        memory: &dyn Memory,
        census: &mut Census<'_>,
        is_recycled_stack: &dyn Fn(&Goroutine) -> bool,
        clock: &dyn Fn() -> u64,
    ) -> Result<Proof, NoProof> {
        let variables = self.variables()?;
        let mut source = Source::new(memory, clock, self.limits.time_ns);
        // Asked first: a census of many more would take long for nothing.
        if source.word(variables.allglen)?.is_some_and(|length| length > self.limits.goroutines) {
            return Err(NoProof::TooManyGoroutines { limit: self.limits.goroutines });
        }
        let before = Before::take(census, is_recycled_stack, &self.limits)?;
        let ran = std::mem::take(&mut self.running);
        let never = |seen: &&Seen| seen.doing == Doing::Runs && ran.contains(&(seen.goid, seen.seq));
        let never_preempted = before.all.iter().find(never).map(|seen| seen.goid);

        let layout = &self.facts.layout;
        let allspans = variables.mheap.saturating_add(u64::from(layout.mheap.allspans));
        let mut spans = Spans::read(&mut source, allspans, &layout.mspan, self.minor, &self.limits)?;
        let semtable = self.facts.globals.semtable.map(|address| self.runtime(address));
        let queues = Queues { layout, minor: self.minor, semtable };
        let (candidates, links) = waits::resolve(&mut source, &queues, &spans, &before.all)?;
        let specials = std::mem::take(&mut spans.specials);
        let roots = Roots::read(&mut source, layout, variables)?;
        let mut run = Run::new(source, before, candidates, links, spans, roots, &self.limits)?;
        run.close(self.limits.goroutines)?;
        let data = run.begin(specials, self.minor)?;
        run.after(census, is_recycled_stack, &mut self.running)?;
        run.finish(data)?;
        match never_preempted {
            Some(goid) => Err(NoProof::NeverPreempted { goid }),
            None => run.proof(),
        }
    }

    const fn runtime(&self, address: VirtualAddress) -> u64 {
        address.0.wrapping_add(self.load_bias)
    }

    fn variables(&self) -> Result<Variables, NoProof> {
        let globals = &self.facts.globals;
        if self.minor < 26 && globals.semtable.is_none() {
            return Err(NoProof::Unknown { global: "semtable" });
        }
        Ok(Variables {
            allglen: self.runtime(globals.allglen),
            allgptr: self.runtime(globals.allgptr),
            allp: self.runtime(globals.allp),
            sched: self.runtime(globals.sched),
            mheap: self.runtime(globals.mheap.ok_or(NoProof::Unknown { global: "mheap_" })?),
            moduledata: self.runtime(globals.moduledata),
        })
    }
}

impl<'a> Run<'a> {
    fn new(
        source: Source<'a>,
        before: Before,
        mut candidates: Vec<Candidate>,
        links: Vec<Link>,
        spans: Spans,
        roots: Roots<'a>,
        limits: &Limits,
    ) -> Result<Self, NoProof> {
        let (mut watched, mut slots) = (Vec::with_capacity(links.len()), Vec::with_capacity(links.len()));
        for (number, candidate) in candidates.iter_mut().enumerate() {
            for link in part(&links, candidate.links) {
                match spans.find(link.object).and_then(|slot| Some((slot, spans.all.get(slot.span)?))) {
                    Some((slot, span)) => {
                        watched.push((span.object_range(slot.object).0, number));
                        slots.push(slot);
                    }
                    // Outside of the heap: a variable, which any code may use.
                    None => candidate.live = true,
                }
            }
        }
        watched.sort_unstable();
        let sudog = roots.layout.sudog.size;
        let mark = Mark::new(spans, slots.into_iter(), limits)?;
        Ok(Self { source, before, candidates, links, watched, mark, roots, tickers: Vec::new(), sudog, memory: limits.memory })
    }

    /// Closes what is the runtime's own, and the queue entries of candidates.
    fn close(&mut self, limit: u64) -> Result<(), NoProof> {
        let on_thread = |seen: &&Seen| matches!(seen.doing, Doing::Runs | Doing::Else);
        let running: Vec<u64> = self.before.all.iter().filter(on_thread).map(|seen| seen.g).collect();
        self.roots.close(&mut self.source, &mut self.mark, &running, limit)?;
        for link in &self.links {
            self.mark.close(link.sudog);
        }
        Ok(())
    }

    /// Marks from what is not in doubt. Bytes of data.
    fn begin(&mut self, specials: Vec<(u64, u64)>, minor: u16) -> Result<u64, NoProof> {
        let timers = timers::read(&mut self.source, &self.roots, self.memory)?;
        self.tickers = tickers::read(&mut self.source, &self.mark, &timers, &self.roots.layout.timer)?;
        if !self.watched.is_empty() {
            let due = timers::due(&mut self.source, &timers, &self.roots.layout.timer)?;
            self.follow(&due)?;
        }
        let data = self.roots.mark_data(&mut self.mark);
        self.timers(&timers);
        specials::mark(&mut self.source, &mut self.mark, specials, &self.roots.layout.special, minor)?;
        let mut next = self.candidates.iter().map(|candidate| candidate.seen).peekable();
        let mut pushed = 0;
        let mut others = Vec::new();
        for (index, seen) in self.before.all.iter().enumerate() {
            if next.next_if_eq(&index).is_none() && seen.doing != Doing::Collects {
                others.push(*seen);
            }
        }
        for seen in others {
            self.push(&seen);
            pushed += 1;
            if pushed % RANGES == 0 {
                self.mark.drain(&mut self.source)?;
            }
        }
        for number in 0..self.candidates.len() {
            if self.candidates.get(number).is_some_and(|candidate| candidate.live) {
                self.wake(number);
            }
        }
        self.drain()?;
        Ok(data)
    }

    /// A goroutine that can run: its stack and what the runtime keeps of it.
    fn push(&mut self, seen: &Seen) {
        let (low, high) = seen.stack();
        self.mark.range(low, high);
        self.mark.range(seen.g, seen.g.saturating_add(u64::from(self.roots.layout.g.size)));
    }

    /// A candidate that can run after all.
    fn wake(&mut self, number: usize) {
        let Some(candidate) = self.candidates.get_mut(number) else { return };
        candidate.live = true;
        let links = candidate.links;
        if let Some(seen) = self.before.all.get(candidate.seen).copied() {
            self.push(&seen);
        }
        for link in part(&self.links, links) {
            self.mark.word(link.object);
            self.mark.range(link.sudog, link.sudog.saturating_add(u64::from(self.sudog)));
        }
    }

    /// Reads to the fixpoint: whoever is led to wakes, and leads on.
    fn drain(&mut self) -> Result<(), NoProof> {
        loop {
            self.mark.drain(&mut self.source)?;
            let woken = self.mark.take_woken();
            if woken.is_empty() {
                return Ok(());
            }
            woken.into_iter().for_each(|object| self.wake_waiters(object));
        }
    }

    /// Those who wait on the object that begins there can run after all.
    fn wake_waiters(&mut self, object: u64) {
        let from = self.watched.partition_point(|(at, _)| *at < object);
        let waiters: Vec<usize> = self.watched.iter().skip(from).take_while(|(at, _)| *at == object).map(|(_, number)| *number).collect();
        for number in waiters {
            if self.candidates.get(number).is_some_and(|candidate| !candidate.live) {
                self.wake(number);
            }
        }
    }

    /// Finds out when what is waited on will be used by a timer.
    fn follow(&mut self, due: &[timers::Due]) -> Result<(), NoProof> {
        let (watched, candidates) = (&self.watched, &mut self.candidates);
        timers::follow(&mut self.source, &self.mark, due, &mut |object, when_ns| {
            let from = watched.partition_point(|(at, _)| *at < object);
            for (_, number) in watched.iter().skip(from).take_while(|(at, _)| *at == object) {
                if let Some(candidate) = candidates.get_mut(*number) {
                    candidate.deadline_ns = Some(candidate.deadline_ns.map_or(when_ns, |before| before.min(when_ns)));
                    candidate.last_deadline_ns = candidate.last_deadline_ns.max(Some(when_ns));
                }
            }
        })
    }

    /// Looks at the goroutines again: whoever is new, or has run, can run.
    fn after(
        &mut self,
        census: &mut Census<'_>,
        collects: &dyn Fn(&Goroutine) -> bool,
        running: &mut Vec<(u64, u8)>,
    ) -> Result<(), NoProof> {
        let (before, candidates) = (&mut self.before, &mut self.candidates);
        let mut changed: Vec<Seen> = Vec::new();
        census(&mut |goroutine| {
            let Some(seen) = Seen::new(goroutine, collects(goroutine)) else { return };
            if seen.doing == Doing::Runs {
                running.push((seen.goid, seen.seq));
            }
            let index = before.find(seen.goid);
            if let Some(then) = index.and_then(|index| before.all.get(index))
                && seen.waits_since(then)
            {
                if let Ok(number) = candidates.binary_search_by_key(&index, |candidate| Some(candidate.seen))
                    && let Some(candidate) = candidates.get_mut(number)
                {
                    candidate.confirmed = true;
                }
            } else if seen.doing != Doing::Collects {
                changed.push(seen);
            }
        })?;
        for seen in &changed {
            self.push(seen);
        }
        for number in 0..self.candidates.len() {
            if self.candidates.get(number).is_some_and(|candidate| !candidate.confirmed) {
                self.wake(number);
            }
        }
        Ok(())
    }

    /// Looks a second time at what is small and may have changed meanwhile.
    fn finish(&mut self, data: u64) -> Result<(), NoProof> {
        if data <= TWICE {
            self.roots.mark_data(&mut self.mark);
        }
        let timers = timers::read(&mut self.source, &self.roots, self.memory)?;
        self.timers(&timers);
        self.drain()
    }

    /// Whatever a timer leads to; a ticker leads to those who wait for it.
    fn timers(&mut self, timers: &[u64]) {
        for timer in timers {
            let found = self.tickers.binary_search_by_key(timer, |ticker| ticker.timer).ok();
            match found.and_then(|found| self.tickers.get(found)).copied() {
                Some(ticker) => self.wake_waiters(ticker.channel),
                None => self.mark.word(*timer),
            }
        }
    }

    /// Which tickers tick for nobody. Those who never run again may have been its users: theirs is another leak.
    fn tickers(&mut self) -> Result<Vec<Ticker>, NoProof> {
        if self.tickers.is_empty() {
            return Ok(Vec::new());
        }
        let dead: Vec<Seen> = (self.candidates.iter().filter(|candidate| !candidate.live))
            .filter_map(|candidate| self.before.all.get(candidate.seen).copied())
            .collect();
        dead.iter().for_each(|seen| self.push(seen));
        for link in &self.links {
            self.mark.word(link.object);
        }
        self.mark.drain(&mut self.source)?;
        let told = self.tickers.iter().map(|ticker| Ticker {
            channel: RuntimeAddress(ticker.channel),
            period_ns: ticker.period,
            unreachable: !self.mark.is_reached(ticker.channel),
        });
        Ok(told.collect())
    }

    fn proof(mut self) -> Result<Proof, NoProof> {
        let tickers = self.tickers()?;
        let mut waiters = HashMap::with_capacity(self.candidates.len());
        for candidate in self.candidates.iter().filter(|candidate| candidate.confirmed) {
            let Some(seen) = self.before.all.get(candidate.seen) else { continue };
            let mut objects: Vec<RuntimeAddress> =
                part(&self.links, candidate.links).iter().map(|link| RuntimeAddress(link.object)).collect();
            objects.dedup();
            objects.truncate(Waiter::OBJECTS);
            objects.shrink_to_fit();
            let waiter = Waiter {
                seq: seen.seq,
                unreachable: !candidate.live,
                deadline_ns: candidate.deadline_ns,
                last_deadline_ns: candidate.last_deadline_ns,
                objects,
            };
            waiters.insert(seen.goid, waiter);
        }
        Ok(Proof { began_ns: self.source.began_ns(), ended_ns: self.source.time()?, waiters, tickers, bytes_read: self.source.bytes() })
    }
}

/// The links of one candidate.
fn part(links: &[Link], (from, to): (usize, usize)) -> &[Link] {
    links.get(from..to).unwrap_or_default()
}
