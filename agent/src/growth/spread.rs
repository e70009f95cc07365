//! How beginnings are spread over a time that is judged. Input: single beginnings. Output: whether they are in enough parts of it. Must not
//! know what began.

use super::member::Tick;

/// Equal parts of the time.
const PARTS: usize = 6;
/// Fewer tell nothing.
pub(super) const FEWEST: u32 = 3;

/// Beginnings in each part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    pub(super) count: u32,
    parts: [u32; PARTS],
    pub(super) oldest: Option<Tick>,
}

impl Spread {
    /// `at`, of a stretch of time that began at `start` and is `length` long.
    pub(super) fn add(&mut self, at: Tick, start: Tick, length: Tick) {
        self.count += 1;
        let part = u64::from(at.saturating_sub(start)) * PARTS as u64 / u64::from(length.max(1));
        let part = usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
        if let Some(count) = self.parts.get_mut(part) {
            *count += 1;
        }
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    /// Enough, in enough parts, and in the last third, too.
    pub(super) fn spans(&self, parts: usize) -> bool {
        let used = self.parts.iter().filter(|count| **count > 0).count();
        self.count >= FEWEST && used >= parts && self.recent() > 0
    }

    /// The same, and still growing: what came to an end, or comes to one, has few in the last third.
    pub(super) fn grows(&self, parts: usize) -> bool {
        self.spans(parts) && self.recent().saturating_mul(12) >= self.count
    }

    /// Those in the last third.
    fn recent(&self) -> u32 {
        self.parts.iter().skip(PARTS * 2 / 3).sum()
    }
}
