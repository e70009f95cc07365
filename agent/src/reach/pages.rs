//! From an address to its span, fast: two levels, 64 MiB and 8 KiB.
//!
//! Input: [`Span`]s. Output: an index. Must not know what a mark is.

use super::spans::{PAGE, Span};

/// Addresses of one table of pages: an arena of the Go heap.
const ARENA: u64 = 64 << 20;
const PAGES: u64 = ARENA / PAGE;
const FREE: u64 = u64::MAX;
/// Bytes of the agent's memory that an arena takes: its pages, and up to four slots.
const EACH: u64 = PAGES * size_of::<u32>() as u64 + 4 * size_of::<(u64, usize)>() as u64;
/// Of a page without a span: nothing points into it; something does.
const UNKNOWN: u32 = 0;
const ASKED: u32 = u32::MAX;

/// The spans that matter, by page.
#[derive(Debug, Default)]
pub(super) struct Pages {
    low: u64,
    extent: u64,
    /// Open addressing: the number of an arena, and where its pages begin.
    arenas: Vec<(u64, usize)>,
    shift: u32,
    /// Index of the span, plus one; or [`UNKNOWN`] or [`ASKED`].
    pages: Vec<u32>,
}

impl Pages {
    /// Bytes of the agent's memory that the pages of `spans` take.
    pub(super) fn cost<'a>(spans: impl Iterator<Item = &'a Span>) -> u64 {
        Self::count(spans).saturating_mul(EACH)
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
        for (index, span) in spans.iter().enumerate().filter(|(_, span)| matters(span)) {
            table.put(span, index);
        }
        table
    }

    /// Adds a span, which takes its pages from those that had them. What it takes must have been judged before.
    pub(super) fn put(&mut self, span: &Span, index: usize) {
        let high = span.end().max(self.low.saturating_add(self.extent));
        self.low = self.low.min(span.start);
        self.extent = high.saturating_sub(self.low);
        let value = u32::try_from(index + 1).unwrap_or(UNKNOWN);
        for page in span.start / PAGE..span.end() / PAGE {
            let base = self.insert(page / PAGES);
            if let Some(slot) = base.and_then(|base| self.pages.get_mut(base + usize::try_from(page % PAGES).ok()?)) {
                *slot = value;
            }
        }
    }

    /// Bytes of the agent's memory that it takes with `span`.
    pub(super) fn cost_with(&self, span: &Span) -> u64 {
        let missing = (span.start / ARENA..=(span.end() - 1) / ARENA).filter(|arena| self.base(*arena).is_none()).count() as u64;
        (self.pages.len() as u64 / PAGES).saturating_add(missing).saturating_mul(EACH)
    }

    /// Whether a word that was looked up may have pointed into the pages of `span`, which is not among those that are known.
    pub(super) fn was_asked(&self, span: &Span) -> bool {
        let value = |page: u64| self.pages.get(self.base(page / PAGES)? + usize::try_from(page % PAGES).ok()?);
        (span.start / PAGE..span.end() / PAGE).any(|page| value(page).is_none_or(|value| *value != UNKNOWN))
    }

    #[inline]
    fn home(&self, arena: u64) -> usize {
        usize::try_from(arena.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift).unwrap_or(0)
    }

    /// Where the pages of an arena begin.
    #[inline]
    fn base(&self, arena: u64) -> Option<usize> {
        let mut at = self.home(arena);
        loop {
            let (number, base) = *self.arenas.get(at)?;
            if number == arena {
                return Some(base);
            }
            if number == FREE {
                return None;
            }
            at = if at + 1 == self.arenas.len() { 0 } else { at + 1 };
        }
    }

    /// Half of the slots stay free.
    fn grow(&mut self) {
        let slots = self.arenas.len().saturating_mul(2).max(2);
        let before = std::mem::replace(&mut self.arenas, vec![(FREE, 0); slots]);
        self.shift = 64 - slots.trailing_zeros();
        for (arena, base) in before.into_iter().filter(|(arena, _)| *arena != FREE) {
            let mut at = self.home(arena);
            while self.arenas.get(at).is_some_and(|(number, _)| *number != FREE) {
                at = if at + 1 == slots { 0 } else { at + 1 };
            }
            if let Some(slot) = self.arenas.get_mut(at) {
                *slot = (arena, base);
            }
        }
    }

    fn insert(&mut self, arena: u64) -> Option<usize> {
        if let Some(base) = self.base(arena) {
            return Some(base);
        }
        if (self.pages.len() / usize::try_from(PAGES).ok()? + 1).saturating_mul(2) > self.arenas.len() {
            self.grow();
        }
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

    /// Where what is known of the page is that `word` points into.
    #[inline]
    fn place(&self, word: u64) -> Option<usize> {
        if word.wrapping_sub(self.low) >= self.extent {
            return None;
        }
        let page = word / PAGE;
        Some(self.base(page / PAGES)? + usize::try_from(page % PAGES).ok()?)
    }

    /// The index of the span that `word` points into.
    #[inline]
    pub(super) fn find(&self, word: u64) -> Option<usize> {
        index(*self.pages.get(self.place(word)?)?)
    }

    /// The same; and where there is none, that there was such a word is kept for [`Pages::was_asked`].
    #[inline]
    pub(super) fn look_up(&mut self, word: u64) -> Option<usize> {
        let place = self.place(word)?;
        let value = self.pages.get_mut(place)?;
        if *value == UNKNOWN {
            *value = ASKED;
        }
        index(*value)
    }
}

#[inline]
fn index(value: u32) -> Option<usize> {
    if value == ASKED { None } else { usize::try_from(value).ok()?.checked_sub(1) }
}
