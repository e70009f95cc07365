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

/// Watched objects that are told once for each number, before some may be told again.
const TOLD: usize = 1 << 16;
/// An object is not looked into for more numbers than this, in as many steps: what thousands lead to, as a context that all others are made
/// of, says of each the same.
const MANY: u8 = 64;

/// What is followed, the nearest first.
pub(super) struct Walk<'a> {
    mark: &'a Mark,
    bounds: Bounds,
    /// Objects that may still be looked into, whoever leads there.
    left: usize,
    /// Steps that are left.
    steps: usize,
    /// For how many numbers an object was looked into, with so many steps left.
    crowds: HashMap<(u64, usize), u8>,
    /// How many are for each number.
    counts: HashMap<usize, usize>,
    known: HashSet<(usize, u64)>,
    told: HashSet<(usize, u64)>,
    /// Still to be read.
    ranges: Vec<(usize, u64, u64)>,
}

impl<'a> Walk<'a> {
    /// Nothing is followed yet; `left`: how many objects may be looked into.
    pub(super) fn new(mark: &'a Mark, bounds: Bounds, left: usize) -> Self {
        Self {
            mark,
            bounds,
            left,
            steps: bounds.steps,
            crowds: HashMap::new(),
            counts: HashMap::new(),
            known: HashSet::new(),
            told: HashSet::new(),
            ranges: Vec::new(),
        }
    }

    /// The words of a range count as those of an object do.
    pub(super) fn range(&mut self, of: usize, from: u64, to: u64) {
        self.ranges.push((of, from, to));
    }

    /// Calls `each` with the object that `word` points into, if it is in a span with watched ones; it is to be looked into.
    pub(super) fn word(&mut self, of: usize, word: u64, each: &mut dyn FnMut(usize, u64)) {
        let Some(object) = self.mark.object(word) else { return };
        if object.watched && (self.told.len() >= TOLD || self.told.insert((of, object.from))) {
            each(of, object.from);
        }
        let count = self.counts.entry(of).or_default();
        if self.steps == 0 || !object.is_open() || self.left == 0 || *count >= self.bounds.objects {
            return;
        }
        let at = (object.from, self.steps);
        let crowd = self.crowds.get(&at).copied().unwrap_or_default();
        if crowd >= MANY || !self.known.insert((of, object.from)) {
            return;
        }
        self.crowds.insert(at, crowd + 1);
        *count += 1;
        self.left -= 1;
        self.ranges.push((of, object.from, object.to.min(object.from.saturating_add(self.bounds.bytes))));
    }

    /// Follows all, and calls `each` with the objects in spans with watched ones. The next word may be of a number that was used before.
    pub(super) fn follow(&mut self, source: &mut Source<'_>, each: &mut dyn FnMut(usize, u64)) -> Result<(), NoProof> {
        while self.steps > 0 {
            self.steps -= 1;
            let ranges = std::mem::take(&mut self.ranges);
            source.words(ranges, &mut |of, word| self.word(of, word, each))?;
        }
        self.steps = self.bounds.steps;
        self.counts.clear();
        self.known.clear();
        self.told.clear();
        Ok(())
    }

    /// Whether something may not have been looked into for all who lead there, as they are many.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowds.values().any(|crowd| *crowd >= MANY)
    }

    /// Whether all was followed, as far as the bounds go.
    pub(super) const fn is_whole(&self) -> bool {
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Limits,
            mark::tests::{Words, span},
            spans::{PAGE, Slot, Spans},
        },
        *,
    };

    const HEAP: u64 = 0xc0_0000_0000;
    const WATCHED: u64 = HEAP + PAGE;
    const SIZE: u64 = 64;

    /// From the first of a chain of objects, of which the fourth leads to the watched one: whether it is told, how often, and what is left.
    fn check(bounds: Bounds, left: usize, expected: (usize, usize)) {
        let (words, limits) = (Words::default(), Limits::default());
        for object in 0..3 {
            words.put(HEAP + object * SIZE, HEAP + (object + 1) * SIZE);
        }
        words.put(HEAP + 3 * SIZE, WATCHED);
        words.put(HEAP + 3 * SIZE + 8, WATCHED + 8);
        let spans = Spans { all: vec![span(HEAP), span(WATCHED)], specials: vec![] };
        let mark = Mark::new(spans, [Slot { span: 1, object: 0 }].into_iter(), &limits).unwrap();
        let mut source = Source::new(&words, &|| 0, 1);
        let mut told = Vec::new();
        let mut each = |of: usize, object: u64| told.push((of, object));
        let mut walk = Walk::new(&mark, bounds, left);
        walk.word(7, HEAP + 8, &mut each);
        walk.follow(&mut source, &mut each).unwrap();
        let left = walk.left;
        assert!(told.iter().all(|told| *told == (7, WATCHED)), "{told:?}");
        assert_eq!((told.len(), left), expected, "{bounds:?}");
    }

    #[test]
    fn what_thousands_lead_to_is_not_looked_into_for_each() {
        let (words, limits) = (Words::default(), Limits::default());
        // Each leads to one of its own, and to what all lead to, which leads to the watched one.
        let (own, shared) = (|of: usize| HEAP + u64::try_from(of % 50).unwrap() * SIZE, HEAP + 100 * SIZE);
        (0..50).for_each(|of| words.put(own(of), shared));
        words.put(shared, WATCHED);
        let spans = Spans { all: vec![span(HEAP), span(WATCHED)], specials: vec![] };
        let mark = Mark::new(spans, [Slot { span: 1, object: 0 }].into_iter(), &limits).unwrap();
        let mut source = Source::new(&words, &|| 0, 1);
        let (mut walk, mut told) = (Walk::new(&mark, Bounds { steps: 3, objects: 64, bytes: SIZE }, 10_000), HashSet::new());
        for chunk in 0..20_usize {
            let mut each = |of: usize, object: u64| assert!(object == WATCHED && told.insert((chunk, of)));
            (0..50).for_each(|of| walk.word(of, own(of), &mut each));
            walk.follow(&mut source, &mut each).unwrap();
        }
        let first = |(chunk, of): &(usize, usize)| *chunk == 0 || (*chunk == 1 && *of < usize::from(MANY) - 50);
        assert!(told.len() == usize::from(MANY) && told.iter().all(first), "{told:?}");
        // 50 objects, each for 20, and two for 64.
        assert_eq!((10_000 - walk.left, walk.is_crowded()), (50 * 20 + 2 * usize::from(MANY), true));
    }

    #[test]
    fn so_many_steps_and_objects_and_no_more() {
        let bounds = Bounds { steps: 4, objects: 10, bytes: SIZE };
        check(bounds, 10, (1, 6));
        check(Bounds { steps: 3, ..bounds }, 10, (0, 7));
        check(Bounds { objects: 4, ..bounds }, 10, (1, 6));
        check(Bounds { objects: 3, ..bounds }, 10, (0, 7));
        check(bounds, 4, (1, 0));
        check(bounds, 3, (0, 0));
        check(Bounds { bytes: 8, ..bounds }, 10, (1, 6));
    }
}
