//! Every goroutine of a process. Input noun: `runtime.allgs`. Output noun: [`Goroutine`]. Must not know what they are counted for.

use goroscope_gobin::WaitReason;

use super::{
    Fields as _, Runtime, RuntimeError, TRIES,
    gather::{Piece, gather},
};
use crate::model::{Goroutine, GoroutineState, Memory, RuntimeAddress};

/// Goroutines that a process may have: what 100 GB of stacks make.
const GOROUTINES_MAX: u64 = 1 << 26;
/// Pointers that are read at once.
const POINTERS: u64 = 32 << 10;
/// The largest stack that the runtime allows by default has 1 GB; it can be told to allow more.
const STACK_MAX: u64 = 1 << 40;
/// Set in `g.atomicstatus` while the collector looks at the stack.
const SCAN: u32 = 0x1000;

/// How a census went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CensusTally {
    /// Goroutines that were handed out, dead ones included.
    pub visited: u64,
    /// Structs that made no sense, because they changed or were given back: left out.
    pub torn: u64,
}

impl<M: Memory> Runtime<M> {
    /// Hands out every goroutine, dead ones too, in the order of their addresses within parts of the list.
    ///
    /// Those that are created meanwhile are not among them; those that end meanwhile may be.
    ///
    /// # Errors
    /// The list itself cannot be read.
    pub fn census(&self, visit: &mut dyn FnMut(&Goroutine)) -> Result<CensusTally, RuntimeError> {
        // In this order, as the runtime does: the list that is found later has at least that many.
        let length = self.word(self.at(self.facts.globals.allglen), "allglen")?;
        if length > GOROUTINES_MAX {
            return Err(RuntimeError::Implausible { what: "the number of goroutines" });
        }
        let (mut tally, mut buffer, mut pieces) = (CensusTally::default(), Vec::new(), Vec::new());
        let mut at = 0;
        while at < length {
            let count = (length - at).min(POINTERS);
            self.pointers(at, count, &mut pieces)?;
            gather(
                &self.memory,
                &mut pieces,
                &mut buffer,
                &mut |piece, bytes| match bytes.and_then(|bytes| self.goroutine(piece.at, bytes)) {
                    Some(goroutine) => {
                        tally.visited += 1;
                        visit(&goroutine);
                    }
                    None => tally.torn += 1,
                },
            )
            .map_err(|error| RuntimeError::of(error, "goroutines"))?;
            at += count;
        }
        Ok(tally)
    }

    /// The addresses of the structs `first` to `first + count` of the list.
    fn pointers(&self, first: u64, count: u64, pieces: &mut Vec<Piece>) -> Result<(), RuntimeError> {
        let list = || self.word(self.at(self.facts.globals.allgptr), "allgptr");
        let length = self.struct_length();
        let mut bytes = vec![0; usize::try_from(8 * count).unwrap_or(0)];
        let mut before = list()?;
        for _ in 0..TRIES {
            let from = RuntimeAddress(before.wrapping_add(8 * first));
            let read = self.memory.read(from, &mut bytes);
            // A list that grows is copied, and the old one is free for other use from then on.
            let after = list()?;
            if after == before {
                read.map_err(|error| RuntimeError::of(error, "allgs"))?;
                pieces.clear();
                let pointers = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).enumerate();
                // The list may have room for pointers that are not there yet.
                pieces.extend(pointers.filter(|(_, at)| *at != 0).map(|(name, at)| Piece { at, length, name }));
                return Ok(());
            }
            before = after;
        }
        Err(RuntimeError::Changed)
    }

    /// The thread that a goroutine in a system call or in C is on, by the number that the process itself calls it.
    pub fn thread(&self, goroutine: &Goroutine) -> Option<u32> {
        let (g, m) = (&self.facts.layout.g, &self.facts.layout.m);
        let field = |of: u64, at: u32| self.memory.u64(RuntimeAddress(of.wrapping_add(u64::from(at)))).ok().filter(|word| *word != 0);
        u32::try_from(field(field(goroutine.g.0, g.m)?, m.procid)?).ok()
    }

    /// Bytes of `runtime.g` from its begin to behind the last field that is read.
    pub(super) fn struct_length(&self) -> u32 {
        let (g, gobuf) = (&self.facts.layout.g, &self.facts.layout.gobuf);
        let saved = [gobuf.sp, gobuf.pc, gobuf.bp].map(|at| g.sched.saturating_add(at));
        let fields =
            [g.stack.saturating_add(8), g.atomicstatus, g.goid, g.waitreason, g.gopc, g.startpc, g.tracking_seq, g.waiting, g.waitsince];
        let maybe = [g.syscallsp, g.syscallpc, g.syscallbp.unwrap_or(0), g.parent_goid.unwrap_or(0)];
        saved.into_iter().chain(fields).chain(maybe).max().unwrap_or(0).saturating_add(8).min(g.size)
    }

    /// The goroutine in these bytes, if it makes sense.
    pub(super) fn goroutine(&self, address: u64, bytes: &[u8]) -> Option<Goroutine> {
        let layout = &self.facts.layout;
        let (g, gobuf) = (&layout.g, &layout.gobuf);
        let word = |at: u32| RuntimeAddress(bytes.u64(at));
        let state = match bytes.u32(g.atomicstatus) & !SCAN {
            // Idle, dead, and those that wait for a thread of C.
            0 | 6 | 11 => GoroutineState::Dead,
            1 => GoroutineState::Runnable,
            2 => GoroutineState::Running,
            3 => GoroutineState::Syscall,
            4 | 10 => GoroutineState::Waiting,
            8 => GoroutineState::CopyingStack,
            9 => GoroutineState::Preempted,
            _ => return None,
        };
        let stack = word(g.stack)..word(g.stack + 8);
        let is_alive = state != GoroutineState::Dead;
        if address == 0 || (is_alive && (stack.start >= stack.end || stack.end.0 - stack.start.0 > STACK_MAX)) {
            return None;
        }
        // On the way back from a system call it is runnable, and these still hold.
        let in_call = state != GoroutineState::Running && bytes.u64(g.syscallsp) != 0;
        let (sp, pc, bp) = if state == GoroutineState::Syscall || in_call {
            (word(g.syscallsp), word(g.syscallpc), g.syscallbp.map_or(RuntimeAddress(0), word))
        } else {
            (word(g.sched + gobuf.sp), word(g.sched + gobuf.pc), word(g.sched + gobuf.bp))
        };
        let wait = (state == GoroutineState::Waiting).then(|| WaitReason::of(self.minor, bytes.u8(g.waitreason))).flatten();
        let blocked = matches!(state, GoroutineState::Waiting | GoroutineState::Syscall);
        // A coroutine is switched to without it being cleared.
        let keeps = wait.is_some_and(|reason| reason.as_str() == "coroutine");
        let wait_since = (blocked && !keeps).then(|| bytes.u64(g.waitsince)).filter(|since| *since != 0);
        Some(Goroutine {
            g: RuntimeAddress(address),
            goid: bytes.u64(g.goid),
            state,
            wait,
            wait_since,
            // The first one was made by the assembly that starts the runtime: Go calls that no creator either.
            created_at: if bytes.u64(g.goid) == 1 { RuntimeAddress(0) } else { word(g.gopc) },
            start: word(g.startpc),
            parent: g.parent_goid.map(|at| bytes.u64(at)),
            seq: bytes.u8(g.tracking_seq),
            sp,
            pc,
            bp,
            stack,
            waiting: word(g.waiting),
        })
    }
}
