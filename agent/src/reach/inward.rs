//! Whose goroutines have nothing to do with what is outside of the process, as far as what they hold tells.
//!
//! Input: goroutines, what they wait on, objects with a finalizer or a cleanup. Output: `go` statements. Must not know what follows from
//! it.
//!
//! Who serves a client holds its connection, or a stream of one, or waits along with somebody who does: clients can have brought it, and
//! can end it. What holds a connection, or a file, closes it by a finalizer or a cleanup. So a goroutine whose stack leads to no such
//! object, nor do the stacks of those who wait on what it leads to, in any number of steps, was brought by nobody outside. What is too
//! much to be followed is believed to lead there.

use std::collections::{HashMap, HashSet};

use super::NoProof;
use super::goroutines::{Candidate, Doing, Seen, Watched};
use super::mark::Mark;
use super::source::{Batch, Source};

/// So many of them are looked at, by chance; frames hold rests of older calls, so that half of them are enough.
const SAMPLE: usize = 8;
/// Objects that one of them may lead to, and bytes that all may, in one proof.
const OBJECTS: usize = 32 << 10;
const BYTES: u64 = 8 << 20;
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

/// What is known of one proof.
pub(super) struct Inward<'a> {
    pub(super) mark: &'a Mark,
    pub(super) seen: &'a [Seen],
    pub(super) watched: &'a Watched,
    pub(super) candidates: &'a [Candidate],
    /// First bytes of objects with a finalizer or a cleanup, sorted.
    pub(super) closing: &'a [u64],
}

impl Inward<'_> {
    /// Those of the `crowds` that nothing outside is led to by. To be asked before anything is marked.
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
            for word in batch.iter().flat_map(|(_, bytes, _)| bytes.as_chunks().0).map(|word| u64::from_le_bytes(*word)) {
                let Some((from, to, watched, open)) = self.mark.object(word) else { continue };
                if !known.insert(from) {
                    continue;
                }
                if known.len() > OBJECTS || self.closing.binary_search(&from).is_ok() {
                    return Ok(false);
                }
                if open {
                    ranges.push((from, to));
                }
                let waiters = watched.then(|| self.watched.by(from)).into_iter().flatten();
                waiters.filter_map(|number| self.candidates.get(number)).for_each(|waiter| self.push(waiter.seen, &mut ranges, &mut known));
            }
        }
        Ok(true)
    }

    /// The stack of a goroutine is to be read.
    fn push(&self, index: usize, ranges: &mut Vec<(u64, u64)>, known: &mut HashSet<u64>) {
        let Some(seen) = self.seen.get(index).filter(|seen| known.insert(seen.g)) else { return };
        ranges.push(seen.stack());
    }
}
