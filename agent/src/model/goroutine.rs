//! A goroutine as a census sees it.

use std::ops::Range;

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
    /// Return address of the `go` statement; 0 for the first goroutine and those of C threads.
    pub created_at: RuntimeAddress,
    /// Its function.
    pub start: RuntimeAddress,
    /// Who created it; from Go 1.21 on.
    pub parent: Option<u64>,
    /// `g.trackingSeq`: incremented each time it leaves a processor, and by nothing else.
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
