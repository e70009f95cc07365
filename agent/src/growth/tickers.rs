//! Which tickers are forgotten. Input: the [`Ticker`]s of one [`Proof`] after another. Output noun: [`TickerSuspect`]. Must not know who
//! made them.
//!
//! Forgotten is a ticker that nothing led to in the last two proofs. They are said of a period of which three or more began while watched,
//! in three or more of six equal parts of the time that is judged, one of them in the last third, and one after another was forgotten
//! already: what is dropped with its owner is dropped at once.

use std::collections::HashMap;

use super::{NS_PER_TICK, TICKS_PER_SECOND, Watch, member::Tick, spread::Spread, stretch::starts};
use crate::model::{RuntimeAddress, Ticker, TickerSuspect};

/// Parts of the time in which some must have begun.
const PARTS: usize = 3;
/// Tickers that are remembered.
const TICKERS: usize = 1 << 18;

/// One ticker.
#[derive(Clone, Copy, Debug)]
struct Known {
    period_ns: u64,
    /// When it was first seen; none where that was at the first look.
    born: Option<Tick>,
    /// The first of the proofs in a row, up to the last, that nothing led to it; 0: something did.
    forgotten_since: u16,
    /// The last proof that saw it.
    proof: u16,
}

impl Known {
    /// In the last two of so many proofs nothing led to it.
    fn is_forgotten(&self, proofs: usize) -> bool {
        self.forgotten_since != 0 && self.forgotten_since < self.proof && usize::from(self.proof) == proofs
    }
}

/// All tickers of one process.
#[derive(Debug, Default)]
pub(super) struct Tickers {
    known: HashMap<RuntimeAddress, Known>,
    looked: bool,
}

impl Tickers {
    /// What proof `number`, which began at `now`, says.
    pub(super) fn proof(&mut self, number: u16, now: Tick, tickers: &[Ticker]) {
        let born = self.looked.then_some(now);
        self.looked = true;
        for ticker in tickers.iter().take(TICKERS) {
            let fresh = Known { period_ns: ticker.period_ns, born, forgotten_since: 0, proof: number };
            let known = self.known.entry(ticker.channel).or_insert(fresh);
            // Another one, at the same place.
            if known.period_ns != ticker.period_ns || (known.forgotten_since != 0 && !ticker.unreachable) {
                *known = fresh;
            }
            known.proof = number;
            known.forgotten_since = match known.forgotten_since {
                0 if ticker.unreachable => number,
                since => since,
            };
        }
        self.known.retain(|_, known| known.proof == number);
    }

    /// The first so `many` proofs are no longer counted.
    pub(super) fn forget_proofs(&mut self, many: u16) {
        for known in self.known.values_mut().filter(|known| known.forgotten_since != 0) {
            known.forgotten_since = known.forgotten_since.saturating_sub(many).max(1);
        }
    }

    /// Whether there are any of which more is to be learnt.
    pub(super) fn matter(&self) -> bool {
        self.known.values().any(|known| known.forgotten_since != 0)
    }

    /// How many of this period are forgotten: whenever they began, and of those who began while watched.
    pub(super) fn forgotten(&self, period_ns: u64, proofs: usize) -> (u32, u32) {
        let forgotten = self.known.values().filter(|known| known.period_ns == period_ns && known.is_forgotten(proofs));
        forgotten.fold((0, 0), |(all, born), known| (all + 1, born + u32::from(known.born.is_some())))
    }

    /// Those that are forgotten, judged from `start` to `now`. `proofs`: when each began.
    pub(super) fn judge(&self, start: Tick, now: Tick, proofs: &[Tick]) -> Vec<TickerSuspect> {
        let mut periods: HashMap<u64, (Spread, Tick, u16)> = HashMap::new();
        for known in self.known.values() {
            let Some(born) = known.born.filter(|born| known.is_forgotten(proofs.len()) && *born >= start) else { continue };
            let (spread, youngest, first) = periods.entry(known.period_ns).or_insert((Spread::default(), 0, u16::MAX));
            spread.add(born, start, now.saturating_sub(start));
            *youngest = born.max(*youngest);
            *first = known.forgotten_since.min(*first);
        }
        let grows = |(spread, youngest, first): &(Spread, Tick, u16)| {
            let first = usize::from(*first).checked_sub(1).and_then(|index| proofs.get(index));
            spread.grows(PARTS) && first.is_some_and(|first| youngest > first)
        };
        let suspects = periods.iter().filter(|(_, sums)| grows(sums)).map(|(period_ns, (spread, ..))| {
            // Those who began after the last proof but one are not among them yet.
            let seconds = f64::from(both(proofs, now).saturating_sub(start).max(1)) / f64::from(TICKS_PER_SECOND);
            TickerSuspect {
                period_ns: *period_ns,
                count: spread.count.into(),
                slope: f64::from(spread.count) / seconds,
                since_ns: u64::from(spread.oldest.unwrap_or(start)) * NS_PER_TICK,
                watched_ns: u64::from(now) * NS_PER_TICK,
            }
        });
        let mut suspects: Vec<TickerSuspect> = suspects.collect();
        suspects.sort_by_key(|suspect| (std::cmp::Reverse(suspect.count), suspect.period_ns));
        suspects
    }
}

/// When the last proof but one began: it and the last know who began before.
fn both(proofs: &[Tick], now: Tick) -> Tick {
    proofs.iter().rev().nth(1).copied().unwrap_or(now)
}

impl Watch {
    /// Up to when tickers have begun that can be called forgotten, ns.
    pub(super) fn tickers_until_ns(&self, now: Tick) -> u64 {
        self.started_ns.saturating_add(u64::from(both(&self.proofs, now)) * NS_PER_TICK)
    }

    /// Which tickers are forgotten, as far as can be said now: of each period those of the longest stretch of time in which they show.
    #[must_use]
    pub fn ticker_suspects(&self, now_ns: u64) -> Vec<TickerSuspect> {
        let now = self.tick(now_ns);
        let mut suspects: Vec<TickerSuspect> = Vec::new();
        for start in starts(now, self.settings.stretches.map(|stretches| stretches.lost_ns)) {
            let found = self.tickers.judge(start, now, &self.proofs);
            suspects
                .extend(found.into_iter().filter(|new| suspects.iter().all(|known| known.period_ns != new.period_ns)).collect::<Vec<_>>());
        }
        suspects.iter_mut().for_each(|suspect| suspect.since_ns = suspect.since_ns.saturating_add(self.started_ns));
        suspects
    }
}
