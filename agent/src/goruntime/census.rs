//! Every goroutine of a process. Input noun: `runtime.allgs`. Output noun: [`Goroutine`]. Must not know what they are counted for.

use goroscope_gobin::WaitReason;

use super::{Fields as _, Runtime, RuntimeError};
use crate::model::{Goroutine, GoroutineState, Memory, Read, RuntimeAddress};

/// Goroutines that a process may have: what 100 GB of stacks make.
const GOROUTINES_MAX: u64 = 1 << 26;
/// Pointers that are read at once.
const POINTERS: usize = 64 << 10;
/// Two structs whose distance is less are read as one range.
const GAP: u64 = 2 << 10;
/// The longest such range.
const RANGE_MAX: u64 = 256 << 10;
/// Bytes of structs in the agent's memory at a time.
const BUFFER: u64 = 8 << 20;
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
    /// # Errors
    /// The list itself cannot be read.
    pub fn census(&self, visit: &mut dyn FnMut(&Goroutine)) -> Result<CensusTally, RuntimeError> {
        let globals = &self.facts.globals;
        // In this order, as the runtime does: the list that is found later has at least that many.
        let length = self.word(self.at(globals.allglen), "allglen")?;
        let list = RuntimeAddress(self.word(self.at(globals.allgptr), "allgptr")?);
        if length > GOROUTINES_MAX {
            return Err(RuntimeError::Implausible { what: "the number of goroutines" });
        }
        let mut tally = CensusTally::default();
        let mut bytes = Vec::new();
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < length {
            let count = (length - at).min(POINTERS as u64);
            bytes.resize(usize::try_from(8 * count).unwrap_or(0), 0);
            let from = RuntimeAddress(list.0.wrapping_add(8 * at));
            self.memory.read(from, &mut bytes).map_err(|error| RuntimeError::of(error, "allgs"))?;
            let mut pointers: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
            pointers.sort_unstable();
            self.structs(&pointers, &mut buffer, &mut tally, visit)?;
            at += count;
        }
        Ok(tally)
    }

    /// Reads the structs at sorted addresses, near ones together.
    fn structs(
        &self,
        pointers: &[u64],
        buffer: &mut Vec<u8>,
        tally: &mut CensusTally,
        visit: &mut dyn FnMut(&Goroutine),
    ) -> Result<(), RuntimeError> {
        let size = u64::from(self.facts.layout.g.size);
        let mut rest = pointers;
        while !rest.is_empty() {
            let (ranges, taken) = ranges(rest, size);
            let total: u64 = ranges.iter().map(|(start, end, _)| end - start).sum();
            buffer.resize(usize::try_from(total).unwrap_or(0), 0);
            let mut reads = Vec::with_capacity(ranges.len());
            let mut free = buffer.as_mut_slice();
            for (start, end, _) in &ranges {
                let (out, tail) = std::mem::take(&mut free).split_at_mut(usize::try_from(end - start).unwrap_or(0));
                free = tail;
                reads.push(Read { at: RuntimeAddress(*start), out, done: false });
            }
            self.memory.read_many(&mut reads).map_err(|error| RuntimeError::of(error, "goroutines"))?;
            let (now, later) = rest.split_at(taken);
            rest = later;
            let mut addresses = now.iter();
            for (read, (start, _, members)) in reads.iter().zip(&ranges) {
                for address in addresses.by_ref().take(*members) {
                    let offset = usize::try_from(address - start).unwrap_or(usize::MAX);
                    let bytes = read.out.get(offset..).and_then(|bytes| bytes.get(..self.facts.layout.g.size as usize));
                    match bytes.filter(|_| read.done).and_then(|bytes| self.goroutine(*address, bytes)) {
                        Some(goroutine) => {
                            tally.visited += 1;
                            visit(&goroutine);
                        }
                        // The list may have room for pointers that are not there yet.
                        None if *address == 0 => {}
                        None => tally.torn += 1,
                    }
                }
            }
        }
        Ok(())
    }

    /// The goroutine in these bytes, if it makes sense.
    fn goroutine(&self, address: u64, bytes: &[u8]) -> Option<Goroutine> {
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
        let (sp, pc, bp) = if state == GoroutineState::Syscall {
            (word(g.syscallsp), word(g.syscallpc), g.syscallbp.map_or(RuntimeAddress(0), word))
        } else {
            (word(g.sched + gobuf.sp), word(g.sched + gobuf.pc), word(g.sched + gobuf.bp))
        };
        let wait = (state == GoroutineState::Waiting).then(|| WaitReason::of(self.minor, bytes.u8(g.waitreason))).flatten();
        Some(Goroutine {
            g: RuntimeAddress(address),
            goid: bytes.u64(g.goid),
            state,
            wait,
            created_at: word(g.gopc),
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

/// Start, end, and number of structs.
type Range = (u64, u64, usize);

/// Ranges that hold structs of `size` at these sorted addresses, and how many of the addresses they are for.
fn ranges(sorted: &[u64], size: u64) -> (Vec<Range>, usize) {
    let (mut ranges, mut taken, mut total): (Vec<Range>, _, _) = (Vec::new(), 0, 0);
    for address in sorted {
        let end = address.saturating_add(size);
        match ranges.last_mut() {
            Some((start, last, members)) if address.saturating_sub(*last) < GAP && end - *start <= RANGE_MAX => {
                total += end.saturating_sub(*last);
                (*last, *members) = (end.max(*last), *members + 1);
            }
            _ if total >= BUFFER => break,
            _ => {
                total += end - address;
                ranges.push((*address, end, 1));
            }
        }
        taken += 1;
    }
    (ranges, taken)
}
