//! Reads of a target for a proof: of pages that are present only, within a time, and counted.
//!
//! Input noun: [`Memory`]. Output: bytes. Must not know what they mean.

use std::collections::HashMap;

use super::NoProof;
use crate::model::{Memory, MemoryError, Read, RuntimeAddress};

/// Of the kernel; pages of the Go heap are twice as long.
const PAGE: u64 = 4096;
/// What is asked of the kernel at once about presence: 1,024 pages.
const CHUNK: u64 = 1024 * PAGE;
/// Chunks that are remembered: 64 GiB of addresses. A heap that may be read is smaller; torn pointers are not worth more.
const CHUNKS: usize = 16_384;
/// Bytes, and pieces, whose words are read together.
const TOGETHER: usize = 64 << 10;
const PIECES: usize = 512;
/// Pages that are kept for reads of a few words.
const KEPT: u64 = 256;

/// Which pages of a chunk are present.
type Present = [u64; 16];

/// A target's memory, for the time of one proof.
pub(super) struct Source<'a> {
    memory: &'a dyn Memory,
    clock: &'a dyn Fn() -> u64,
    began_ns: u64,
    limit_ns: u64,
    bytes: u64,
    chunks: HashMap<u64, Present>,
    kept: HashMap<u64, (u64, Box<[u8]>)>,
}

/// Some ranges of memory that are read together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    buffer: Vec<u8>,
    pieces: Vec<Piece>,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    at: u64,
    length: usize,
    whole: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(memory: &'a dyn Memory, clock: &'a dyn Fn() -> u64, limit_ns: u64) -> Self {
        Self { memory, clock, began_ns: clock(), limit_ns, bytes: 0, chunks: HashMap::new(), kept: HashMap::new() }
    }

    pub(super) const fn began_ns(&self) -> u64 {
        self.began_ns
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The time now, if there is time left.
    pub(super) fn time(&self) -> Result<u64, NoProof> {
        let now = (self.clock)();
        if now.saturating_sub(self.began_ns) > self.limit_ns {
            return Err(NoProof::TooSlow { limit_ns: self.limit_ns });
        }
        Ok(now)
    }

    /// Calls `each` with the parts of `at..end` that are present.
    ///
    /// What was present stays so, but for what the process gives back; what was not is asked about again.
    pub(super) fn present(&mut self, at: u64, end: u64, each: &mut dyn FnMut(u64, u64)) -> Result<(), NoProof> {
        if at >= end {
            return Ok(());
        }
        let mut page = at / PAGE;
        let last = (end - 1) / PAGE;
        while page <= last {
            if !self.is_known_present(page * PAGE)? {
                return self.ask(at, end, each);
            }
            page += 1;
        }
        each(at, end);
        Ok(())
    }

    fn is_known_present(&mut self, page: u64) -> Result<bool, NoProof> {
        let chunk = page / CHUNK;
        if !self.chunks.contains_key(&chunk) {
            if self.chunks.len() >= CHUNKS {
                self.chunks.clear();
            }
            self.chunks.insert(chunk, Present::default());
            let from = chunk * CHUNK;
            self.ask(from, from.saturating_add(CHUNK), &mut |_, _| ())?;
        }
        let (word, bit) = place(page);
        Ok(self.chunks.get(&chunk).and_then(|present| present.get(word)).is_some_and(|word| word & bit != 0))
    }

    fn ask(&mut self, at: u64, end: u64, each: &mut dyn FnMut(u64, u64)) -> Result<(), NoProof> {
        let from = at / PAGE * PAGE;
        let to = end.checked_next_multiple_of(PAGE).unwrap_or(end);
        for range in self.memory.present(RuntimeAddress(from)..RuntimeAddress(to))? {
            let (start, stop) = (range.start.0.max(from), range.end.0.min(to));
            let mut page = start.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
            while page.checked_add(PAGE).is_some_and(|next| next <= stop) {
                let (word, bit) = place(page);
                if let Some(word) = self.chunks.get_mut(&(page / CHUNK)).and_then(|present| present.get_mut(word)) {
                    *word |= bit;
                }
                page += PAGE;
            }
            let (start, stop) = (start.max(at), stop.min(end));
            if start < stop {
                each(start, stop);
            }
        }
        Ok(())
    }

    /// Fills `out` from a page that is kept, and reads it first if it is not. False where there is nothing, and across pages that
    /// are not all there.
    pub(super) fn small(&mut self, at: u64, out: &mut [u8]) -> Result<bool, NoProof> {
        let mut at = at;
        let mut rest = out;
        while !rest.is_empty() {
            let page = at / PAGE * PAGE;
            let Some(bytes) = self.kept(page)?.and_then(|bytes| bytes.get(usize::try_from(at - page).ok()?..)) else { return Ok(false) };
            let length = bytes.len().min(rest.len());
            let (Some((now, later)), Some(bytes)) = (rest.split_at_mut_checked(length), bytes.get(..length)) else { return Ok(false) };
            now.copy_from_slice(bytes);
            rest = later;
            let Some(next) = page.checked_add(PAGE) else { return Ok(rest.is_empty()) };
            at = next;
        }
        Ok(true)
    }

    fn kept(&mut self, page: u64) -> Result<Option<&[u8]>, NoProof> {
        let slot = page / PAGE % KEPT;
        if self.kept.get(&slot).is_none_or(|(at, _)| *at != page) {
            self.time()?;
            let mut there = false;
            self.present(page, page.saturating_add(PAGE), &mut |at, end| there = at == page && end - at == PAGE)?;
            let mut bytes = vec![0; 4096];
            if !there || !self.read(page, &mut bytes)? {
                return Ok(None);
            }
            self.kept.insert(slot, (page, bytes.into_boxed_slice()));
        }
        Ok(self.kept.get(&slot).map(|(_, bytes)| &**bytes))
    }

    /// Forgets the pages that are kept: what is read next is read anew.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// A word from a page that is kept.
    pub(super) fn word(&mut self, at: u64) -> Result<Option<u64>, NoProof> {
        let mut bytes = [0; 8];
        Ok(self.small(at, &mut bytes)?.then(|| u64::from_le_bytes(bytes)))
    }

    /// Calls `each` with the words of `ranges` that are present, if they are not 0, and with what came with their range.
    pub(super) fn words<T: Copy>(
        &mut self,
        ranges: impl IntoIterator<Item = (T, u64, u64)>,
        each: &mut dyn FnMut(T, u64),
    ) -> Result<(), NoProof> {
        let (mut batch, mut pushed) = (Batch::default(), Vec::new());
        for (of, from, to) in ranges {
            let mut at = from.checked_next_multiple_of(8).unwrap_or(to);
            while at < to {
                let next = to.min(at.saturating_add(TOGETHER as u64));
                batch.push_present(self, at, next)?;
                pushed.resize(batch.pieces(), of);
                if batch.length() >= TOGETHER || batch.pieces() >= PIECES {
                    batch.fill(self)?;
                    batch.words(&pushed, each);
                    batch.clear();
                    pushed.clear();
                }
                at = next;
            }
        }
        batch.fill(self)?;
        batch.words(&pushed, each);
        Ok(())
    }

    /// Calls `each` with the words of a list, in their order, as far as it is there; whether all of it is.
    pub(super) fn list(&mut self, list: u64, length: u64, each: &mut dyn FnMut(u64)) -> Result<bool, NoProof> {
        let Some(end) = length.checked_mul(8).and_then(|bytes| list.checked_add(bytes)) else { return Ok(false) };
        let (mut batch, mut at) = (Batch::default(), list);
        while at < end {
            let next = end.min(at.saturating_add(TOGETHER as u64));
            batch.clear();
            if !batch.push_whole(self, at, u32::try_from(next - at).unwrap_or(0))? {
                return Ok(false);
            }
            batch.fill(self)?;
            let Some((_, bytes, true)) = batch.iter().next() else { return Ok(false) };
            bytes.as_chunks().0.iter().for_each(|word| each(u64::from_le_bytes(*word)));
            at = next;
        }
        Ok(true)
    }

    /// Reads without asking whether it is present.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<bool, NoProof> {
        self.bytes = self.bytes.saturating_add(out.len() as u64);
        match self.memory.read(RuntimeAddress(at), out) {
            Ok(()) => Ok(true),
            Err(MemoryError::NotMapped | MemoryError::Other(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where the bit of a page is in its chunk.
fn place(page: u64) -> (usize, u64) {
    let index = page % CHUNK / PAGE;
    (usize::try_from(index / 64).unwrap_or(0), 1 << (index % 64))
}

impl Batch {
    /// How many bytes it will read.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.length = 0;
    }

    /// Adds a range. Its length is in the caller's hands.
    pub(super) fn push(&mut self, at: u64, length: usize) {
        if at.checked_add(length as u64).is_some() {
            self.pieces.push(Piece { at, length, whole: false });
            self.length += length;
        }
    }

    /// Adds the parts of a range that are present.
    pub(super) fn push_present(&mut self, source: &mut Source<'_>, at: u64, end: u64) -> Result<(), NoProof> {
        source.present(at, end, &mut |at, end| self.push(at, usize::try_from(end - at).unwrap_or(0)))
    }

    /// Adds a range if all of it is present, and says whether.
    pub(super) fn push_whole(&mut self, source: &mut Source<'_>, at: u64, length: u32) -> Result<bool, NoProof> {
        let Some(end) = at.checked_add(u64::from(length)).filter(|_| at.is_multiple_of(8) && at >= PAGE) else { return Ok(false) };
        let mut whole = false;
        source.present(at, end, &mut |from, to| whole = from == at && to == end)?;
        if whole {
            self.push(at, usize::try_from(length).unwrap_or(0));
        }
        Ok(whole)
    }

    /// Reads all of it. What cannot be read is zero.
    pub(super) fn fill(&mut self, source: &mut Source<'_>) -> Result<(), NoProof> {
        source.time()?;
        if self.buffer.len() < self.length {
            self.buffer.resize(self.length, 0);
        }
        let mut reads = Vec::with_capacity(self.pieces.len());
        let mut rest = self.buffer.as_mut_slice();
        for piece in &self.pieces {
            let Some((out, later)) = rest.split_at_mut_checked(piece.length) else { break };
            reads.push(Read { at: RuntimeAddress(piece.at), out, done: false });
            rest = later;
        }
        source.memory.read_many(&mut reads)?;
        source.bytes = source.bytes.saturating_add(self.length as u64);
        for (piece, read) in self.pieces.iter_mut().zip(reads) {
            piece.whole = read.done || retry(source, piece.at, read.out)?;
        }
        Ok(())
    }

    /// Calls `each` with the words that were read, if they are not 0, and with what belongs to their piece.
    fn words<T: Copy>(&self, pieces: &[T], each: &mut dyn FnMut(T, u64)) {
        for (of, (_, bytes, _)) in pieces.iter().zip(self.iter()) {
            bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).filter(|word| *word != 0).for_each(|word| each(*of, word));
        }
    }

    /// What was read: where from, the bytes, and whether they are all there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8], bool)> {
        let mut from = 0;
        self.pieces.iter().map_while(move |piece| {
            let bytes = self.buffer.get(from..from + piece.length)?;
            from += piece.length;
            Some((piece.at, bytes, piece.whole))
        })
    }
}

/// Reads page by page what could not be read as a whole: some of it may have been given back meanwhile.
fn retry(source: &mut Source<'_>, at: u64, out: &mut [u8]) -> Result<bool, NoProof> {
    let mut whole = true;
    let mut at = at;
    let mut rest = out;
    while !rest.is_empty() {
        let length = usize::try_from(PAGE - at % PAGE).unwrap_or(0).min(rest.len()).max(1);
        let Some((page, later)) = rest.split_at_mut_checked(length) else { break };
        if !source.read(at, page)? {
            page.fill(0);
            whole = false;
        }
        at = at.saturating_add(length as u64);
        rest = later;
    }
    Ok(whole)
}

/// The little-endian word at `offset`.
pub(super) fn word_at(bytes: &[u8], offset: u32) -> Option<u64> {
    let from = usize::try_from(offset).ok()?;
    bytes.get(from..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
