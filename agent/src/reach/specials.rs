//! Objects with a finalizer, a cleanup or a weak handle: the runtime can lead to them, or from them, without a pointer.
//!
//! Input: the lists of the spans. Output: words for a [`Mark`]. Must not know who waits.

use goroscope_gobin::layout::Special;

use super::NoProof;
use super::mark::Mark;
use super::source::{Batch, Source, word_at};

/// Specials that are read together.
const TOGETHER: usize = 1024;
/// Specials of a process.
const SPECIALS: usize = 16 << 20;
/// What follows the header of a finalizer (function, count, two types) or a cleanup (function, or two pointers and more).
const REST: u32 = 32;

/// Which kinds are roots, and how much of what follows the header.
fn rest(kind: u8, minor: u16) -> Option<u32> {
    let (finalizer, weak, cleanup) = match minor {
        ..=22 => (1, None, None),
        23 => (1, Some(2), None),
        24 => (1, Some(2), Some(6)),
        25.. => (2, Some(3), Some(7)),
    };
    if kind == finalizer || Some(kind) == cleanup { Some(REST) } else { (Some(kind) == weak).then_some(8) }
}

/// Marks the objects and what their specials hold. `lists`: first byte of a span, first special of it.
pub(super) fn mark(source: &mut Source<'_>, mark: &mut Mark, lists: Vec<(u64, u64)>, layout: &Special, minor: u16) -> Result<(), NoProof> {
    let mut active = lists;
    let mut left = SPECIALS;
    let mut batch = Batch::default();
    while !active.is_empty() {
        left = left.checked_sub(active.len()).ok_or(NoProof::Implausible { what: "mspan.specials" })?;
        let mut later = Vec::new();
        for active in active.chunks(TOGETHER) {
            batch.clear();
            let mut pushed = Vec::with_capacity(active.len());
            for &(span, special) in active {
                if batch.push_whole(source, special, layout.size + REST)? || batch.push_whole(source, special, layout.size)? {
                    pushed.push(span);
                }
            }
            batch.fill(source)?;
            for (span, (_, bytes, _)) in pushed.into_iter().zip(batch.iter()).filter(|(_, (.., whole))| *whole) {
                one(mark, span, bytes, layout, minor, &mut later);
            }
        }
        active = later;
    }
    Ok(())
}

fn one(mark: &mut Mark, span: u64, bytes: &[u8], layout: &Special, minor: u16, later: &mut Vec<(u64, u64)>) {
    let next = word_at(bytes, layout.next).unwrap_or(0);
    if next != 0 {
        later.push((span, next));
    }
    let kind = usize::try_from(layout.kind).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0);
    let Some(rest) = rest(kind, minor) else { return };
    let offset = word_at(bytes, layout.offset).unwrap_or(0);
    let offset = if minor < 24 { offset & 0xffff } else { offset };
    mark.word(span.wrapping_add(offset));
    for at in (layout.size..layout.size + rest).step_by(8) {
        mark.word(word_at(bytes, at).unwrap_or(0));
    }
}
