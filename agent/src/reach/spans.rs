//! The spans of a target's heap, sorted by address.
//!
//! Input: `mheap_.allspans`. Output: [`Spans`]. Must not know what is marked, or why.

use goroscope_gobin::layout::{Layout, Mspan};

use super::source::{Batch, Source, word_at};
use super::{Limits, NoProof};

/// Bytes in a page of the Go heap.
pub(super) const PAGE: u64 = 8192;
/// What is read of the runtime's records at once.
const PIECE: u64 = 64 << 10;
/// `mspan.state` of a span that holds objects. Others hold stacks, or nothing.
const IN_USE: u8 = 1;
/// What one span takes of the agent's memory, with the pointer to it.
const COST: u64 = (size_of::<Span>() + size_of::<u64>()) as u64;

/// Some pages of the heap with objects of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Its first byte.
    pub(super) start: u64,
    /// Pages of the heap.
    pub(super) pages: u32,
    /// Bytes from object to object; 0 if there is but one.
    pub(super) size: u32,
    /// How many objects.
    pub(super) count: u32,
    /// `2^32 / size`, rounded up: what Go divides by.
    pub(super) magic: u32,
    /// Objects from this number on were never handed out since it was swept.
    pub(super) free: u32,
    /// When it was swept last: in which collection, and whether a processor has it.
    pub(super) swept: u32,
    /// Where its marks begin; see [`super::mark`].
    pub(super) marks: u32,
    /// See [`flag`].
    pub(super) flags: u8,
}

/// Flags of a span.
pub(super) mod flag {
    /// No object of it holds a pointer.
    pub(crate) const NOSCAN: u8 = 1;
    /// Somebody waits on one of its objects.
    pub(crate) const WATCHED: u8 = 2;
    /// Waits to be read.
    pub(crate) const QUEUED: u8 = 4;
}

/// One object: the span and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) span: usize,
    pub(super) object: u32,
}

/// All spans in use.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// By address, none over another.
    pub(super) all: Vec<Span>,
    /// Spans with a list of specials: the first byte of the span, the first of the list.
    pub(super) specials: Vec<(u64, u64)>,
}

impl Span {
    pub(super) const fn bytes(&self) -> u64 {
        self.pages as u64 * PAGE
    }

    pub(super) const fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes())
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether both are the same pages with objects of the same size.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let shape = |span: &Self| (span.start, span.pages, span.size, span.count, span.has(flag::NOSCAN));
        shape(self) == shape(other)
    }

    /// Whether an object has been allocated in it since it was as `before`. A sweep alone, which begins at 0 again, frees some.
    pub(super) const fn has_allocated_since(&self, before: &Self) -> bool {
        self.free != 0 && (self.free != before.free || self.swept != before.swept)
    }

    /// The number of the object that `word` points into; none for the rest behind the last.
    #[inline]
    pub(super) fn object(&self, word: u64) -> Option<u32> {
        if self.size == 0 {
            return Some(0);
        }
        let index = u32::try_from((word.wrapping_sub(self.start).wrapping_mul(u64::from(self.magic))) >> 32).ok()?;
        (index < self.count).then_some(index)
    }

    /// First byte of an object, and the one behind its last.
    pub(super) fn object_range(&self, object: u32) -> (u64, u64) {
        if self.size == 0 {
            return (self.start, self.end());
        }
        let from = self.start.saturating_add(u64::from(object) * u64::from(self.size));
        (from, from.saturating_add(u64::from(self.size)).min(self.end()))
    }
}

impl Spans {
    /// Reads them all. `mheap`: `runtime.mheap_`.
    ///
    /// # Errors
    /// The list makes no sense, or is more than the limits allow.
    pub(super) fn read(source: &mut Source<'_>, mheap: u64, layout: &Layout, minor: u16, limits: &Limits) -> Result<Self, NoProof> {
        let (allspans, layout) = (mheap.saturating_add(u64::from(layout.mheap.allspans)), &layout.mspan);
        let pointers = pointers(source, allspans, limits)?;
        let mut spans = Self::default();
        let mut batch = Batch::default();
        let size = u64::from(layout.size).clamp(1, PIECE);
        let mut pointers = pointers.as_slice();
        while let Some(&first) = pointers.first() {
            // They lie side by side: the fixed-size allocator of the runtime cuts them from blocks.
            let near = |at: u64, last: u64| at.saturating_sub(first) <= PIECE - size && at.saturating_sub(last) <= 4 * size;
            let run = pointers.windows(2).take_while(|pair| matches!(pair, [last, at] if near(*at, *last))).count() + 1;
            let Some((run, rest)) = pointers.split_at_checked(run) else { break };
            pointers = rest;
            let end = run.last().copied().unwrap_or(first).saturating_add(size);
            batch.clear();
            batch.push_present(source, first, end)?;
            batch.fill(source)?;
            for (at, bytes, _) in batch.iter() {
                for pointer in run {
                    let record = pointer.checked_sub(at).and_then(|offset| bytes.get(usize::try_from(offset).ok()?..));
                    if let Some((span, specials)) = record.and_then(|record| parse(record, layout, minor)) {
                        spans.all.push(span);
                        if specials != 0 {
                            spans.specials.push((span.start, specials));
                        }
                    }
                }
            }
        }
        spans.all.sort_unstable_by_key(|span| span.start);
        let mut end = 0;
        spans.all.retain(|span| {
            let fits = span.start >= end;
            if fits {
                end = span.end();
            }
            fits
        });
        let bytes = spans.all.iter().filter(|span| !span.has(flag::NOSCAN)).fold(0, |sum: u64, span| sum.saturating_add(span.bytes()));
        if bytes > limits.heap {
            return Err(NoProof::HeapTooLarge { bytes, limit: limits.heap });
        }
        Ok(spans)
    }

    /// The object that `word` points into. Slower than marking's own way, for a few words.
    pub(super) fn find(&self, word: u64) -> Option<Slot> {
        let index = self.all.partition_point(|span| span.start <= word).checked_sub(1)?;
        let span = self.all.get(index)?;
        (word < span.end()).then_some(())?;
        Some(Slot { span: index, object: span.object(word)? })
    }

    /// First byte and end of the object that `word` points into, if it can hold pointers.
    pub(super) fn object_range(&self, word: u64) -> Option<(u64, u64)> {
        let slot = self.find(word)?;
        let span = self.all.get(slot.span).filter(|span| !span.has(flag::NOSCAN))?;
        Some(span.object_range(slot.object))
    }
}

/// The pointers of `mheap_.allspans`, sorted.
fn pointers(source: &mut Source<'_>, allspans: u64, limits: &Limits) -> Result<Vec<u64>, NoProof> {
    const NONSENSE: NoProof = NoProof::Implausible { what: "mheap_.allspans" };
    // When the list grows, it moves, and the old one is given back.
    for _ in 0..4 {
        source.forget();
        let (Some(list), Some(length)) = (source.word(allspans)?, source.word(allspans.wrapping_add(8))?) else { return Err(NONSENSE) };
        let bytes = length.saturating_mul(COST);
        if bytes > limits.memory {
            return Err(NoProof::MarksTooLarge { bytes, limit: limits.memory });
        }
        let mut pointers = Vec::new();
        if source.list(list, length, &mut |word| pointers.push(word))? {
            pointers.retain(|pointer| pointer % 8 == 0 && *pointer != 0);
            pointers.sort_unstable();
            pointers.dedup();
            return Ok(pointers);
        }
    }
    Err(NONSENSE)
}

/// One `runtime.mspan`, and its list of specials; none if it is not in use, or not what it seems.
fn parse(record: &[u8], layout: &Mspan, minor: u16) -> Option<(Span, u64)> {
    let byte = |offset: u32| record.get(usize::try_from(offset).ok()?).copied();
    let record_end = usize::try_from(layout.size).ok()?;
    let record_size = record.get(..record_end)?;
    if byte(layout.state)? != IN_USE {
        return None;
    }
    let start = word_at(record_size, layout.start_addr)?;
    let pages = u32::try_from(word_at(record_size, layout.npages)?).ok()?;
    let class = byte(layout.spanclass)?;
    let size = word_at(record_size, layout.elemsize)?;
    let count = word_at(record_size, layout.nelems)?;
    let count = if minor < 22 { count } else { count & 0xffff };
    let free = word_at(record_size, layout.freeindex)?;
    let free = u32::try_from(if minor < 22 { free } else { free & 0xffff }).unwrap_or(u32::MAX);
    let swept = u32::try_from(word_at(record_size, layout.sweepgen)? & 0xffff_ffff).unwrap_or(0);
    let specials = word_at(record_size, layout.specials)?;
    let flags = if class & 1 == 1 { flag::NOSCAN } else { 0 };
    if start == 0 || start % PAGE != 0 || pages == 0 || start.checked_add(u64::from(pages) * PAGE)? >= 1 << 57 {
        return None;
    }
    let one = class >> 1 == 0 || count == 1;
    let (size, count) = if one { (0, 1) } else { (u32::try_from(size).ok()?, u32::try_from(count).ok()?) };
    if !one && (size < 8 || size % 8 != 0 || u64::from(size) * u64::from(count) > u64::from(pages) * PAGE || pages > 1 << 10) {
        return None;
    }
    let magic = u32::MAX.checked_div(size).map_or(0, |magic| magic + 1);
    Some((Span { start, pages, size, count, magic, free, swept, marks: 0, flags }, specials))
}
