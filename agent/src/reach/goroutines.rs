//! The goroutines before and after the heap is read, and which of them may be proven.
//!
//! Input noun: [`Goroutine`]. Output: [`Seen`], [`Candidate`]. Must not know the heap.

use goroscope_gobin::WaitKind;

use super::{Census, Limits, NoProof};
use crate::model::{Goroutine, GoroutineState};

/// The largest stack that Go allows.
const STACK: u64 = 1 << 30;

/// A goroutine before the heap is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) goid: u64,
    pub(super) g: u64,
    pub(super) sp: u64,
    pub(super) pc: u64,
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) waiting: u64,
    /// Return address of the `go` statement; 0: none.
    pub(super) created_at: u64,
    pub(super) seq: u8,
    pub(super) doing: Doing,
}

/// What matters of what a goroutine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Waits for what only other goroutines can give, or for nothing; or for the kernel, behind which may be the process itself.
    Asks(WaitKind),
    /// Waits for something else.
    Waits,
    /// Is on a processor.
    Runs,
    /// In a system call, about to run, or its stack is being moved.
    Else,
    /// Works for the collector, whose stacks are used again without being cleaned.
    Collects,
}

/// A goroutine that may be proven: it waits, and what it waits on is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// Index in the goroutines seen.
    pub(super) seen: usize,
    /// Its part of the links; see [`super::waits`].
    pub(super) links: (usize, usize),
    /// Something that can run leads to what it waits on, or nobody can say.
    pub(super) live: bool,
    /// It was seen again after the copy, and had not run.
    pub(super) confirmed: bool,
    /// When the earliest timer is due that leads to what it waits on, ns.
    pub(super) deadline_ns: Option<u64>,
    pub(super) last_deadline_ns: Option<u64>,
    /// It waits for a pipe whose other end the process itself holds.
    pub(super) own_pipe: bool,
}

impl Candidate {
    /// A timer that is due then leads to what it waits on.
    pub(super) fn is_due(&mut self, when_ns: u64) {
        self.deadline_ns = Some(self.deadline_ns.map_or(when_ns, |before| before.min(when_ns)));
        self.last_deadline_ns = self.last_deadline_ns.max(Some(when_ns));
    }
}

/// What is waited on: the first byte of each object, and a candidate that waits on it, by its number; sorted.
#[derive(Debug)]
pub(super) struct Watched(Vec<(u64, usize)>);

impl Watched {
    pub(super) fn new(mut pairs: Vec<(u64, usize)>) -> Self {
        pairs.sort_unstable();
        Self(pairs)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those who wait on the object that begins there.
    pub(super) fn by(&self, object: u64) -> impl Iterator<Item = usize> {
        let from = self.0.partition_point(|(at, _)| *at < object);
        self.0.iter().skip(from).take_while(move |(at, _)| *at == object).map(|(_, number)| *number)
    }
}

impl Seen {
    pub(super) fn new(goroutine: &Goroutine, collects: bool) -> Option<Self> {
        let doing = match (goroutine.state, goroutine.wait.map(goroscope_gobin::WaitReason::kind)) {
            (GoroutineState::Dead, _) => return None,
            _ if collects => Doing::Collects,
            (GoroutineState::Running, _) => Doing::Runs,
            // All its channels are nil: selectgo queues at none, and parks all the same.
            (GoroutineState::Waiting, Some(WaitKind::Channel)) if is_select(goroutine) && goroutine.waiting.0 == 0 => {
                Doing::Asks(WaitKind::Forever)
            }
            (GoroutineState::Waiting, Some(kind)) if can_be_asked(kind) => Doing::Asks(kind),
            (GoroutineState::Waiting, _) => Doing::Waits,
            _ => Doing::Else,
        };
        Some(Self {
            goid: goroutine.goid,
            g: goroutine.g.0,
            sp: goroutine.sp.0,
            pc: goroutine.pc.0,
            low: goroutine.stack.start.0,
            high: goroutine.stack.end.0,
            waiting: goroutine.waiting.0,
            created_at: goroutine.created_at.0,
            seq: goroutine.seq,
            doing,
        })
    }

    /// The part of its stack that it may use: what lies above the stack pointer, where that is known.
    pub(super) fn stack(&self) -> (u64, u64) {
        let low = self.low.max(self.high.saturating_sub(STACK));
        match self.doing {
            Doing::Asks(_) | Doing::Waits if (low..self.high).contains(&self.sp) => (self.sp, self.high),
            _ => (low, self.high),
        }
    }

    /// It has not run since `before`: it waits there still.
    pub(super) fn waits_since(&self, before: &Self) -> bool {
        matches!(self.doing, Doing::Asks(_) | Doing::Waits) && self == before
    }
}

/// Whether it may be known what a wait of this kind waits on.
const fn can_be_asked(kind: WaitKind) -> bool {
    matches!(kind, WaitKind::Channel | WaitKind::Semaphore | WaitKind::Cond | WaitKind::Forever | WaitKind::Io)
}

fn is_select(goroutine: &Goroutine) -> bool {
    goroutine.wait.is_some_and(|wait| wait.as_str() == "select")
}

/// All goroutines, in the order of the census.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) all: Vec<Seen>,
    /// Indexes by goid, made when the order has changed.
    by_goid: Option<Vec<u32>>,
    cursor: usize,
}

impl Before {
    /// Takes the first census.
    pub(super) fn take(census: &mut Census<'_>, collects: &dyn Fn(&Goroutine) -> bool, limits: &Limits) -> Result<Self, NoProof> {
        let mut all = Vec::new();
        let mut visited = 0_u64;
        census(&mut |goroutine| {
            visited += 1;
            if visited <= limits.goroutines {
                all.extend(Seen::new(goroutine, collects(goroutine)));
            }
        })?;
        if visited > limits.goroutines {
            return Err(NoProof::TooManyGoroutines { limit: limits.goroutines });
        }
        Ok(Self { all, by_goid: None, cursor: 0 })
    }

    /// The index of the goroutine with this id. Fast if they are asked for in the order of the census.
    pub(super) fn find(&mut self, goid: u64) -> Option<usize> {
        for index in [self.cursor, self.cursor + 1, self.cursor + 2] {
            if self.all.get(index).is_some_and(|seen| seen.goid == goid) {
                self.cursor = index + 1;
                return Some(index);
            }
        }
        let all = &self.all;
        let goid_of = |index: &u32| usize::try_from(*index).ok().and_then(|index| all.get(index)).map_or(u64::MAX, |seen| seen.goid);
        let sorted = self.by_goid.get_or_insert_with(|| {
            let mut sorted: Vec<u32> = (0..u32::try_from(all.len()).unwrap_or(u32::MAX)).collect();
            sorted.sort_unstable_by_key(goid_of);
            sorted
        });
        let at = sorted.binary_search_by_key(&goid, goid_of).ok()?;
        let index = usize::try_from(*sorted.get(at)?).ok()?;
        self.cursor = index + 1;
        Some(index)
    }
}
