//! Objects with a finalizer, a cleanup or a weak handle: the runtime can lead to them, or from them, without a pointer. It does not
//! finalize what somebody who waits has on the stack.
//!
//! Input: the lists of the spans. Output: words for a [`Mark`], objects. Must not know who waits.

use goroscope_gobin::layout::Special;

use super::NoProof;
use super::mark::Mark;
use super::source::{Batch, Source, word_at};

/// Specials that are read together.
const TOGETHER: usize = 1024;
/// Specials of a process.
const SPECIALS: usize = 16 << 20;
/// Objects that are told.
const OBJECTS: usize = 64 << 10;
/// What follows the header of a finalizer (function, count, two types) or a cleanup (function, or two pointers and more).
const REST: u32 = 32;

/// A kind that is a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Finalizer,
    Weak,
    Cleanup,
}

impl Kind {
    fn of(kind: u8, minor: u16) -> Option<Self> {
        let (finalizer, weak, cleanup) = match minor {
            ..=22 => (1, None, None),
            23 => (1, Some(2), None),
            24 => (1, Some(2), Some(6)),
            25.. => (2, Some(3), Some(7)),
        };
        if kind == finalizer {
            return Some(Self::Finalizer);
        }
        let weak = (Some(kind) == weak).then_some(Self::Weak);
        weak.or_else(|| (Some(kind) == cleanup).then_some(Self::Cleanup))
    }

    /// How much of what follows the header holds pointers.
    const fn rest(self) -> u32 {
        match self {
            Self::Finalizer | Self::Cleanup => REST,
            Self::Weak => 8,
        }
    }
}

/// Marks the objects and what their specials hold. `lists`: first byte of a span, first special of it; `held`: objects, sorted, that are
/// on the stacks of goroutines that wait.
pub(super) fn mark(
    source: &mut Source<'_>,
    mark: &mut Mark,
    (lists, held): (&[(u64, u64)], &[u64]),
    layout: &Special,
    minor: u16,
) -> Result<(), NoProof> {
    visit(source, lists, layout, minor, &mut |kind, object, bytes| {
        if kind == Kind::Finalizer && held.binary_search(&object).is_ok() {
            return;
        }
        mark.word(object);
        for at in (layout.size..layout.size + kind.rest()).step_by(8) {
            mark.word(word_at(bytes, at).unwrap_or(0));
        }
    })
}

/// The objects that have one of these `kinds`; none where there are too many to be told.
pub(super) fn objects(
    source: &mut Source<'_>,
    lists: &[(u64, u64)],
    layout: &Special,
    minor: u16,
    kinds: &[Kind],
) -> Result<Option<Vec<u64>>, NoProof> {
    let mut objects = Vec::new();
    visit(source, lists, layout, minor, &mut |kind, object, _| {
        if kinds.contains(&kind) && objects.len() <= OBJECTS {
            objects.push(object);
        }
    })?;
    Ok(Some(objects).filter(|objects| objects.len() <= OBJECTS))
}

/// Calls `each` with every special that is a root: its object, and the bytes of it.
fn visit(
    source: &mut Source<'_>,
    lists: &[(u64, u64)],
    layout: &Special,
    minor: u16,
    each: &mut dyn FnMut(Kind, u64, &[u8]),
) -> Result<(), NoProof> {
    let mut active = lists.to_vec();
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
                later.extend(next(span, bytes, layout));
                let kind = usize::try_from(layout.kind).ok().and_then(|at| bytes.get(at)).copied().unwrap_or(0);
                if let Some(kind) = Kind::of(kind, minor) {
                    each(kind, object(span, bytes, layout, minor), bytes);
                }
            }
        }
        active = later;
    }
    Ok(())
}

/// The next of the same span.
fn next(span: u64, bytes: &[u8], layout: &Special) -> Option<(u64, u64)> {
    word_at(bytes, layout.next).filter(|next| *next != 0).map(|next| (span, next))
}

/// Whose it is.
fn object(span: u64, bytes: &[u8], layout: &Special, minor: u16) -> u64 {
    let offset = word_at(bytes, layout.offset).unwrap_or(0);
    span.wrapping_add(if minor < 24 { offset & 0xffff } else { offset })
}
