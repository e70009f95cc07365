//! A stretch of time in a watch without an end, up to now: whether those who are suspected go on to begin in it, or rush. Input: when they
//! and all others of their `go` statement began. Must not know who they are.

use super::{
    births::{self, Births},
    member::Tick,
    tick,
};

/// Looks that must have found what rushes.
const RUSH_LOOKS: Tick = 6;

/// Those who are suspected, from the first of them in the stretch on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'a> {
    pub(super) births: &'a [Tick],
    /// When the first of them began.
    pub(super) oldest: Tick,
    /// All of the same `go` statement who began since then.
    born: &'a [Tick],
    /// Who began later is too young to be suspected.
    judged: Tick,
    now: Tick,
}

impl<'a> Stretch<'a> {
    /// From `start` on. Younger ones than `threshold` cannot be suspected.
    pub(super) fn since(start: Tick, births: &'a Births, born: &'a Births, threshold: Tick, now: Tick) -> Option<Self> {
        let births = births.since(start);
        let oldest = *births.first()?;
        Some(Self { births, born: born.since(oldest), oldest, judged: now.saturating_sub(threshold), now })
    }

    /// Whether they go on to begin, for so long at least.
    pub(super) fn goes_on(&self, shortest_ns: u64) -> bool {
        let length = self.length();
        let is_long = length >= tick(shortest_ns) && self.judged.saturating_sub(self.oldest) >= length / 2;
        is_long && births::go_on(self.births, self.judged) && self.continues(self.born)
    }

    /// Whether they rush, for so long at least, as far as looks tell that are so far apart.
    pub(super) fn rushes(&self, shortest_ns: u64, gap: Tick) -> bool {
        // Up to the look at which the last of them was seen, or to that before, all who began are known, and old enough.
        let known = self.births.last().copied().unwrap_or(self.oldest).max(self.judged.saturating_sub(gap));
        let is_seen = self.length() >= tick(shortest_ns) && known.saturating_sub(self.oldest) >= gap.saturating_mul(RUSH_LOOKS);
        // When the first look found some, they had begun for an unknown part of the time before it.
        let later = self.births.get(self.births.partition_point(|at| *at == self.oldest)..).unwrap_or_default();
        is_seen && births::rush(&births::even(later, gap), known) && self.continues(&births::even(self.born, gap))
    }

    /// Whether they go on to begin up to now: those who are old enough tell nothing of the time since, in which all may have begun to end.
    fn continues(&self, born: &[Tick]) -> bool {
        births::keep_pace(born, self.now) && births::last(born, self.now)
    }

    const fn length(&self) -> Tick {
        self.now.saturating_sub(self.oldest)
    }
}

/// Where stretches begin that are judged, each up to now, the longest first: the whole watch, three quarters of it, its last half, three
/// quarters of that, and so on, down to the shortest; there is none but the whole in a watch that ends.
pub(super) fn starts(now: Tick, shortest_ns: Option<u64>) -> Vec<Tick> {
    let Some(shortest) = shortest_ns.map(tick) else { return vec![0] };
    let halves = std::iter::successors(Some(now), |length| Some(length / 2)).take_while(|length| *length >= shortest.max(1));
    let lengths = halves.flat_map(|length| [length, length - length / 4]).skip(1).filter(|length| *length > shortest);
    // A little more than the shortest: the first beginning in it is not at its start.
    let last = shortest.saturating_add(shortest / 8);
    std::iter::once(0).chain(lengths.chain([last]).map(|length| now.saturating_sub(length))).collect()
}
