//! What words lead to in few steps, before anything is marked.
//!
//! Input: words, ranges, each with the number of whose it is. Output: watched objects. Must not know who asks.

use std::collections::{HashMap, HashSet};

use super::NoProof;
use super::mark::Mark;
use super::source::Source;

/// How far is followed what something leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// From object to object.
    pub(super) steps: usize,
    /// Objects that are looked into for one number.
    pub(super) objects: usize,
    /// Bytes of each that are looked at.
    pub(super) bytes: u64,
}

/// What is followed, the nearest first.
pub(super) struct Walk<'a> {
    mark: &'a Mark,
    bounds: Bounds,
    /// Objects that may still be looked into, whoever leads there.
    pub(super) left: usize,
    /// How many are for each number.
    counts: HashMap<usize, usize>,
    known: HashSet<(usize, u64)>,
    /// Still to be read.
    ranges: Vec<(usize, u64, u64)>,
}

impl<'a> Walk<'a> {
    /// Nothing is followed yet.
    pub(super) fn new(mark: &'a Mark, bounds: Bounds, left: usize) -> Self {
        Self { mark, bounds, left, counts: HashMap::new(), known: HashSet::new(), ranges: Vec::new() }
    }

    /// The words of a range count as those of an object do.
    pub(super) fn range(&mut self, of: usize, from: u64, to: u64) {
        self.ranges.push((of, from, to));
    }

    /// Calls `each` with the object that `word` points into, if it is in a span with watched ones; it is to be looked into.
    pub(super) fn word(&mut self, of: usize, word: u64, each: &mut dyn FnMut(usize, u64)) {
        let Some(object) = self.mark.object(word) else { return };
        if object.watched {
            each(of, object.from);
        }
        let count = self.counts.entry(of).or_default();
        if !object.is_open() || self.left == 0 || *count >= self.bounds.objects || !self.known.insert((of, object.from)) {
            return;
        }
        *count += 1;
        self.left -= 1;
        self.ranges.push((of, object.from, object.to.min(object.from.saturating_add(self.bounds.bytes))));
    }

    /// Follows all, and calls `each` with objects in spans with watched ones: more than once where more than one word leads there.
    pub(super) fn follow(mut self, source: &mut Source<'_>, each: &mut dyn FnMut(usize, u64)) -> Result<usize, NoProof> {
        for _ in 0..self.bounds.steps {
            let ranges = std::mem::take(&mut self.ranges);
            source.words(ranges, &mut |of, word| self.word(of, word, each))?;
        }
        Ok(self.left)
    }
}
