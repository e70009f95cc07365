//! What a Go runtime knows about itself, read from its memory at one instant.

use std::time::SystemTime;

use super::Histogram;

/// Figures of one process. An `Option` is absent where the process' Go version does not keep the figure.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeFigures {
    /// When they were read.
    pub taken_at: SystemTime,
    /// `runtime.NumGoroutine()`.
    pub goroutines: u64,
    /// The runtime's own goroutines, which `goroutines` leaves out.
    pub system_goroutines: u64,
    /// Goroutines created since the process started, the runtime's own and coroutines included.
    pub created: u64,
    /// Goroutines ended since then. One that is just being made lives already and has no id yet, so there may have been one more for each
    /// processor.
    pub ended: u64,
    /// `GOMAXPROCS`.
    pub gomaxprocs: u64,
    /// Threads that the runtime made and that have not ended.
    pub threads: u64,
    /// Garbage collections completed.
    pub gc_cycles: u64,
    /// Those that the program asked for.
    pub gc_forced_cycles: u64,
    /// Pauses of all goroutines for the collector.
    pub gc_pauses: Option<Histogram>,
    /// `GOGC` in per cent; absent when it is off.
    pub gogc: Option<u64>,
    /// Bytes at which the next collection begins.
    pub heap_goal: u64,
    /// Bytes of the heap in use by the collector's count: live objects and those not swept yet.
    pub heap_live: u64,
    /// `GOMEMLIMIT`, bytes; absent when there is none.
    pub memory_limit: Option<u64>,
    /// Bytes allocated on the heap since the process started.
    pub allocated_bytes: Option<u64>,
    /// Objects allocated on the heap since then; tiny ones that share a block count once.
    pub allocations: Option<u64>,
    /// Bytes of goroutine stacks.
    pub stack_bytes: Option<u64>,
    /// Bytes of all other memory that the runtime has ready: off by the stacks that came or went between a reading of all and
    /// one of them.
    pub other_bytes: Option<u64>,
    /// How long goroutines were runnable before they ran; one in eight is measured by the runtime.
    pub schedule_latency: Option<Histogram>,
    /// Nanoseconds that goroutines have waited for `sync.Mutex` and `sync.RWMutex`.
    pub mutex_wait_ns: Option<u64>,
    /// Timers in the runtime's heaps; since Go 1.23 those that nobody waits for are in none.
    pub timers: Option<u64>,
}
