//! A goroutine as a census sees it.

use std::{ops::Range, time::Duration};

use goroscope_gobin::WaitReason;

use super::RuntimeAddress;

/// What a goroutine is doing (`g.atomicstatus`, without the bit of the collector's scan).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoroutineState {
    /// In a queue of the scheduler.
    Runnable,
    /// On a processor.
    Running,
    /// In a system call or in C.
    Syscall,
    /// Parked; the wait reason says why. A goroutine that the Go 1.26+ collector has called leaked is one of these.
    Waiting,
    /// Its stack is being moved.
    CopyingStack,
    /// Stopped by the scheduler, to be run again.
    Preempted,
    /// Ended, or not yet begun: the struct is free. It keeps goid, creation site and start function until it is used again.
    Dead,
}

impl GoroutineState {
    /// As Go names its states.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runnable => "runnable",
            Self::Running => "running",
            Self::Syscall => "syscall",
            Self::Waiting => "waiting",
            Self::CopyingStack => "copystack",
            Self::Preempted => "preempted",
            Self::Dead => "dead",
        }
    }
}

/// One goroutine at one instant. Addresses are the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goroutine {
    /// Its `runtime.g`.
    pub g: RuntimeAddress,
    /// Its id: never used again in the process. 0 in a struct that was never used.
    pub goid: u64,
    /// What it is doing.
    pub state: GoroutineState,
    /// Why it waits; only where it does, and where the version has a name for the number.
    pub wait: Option<WaitReason>,
    /// `g.waitsince`, CLOCK_MONOTONIC of the target's time namespace, ns: when the collection before the one stopped marking that first
    /// found it blocked. None if there were no two yet.
    pub wait_since: Option<u64>,
    /// Return address of the `go` statement; 0 for the first goroutine and those of C threads.
    pub created_at: RuntimeAddress,
    /// Its function.
    pub start: RuntimeAddress,
    /// Who created it; from Go 1.21 on.
    pub parent: Option<u64>,
    /// `g.trackingSeq`: incremented each time it leaves a processor, and by nothing else; from Go 1.26 on not by a system call.
    pub seq: u8,
    /// Saved stack pointer, program counter and frame pointer: of the park, or of the system call. Meaningless while it runs.
    pub sp: RuntimeAddress,
    /// See `sp`.
    pub pc: RuntimeAddress,
    /// See `sp`; 0 where the version does not save it (system calls before Go 1.23).
    pub bp: RuntimeAddress,
    /// Its stack, from the lowest to behind the highest byte.
    pub stack: Range<RuntimeAddress>,
    /// `g.waiting`: the first `runtime.sudog` of what it waits on; 0 if there is none.
    pub waiting: RuntimeAddress,
}

#[cfg(test)]
impl Goroutine {
    /// One without a stack, created by nobody.
    pub(crate) const fn bare(goid: u64, state: GoroutineState) -> Self {
        let none = RuntimeAddress(0);
        Self {
            g: none,
            goid,
            state,
            wait: None,
            wait_since: None,
            created_at: none,
            start: none,
            parent: None,
            seq: 0,
            sp: none,
            pc: none,
            bp: none,
            stack: none..none,
            waiting: none,
        }
    }
}

/// For how long goroutines have not run, of those of a group of which it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// How many these are, not 0.
    pub known: u64,
    /// The one that was blocked last.
    pub shortest: Duration,
    /// The one that was blocked first.
    pub longest: Duration,
}

impl Blocked {
    /// One goroutine.
    #[must_use]
    pub const fn one(time: Duration) -> Self {
        Self { known: 1, shortest: time, longest: time }
    }

    /// Both together.
    #[must_use]
    pub fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        Some(Self { known: a.known + b.known, shortest: a.shortest.min(b.shortest), longest: a.longest.max(b.longest) })
    }
}

/// The calls that a goroutine is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack {
    /// Return addresses, innermost first, as in Go's own profiles: the call is in front of each. The first is where the goroutine goes
    /// on; of one that has not run yet it is the start of its function plus one.
    pub calls: Vec<RuntimeAddress>,
    /// Whether the last one is the first call of the goroutine, `runtime.goexit` behind it. If not, more calls were there than wanted, or the
    /// stack changed while it was read.
    pub complete: bool,
}
