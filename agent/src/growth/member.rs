//! What is remembered of one goroutine. Input: what two looks at it say. Output noun: [`Member`], 32 bytes. Must not know groups'
//! statistics, nor rules.

use goroscope_gobin::{WaitKind, WaitReason};

use crate::model::{Goroutine, GoroutineState};

/// Hundredths of a second since the watch began: 497 days fit.
pub(super) type Tick = u32;

/// One goroutine under watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// When it was first seen.
    pub(super) born: Tick,
    /// When it was first seen in the wait, or on the run, that it is in now.
    pub(super) since: Tick,
    /// When a timer is due that leads to what it waits on; 0: there is none.
    pub(super) deadline: Tick,
    /// Its group: the `go` statement, the wait reason and the place of waiting, as far as they are known.
    pub(super) group: u32,
    /// The first of the proofs in a row, up to `dead_last`, that called it dead.
    pub(super) dead_since: u16,
    /// The last proof that called it dead; 0: none.
    pub(super) dead_last: u16,
    /// The last proof that saw it in this wait; 0: none.
    pub(super) proof: u16,
    /// The first proof that saw it wait still when a timer that led to what it waits on had come due; 0: none.
    pub(super) outlived: u16,
    /// Its `go` statement.
    pub(super) site: u16,
    /// `g.trackingSeq`.
    pub(super) seq: u8,
    /// What it does: a number of [`Reasons`].
    pub(super) reason: u8,
    /// The census that saw it last, modulo 256.
    pub(super) census: u8,
    /// In how many censuses it was found to have run.
    pub(super) runs: u8,
    flags: u8,
}

const _: () = assert!(size_of::<Member>() <= 32, "with goid and the table's own byte, about 40 bytes for each goroutine");

const AT_START: u8 = 1;
const STACK_KNOWN: u8 = 2;
const SHARES: u8 = 4;
const TWO_PROOFS: u8 = 8;
const DEADLINE_VOID: u8 = 16;
const FOR_PEERS: u8 = 32;
const OWN_PIPE: u8 = 64;
const OUTLIVES: u8 = 128;

impl Member {
    pub(super) const fn new(at_start: bool, now: Tick, site: u16, group: u32, seq: u8, reason: u8, census: u8) -> Self {
        let flags = if at_start { AT_START } else { 0 };
        Self {
            born: now,
            since: now,
            deadline: 0,
            group,
            dead_since: 0,
            dead_last: 0,
            proof: 0,
            outlived: 0,
            site,
            seq,
            reason,
            census,
            runs: 0,
            flags,
        }
    }

    /// It was there when the watch began: its age is not known.
    pub(super) const fn at_start(&self) -> bool {
        self.flags & AT_START != 0
    }

    /// It is as if it had been there.
    pub(super) const fn forget_beginning(&mut self) {
        self.flags |= AT_START;
    }

    /// Where it waits has been read from its stack, in this wait.
    pub(super) const fn stack_known(&self) -> bool {
        self.flags & STACK_KNOWN != 0
    }

    /// All that it was last seen to wait on others wait on too.
    pub(super) const fn shares(&self) -> bool {
        self.flags & SHARES != 0
    }

    /// The last two proofs saw it in this wait.
    pub(super) const fn in_two_proofs(&self) -> bool {
        self.flags & TWO_PROOFS != 0
    }

    /// When a timer will end the wait; 0: there is none, or such timers are known to end no wait on this object.
    pub(super) const fn ends_at(&self) -> Tick {
        if self.flags & DEADLINE_VOID != 0 { 0 } else { self.deadline }
    }

    /// A timer that led to what it waits on has come due.
    pub(super) const fn is_due(&self, now: Tick) -> bool {
        self.deadline != 0 && now >= self.deadline
    }

    pub(super) const fn set_deadline_void(&mut self, void: bool) {
        self.flags = if void { self.flags | DEADLINE_VOID } else { self.flags & !DEADLINE_VOID };
    }

    /// It waits for goroutines that came along with it, and that only the clock wakes.
    pub(super) const fn waits_for_peers(&self) -> bool {
        self.flags & FOR_PEERS != 0
    }

    pub(super) const fn set_waits_for_peers(&mut self, waits: bool) {
        self.flags = if waits { self.flags | FOR_PEERS } else { self.flags & !FOR_PEERS };
    }

    /// It waits for a pipe whose other end the process itself holds.
    pub(super) const fn waits_for_own_pipe(&self) -> bool {
        self.flags & OWN_PIPE != 0
    }

    pub(super) const fn set_waits_for_own_pipe(&mut self, waits: bool) {
        self.flags = if waits { self.flags | OWN_PIPE } else { self.flags & !OWN_PIPE };
    }

    /// Its wait goes on after all timers that led to what it waits on. Whether that is news.
    pub(super) const fn outlives_timer(&mut self) -> bool {
        let is_news = self.flags & OUTLIVES == 0;
        self.flags |= OUTLIVES;
        is_news
    }

    pub(super) const fn set_stack_known(&mut self) {
        self.flags |= STACK_KNOWN;
    }

    pub(super) const fn set_shares(&mut self, shares: bool) {
        self.flags = if shares { self.flags | SHARES } else { self.flags & !SHARES };
    }

    /// A new wait or run begins: what was known of the old one is void.
    pub(super) fn begin(&mut self, now: Tick, seq: u8, reason: u8, group: u32) {
        (self.since, self.seq, self.reason, self.group) = (now, seq, reason, group);
        (self.deadline, self.dead_since, self.dead_last, self.proof, self.outlived) = (0, 0, 0, 0, 0);
        self.flags &= !(STACK_KNOWN | TWO_PROOFS | DEADLINE_VOID | FOR_PEERS | OWN_PIPE | OUTLIVES);
    }

    /// Proof number `proof` saw it in this wait.
    pub(super) fn proven(&mut self, proof: u16, dead: bool, deadline: Tick) {
        let previous = proof.saturating_sub(1);
        let twice = self.proof == previous && previous != 0;
        self.flags = if twice { self.flags | TWO_PROOFS } else { self.flags & !TWO_PROOFS };
        if dead {
            if self.dead_last != previous || previous == 0 {
                self.dead_since = proof;
            }
            self.dead_last = proof;
        }
        (self.proof, self.deadline) = (proof, deadline);
    }

    /// The first so `many` proofs are no longer counted.
    pub(super) fn forget_proofs(&mut self, many: u16) {
        let first = |proof: u16| if proof == 0 { 0 } else { proof.saturating_sub(many).max(1) };
        (self.dead_since, self.outlived) = (first(self.dead_since), first(self.outlived));
        (self.dead_last, self.proof) = (self.dead_last.saturating_sub(many), self.proof.saturating_sub(many));
    }

    /// Dead in proof number `proof` and in the one before.
    pub(super) const fn dead_twice(&self, proof: u16) -> bool {
        self.dead_last == proof && self.dead_since < proof && self.dead_since != 0
    }
}

/// Wait reasons by number; the numbers behind them are what is no wait.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    known: Vec<WaitReason>,
    /// Who waits for the kernel may wait for the process itself.
    pub(super) own_ends: bool,
}

/// On a processor, or about to be.
pub(super) const RUNS: u8 = u8::MAX;
/// In a system call or in C.
pub(super) const SYSCALL: u8 = u8::MAX - 1;
/// Waits for something that has no name.
const UNNAMED: u8 = u8::MAX - 2;

impl Reasons {
    /// The number of what a goroutine does.
    pub(super) fn number(&mut self, goroutine: &Goroutine) -> u8 {
        match (goroutine.state, goroutine.wait) {
            (GoroutineState::Waiting, Some(wait)) => {
                let known = self.known.iter().position(|reason| *reason == wait).unwrap_or_else(|| {
                    self.known.push(wait);
                    self.known.len() - 1
                });
                u8::try_from(known).unwrap_or(UNNAMED).min(UNNAMED)
            }
            (GoroutineState::Waiting, None) => UNNAMED,
            (GoroutineState::Syscall, _) => SYSCALL,
            _ => RUNS,
        }
    }

    /// The reason with that number, if it is a wait.
    pub(super) fn get(&self, number: u8) -> Option<WaitReason> {
        self.known.get(usize::from(number)).copied()
    }

    /// The same, and what is said of those in system calls.
    pub(super) fn told(&self, number: u8) -> Option<WaitReason> {
        self.get(number).or_else(|| (number == SYSCALL).then_some(WaitReason::SYSCALL))
    }

    /// What can end it.
    pub(super) fn kind(&self, number: u8) -> Option<WaitKind> {
        self.get(number).map(WaitReason::kind)
    }

    /// Whether it may be for what is outside of the process: it waits for the kernel, or is in a system call or in C.
    pub(super) fn is_outside(&self, number: u8) -> bool {
        number == SYSCALL || self.kind(number) == Some(WaitKind::Io)
    }

    /// Whether goroutines can be stuck in it: only other goroutines end it, or nobody does.
    pub(super) fn can_be_stuck(&self, number: u8) -> bool {
        use WaitKind::{Channel, Cond, Coroutine, Forever, Io, Semaphore};
        match self.kind(number) {
            Some(Channel | Forever | Semaphore | Cond | Coroutine) => true,
            Some(Io) => self.own_ends,
            _ => false,
        }
    }
}
