//! `runtime.allp`: what the processors of a runtime have together. Input noun: the list. Output noun: [`Processors`]. Must not know what
//! it is added to.

use super::{Fields as _, Runtime, RuntimeError};
use crate::model::{Memory, Read, RuntimeAddress};

/// Processors that a process may have: far more than machines do.
const PROCESSORS_MAX: u64 = 8192;
/// Bytes that are kept of each: see [`Runtime::processor_reads`].
const EACH: usize = 32;
/// How many of them change when a goroutine begins or ends: all but the timers, which come last.
const GOROUTINES: usize = 28;
/// Fields that are read of each.
const FIELDS: usize = 5;

/// `runtime.allp` as it was read: the slice, and its pointers.
#[derive(Debug)]
pub(super) struct List {
    /// Pointer, length, capacity.
    pub(super) slice: [u8; 24],
    pointers: Vec<u64>,
    count: u64,
}

/// What all processors have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Processors {
    /// `len(allp)`.
    pub(super) count: u64,
    /// Dead goroutines in their lists.
    pub(super) free: u64,
    /// Goroutine ids that they hold and have not given away.
    pub(super) unused_ids: u64,
    /// Creations that they have counted themselves.
    pub(super) created: u64,
    /// Timers in their heaps.
    pub(super) timers: u64,
}

impl List {
    /// Room for what is read of each processor.
    pub(super) fn room(&self) -> Vec<u8> {
        vec![0; EACH * self.pointers.len()]
    }

    /// How many reads fill the room.
    pub(super) const fn reads(&self) -> usize {
        FIELDS * self.pointers.len()
    }

    /// Whether no goroutine began or ended on any processor between two readings. Ids only rise, and dead goroutines only get fewer where
    /// one begins.
    pub(super) fn is_still(before: &[u8], after: &[u8]) -> bool {
        before.chunks(EACH).zip(after.chunks(EACH)).all(|(before, after)| before.get(..GOROUTINES) == after.get(..GOROUTINES))
    }

    /// The sums over what was read into the room.
    pub(super) fn sum(&self, room: &[u8]) -> Processors {
        let mut sum = Processors { count: self.count, ..Processors::default() };
        for (index, p) in (0..).zip(room.chunks(EACH)) {
            // Processors that GOMAXPROCS has taken away keep ids, and nothing else.
            sum.unused_ids = sum.unused_ids.saturating_add(p.u64(8).saturating_sub(p.u64(0)));
            if index < self.count {
                sum.created = sum.created.saturating_add(p.u64(16));
                sum.free = sum.free.saturating_add(p.u32(24).into());
                sum.timers = sum.timers.saturating_add(p.u32(28).into());
            }
        }
        sum
    }
}

impl<M: Memory> Runtime<M> {
    /// Reads the list, those that GOMAXPROCS has taken away included.
    pub(super) fn processors(&self) -> Result<List, RuntimeError> {
        let mut slice = [0; 24];
        self.read(self.at(self.facts.globals.allp), &mut slice, "allp")?;
        let (list, count, capacity) = (RuntimeAddress(slice.u64(0)), slice.u64(8), slice.u64(16));
        if (list.0, count) == (0, 0) {
            return Err(RuntimeError::NotStarted);
        }
        if count == 0 || count > capacity || capacity > PROCESSORS_MAX {
            return Err(RuntimeError::Implausible { what: "the number of processors" });
        }
        let mut pointers = vec![0; usize::try_from(8 * capacity).unwrap_or(0)];
        self.read(list, &mut pointers, "allp")?;
        let pointers = pointers.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Ok(List { slice, pointers, count })
    }

    /// What is to be read of each processor into the room. Those that are not there yet keep zeros.
    pub(super) fn processor_reads<'a>(&self, list: &List, room: &'a mut [u8], reads: &mut Vec<Read<'a>>) {
        let layout = &self.facts.layout.p;
        let timers = match (self.facts.layout.timers, layout.num_timers) {
            (Some(timers), _) => Some(layout.timers.saturating_add(timers.len)),
            (None, at) => at,
        };
        let count = layout.gfree.saturating_add(self.facts.layout.glist.count.unwrap_or(8));
        let fields: [(Option<u32>, usize); FIELDS] =
            [(Some(layout.goidcache), 8), (Some(layout.goidcacheend), 8), (layout.goroutines_created, 8), (Some(count), 4), (timers, 4)];
        for (pointer, room) in list.pointers.iter().zip(room.chunks_mut(EACH)) {
            let mut free = room;
            for (at, size) in fields {
                let Some((out, rest)) = free.split_at_mut_checked(size) else { break };
                free = rest;
                if let Some(at) = at.filter(|_| *pointer != 0) {
                    reads.push(Read { at: RuntimeAddress(pointer.wrapping_add(at.into())), out, done: false });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EACH, List};

    /// What is read of two processors, with one byte that differs.
    fn room(at: usize) -> Vec<u8> {
        let mut room = vec![7; 2 * EACH];
        room[at] += 1;
        room
    }

    #[test]
    fn goroutines_that_begin_or_end_between_two_readings_are_seen() {
        let still = vec![7; 2 * EACH];
        assert!(List::is_still(&still, &still));
        // Ids, creations and dead goroutines of any processor; timers come and go by themselves.
        for at in 0..2 * EACH {
            assert_eq!(List::is_still(&still, &room(at)), at % EACH >= 28, "byte {at}");
        }
    }
}
