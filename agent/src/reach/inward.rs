//! Whose goroutines have nothing to do with what is outside of the process, as far as what they hold tells.
//!
//! Input: goroutines, objects with a finalizer or a cleanup. Output: `go` statements. Must not know what follows from it.
//!
//! Who serves a client holds its connection, or a stream of one, or shares something with somebody who does: clients can have brought it,
//! and can end it. What holds a connection, or a file, closes it by a finalizer or a cleanup. So a goroutine whose stack leads to no such
//! object in any number of steps, nor do the stacks of those that hold something that it leads to, was brought by nobody outside. What is
//! too much to be followed is believed to lead there.

use std::collections::{HashMap, HashSet};

use super::NoProof;
use super::goroutines::{Doing, Seen};
use super::mark::Mark;
use super::source::{Batch, Source};

/// So many goroutines of one `go` statement are looked at, by chance; frames hold rests of older calls, so that half of them are enough.
const SAMPLE: usize = 8;
/// Objects that one of them may lead to, and bytes that all may, in one proof.
const OBJECTS: usize = 32 << 10;
const BYTES: u64 = 8 << 20;
/// Bytes of all stacks, and pointers on them.
const STACKS: u64 = 16 << 20;
const HELD: usize = 1 << 19;
/// Bytes that are read together.
const TOGETHER: u64 = 64 << 10;

/// A sample of the goroutines of each `go` statement that has so many, by its return address: indexes in `seen`.
pub(super) fn crowds(seen: &[Seen], many: u32) -> Vec<(u64, Vec<usize>)> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    seen.iter().for_each(|seen| *counts.entry(seen.created_at).or_default() += 1);
    counts.retain(|created_at, count| *created_at != 0 && *count >= many);
    let mut samples: HashMap<u64, Vec<usize>> = counts.into_keys().map(|created_at| (created_at, Vec::new())).collect();
    if samples.is_empty() {
        return Vec::new();
    }
    // Multiplying mixes: the same few at each proof, of all ages.
    let order = |index: &usize| seen.get(*index).map_or(u64::MAX, |seen| seen.goid.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for (index, parked) in seen.iter().enumerate().filter(|(_, seen)| matches!(seen.doing, Doing::Asks(_) | Doing::Waits)) {
        let Some(sample) = samples.get_mut(&parked.created_at) else { continue };
        sample.push(index);
        if sample.len() > SAMPLE {
            sample.sort_unstable_by_key(order);
            sample.truncate(SAMPLE);
        }
    }
    let mut samples: Vec<_> = samples.into_iter().collect();
    samples.sort_unstable();
    samples
}

/// What goroutines hold, and what closes what is outside.
pub(super) struct Inward<'a> {
    mark: &'a Mark,
    seen: &'a [Seen],
    /// First bytes of objects with a finalizer or a cleanup, sorted.
    closing: &'a [u64],
    /// First bytes of objects that are on stacks, each with the index of the goroutine; sorted.
    held: Vec<(u64, u32)>,
}

impl<'a> Inward<'a> {
    /// Reads all stacks; none where that is too much. To be asked before anything is marked.
    pub(super) fn read(source: &mut Source<'_>, mark: &'a Mark, seen: &'a [Seen], closing: &'a [u64]) -> Result<Option<Self>, NoProof> {
        let mut held = Vec::new();
        let mut left = STACKS;
        let mut stacks = (0_u32..).zip(seen).map(|(index, seen)| (index, seen.stack())).peekable();
        let mut batch = Batch::default();
        while stacks.peek().is_some() {
            batch.clear();
            let (mut bytes, mut pieces) = (0, Vec::new());
            while bytes < TOGETHER
                && let Some((index, (low, high))) = stacks.next()
            {
                bytes += high.saturating_sub(low);
                if bytes > left {
                    return Ok(None);
                }
                batch.push_present(source, low, high)?;
                pieces.push((batch.pieces(), index));
            }
            left -= bytes;
            batch.fill(source)?;
            let mut pieces = pieces.into_iter().peekable();
            for (piece, (_, bytes, _)) in batch.iter().enumerate() {
                while pieces.next_if(|(end, _)| *end <= piece).is_some() {}
                let Some(index) = pieces.peek().map(|(_, index)| *index) else { break };
                let objects = words(bytes).filter(|word| !mark.is_closed(*word)).filter_map(|word| mark.object(word));
                held.extend(objects.map(|(from, ..)| (from, index)));
            }
            if held.len() > HELD {
                return Ok(None);
            }
        }
        held.sort_unstable();
        held.dedup();
        Ok(Some(Self { mark, seen, closing, held }))
    }

    /// Those of the `crowds` of whom nothing outside is led to.
    pub(super) fn of(&self, source: &mut Source<'_>, crowds: Vec<(u64, Vec<usize>)>) -> Result<Vec<u64>, NoProof> {
        let (mut inward, mut left) = (Vec::new(), BYTES);
        for (created_at, sample) in crowds {
            let mut alone = 0;
            for index in &sample {
                alone += usize::from(self.is_inward(source, *index, &mut left)?);
            }
            if alone > 0 && alone * 2 >= sample.len() {
                inward.push(created_at);
            }
        }
        Ok(inward)
    }

    /// Whether all that the goroutine leads to is within the process; `left`: how much more may be read.
    fn is_inward(&self, source: &mut Source<'_>, index: usize, left: &mut u64) -> Result<bool, NoProof> {
        let (mut ranges, mut known, mut batch) = (Vec::new(), HashSet::new(), Batch::default());
        self.push(index, &mut ranges, &mut known);
        while !ranges.is_empty() {
            batch.clear();
            let mut bytes = 0;
            while bytes < TOGETHER
                && let Some((from, to)) = ranges.pop()
            {
                bytes += to - from;
                if bytes > *left {
                    *left = 0;
                    return Ok(false);
                }
                batch.push_present(source, from, to)?;
            }
            *left -= bytes;
            batch.fill(source)?;
            for word in batch.iter().flat_map(|(_, bytes, _)| words(bytes)) {
                let Some((from, to, _, open)) = self.mark.object(word) else { continue };
                // Others are the runtime's own: it leads everywhere.
                if self.mark.is_closed(word) || !known.insert(from) {
                    continue;
                }
                if known.len() > OBJECTS || self.closing.binary_search(&from).is_ok() {
                    return Ok(false);
                }
                if open {
                    ranges.push((from, to));
                }
                self.holders(from).for_each(|holder| self.push(holder, &mut ranges, &mut known));
            }
        }
        Ok(true)
    }

    /// The goroutines that have the object on their stacks.
    fn holders(&self, object: u64) -> impl Iterator<Item = usize> {
        let first = self.held.partition_point(|(held, _)| *held < object);
        let of_object = self.held.iter().skip(first).take_while(move |(held, _)| *held == object);
        of_object.filter_map(|(_, index)| usize::try_from(*index).ok())
    }

    /// The stack of a goroutine is to be read.
    fn push(&self, index: usize, ranges: &mut Vec<(u64, u64)>, known: &mut HashSet<u64>) {
        let Some(seen) = self.seen.get(index).filter(|seen| known.insert(seen.g)) else { return };
        let (low, high) = seen.stack();
        ranges.push((low, high.max(low)));
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word))
}
