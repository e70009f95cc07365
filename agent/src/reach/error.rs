//! Why there is no proof: [`NoProof`] and the bounds behind it, [`Limits`].

use crate::model::MemoryError;

/// What one proof may cost the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the target's heap that can hold pointers: all of it may have to be read.
    pub heap: u64,
    /// Bytes of the agent's memory for what is known of the heap: spans and marks.
    pub memory: u64,
    /// Goroutines of the target, dead ones included.
    pub goroutines: u64,
    /// From so many goroutines of one `go` statement on it is asked whether they lead to what is outside of the process.
    pub crowd: u32,
    /// From the first byte read to the last mark, ns.
    pub time_ns: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { heap: 4 << 30, memory: 48 << 20, goroutines: 1_000_000, crowd: 128, time_ns: 20_000_000_000 }
    }
}

impl Limits {
    /// For one process that somebody wants to know about, and is there to see what that takes.
    #[must_use]
    pub fn patient() -> Self {
        Self { heap: 16 << 30, memory: 256 << 20, ..Self::default() }
    }
}

/// Why there is no proof this time. Nothing was found out then, of no goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// The memory cannot be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The code does not tell where a variable of the runtime lies that the proof needs.
    #[error("where runtime.{global} lies is not known")]
    Unknown {
        /// Its name, without package.
        global: &'static str,
    },
    /// What the runtime says of itself cannot be: it is changing too fast, or it is not what it seems.
    #[error("runtime.{what} makes no sense")]
    Implausible {
        /// What does not make sense.
        what: &'static str,
    },
    /// More heap than [`Limits::heap`].
    #[error("{bytes} bytes of heap can hold pointers, more than {limit}")]
    HeapTooLarge {
        /// In spans that can hold pointers.
        bytes: u64,
        /// What is read at most.
        limit: u64,
    },
    /// Marks would take more than [`Limits::memory`].
    #[error("the marks of this heap take {bytes} bytes, more than {limit}")]
    MarksTooLarge {
        /// What they would take, at least.
        bytes: u64,
        /// What they may take.
        limit: u64,
    },
    /// The list of timers would take more than [`Limits::memory`].
    #[error("the list of timers takes {bytes} bytes, more than {limit}")]
    TimersTooMany {
        /// What it would take, at least.
        bytes: u64,
        /// What it may take.
        limit: u64,
    },
    /// More goroutines than [`Limits::goroutines`].
    #[error("more than {limit} goroutines")]
    TooManyGoroutines {
        /// How many may be.
        limit: u64,
    },
    /// Took longer than [`Limits::time_ns`].
    #[error("not done after {limit_ns} ns")]
    TooSlow {
        /// How long it may take.
        limit_ns: u64,
    },
    /// A goroutine has been on a processor since the last proof without a break: what its registers hold was never to be seen.
    #[error("goroutine {goid} never leaves its processor")]
    NeverPreempted {
        /// Its id.
        goid: u64,
    },
}

impl NoProof {
    /// Whether the next try will end so too, as far as can be told.
    #[must_use]
    pub const fn lasts(&self) -> bool {
        use NoProof::{HeapTooLarge, MarksTooLarge, TimersTooMany, TooManyGoroutines, TooSlow, Unknown};
        matches!(
            self,
            Unknown { .. } | HeapTooLarge { .. } | MarksTooLarge { .. } | TimersTooMany { .. } | TooManyGoroutines { .. } | TooSlow { .. }
        )
    }

    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Memory(MemoryError::Gone) => "gone",
            Self::Memory(MemoryError::NotPermitted) => "not_permitted",
            Self::Memory(MemoryError::NotMapped | MemoryError::Other(_)) => "unreadable",
            Self::Unknown { .. } => "global_unknown",
            Self::Implausible { .. } => "implausible",
            Self::HeapTooLarge { .. } => "heap_too_large",
            Self::MarksTooLarge { .. } => "marks_too_large",
            Self::TimersTooMany { .. } => "too_many_timers",
            Self::TooManyGoroutines { .. } => "too_many_goroutines",
            Self::TooSlow { .. } => "too_slow",
            Self::NeverPreempted { .. } => "never_preempted",
        }
    }
}
