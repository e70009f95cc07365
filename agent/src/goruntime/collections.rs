//! When collections ended. Input noun: `runtime.memstats`. Output noun: [`Collections`], which tell since when a goroutine is blocked at the
//! latest. Must not know goroutines one by one.

use super::{Fields as _, Runtime, RuntimeError, TRIES};
use crate::model::Memory;

/// Ends that the runtime remembers, 8 bytes each.
const REMEMBERED: u32 = 256;

/// The ends of the latest collections, ascending: CLOCK_MONOTONIC of the target, ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collections(Vec<u64>);

impl Collections {
    /// Since when, at the latest, a goroutine is blocked that has this note (see [`crate::model::Goroutine::wait_since`]).
    ///
    /// The collector notes the time of the mark termination *before* it found the goroutine blocked, so the goroutine may be blocked for
    /// less than the note says: Go's own dumps say too much. It was blocked when the collection ended that comes after the noted one.
    #[must_use]
    pub fn blocked_since(&self, noted: u64) -> Option<u64> {
        let later = self.0.partition_point(|end| *end <= noted);
        self.0.get(later + 1).copied()
    }

    /// From the ring, whose latest entry is `latest` at the time `now`.
    fn of(ring: &[u64], count: u32, latest: u64, now: u64) -> Option<Self> {
        let entries = usize::try_from(count.min(REMEMBERED)).ok()?;
        let next = usize::try_from(count % REMEMBERED).ok()?;
        // The oldest one first.
        let (newer, older) = ring.split_at_checked(next)?;
        let ends: Vec<u64> = older.iter().chain(newer).skip(ring.len().checked_sub(entries)?).copied().collect();
        // Written one after the other, and not at all times of the day that were turned back.
        let is_whole = ends.last().is_none_or(|last| *last == latest) && ends.is_sorted();
        let ends = ends.into_iter().map(|end| now.checked_sub(latest.checked_sub(end)?));
        if is_whole { ends.collect::<Option<_>>().map(Self) } else { None }
    }
}

impl<M: Memory> Runtime<M> {
    /// The latest 256 collections; none of them if what is read makes no sense.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub fn collections(&self) -> Result<Collections, RuntimeError> {
        let mstats = &self.facts.layout.mstats;
        let (from, ring) = (mstats.last_gc_unix, mstats.pause_end);
        let end = [from, ring.saturating_add(8 * REMEMBERED), mstats.numgc.saturating_add(4), mstats.last_gc_nanotime.saturating_add(8)];
        let length = end.into_iter().max().unwrap_or(0).saturating_sub(from);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        for _ in 0..TRIES {
            self.read(self.behind(self.facts.globals.memstats, from), &mut bytes, "memstats")?;
            let at = |field: u32| field.saturating_sub(from);
            let ends: Vec<u64> = (0..REMEMBERED).map(|index| bytes.u64(at(ring).saturating_add(8 * index))).collect();
            let (count, latest) = (bytes.u32(at(mstats.numgc)), bytes.u64(at(from)));
            if let Some(found) = Collections::of(&ends, count, latest, bytes.u64(at(mstats.last_gc_nanotime))) {
                return Ok(found);
            }
            self.count_torn();
        }
        Ok(Collections::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends are at second 1000 of the day and later, which is second 0 of the other clock.
    fn check(ends: &[u64], count: u32, latest: u64, expected: Option<&[u64]>) {
        let mut ring = vec![0; 256];
        ring[..ends.len()].copy_from_slice(ends);
        let found = Collections::of(&ring, count, latest, latest - 1000);
        assert_eq!(found.as_ref().map(|found| found.0.as_slice()), expected, "{ends:?} {count}");
    }

    #[test]
    fn rings() {
        check(&[], 0, 1000, Some(&[]));
        check(&[1003, 1005], 2, 1005, Some(&[3, 5]));
        // In the middle of its change.
        check(&[1003, 1005], 2, 1006, None);
        check(&[1003, 1005], 1, 1005, None);
        // The time of the day was turned back.
        check(&[1005, 1003], 2, 1003, None);
        // Twice around.
        let ends: Vec<u64> = (0..256).map(|index| if index < 10 { 1256 + index } else { 1000 + index }).collect();
        check(&ends, 256 + 10, 1265, Some(&(10..266).collect::<Vec<u64>>()));
        check(&[1003], u32::MAX, 1003, None);
    }

    #[test]
    fn notes() {
        let collections = Collections(vec![10, 20, 30]);
        // Noted at the end of the mark that ended at 10: found blocked before the one ended that comes next.
        assert_eq!(collections.blocked_since(9), Some(20));
        assert_eq!(collections.blocked_since(19), Some(30));
        // It is under way, or ended only after the ends were read.
        assert_eq!(collections.blocked_since(29), None);
        assert_eq!(collections.blocked_since(31), None);
        assert_eq!(Collections::default().blocked_since(5), None);
    }
}
