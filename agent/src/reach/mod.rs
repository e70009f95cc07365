//! What is reachable in a target's memory: the conservative mark behind the evidence `proven`.
//!
//! Input nouns: [`Memory`] and [`Goroutine`]s, before and after. Output noun: [`Proof`]. Must not know processes, clocks, executables
//! or what is concluded from two proofs in a row.
//!
//! **The statement.** A goroutine that is blocked on channels, a semaphore or a Cond can only be woken by code that has a pointer into
//! them. If nothing that can run leads to such a pointer, it never runs again. The same holds of one that waits for the kernel, without a
//! deadline, where both ends of the pipe or connection are descriptors of the process itself, and nothing leads to what holds them.
//!
//! **The order.** Goroutines are seen (`goroutines`), the heap's spans are listed (`spans`), and for each goroutine that may be proven
//! what it waits on is found (`waits`). Then marking begins at what is not in doubt: data, timers, specials (`roots`, `timers`,
//! `specials`), and the stacks of all other goroutines. Whatever of what is waited on is reached wakes its waiter: its stack is looked
//! into as well (`mark`). Then the goroutines are seen again; those that ran meanwhile were live, and so is what their stacks hold now.
//!
//! **Doubt is life.** What is not understood is a root. What is closed, on the other hand, is the runtime's own: goroutines,
//! processors, threads and queue entries of those who wait hold old values that the collector knows to be old.
//!
//! **Once more.** The target runs while it is read, so a pointer may move from where it has not been looked for to where it has. Much of
//! that has a course: a timer that fires makes the next one; a collection takes a special off its span and queues it (`queues`), who
//! runs it has it on the stack, and makes a new one. So the roots that pointers run through are looked at again when all is marked, in
//! the order of that course and after it once more, each time with the heap as it is by then (`Mark::renew`): what was allocated
//! meanwhile may lie in a span that was not listed, or in place of a dead object that had been looked into. Pointers from old objects
//! to spans that were not listed are noted when they are met.
//!
//! **What one proof cannot see.** A pointer that moves from an object that is still to be read into one that has been read. What is
//! unreachable stays so, and chance does not repeat itself for most of a group: hence two proofs in a row. Registers of a goroutine that
//! never leaves its processor are not seen by any number of proofs: then there is none ([`NoProof::NeverPreempted`]). Left out are
//! pointers in C memory, and in integers; and other processes that have got a copy of a descriptor.

mod error;
mod goroutines;
mod inward;
mod mark;
mod pages;
mod peers;
mod queues;
mod roots;
mod run;
mod source;
mod spans;
mod specials;
mod tickers;
mod timers;
mod waits;
mod walk;

use goroscope_gobin::{RuntimeFacts, VirtualAddress};

pub use self::error::{Limits, NoProof};
use self::goroutines::{Before, Doing, Seen};
use self::roots::{Roots, Variables};
use self::run::Run;
use self::source::Source;
use self::spans::Spans;
use self::waits::Queues;
use crate::model::{Goroutine, Memory, MemoryError, OwnEnds, Proof, RuntimeAddress};

/// Visits every goroutine of the process as it is now.
pub type Census<'a> = dyn FnMut(&mut dyn FnMut(&Goroutine)) -> Result<(), MemoryError> + 'a;

/// Proves, again and again, which goroutines of one process can never run again.
#[derive(Debug)]
pub struct Prover {
    facts: RuntimeFacts,
    minor: u16,
    load_bias: u64,
    limits: Limits,
    own_ends: OwnEnds,
    closes_idle: Option<RuntimeAddress>,
    keeps_tickers: bool,
    /// Who was on a processor when the last proof ended that could be made: goid and seq. The next is the one after it.
    running: Vec<(u64, u8)>,
}

impl Prover {
    /// For one process: what its executable says of the runtime, its minor version of Go 1, how far it is loaded above its ELF
    /// addresses.
    #[must_use]
    pub fn new(facts: RuntimeFacts, minor: u16, load_bias: u64, limits: Limits) -> Self {
        Self { facts, minor, load_bias, limits, own_ends: OwnEnds::default(), closes_idle: None, keeps_tickers: true, running: Vec::new() }
    }

    /// Which descriptors lead to the process itself, as of now: asked anew before each proof, two proofs in a row are not deceived by a
    /// number that was given to another file meanwhile.
    pub fn own_ends(&mut self, own_ends: OwnEnds) {
        self.own_ends = own_ends;
    }

    /// Lets proofs cost more, or less.
    pub const fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The function whose closures timers call that close a connection if nobody uses it by then: such a timer is no end of a wait for
    /// who uses it.
    pub const fn closes_idle(&mut self, function: Option<RuntimeAddress>) {
        self.closes_idle = function;
    }

    /// Whether the runtime keeps tickers that nobody stops nor uses: where it does not, they are not looked for.
    pub const fn keeps_tickers(&mut self, keeps: bool) {
        self.keeps_tickers = keeps;
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
        let ran = &self.running;
        let never = |seen: &&Seen| seen.doing == Doing::Runs && ran.contains(&(seen.goid, seen.seq));
        let never_preempted = before.all.iter().find(never).map(|seen| seen.goid);

        let layout = &self.facts.layout;
        let mut spans = Spans::read(&mut source, variables.mheap, layout, self.minor, &self.limits)?;
        let semtable = self.facts.globals.semtable.map(|address| self.runtime(address));
        let queues = Queues { layout, minor: self.minor, semtable, own_ends: &self.own_ends };
        let (candidates, links) = waits::resolve(&mut source, &queues, &spans, &before.all)?;
        let specials = std::mem::take(&mut spans.specials);
        let roots = Roots::read(&mut source, layout, variables)?;
        let mut run = Run::new(source, before, candidates, links, spans, roots, (self.minor, self.limits))?;
        run.begin(&specials, self.closes_idle, self.keeps_tickers)?;
        run.again()?;
        let mut running = Vec::new();
        run.after(census, is_recycled_stack, &mut running)?;
        run.again()?;
        if let Some(goid) = never_preempted {
            return Err(NoProof::NeverPreempted { goid });
        }
        let proof = run.proof()?;
        self.running = running;
        Ok(proof)
    }

    const fn runtime(&self, address: VirtualAddress) -> u64 {
        address.0.wrapping_add(self.load_bias)
    }

    fn variables(&self) -> Result<Variables, NoProof> {
        let globals = &self.facts.globals;
        if self.minor < 26 && globals.semtable.is_none() {
            return Err(NoProof::Unknown { global: "semtable" });
        }
        let cleanups = match (self.facts.layout.cleanup_queue, globals.gc_cleanups) {
            (Some(layout), Some(queue)) => Some(self.runtime(queue).wrapping_add(u64::from(layout.all))),
            _ if self.minor < 25 => None,
            _ => return Err(NoProof::Unknown { global: "gcCleanups" }),
        };
        Ok(Variables {
            allglen: self.runtime(globals.allglen),
            allgptr: self.runtime(globals.allgptr),
            allp: self.runtime(globals.allp),
            sched: self.runtime(globals.sched),
            mheap: self.runtime(globals.mheap.ok_or(NoProof::Unknown { global: "mheap_" })?),
            moduledata: self.runtime(globals.moduledata),
            finalizers: self.runtime(globals.allfin.ok_or(NoProof::Unknown { global: "allfin" })?),
            cleanups,
        })
    }
}
