//! Stacks of goroutines that do not run. Input nouns: [`Goroutine`]s of a census. Output noun: [`Stack`]. Must not know functions.
//!
//! Go keeps frame pointers: each frame begins with the caller's frame pointer, and the return address lies behind it. A goroutine that
//! gave up its processor by itself did so in a call, so the chain from its saved frame pointer is whole. One that was stopped anywhere, or
//! whose frame pointer was not saved (system calls before Go 1.23), is unwound by the size of each frame, if the caller knows sizes.

use std::collections::HashMap;

use super::{
    Fields as _, Runtime, RuntimeError,
    gather::{Piece, gather},
};
use crate::model::{Goroutine, GoroutineState, Memory, RuntimeAddress, Stack};

/// Goroutines at a time: their windows are at most [`WINDOW`] each.
const BATCH: usize = 8 << 10;
/// Bytes that are read of each stack at first. Most of those that wait have less: the smallest stacks have 2 KiB in all.
const WINDOW: u64 = 1 << 10;
/// Bytes that are read next, again and again, of those that have more.
const MORE: u64 = 16 << 10;
/// Bytes of one stack that are read at most.
const STACK_BYTES_MAX: u64 = 4 << 20;
/// Calls of one stack at most, whatever is asked for.
const CALLS_MAX: usize = 16 << 10;
/// Bytes below the saved stack pointer that belong to a frame: arm64 saves the frame pointer there.
const BELOW: u64 = 16;
/// Sizes of frames that are remembered.
const SIZES_MAX: usize = 64 << 10;

/// Bytes of the frame at an instruction, from the stack pointer to the return address (amd64) or to the caller's frame (arm64), and
/// nothing where that is not known. The address lies *in* the call.
pub type FrameSize<'a> = dyn Fn(RuntimeAddress) -> Option<u64> + Sync + 'a;

/// One stack being read.
struct Unwinding<'a> {
    goroutine: &'a Goroutine,
    stack: Stack,
    /// Where the window begins.
    start: u64,
}

impl<M: Memory> Runtime<M> {
    /// The stacks of these goroutines, in their order, `depth` calls of each at most. Empty for those that run, are dead, or have moved
    /// on since the census so far that nothing makes sense.
    ///
    /// # Errors
    /// The process has ended or may not be read.
    pub fn stacks(&self, goroutines: &[Goroutine], depth: usize, frame_size: &FrameSize<'_>) -> Result<Vec<Stack>, RuntimeError> {
        let depth = depth.min(CALLS_MAX);
        let (mut stacks, mut buffer) = (Vec::with_capacity(goroutines.len()), Vec::new());
        let mut sizes = Sizes { known: HashMap::new(), ask: frame_size };
        for batch in goroutines.chunks(BATCH) {
            let mut pieces: Vec<Piece> = batch.iter().enumerate().filter_map(|(name, goroutine)| window(name, goroutine)).collect();
            let first = stacks.len();
            stacks.resize(first + batch.len(), Stack::default());
            gather(&self.memory, &mut pieces, &mut buffer, &mut |piece, bytes| {
                let (Some(bytes), Some(goroutine)) = (bytes, batch.get(piece.name)) else { return };
                let unwinding = Unwinding { goroutine, stack: Stack::default(), start: piece.at };
                if let Some(slot) = stacks.get_mut(first + piece.name) {
                    *slot = unwinding.run(&self.memory, bytes, depth, &mut sizes);
                }
            })
            .map_err(|error| RuntimeError::of(error, "stacks"))?;
            self.keep_unchanged(batch, stacks.get_mut(first..).unwrap_or_default(), &mut buffer)?;
        }
        Ok(stacks)
    }

    /// Empties the stacks of goroutines that ran, ended or got another stack since the census.
    fn keep_unchanged(&self, batch: &[Goroutine], stacks: &mut [Stack], buffer: &mut Vec<u8>) -> Result<(), RuntimeError> {
        let length = self.struct_length();
        let read = batch.iter().zip(&*stacks).enumerate().filter(|(_, (_, stack))| !stack.calls.is_empty());
        let mut pieces: Vec<Piece> = read.map(|(name, (goroutine, _))| Piece { at: goroutine.g.0, length, name }).collect();
        gather(&self.memory, &mut pieces, buffer, &mut |piece, bytes| {
            let now = bytes.and_then(|bytes| self.goroutine(piece.at, bytes));
            let same = |now: &Goroutine, then: &Goroutine| {
                (now.goid, now.state, now.seq, now.sp, now.pc, now.stack.start)
                    == (then.goid, then.state, then.seq, then.sp, then.pc, then.stack.start)
            };
            let same = now.zip(batch.get(piece.name)).is_some_and(|(now, then)| same(&now, then));
            if let Some(stack) = stacks.get_mut(piece.name).filter(|_| !same) {
                *stack = Stack::default();
            }
        })
        .map_err(|error| RuntimeError::of(error, "goroutines"))
    }
}

/// What is read first of a stack, if it is to be read at all.
fn window(name: usize, goroutine: &Goroutine) -> Option<Piece> {
    use GoroutineState::{CopyingStack, Dead, Preempted, Runnable, Running, Syscall, Waiting};
    match goroutine.state {
        Running | CopyingStack | Dead => return None,
        Runnable | Syscall | Waiting | Preempted => {}
    }
    let (low, high) = (goroutine.stack.start.0, goroutine.stack.end.0);
    if goroutine.sp.0 < low || goroutine.sp.0 >= high {
        return None;
    }
    let at = goroutine.sp.0.saturating_sub(BELOW).max(low);
    Some(Piece { at, length: u32::try_from((high - at).min(WINDOW)).ok()?, name })
}

/// Sizes of frames, asked for once each.
struct Sizes<'a> {
    known: HashMap<u64, Option<u64>>,
    ask: &'a FrameSize<'a>,
}

impl Sizes<'_> {
    fn of(&mut self, address: u64) -> Option<u64> {
        if let Some(size) = self.known.get(&address) {
            return *size;
        }
        if self.known.len() >= SIZES_MAX {
            self.known.clear();
        }
        let size = (self.ask)(RuntimeAddress(address));
        self.known.insert(address, size);
        size
    }
}

/// The bytes of one stack from `start` on; more of them are read as they are needed.
struct Window<'a> {
    memory: &'a dyn Memory,
    start: u64,
    end: u64,
    first: &'a [u8],
    more: Vec<u8>,
    more_start: u64,
}

impl Window<'_> {
    /// The two words at an address.
    fn pair(&mut self, at: u64) -> Option<(u64, u64)> {
        if at < self.start || at.checked_add(16)? > self.end {
            return None;
        }
        let pair = |bytes: &[u8], start: u64| {
            let offset = usize::try_from(at.checked_sub(start)?).ok()?;
            let bytes = bytes.get(offset..)?.first_chunk::<16>()?;
            Some((bytes.u64(0), bytes.u64(8)))
        };
        if let Some(found) = pair(self.first, self.start).or_else(|| pair(&self.more, self.more_start)) {
            return Some(found);
        }
        if at - self.start > STACK_BYTES_MAX {
            return None;
        }
        let length = usize::try_from((self.end - at).min(MORE)).ok()?;
        self.more.resize(length, 0);
        self.more_start = at;
        if self.memory.read(RuntimeAddress(at), &mut self.more).is_err() {
            self.more.clear();
        }
        pair(&self.more, self.more_start)
    }
}

impl Unwinding<'_> {
    fn run(mut self, memory: &dyn Memory, bytes: &[u8], depth: usize, sizes: &mut Sizes<'_>) -> Stack {
        let goroutine = self.goroutine;
        // As Go's profiles do, so that the call of each is in front of its address.
        if goroutine.pc == goroutine.start {
            return Stack { calls: vec![RuntimeAddress(goroutine.pc.0.wrapping_add(1))], complete: true };
        }
        self.stack.calls.push(goroutine.pc);
        let (start, end) = (self.start, goroutine.stack.end.0);
        let mut window = Window { memory, start, end, first: bytes, more: Vec::new(), more_start: 0 };
        let stopped = matches!(goroutine.state, GoroutineState::Runnable | GoroutineState::Preempted);
        let mut at = Registers { pc: goroutine.pc.0, sp: goroutine.sp.0, frame: goroutine.bp.0 };
        let mut by_sizes = stopped || goroutine.bp.0 == 0;
        loop {
            let caller = at.caller(&mut window, by_sizes.then_some(&mut *sizes));
            // C that calls Go leaves a frame pointer to the thread's stack; frames of Go go on behind it, on this one.
            let retry = caller.is_none() && !by_sizes;
            by_sizes |= retry;
            let caller = if retry { at.caller(&mut window, Some(&mut *sizes)) } else { caller };
            let Some(mut caller) = caller else { break };
            // Up to Go 1.19 a switch of stacks leaves the start of a function as its return address: the call cannot be in front of it.
            if by_sizes && sizes.of(caller.pc.wrapping_sub(1)).is_none() && sizes.of(caller.pc).is_some() {
                caller.pc = caller.pc.wrapping_add(1);
            }
            if caller.frame == 0 {
                // It returns to `runtime.goexit`, which is no call of the goroutine's.
                self.stack.complete = true;
                break;
            }
            if self.stack.calls.len() >= depth || caller.sp <= at.sp {
                break;
            }
            self.stack.calls.push(RuntimeAddress(caller.pc));
            at = caller;
        }
        self.stack
    }
}

/// Registers in one call: where it goes on, its stack pointer, its frame pointer.
#[derive(Clone, Copy, Debug)]
struct Registers {
    pc: u64,
    sp: u64,
    frame: u64,
}

impl Registers {
    /// The registers of the caller; its frame pointer is 0 if this was the goroutine's first call.
    fn caller(self, window: &mut Window<'_>, sizes: Option<&mut Sizes<'_>>) -> Option<Self> {
        let size = sizes.and_then(|sizes| sizes.of(self.pc.checked_sub(1)?));
        let is_arm = cfg!(target_arch = "aarch64");
        let (record, sp) = match size {
            // Stopped before it made a frame, or it has none: on amd64 the return address is on top.
            Some(0) if !is_arm => {
                let (pc, _) = window.pair(self.sp)?;
                return (pc != 0).then_some(Self { pc, sp: self.sp.checked_add(8)?, frame: self.frame });
            }
            Some(size) if size % 8 == 0 && size > 0 => match is_arm {
                true => (self.sp.checked_sub(8)?, self.sp.checked_add(size)?),
                false => (self.sp.checked_add(size)?.checked_sub(8)?, self.sp.checked_add(size)?.checked_add(8)?),
            },
            _ => (self.frame, self.frame.checked_add(16)?),
        };
        if record == 0 || record % 8 != 0 || record.checked_add(BELOW)? < self.sp {
            return None;
        }
        let (frame, pc) = window.pair(record)?;
        (pc != 0).then_some(Self { pc, sp, frame })
    }
}

#[cfg(test)]
mod tests {
    use goroscope_gobin::{
        Arch, Globals, GoVersion, LayoutSource, RuntimeFacts, VirtualAddress,
        layout::{Layout, tabled},
    };

    use super::{super::testing::Sparse, *};

    fn facts() -> RuntimeFacts {
        let zero = VirtualAddress(0);
        let globals = Globals {
            allglen: zero,
            allgptr: zero,
            allp: zero,
            sched: zero,
            memstats: zero,
            gc_controller: zero,
            mheap: None,
            semtable: None,
            allfin: None,
            gc_cleanups: None,
            moduledata: zero,
        };
        let layout = Layout::read(&tabled(&GoVersion::parse("go1.27.3").unwrap(), Arch::Amd64).unwrap()).unwrap();
        RuntimeFacts { globals, layout, layout_source: LayoutSource::Table }
    }

    /// Where its `runtime.g` is.
    const G: u64 = 0x50_0000;

    /// The bytes of its `runtime.g`.
    fn struct_of(goroutine: &Goroutine) -> Vec<u64> {
        let (g, gobuf) = (facts().layout.g, facts().layout.gobuf);
        let mut words = vec![0; usize::try_from(g.size / 8).unwrap()];
        let mut set = |at: u32, value: u64| words[usize::try_from(at / 8).unwrap()] = value;
        set(g.stack, goroutine.stack.start.0);
        set(g.stack + 8, goroutine.stack.end.0);
        let status = match goroutine.state {
            GoroutineState::Runnable => 1,
            GoroutineState::Running => 2,
            GoroutineState::Syscall => 3,
            GoroutineState::Waiting => 4,
            _ => 6,
        };
        set(g.atomicstatus, status);
        set(g.goid, goroutine.goid);
        let syscall = goroutine.state == GoroutineState::Syscall;
        let (sp, pc) = if syscall { (g.syscallsp, g.syscallpc) } else { (g.sched + gobuf.sp, g.sched + gobuf.pc) };
        set(sp, goroutine.sp.0);
        set(pc, goroutine.pc.0);
        words
    }

    fn goroutine(state: GoroutineState, pc: u64, sp: u64, bp: u64) -> Goroutine {
        let word = RuntimeAddress;
        let (g, start, stack) = (word(G), word(0x9000), word(0x1000)..word(0x1800));
        Goroutine { g, start, sp: word(sp), pc: word(pc), bp: word(bp), stack, ..Goroutine::bare(1, state) }
    }

    /// Frames: (record, saved frame pointer, return address). Sizes: (call, bytes).
    fn check(goroutine: &Goroutine, frames: &[(u64, u64, u64)], sizes: &[(u64, u64)], depth: usize, expected: &[u64], complete: bool) {
        let mut words = vec![0; 0x800 / 8];
        for (at, saved, returns_to) in frames {
            let index = usize::try_from((at - 0x1000) / 8).unwrap();
            (words[index], words[index + 1]) = (*saved, *returns_to);
        }
        let runtime = Runtime::new(Sparse::default().words(0x1000, &words).words(G, &struct_of(goroutine)), facts(), 27, 0);
        let size = |at: RuntimeAddress| sizes.iter().find(|(call, _)| *call == at.0).map(|(_, size)| *size);
        let stacks = runtime.stacks(std::slice::from_ref(goroutine), depth, &size).unwrap();
        let calls: Vec<u64> = stacks[0].calls.iter().map(|call| call.0).collect();
        assert_eq!((calls.as_slice(), stacks[0].complete), (expected, complete), "{goroutine:x?}");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn stacks() {
        use GoroutineState::{Dead, Runnable, Running, Syscall, Waiting};
        let chain = [(0x1710, 0x1740, 0x20), (0x1740, 0x1780, 0x30), (0x1780, 0, 0x40)];
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &chain, &[], 64, &[0x10, 0x20, 0x30], true);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &chain, &[], 3, &[0x10, 0x20, 0x30], true);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &chain, &[], 2, &[0x10, 0x20], false);
        // Falls, is not aligned, leaves the stack, leads nowhere.
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &[(0x1710, 0x1708, 0x20)], &[], 64, &[0x10, 0x20], false);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &[(0x1710, 0x1713, 0x20)], &[], 64, &[0x10, 0x20], false);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &[(0x1710, 0x17f8, 0x20)], &[], 64, &[0x10, 0x20], false);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &[(0x1710, 0x1710, 0x20)], &[], 64, &[0x10, 0x20], false);
        check(&goroutine(Waiting, 0x10, 0x1700, 0x1710), &[], &[], 64, &[0x10], false);
        // No stack to read.
        check(&goroutine(Running, 0x10, 0x1700, 0x1710), &chain, &[], 64, &[], false);
        check(&goroutine(Dead, 0x10, 0x1700, 0x1710), &chain, &[], 64, &[], false);
        check(&goroutine(Waiting, 0x10, 0x900, 0x1710), &chain, &[], 64, &[], false);
        check(&goroutine(Waiting, 0x10, 0x1800, 0x1710), &chain, &[], 64, &[], false);
        // Not yet run.
        check(&goroutine(Runnable, 0x9000, 0x17f0, 0), &[], &[], 64, &[0x9001], true);
        // A system call whose frame pointer was not saved.
        let sizes = [(0x0f, 0x18), (0x1f, 0x28), (0x2f, 0x38)];
        check(&goroutine(Syscall, 0x10, 0x1700, 0), &chain, &sizes, 64, &[0x10, 0x20, 0x30], true);
        check(&goroutine(Syscall, 0x10, 0x1700, 0), &chain, &[], 64, &[0x10], false);
        // Stopped in a function without a frame: its caller is not in the chain.
        let bare = [(0x1708, 0x1740, 0x20), (0x1718, 0x30, 0), (0x1740, 0x1780, 0x40), (0x1780, 0, 0x50)];
        let sizes = [(0x0f, 0x10), (0x1f, 0), (0x2f, 0x28), (0x3f, 0x38)];
        check(&goroutine(Runnable, 0x10, 0x1700, 0x1708), &bare, &sizes, 64, &[0x10, 0x20, 0x30, 0x40], true);
    }

    #[test]
    fn deep_stacks_are_read_on() {
        let mut deep = goroutine(GoroutineState::Waiting, 0x10, 0x10_0000, 0x10_0010);
        deep.stack = RuntimeAddress(0x10_0000)..RuntimeAddress(0x20_0000);
        let mut words = vec![0; 0x10_0000 / 8];
        for frame in 0..4000 {
            let at = 0x10 / 8 + frame * 8;
            words[at] = if frame == 3999 { 0 } else { 0x10_0010 + (frame as u64 + 1) * 64 };
            words[at + 1] = 0x1000 + frame as u64;
        }
        let runtime = Runtime::new(Sparse::default().words(0x10_0000, &words).words(G, &struct_of(&deep)), facts(), 27, 0);
        let stacks = runtime.stacks(&[deep], 10_000, &|_| None).unwrap();
        assert_eq!((stacks[0].calls.len(), stacks[0].complete), (4000, true));
        assert_eq!(stacks[0].calls[3999], RuntimeAddress(0x1000 + 3998));
        assert!(runtime.memory().reads.get() < 40, "{}", runtime.memory().reads.get());
    }
}
