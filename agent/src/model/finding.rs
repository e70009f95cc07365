//! What is said of a process that does not give back what it takes: who leaks, where it waits, and how that is known.

use std::time::{Duration, SystemTime};

use goroscope_gobin::WaitReason;

use super::{RuntimeAddress, Site};

/// What kind of thing grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Goroutines that never end.
    GoroutineLeak,
    /// Tickers that nobody stops.
    Ticker,
}

impl FindingKind {
    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GoroutineLeak => "goroutine_leak",
            Self::Ticker => "ticker",
        }
    }

    /// What there are too many of, for people.
    #[must_use]
    pub const fn things(self) -> &'static str {
        match self {
            Self::GoroutineLeak => "goroutines",
            Self::Ticker => "tickers",
        }
    }
}

/// How it is known. The greater is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// They go on running, do not end, and become more.
    Live,
    /// They have not run since they blocked, for longer than waits of their kind were seen to last, and become more.
    Stuck,
    /// Nothing that can run leads to what they wait on, and they become more.
    Proven,
}

impl Evidence {
    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stuck => "stuck",
            Self::Proven => "proven",
        }
    }
}

/// A `go` statement whose goroutines leak at one place, by addresses of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Return address of the `go` statement.
    pub created_at: RuntimeAddress,
    /// Return address of the call that waits: first frame outside of the packages that only pass waits on. `None`: not known.
    pub blocked_at: Option<RuntimeAddress>,
    /// Why they wait; `None` for those that mostly run.
    pub wait: Option<WaitReason>,
    /// The strongest evidence there is.
    pub evidence: Evidence,
    /// Goroutines in it now.
    pub count: u64,
    /// How many more they become in a second.
    pub slope: f64,
    /// When the first that was seen to begin did: CLOCK_MONOTONIC, ns.
    pub since_ns: u64,
    /// How long was watched, ns.
    pub watched_ns: u64,
    /// One in so many goroutines was followed: 1 is all of them. Above, `count` and `slope` are estimates.
    pub one_in: u64,
}

/// Tickers of one period that nobody stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TickerSuspect {
    /// Time between two ticks, ns.
    pub period_ns: u64,
    /// Tickers that nothing leads to.
    pub count: u64,
    /// How many more they become in a second.
    pub slope: f64,
    /// When the first that was seen to begin did: CLOCK_MONOTONIC, ns.
    pub since_ns: u64,
    /// How long was watched, ns.
    pub watched_ns: u64,
}

/// A leak as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What grows.
    pub kind: FindingKind,
    /// The statement that makes them.
    pub created_by: Site,
    /// Where they wait; `None` for those that mostly run, or where no stack was legible.
    pub blocked_in: Option<Site>,
    /// Why they wait, as Go says it; empty for those that mostly run.
    pub wait_reason: &'static str,
    /// Time between two ticks; `None` for goroutines, and for tickers of several periods.
    pub period: Option<Duration>,
    /// How it is known.
    pub evidence: Evidence,
    /// How many there are.
    pub count: u64,
    /// How many more they become in a second.
    pub slope: f64,
    /// Since when; over restarts, if it goes on over them.
    pub since: SystemTime,
    /// How long was watched.
    pub watched: Duration,
    /// One in so many goroutines was followed.
    pub one_in: u64,
    /// Processes of the same workload before this one that ended with it: it goes on over their restarts.
    pub restarts: u64,
    /// When the process comes to the limit of its memory; none where no limit is known, or it does not grow.
    pub projection: Option<Projection>,
}

/// What bounds the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// The memory limit of its cgroup, or of one above: the kernel ends it there.
    Cgroup,
    /// `GOMEMLIMIT`: the collector runs all the time there.
    Go,
}

impl LimitKind {
    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Go => "gomemlimit",
        }
    }
}

/// A limit of memory, and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Whose.
    pub kind: LimitKind,
    /// Bytes.
    pub bytes: u64,
    /// Bytes that count against it, without the file cache that the kernel can take back.
    pub used: u64,
}

/// When a process comes to a limit of its memory if it goes on to grow as it does: of several limits the one that is first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    /// Which limit.
    pub limit: MemoryLimit,
    /// How the process grows, bytes a second.
    pub bytes_per_second: f64,
    /// How long that still takes; 0: it is there.
    pub reached_in: Duration,
}

impl Finding {
    /// Whether both are of one `go` statement and one place of waiting: then the other is an update of this one.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.created_by, &self.blocked_in) == (other.kind, &other.created_by, &other.blocked_in)
    }
}
