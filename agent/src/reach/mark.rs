//! The mark: a worklist over spans that reads each object once, as many as wait in a span together.
//!
//! Input: [`Spans`], words, ranges. Output: which of the watched objects are reached. Must not know goroutines.
//!
//! Two bits for each object of a span that can hold pointers: reached, and read. A span with objects that are reached and not read
//! waits in a queue, first in first out, so that more of its objects are reached until it is its turn: it is read in few pieces then,
//! and its bytes are looked at while they are in the processor's cache. Nothing that was read is kept.

use std::collections::VecDeque;

use super::pages::Pages;
use super::source::{Batch, Source};
use super::spans::{Slot, Span, Spans, flag};
use super::{Limits, NoProof};

/// What is read at once. It and the marks should fit into a processor's cache.
const BATCH: usize = 512 << 10;
/// The largest piece of one object that is read at once.
const PIECE: u64 = 64 << 10;
/// Pieces of one batch; each costs the kernel a look-up.
const PIECES: usize = 512;
/// Objects nearer than this are read with what lies between them.
const GAP: u64 = 512;

/// Bytes for each span: it is listed again while it is known.
const SPANS: usize = 2 * size_of::<Span>() + size_of::<u64>();

/// An object of the heap, before anything is marked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    /// Its first byte.
    pub(super) from: u64,
    /// The byte behind its last.
    pub(super) to: u64,
    /// It is in a span with watched ones.
    pub(super) watched: bool,
    /// It can hold pointers.
    scan: bool,
    /// It is the runtime's own.
    pub(super) closed: bool,
}

impl Object {
    /// Whether it is to be looked into.
    pub(super) const fn is_open(&self) -> bool {
        self.scan && !self.closed
    }
}

/// What is reached.
#[derive(Debug)]
pub(super) struct Mark {
    spans: Vec<Span>,
    pages: Pages,
    /// Bit by object.
    reached: Vec<u64>,
    /// Bit by object: read, or not to be read.
    read: Vec<u64>,
    queue: VecDeque<usize>,
    /// Ranges that wait to be read.
    ranges: Vec<(u64, u64)>,
    /// Watched objects that have been reached, by their first byte.
    woken: Vec<u64>,
    batch: Batch,
    /// What of the batch is to be looked at.
    windows: Vec<(u64, u64)>,
    /// Where the windows and the pieces of each run of the batch end.
    runs: Vec<(usize, usize)>,
}

impl Mark {
    /// Nothing is reached. `watched`: objects to tell of, wherever in the heap.
    ///
    /// # Errors
    /// More than the limits allow.
    pub(super) fn new(spans: Spans, watched: impl Iterator<Item = Slot>, limits: &Limits) -> Result<Self, NoProof> {
        let mut spans = spans.all;
        for slot in watched {
            if let Some(span) = spans.get_mut(slot.span) {
                span.flags |= flag::WATCHED;
            }
        }
        let matters = |span: &Span| !span.has(flag::NOSCAN) || span.has(flag::WATCHED);
        let mut words = 0_u64;
        for span in spans.iter_mut().filter(|span| matters(span)) {
            span.marks = u32::try_from(words).unwrap_or(u32::MAX);
            words = words.saturating_add(u64::from(span.count).div_ceil(64));
        }
        let cost = Pages::cost(spans.iter().filter(|span| matters(span)));
        let bytes = cost.saturating_add(words * 16).saturating_add((spans.len() * SPANS) as u64);
        if bytes > limits.memory || u32::try_from(words).is_err() {
            return Err(NoProof::MarksTooLarge { bytes, limit: limits.memory });
        }
        let words = usize::try_from(words).unwrap_or(0);
        Ok(Self {
            pages: Pages::new(&spans, matters),
            spans,
            reached: vec![0; words],
            read: vec![0; words],
            queue: VecDeque::new(),
            ranges: Vec::new(),
            woken: Vec::new(),
            batch: Batch::default(),
            windows: Vec::new(),
            runs: Vec::new(),
        })
    }

    /// Brings what is known of the heap up to now. Where objects have been allocated since, those that are reached are read again: they
    /// may be others by now. Spans that are new are taken whole if anything pointed there before they were known. What was closed is
    /// to be closed again.
    ///
    /// # Errors
    /// More than the limits allow.
    pub(super) fn renew(&mut self, spans: &[Span], limits: &Limits) -> Result<(), NoProof> {
        for span in spans.iter().filter(|span| !span.has(flag::NOSCAN)) {
            match self.pages.find(span.start).and_then(|index| Some((index, *self.spans.get(index)?))) {
                Some((index, before)) if before.is_same(span) => {
                    if span.has_allocated_since(&before) {
                        self.reopen(index, span);
                    }
                }
                _ => self.add(*span, limits)?,
            }
        }
        Ok(())
    }

    fn reopen(&mut self, index: usize, now: &Span) {
        let Some(span) = self.spans.get_mut(index) else { return };
        (span.free, span.swept) = (now.free, now.swept);
        let words = usize::try_from(span.marks).unwrap_or(usize::MAX);
        let length = usize::try_from(span.count.div_ceil(64)).unwrap_or(0);
        let reached = self.reached.iter().skip(words).take(length);
        for (read, reached) in self.read.iter_mut().skip(words).zip(reached) {
            *read &= !reached;
        }
        if !span.has(flag::QUEUED) {
            span.flags |= flag::QUEUED;
            self.queue.push_back(index);
        }
    }

    fn add(&mut self, mut span: Span, limits: &Limits) -> Result<(), NoProof> {
        let asked = self.pages.was_asked(&span);
        let (from, words) = (self.reached.len(), usize::try_from(span.count.div_ceil(64)).unwrap_or(0));
        let marks = (from.saturating_add(words).saturating_mul(16)).saturating_add(self.spans.len().saturating_mul(SPANS)) as u64;
        let bytes = self.pages.cost_with(&span).saturating_add(marks);
        let Some(first) = u32::try_from(from).ok().filter(|_| bytes <= limits.memory) else {
            return Err(NoProof::MarksTooLarge { bytes, limit: limits.memory });
        };
        span.marks = first;
        self.read.resize(from + words, 0);
        let mut left = if asked { span.count } else { 0 };
        for _ in 0..words {
            let bits = left.min(64);
            left -= bits;
            self.reached.push(u64::MAX.checked_shr(64 - bits).unwrap_or(0));
        }
        let index = self.spans.len();
        if asked {
            span.flags |= flag::QUEUED;
            self.queue.push_back(index);
        }
        self.pages.put(&span, index);
        self.spans.push(span);
        Ok(())
    }

    /// The object that `word` points into is not to be read, whoever leads to it.
    pub(super) fn close(&mut self, word: u64) {
        let Some(span) = self.pages.find(word).and_then(|index| self.spans.get(index)) else { return };
        let Some(object) = span.object(word) else { return };
        let (at, bit) = place(span, object);
        if let (Some(reached), Some(read)) = (self.reached.get_mut(at), self.read.get_mut(at)) {
            *reached |= bit;
            *read |= bit;
        }
    }

    /// A range whose words count.
    pub(super) fn range(&mut self, at: u64, end: u64) {
        let (at, end) = (at.checked_next_multiple_of(8).unwrap_or(u64::MAX), end / 8 * 8);
        if at < end {
            self.ranges.push((at, end));
        }
    }

    /// The object that `word` points into, if it points into one, is reached.
    #[inline]
    pub(super) fn word(&mut self, word: u64) {
        let Some(index) = self.pages.look_up(word) else { return };
        let Some(span) = self.spans.get_mut(index) else { return };
        let Some(object) = span.object(word) else { return };
        let (at, bit) = place(span, object);
        let Some(reached) = self.reached.get_mut(at) else { return };
        if *reached & bit != 0 {
            return;
        }
        *reached |= bit;
        if span.flags != 0 {
            if span.has(flag::WATCHED) {
                self.woken.push(span.object_range(object).0);
            }
            if span.flags & (flag::NOSCAN | flag::QUEUED) != 0 {
                return;
            }
        }
        span.flags |= flag::QUEUED;
        self.queue.push_back(index);
    }

    /// The object that `word` points into. To be asked before anything is marked.
    pub(super) fn object(&self, word: u64) -> Option<Object> {
        let span = self.spans.get(self.pages.find(word)?)?;
        let object = span.object(word)?;
        let (from, to) = span.object_range(object);
        let (at, bit) = place(span, object);
        let closed = self.read.get(at).is_none_or(|read| read & bit != 0);
        Some(Object { from, to, watched: span.has(flag::WATCHED), scan: !span.has(flag::NOSCAN), closed })
    }

    /// Whether the object that `word` points into is reached; what is no object is.
    pub(super) fn is_reached(&self, word: u64) -> bool {
        let found = self.pages.find(word).and_then(|index| self.spans.get(index));
        found
            .and_then(|span| Some(place(span, span.object(word)?)))
            .is_none_or(|(at, bit)| self.reached.get(at).is_none_or(|reached| reached & bit != 0))
    }

    /// Watched objects that were reached since the last call, by their first byte.
    pub(super) fn take_woken(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.woken)
    }

    /// Reads what waits to be read, until nothing does.
    ///
    /// # Errors
    /// The memory cannot be read, or time is up.
    pub(super) fn drain(&mut self, source: &mut Source<'_>) -> Result<(), NoProof> {
        loop {
            self.batch.clear();
            self.windows.clear();
            self.runs.clear();
            self.take_ranges(source)?;
            while self.has_room() {
                let Some(index) = self.queue.pop_front() else { break };
                self.take_span(source, index)?;
            }
            if self.batch.is_empty() && self.ranges.is_empty() && self.queue.is_empty() {
                return Ok(());
            }
            self.batch.fill(source)?;
            self.look();
        }
    }

    fn has_room(&self) -> bool {
        self.batch.length() < BATCH && self.batch.pieces() < PIECES
    }

    fn take_ranges(&mut self, source: &mut Source<'_>) -> Result<(), NoProof> {
        while self.has_room()
            && let Some((at, end)) = self.ranges.pop()
        {
            let next = end.min(at.saturating_add(PIECE));
            if next < end {
                self.ranges.push((next, end));
                source.time()?;
            }
            self.windows.push((at, next));
            self.take_run(source, at, next)?;
        }
        Ok(())
    }

    /// Puts what is reached and not read of a span into the batch; of a large object all that was not read.
    fn take_span(&mut self, source: &mut Source<'_>, index: usize) -> Result<(), NoProof> {
        let Some(span) = self.spans.get_mut(index) else { return Ok(()) };
        span.flags &= !flag::QUEUED;
        let span = *span;
        if span.count == 1 && span.bytes() > PIECE {
            let (at, bit) = place(&span, 0);
            if let Some(read) = self.read.get_mut(at).filter(|read| **read & bit == 0) {
                *read |= bit;
                self.range(span.start, span.end());
            }
            return Ok(());
        }
        let mut run: Option<(u64, u64)> = None;
        for word in 0..span.count.div_ceil(64) {
            let at = usize::try_from(u64::from(span.marks) + u64::from(word)).unwrap_or(usize::MAX);
            let (Some(reached), Some(read)) = (self.reached.get(at), self.read.get_mut(at)) else { break };
            let mut fresh = *reached & !*read;
            *read |= fresh;
            while fresh != 0 {
                let (from, to) = span.object_range(word * 64 + fresh.trailing_zeros());
                fresh &= fresh - 1;
                run = match run {
                    Some((start, end)) if from - end <= GAP && to - start <= PIECE => {
                        match self.windows.last_mut() {
                            Some(window) if window.1 == from => window.1 = to,
                            _ => self.windows.push((from, to)),
                        }
                        Some((start, to))
                    }
                    before => {
                        if let Some((start, end)) = before {
                            self.take_run(source, start, end)?;
                        }
                        self.windows.push((from, to));
                        Some((from, to))
                    }
                };
            }
        }
        if let Some((start, end)) = run {
            self.take_run(source, start, end)?;
        }
        Ok(())
    }

    /// Puts a range into the batch; its windows have just been added.
    fn take_run(&mut self, source: &mut Source<'_>, start: u64, end: u64) -> Result<(), NoProof> {
        self.batch.push_present(source, start, end)?;
        self.runs.push((self.windows.len(), self.batch.pieces()));
        Ok(())
    }

    /// Looks at every word of the batch that lies in a window.
    fn look(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let windows = std::mem::take(&mut self.windows);
        let runs = std::mem::take(&mut self.runs);
        let mut pieces = batch.iter();
        let (mut window, mut taken) = (0, 0);
        for &(windows_end, pieces_end) in &runs {
            while taken < pieces_end
                && let Some((at, bytes, _)) = pieces.next()
            {
                taken += 1;
                let end = at + bytes.len() as u64;
                while window < windows_end
                    && let Some(&(from, to)) = windows.get(window)
                    && from < end
                {
                    let bounds = usize::try_from(from.max(at) - at).ok().zip(usize::try_from(to.min(end).saturating_sub(at)).ok());
                    let seen = bounds.and_then(|(first, last)| bytes.get(first..last)).unwrap_or_default();
                    for word in seen.as_chunks().0 {
                        self.word(u64::from_le_bytes(*word));
                    }
                    if to > end {
                        break;
                    }
                    window += 1;
                }
            }
            window = windows_end;
        }
        drop(pieces);
        (self.batch, self.windows, self.runs) = (batch, windows, runs);
    }
}

/// Where an object's bit is.
#[inline]
fn place(span: &Span, object: u32) -> (usize, u64) {
    (usize::try_from(u64::from(span.marks) + u64::from(object / 64)).unwrap_or(usize::MAX), 1 << (object % 64))
}

#[cfg(test)]
pub(super) mod tests;
