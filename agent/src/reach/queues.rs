//! Finalizers and cleanups that wait to be run: the collector has found their objects unreachable and has taken them off the spans'
//! specials, and nothing else leads to them.
//!
//! Input: the lists of all blocks, `runtime.allfin` and `runtime.gcCleanups.all`. Output: words for a [`Mark`]. Must not know who waits.

use super::NoProof;
use super::mark::Mark;
use super::roots::Variables;
use super::source::Source;

/// Blocks of a process: they are kept when they are empty.
const BLOCKS: usize = 1 << 18;

/// A kind of blocks, of the same shape in all versions. They lie outside of the heap. What has been run is cleared in them.
struct Kind {
    /// Bytes of a block.
    size: u64,
    /// Where the next block's address is, and behind it how many entries it has.
    next: u64,
    count: u64,
    /// Where they begin.
    entries: u64,
    name: &'static str,
}

const FINALIZERS: Kind = Kind { size: 4096, next: 0, count: 16, entries: 24, name: "allfin" };
const CLEANUPS: Kind = Kind { size: 512, next: 16, count: 24, entries: 32, name: "gcCleanups" };

/// Marks what they hold. An entry stays where it is until its function has returned, or is on the stack of who runs it.
pub(super) fn mark(source: &mut Source<'_>, mark: &mut Mark, variables: &Variables) -> Result<(), NoProof> {
    blocks(source, mark, variables.finalizers, &FINALIZERS)?;
    variables.cleanups.map_or(Ok(()), |list| blocks(source, mark, list, &CLEANUPS))
}

fn blocks(source: &mut Source<'_>, mark: &mut Mark, list: u64, kind: &Kind) -> Result<(), NoProof> {
    let nonsense = || NoProof::Implausible { what: kind.name };
    source.forget();
    // A page of variables that was never written is not there.
    let mut block = source.word(list)?.unwrap_or(0);
    let mut earlier = block;
    for number in 1..BLOCKS {
        if block == 0 {
            return Ok(());
        }
        source.time()?;
        let next = source.word(block.wrapping_add(kind.next))?.ok_or_else(nonsense)?;
        if source.word(block.wrapping_add(kind.count))?.unwrap_or(0) & 0xffff_ffff != 0 {
            for offset in (kind.entries..kind.size).step_by(8) {
                mark.word(source.word(block.wrapping_add(offset))?.unwrap_or(0));
            }
        }
        block = next;
        // A ring would be walked for long.
        if block == earlier {
            break;
        }
        if number.is_power_of_two() {
            earlier = block;
        }
    }
    Err(nonsense())
}
