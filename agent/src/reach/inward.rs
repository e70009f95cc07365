//! Whose goroutines have nothing to do with what is outside of the process, as far as what they hold tells.
//!
//! Input: goroutines, objects with a finalizer or a cleanup. Output: `go` statements. Must not know what follows from it.
//!
//! Who serves a client holds its connection, or a stream of one, or shares something with somebody who does: clients can have brought it,
//! and can end it. What holds a connection, or a file, closes it by a finalizer or a cleanup. So a goroutine whose stack leads to no such
//! object in any number of steps, nor do the stacks of those that hold something that it leads to, was brought by nobody outside. What is
//! too much to be followed is believed to lead there.

use std::collections::{HashMap, HashSet, VecDeque};

use super::NoProof;
use super::goroutines::{Doing, Seen};
use super::mark::{Mark, Object};
use super::source::Source;

/// So many goroutines of one `go` statement are looked at; three quarters must lead to nothing outside: frames hold rests of older calls.
const SAMPLE: usize = 8;
/// Objects that one of them may lead to, and bytes that all may, in one proof; goroutines of other statements that may hold one object.
const OBJECTS: usize = 32 << 10;
const BYTES: u64 = 8 << 20;
const HOLDERS: usize = 1024;
/// Bytes of all stacks, and pointers on them.
const STACKS: u64 = 16 << 20;
const HELD: usize = 1 << 19;
/// Bytes that are read together.
const TOGETHER: u64 = 64 << 10;
/// Bytes of an `os.file` up to the end of its name, at least, and how long "/dev/stdin", "/dev/stdout" and "/dev/stderr" are.
const FILE: usize = 80;
const NAMES: std::ops::RangeInclusive<u64> = 10..=11;

/// A sample of those who last began at each `go` statement that has so `many`, by its return address: indexes in `seen`. `salt`: others in
/// each proof.
pub(super) fn crowds(seen: &[Seen], many: u32, salt: u64) -> Vec<(u64, Vec<usize>)> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    seen.iter().for_each(|seen| *counts.entry(seen.created_at).or_default() += 1);
    counts.retain(|created_at, count| *created_at != 0 && *count >= many);
    let mut crowds: HashMap<u64, Vec<(u64, usize)>> = counts.into_keys().map(|created_at| (created_at, Vec::new())).collect();
    let many = usize::try_from(many).unwrap_or(usize::MAX).max(SAMPLE);
    for (index, parked) in seen.iter().enumerate().filter(|(_, seen)| matches!(seen.doing, Doing::Asks(_) | Doing::Waits)) {
        let Some(youngest) = crowds.get_mut(&parked.created_at) else { continue };
        youngest.push((parked.goid, index));
        if youngest.len() >= many.saturating_mul(2) {
            keep_youngest(youngest, many);
        }
    }
    let mut samples: Vec<_> = crowds.into_iter().collect();
    samples.sort_unstable();
    // Multiplying mixes.
    let chance = |goid: u64| (goid ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let sample = |mut youngest: Vec<(u64, usize)>| {
        keep_youngest(&mut youngest, many);
        youngest.sort_unstable_by_key(|(goid, _)| chance(*goid));
        youngest.into_iter().take(SAMPLE).map(|(_, index)| index).collect()
    };
    samples.into_iter().map(|(created_at, youngest)| (created_at, sample(youngest))).collect()
}

/// Ids are given in order, or nearly so.
fn keep_youngest(goids: &mut Vec<(u64, usize)>, many: usize) {
    goids.sort_unstable_by_key(|(goid, _)| std::cmp::Reverse(*goid));
    goids.truncate(many);
}

/// What goroutines hold, and what closes what is outside.
pub(super) struct Inward<'a> {
    mark: &'a Mark,
    seen: &'a [Seen],
    /// First bytes of objects with a finalizer or a cleanup, sorted.
    closing: Vec<u64>,
    /// First bytes of objects that are on stacks, each with the index of the goroutine; sorted.
    held: Vec<(u64, u32)>,
}

impl<'a> Inward<'a> {
    /// Reads all stacks; none where that is too much. To be asked before anything is marked.
    pub(super) fn read(source: &mut Source<'_>, mark: &'a Mark, seen: &'a [Seen], closing: &[u64]) -> Result<Option<Self>, NoProof> {
        // A cleanup may be that of a part.
        let mut closing: Vec<u64> = closing.iter().filter_map(|object| Some(mark.object(*object)?.from)).collect();
        closing.sort_unstable();
        let stacks = (0_u32..).zip(seen.iter().map(stack)).map(|(index, (low, high))| (index, low, high));
        if stacks.clone().fold(0_u64, |bytes, (_, low, high)| bytes.saturating_add(high - low)) > STACKS {
            return Ok(None);
        }
        let mut held = Vec::new();
        source.words(stacks, &mut |index, word| {
            let object = mark.object(word).filter(|object| !object.closed && held.len() <= HELD);
            held.extend(object.map(|object| (object.from, index)));
        })?;
        if held.len() > HELD {
            return Ok(None);
        }
        held.sort_unstable();
        held.dedup();
        Ok(Some(Self { mark, seen, closing, held }))
    }

    /// Those of the `crowds` of whom nothing outside is led to.
    pub(super) fn of(&self, source: &mut Source<'_>, crowds: &[(u64, Vec<usize>)]) -> Result<Vec<u64>, NoProof> {
        let (mut inward, mut left) = (Vec::new(), BYTES);
        for (crowd, (created_at, sample)) in crowds.iter().enumerate() {
            let mut share = left / u64::try_from(crowds.len() - crowd).unwrap_or(u64::MAX);
            left -= share;
            let (mut within, mut without) = (0, 0);
            for index in sample {
                let is_inward = self.is_inward(source, *index, &mut share)?;
                (within, without) = (within + usize::from(is_inward), without + usize::from(!is_inward));
                if without * 4 > sample.len() {
                    break;
                }
            }
            left += share;
            if within > 0 && within * 4 >= sample.len() * 3 {
                inward.push(*created_at);
            }
        }
        Ok(inward)
    }

    /// Whether all that the goroutine leads to is within the process; `left`: how much more may be read.
    fn is_inward(&self, source: &mut Source<'_>, index: usize, left: &mut u64) -> Result<bool, NoProof> {
        let Some(created_at) = self.seen.get(index).map(|seen| seen.created_at) else { return Ok(false) };
        let (mut trail, mut is_followed) = (Trail::default(), true);
        self.push(index, &mut trail);
        while is_followed && !trail.ranges.is_empty() {
            let Some(ranges) = trail.next(left) else { return Ok(false) };
            source.words(ranges, &mut |(), word| {
                is_followed = is_followed && self.mark.object(word).is_none_or(|object| self.meet(object, created_at, &mut trail));
            })?;
            while let Some(object) = trail.closing.pop() {
                if !is_standard(source, &object)? {
                    return Ok(false);
                }
            }
        }
        Ok(is_followed)
    }

    /// Notes an object that is led to, and who holds it; false where that is too much to be followed.
    fn meet(&self, object: Object, created_at: u64, trail: &mut Trail) -> bool {
        // What is the runtime's own leads everywhere.
        if object.closed || !trail.objects.insert(object.from) {
            return true;
        }
        if self.closing.binary_search(&object.from).is_ok() {
            trail.closing.push(object);
            return true;
        }
        if object.is_open() {
            trail.ranges.push_back((object.from, object.to));
        }
        // Others of the same statement are asked for themselves.
        let is_other = |holder: &usize| self.seen.get(*holder).is_some_and(|seen| seen.created_at != created_at);
        for (count, holder) in self.holders(object.from).filter(is_other).enumerate() {
            if count >= HOLDERS {
                return false;
            }
            self.push(holder, trail);
        }
        trail.objects.len() <= OBJECTS && trail.goroutines.len() <= OBJECTS
    }

    /// The goroutines that have the object on their stacks.
    fn holders(&self, object: u64) -> impl Iterator<Item = usize> {
        let first = self.held.partition_point(|(held, _)| *held < object);
        let of_object = self.held.iter().skip(first).take_while(move |(held, _)| *held == object);
        of_object.filter_map(|(_, index)| usize::try_from(*index).ok())
    }

    /// The stack of a goroutine is to be read.
    fn push(&self, index: usize, trail: &mut Trail) {
        if trail.goroutines.insert(index) {
            trail.ranges.extend(self.seen.get(index).map(stack));
        }
    }
}

/// What a goroutine leads to, as far as it is known.
#[derive(Default)]
struct Trail {
    objects: HashSet<u64>,
    goroutines: HashSet<usize>,
    /// Objects that close something and were not looked at yet.
    closing: Vec<Object>,
    /// Still to be read, the nearest first.
    ranges: VecDeque<(u64, u64)>,
}

impl Trail {
    /// The nearest ranges, as many as are read together; none where that is more than is `left` to be read.
    fn next(&mut self, left: &mut u64) -> Option<Vec<((), u64, u64)>> {
        let (mut ranges, mut bytes) = (Vec::new(), 0);
        while bytes < TOGETHER
            && let Some((from, to)) = self.ranges.pop_front()
        {
            bytes += to - from;
            ranges.push(((), from, to));
        }
        *left = left.checked_sub(bytes)?;
        Some(ranges)
    }
}

/// The words of a stack.
fn stack(seen: &Seen) -> (u64, u64) {
    let (low, high) = seen.stack();
    let (low, high) = (low.checked_next_multiple_of(8).unwrap_or(high), high / 8 * 8);
    (low, high.max(low))
}

/// Whether an object that closes something is `os.Stdin`, `Stdout` or `Stderr`, which whoever logs has: it begins with a lock of two words and
/// the descriptor, and has a name.
fn is_standard(source: &mut Source<'_>, object: &Object) -> Result<bool, NoProof> {
    let mut bytes = [0; FILE];
    let whole = object.to - object.from >= FILE as u64 && source.small(object.from, &mut bytes)?;
    let words: Vec<u64> = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let is_named = words.windows(2).any(|pair| matches!(pair, [name, length] if *name != 0 && NAMES.contains(length)));
    Ok(whole && is_named && words.get(2).is_some_and(|descriptor| *descriptor <= 2))
}
