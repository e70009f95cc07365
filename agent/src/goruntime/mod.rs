//! What the Go runtime of a process knows, read from its memory: figures, goroutines, stacks. The only reader of target memory.
//!
//! In: a [`Memory`], the [`RuntimeFacts`] of its executable. Out: [`RuntimeFigures`](crate::model::RuntimeFigures),
//! [`Goroutine`](crate::model::Goroutine)s, [`Stack`](crate::model::Stack)s. Must not know: /proc, BPF, names.
//!
//! The process runs on while it is read, so everything that is read is checked for sense, and read again where it changed. All of it
//! is foreign: sizes are bounded, addresses are only ever read from.

mod census;
mod collections;
mod figures;
mod gather;
mod heap;
mod histogram;
mod memory;
mod processors;
mod stacks;
#[cfg(test)]
mod testing;
mod waits;

use std::sync::atomic::{AtomicU64, Ordering};

use goroscope_gobin::{RuntimeFacts, VirtualAddress};

pub use self::{census::CensusTally, collections::Collections, memory::ProcessMemory, stacks::FrameSize, waits::Waits};
use crate::model::{Memory, MemoryError, RuntimeAddress};

/// How often something that changes under our eyes is read again.
const TRIES: usize = 3;

/// Why there is no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
    /// The process is another one by now, or has another image.
    #[error("the process became another one while it was read")]
    Changed,
    /// The runtime has not set itself up yet.
    #[error("the process is only just starting")]
    NotStarted,
    /// The agent lacks the right.
    #[error("not permitted to read the process' memory: CAP_SYS_PTRACE is needed")]
    NotPermitted,
    /// An address of the runtime leads nowhere.
    #[error("{what} is not in memory")]
    NotMapped {
        /// What was looked for there.
        what: &'static str,
    },
    /// What is there makes no sense: the runtime is not set up yet, another layout, or forged.
    #[error("{what} makes no sense")]
    Implausible {
        /// What was read.
        what: &'static str,
    },
    /// The operating system said something else.
    #[error("errno {0}")]
    Other(i32),
}

impl RuntimeError {
    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::NotStarted => "not_started",
            Self::NotPermitted => "not_permitted",
            Self::NotMapped { .. } => "not_mapped",
            Self::Implausible { .. } => "implausible",
            Self::Other(_) => "read_failed",
        }
    }

    const fn of(error: MemoryError, what: &'static str) -> Self {
        match error {
            MemoryError::Gone => Self::Gone,
            MemoryError::NotPermitted => Self::NotPermitted,
            MemoryError::NotMapped => Self::NotMapped { what },
            MemoryError::Other(errno) => Self::Other(errno),
        }
    }
}

/// The runtime of one process.
#[derive(Debug)]
pub struct Runtime<M> {
    memory: M,
    facts: RuntimeFacts,
    minor: u16,
    load_bias: u64,
    torn: AtomicU64,
}

impl<M: Memory> Runtime<M> {
    /// The runtime in this memory, of Go 1.`minor`, whose image lies `load_bias` above its ELF addresses.
    #[must_use]
    pub const fn new(memory: M, facts: RuntimeFacts, minor: u16, load_bias: u64) -> Self {
        Self { memory, facts, minor, load_bias, torn: AtomicU64::new(0) }
    }

    /// The memory.
    #[must_use]
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// Readings of figures that were discarded, since the process changed meanwhile. A census counts its own.
    pub fn torn(&self) -> u64 {
        self.torn.load(Ordering::Relaxed)
    }

    fn count_torn(&self) {
        self.torn.fetch_add(1, Ordering::Relaxed);
    }

    const fn at(&self, global: VirtualAddress) -> RuntimeAddress {
        RuntimeAddress(global.0.wrapping_add(self.load_bias))
    }

    /// A field of a global variable.
    const fn behind(&self, global: VirtualAddress, offset: u32) -> RuntimeAddress {
        RuntimeAddress(self.at(global).0.wrapping_add(offset as u64))
    }

    fn read(&self, at: RuntimeAddress, out: &mut [u8], what: &'static str) -> Result<(), RuntimeError> {
        self.memory.read(at, out).map_err(|error| RuntimeError::of(error, what))
    }

    fn word(&self, at: RuntimeAddress, what: &'static str) -> Result<u64, RuntimeError> {
        self.memory.u64(at).map_err(|error| RuntimeError::of(error, what))
    }
}

/// Little-endian words of what was read; 0 behind its end, which the layouts keep inside.
trait Fields {
    fn u64(&self, at: u32) -> u64;
    fn u32(&self, at: u32) -> u32;
    fn u8(&self, at: u32) -> u8;
}

impl Fields for [u8] {
    fn u64(&self, at: u32) -> u64 {
        self.get(at as usize..).and_then(<[u8]>::first_chunk::<8>).copied().map_or(0, u64::from_le_bytes)
    }

    fn u32(&self, at: u32) -> u32 {
        self.get(at as usize..).and_then(<[u8]>::first_chunk::<4>).copied().map_or(0, u32::from_le_bytes)
    }

    fn u8(&self, at: u32) -> u8 {
        self.get(at as usize).copied().unwrap_or(0)
    }
}
