//! Which code did it: the first caller outside Go's own library, by frame pointers.

use goroscope_abi::{Executable, LIBRARY_RANGES_MAX, ProcessInfo, TextRange};

use crate::goabi::word;

/// How many library frames are walked over at most (`context.WithTimeout` has four).
const FRAMES: u32 = 12;

/// Steps of a binary search among `LIBRARY_RANGES_MAX` ranges.
const STEPS: u32 = LIBRARY_RANGES_MAX.ilog2() + 1;

/// The first return address, from `pc` outwards, that is not in the library; `pc` itself when there is none.
/// `frame` is the frame pointer of the function that `pc` is in.
#[inline(always)]
pub(crate) fn outside_library(executable: &Executable, process: &ProcessInfo, pc: u64, frame: u64) -> u64 {
    let (mut at, mut frame) = (pc, frame);
    for _ in 0..FRAMES {
        if !in_library(executable, at.wrapping_sub(process.bias)) {
            return at;
        }
        let (Some(caller), Some(outer)) = (word(frame.wrapping_add(8)), word(frame)) else { break };
        // Stacks grow down: an outer frame lies higher, or the chain is none.
        if outer <= frame {
            break;
        }
        (at, frame) = (caller, outer);
    }
    pc
}

/// Whether an ELF virtual address lies in `runtime`, `time`, `context`, `reflect` or `internal`.
#[inline(always)]
fn in_library(executable: &Executable, address: u64) -> bool {
    let (mut low, mut high) = (0u32, executable.ranges);
    for _ in 0..STEPS {
        if low >= high {
            break;
        }
        let middle = (low + high) / 2;
        // A mask, not a comparison: the verifier follows it through the arithmetic that the compiler makes of the index.
        // SAFETY: the mask keeps the index below LIBRARY_RANGES_MAX, a power of two.
        let TextRange { start, end } = unsafe { &*executable.library.as_ptr().add(middle as usize & (LIBRARY_RANGES_MAX - 1)) };
        // A return address may be the first byte behind its function.
        if address <= *start {
            high = middle;
        } else if address > *end {
            low = middle + 1;
        } else {
            return true;
        }
    }
    false
}
