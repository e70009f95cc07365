//! What one copy of a target's memory says of the goroutines that wait.

use std::collections::HashMap;

use super::RuntimeAddress;

/// Descriptors of one process whose other end it holds itself, and nobody else, as far as its open files and those of its descendants tell:
/// who waits for one of them waits for the process. Each is the only one that the process has of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnEnds(pub HashMap<u32, OwnEnd>);

/// The other end of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnEnd {
    /// Its descriptor in the same process.
    pub descriptor: u32,
    /// It is a pipe; else a connection.
    pub pipe: bool,
}

/// One conservative mark of a copy of a target's memory. One alone can err, since a copy is not atomic: only what two in a row say holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// When the copy began and ended: CLOCK_MONOTONIC, ns.
    pub began_ns: u64,
    /// See `began_ns`.
    pub ended_ns: u64,
    /// Goroutines that waited, without having run, from before the copy until after it, by goid. Those of whose wait nothing is
    /// understood are not here: they count as live.
    pub waiters: HashMap<u64, Waiter>,
    /// Tickers that are neither stopped nor waited for; none where the runtime forgets them by itself: from Go 1.23 on, but for programs whose
    /// go.mod says an older version, up to 1.26.
    pub tickers: Vec<Ticker>,
    /// Return addresses of `go` statements that have hundreds of goroutines, of which at least three quarters of some that were looked at lead,
    /// as far as what they hold tells, to no open file nor connection: nobody outside has brought them.
    pub inward: Vec<RuntimeAddress>,
    /// There was more than could be followed of what timers and sleepers lead to: who has no deadline may have one, and other peers than are known.
    pub unfollowed: bool,
    /// Bytes of the target that were read.
    pub bytes_read: u64,
}

/// A `time.Ticker` that goes on ticking, whether anybody listens or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// Its channel: what names it as long as it ticks.
    pub channel: RuntimeAddress,
    /// Time between two ticks, ns.
    pub period_ns: u64,
    /// Nothing leads to it but the runtime's list of timers, not even goroutines that never run again.
    pub unreachable: bool,
}

/// One goroutine that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiter {
    /// `g.trackingSeq` while it waited.
    pub seq: u8,
    /// Nothing that can run leads to what it waits on.
    pub unreachable: bool,
    /// When the earliest one-shot timer is due that leads to what it waits on: CLOCK_MONOTONIC, ns.
    pub deadline_ns: Option<u64>,
    /// The same of the latest: there may be several.
    pub last_deadline_ns: Option<u64>,
    /// What it waits on: channels, the address of a semaphore, a notifyList, what holds either end of a pipe or connection. At most
    /// [`Waiter::OBJECTS`].
    pub objects: Vec<RuntimeAddress>,
    /// Goroutines, by goid, that only the clock wakes, and whose stacks lead to what it waits on in few steps. None where a timer itself
    /// leads there. At most [`Waiter::PEERS`].
    pub peers: Vec<u64>,
    /// It waits for a pipe whose other end the process itself holds.
    pub own_pipe: bool,
}

impl Waiter {
    /// Peers that are told of one goroutine.
    pub const PEERS: usize = 16;
    /// Objects that are told of one goroutine: a select can have thousands of cases.
    pub const OBJECTS: usize = 8;
}
