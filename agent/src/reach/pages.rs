//! From an address to its span, fast: two levels, 64 MiB and 8 KiB.
//!
//! Input: [`Span`]s. Output: an index. Must not know what a mark is.

use super::spans::{PAGE, Span};

/// Addresses of one table of pages: an arena of the Go heap.
const ARENA: u64 = 64 << 20;
const PAGES: u64 = ARENA / PAGE;
const FREE: u64 = u64::MAX;

/// The spans that matter, by page.
#[derive(Debug, Default)]
pub(super) struct Pages {
    low: u64,
    extent: u64,
    /// Open addressing: the number of an arena, and where its pages begin.
    arenas: Vec<(u64, usize)>,
    shift: u32,
    /// Index of the span, plus one.
    pages: Vec<u32>,
}

impl Pages {
    /// Bytes of the agent's memory that the pages of `spans` take.
    pub(super) fn cost<'a>(spans: impl Iterator<Item = &'a Span>) -> u64 {
        Self::count(spans).saturating_mul(PAGES * size_of::<u32>() as u64 + 4 * size_of::<(u64, usize)>() as u64)
    }

    /// How many arenas `spans`, which are sorted, are in.
    fn count<'a>(spans: impl Iterator<Item = &'a Span>) -> u64 {
        let (mut count, mut next) = (0_u64, 0);
        for span in spans {
            let (first, last) = (span.start / ARENA, (span.end() - 1) / ARENA);
            count = count.saturating_add((last + 1).saturating_sub(first.max(next)));
            next = last + 1;
        }
        count
    }

    /// A table of the spans that `matters` picks. What it takes must have been judged before: [`Pages::cost`].
    pub(super) fn new(spans: &[Span], matters: impl Fn(&Span) -> bool) -> Self {
        let arenas = usize::try_from(Self::count(spans.iter().filter(|span| matters(span)))).unwrap_or(usize::MAX);
        let slots = arenas.saturating_mul(2).max(2).next_power_of_two();
        let mut table =
            Self { low: u64::MAX, extent: 0, arenas: vec![(FREE, 0); slots], shift: 64 - slots.trailing_zeros(), pages: vec![] };
        let mut high = 0;
        for (index, span) in spans.iter().enumerate().filter(|(_, span)| matters(span)) {
            table.low = table.low.min(span.start);
            high = span.end();
            let value = u32::try_from(index + 1).unwrap_or(0);
            for page in span.start / PAGE..span.end() / PAGE {
                let base = table.insert(page / PAGES);
                if let Some(slot) = base.and_then(|base| table.pages.get_mut(base + usize::try_from(page % PAGES).ok()?)) {
                    *slot = value;
                }
            }
        }
        table.extent = high.saturating_sub(table.low);
        table
    }

    #[inline]
    fn home(&self, arena: u64) -> usize {
        usize::try_from(arena.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift).unwrap_or(0)
    }

    fn insert(&mut self, arena: u64) -> Option<usize> {
        let mut at = self.home(arena);
        loop {
            let slot = self.arenas.get_mut(at)?;
            if slot.0 == FREE {
                *slot = (arena, self.pages.len());
                self.pages.resize(self.pages.len() + usize::try_from(PAGES).ok()?, 0);
            }
            if slot.0 == arena {
                return Some(slot.1);
            }
            at = if at + 1 == self.arenas.len() { 0 } else { at + 1 };
        }
    }

    /// The index of the span that `word` points into.
    #[inline]
    pub(super) fn find(&self, word: u64) -> Option<usize> {
        if word.wrapping_sub(self.low) >= self.extent {
            return None;
        }
        let page = word / PAGE;
        let (arena, mut at) = (page / PAGES, self.home(page / PAGES));
        let base = loop {
            let (number, base) = *self.arenas.get(at)?;
            if number == arena {
                break base;
            }
            if number == FREE {
                return None;
            }
            at = if at + 1 == self.arenas.len() { 0 } else { at + 1 };
        };
        let value = *self.pages.get(base + usize::try_from(page % PAGES).ok()?)?;
        usize::try_from(value).ok()?.checked_sub(1)
    }
}
