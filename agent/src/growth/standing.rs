//! What stays said in an endless watch. Input: a [`Judgement`] after the other. Output nouns: suspects, and why others are none any more.
//! Must not know how evidence comes about.
//!
//! What was borne out once stands for as long as its goroutines stay, whether they become more or not, until the evidence against them
//! is gone. That is also so when they have become no more for much longer than they had grown: then it was a step and no leak.

use std::{collections::BTreeMap, time::Duration};

use super::{
    NS_PER_TICK,
    births::Births,
    judge::{Accused, Charge, Judgement, strongest},
    member::Tick,
    tick,
    tickers::Tickers,
};
use crate::model::{Suspect, TickerSuspect};

/// What stands falls when it has rested for so many times as long as it grew: what grows on working days rests over the weekend. That is
/// for what is proven; of the rest as many times as it grew longer than the shortest stretch of it that is judged, up to this: all clients that
/// come back, in two waves or more, grow for little longer, and must not be believed for as long as a leak of hours.
const REST: Tick = 10;

/// Why somebody is accused no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Innocence {
    /// The goroutines have ended, or went on.
    Gone,
    /// Others of their kind waited or lived about as long, and ended.
    OthersEnd,
    /// A timer will end it.
    Timer,
    /// They came along with connections that are still open.
    Connections,
    /// Most of them wait for the network.
    Network,
    /// They are the workers of one queue.
    Queue,
    /// Something that can run leads to what they wait on.
    Reachable,
    /// They have become no more for much longer than they had become more.
    Rests,
}

impl Innocence {
    /// snake_case, from a closed set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::OthersEnd => "others_end",
            Self::Timer => "timer",
            Self::Connections => "connections",
            Self::Network => "network",
            Self::Queue => "queue",
            Self::Reachable => "reachable",
            Self::Rests => "rests",
        }
    }
}

/// What can be said now, and what no more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The strongest evidence for each group, the most certain first.
    pub suspects: Vec<Suspect>,
    /// Of each period the tickers that are forgotten, the most first.
    pub tickers: Vec<TickerSuspect>,
    /// Charges that have fallen since the last time.
    pub cleared: Vec<(Suspect, Innocence)>,
}

/// All charges that stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    goroutines: BTreeMap<Charge, Accused>,
    /// By period.
    tickers: BTreeMap<u64, TickerSuspect>,
}

impl Standing {
    /// Whether nobody is accused.
    pub(super) fn is_empty(&self) -> bool {
        self.goroutines.is_empty()
    }

    /// Takes in what is seen now.
    pub(super) fn look(&mut self, judgement: &Judgement<'_>) -> Said {
        let fresh: BTreeMap<Charge, Accused> = judgement.accused().into_iter().map(|accused| (accused.charge, accused)).collect();
        let connected = judgement.connected(self.goroutines.values());
        let mut cleared = Vec::new();
        for (charge, mut known) in std::mem::take(&mut self.goroutines) {
            let remain = if connected.contains(&charge) { Err(Innocence::Connections) } else { judgement.remain(charge) };
            match (fresh.get(&charge), remain) {
                (Some(fresh), remain) => {
                    // Where they usually wait must not change from look to look.
                    let (since_ns, start) = (known.suspect.since_ns.min(fresh.suspect.since_ns), known.start.min(fresh.start));
                    known.suspect = Suspect { blocked_at: known.suspect.blocked_at, wait: known.suspect.wait, since_ns, ..fresh.suspect };
                    known.start = start;
                    known.count(judgement, remain.ok());
                }
                (None, Ok(remain)) => known.count(judgement, Some(remain)),
                (None, Err(innocence)) => {
                    cleared.push((known.suspect, innocence));
                    continue;
                }
            }
            self.goroutines.insert(charge, known);
        }
        for (charge, accused) in fresh {
            self.goroutines.entry(charge).or_insert_with(|| {
                let remain = judgement.remain(charge).ok();
                let mut accused = accused;
                accused.count(judgement, remain);
                accused
            });
        }
        Said { suspects: strongest(self.goroutines.values().cloned()), tickers: Vec::new(), cleared }
    }

    /// The same of tickers, with what is found now: those that were found before stay as long as there are any. `until_ns`: who began later
    /// is not among them yet.
    pub(super) fn look_at_tickers(
        &mut self,
        fresh: Vec<TickerSuspect>,
        tickers: &Tickers,
        proofs: usize,
        (until_ns, watched_ns): (u64, u64),
    ) -> Vec<TickerSuspect> {
        let fresh: BTreeMap<u64, TickerSuspect> = fresh.into_iter().map(|suspect| (suspect.period_ns, suspect)).collect();
        for (period_ns, suspect) in &fresh {
            self.tickers.entry(*period_ns).or_insert(*suspect);
        }
        self.tickers.retain(|period_ns, known| {
            let (all, born) = tickers.forgotten(*period_ns, proofs);
            (known.count, known.watched_ns) = (all.into(), watched_ns);
            let seconds = Duration::from_nanos(until_ns.saturating_sub(known.since_ns).max(NS_PER_TICK)).as_secs_f64();
            known.slope = fresh.get(period_ns).map_or(f64::from(born) / seconds, |fresh| fresh.slope);
            all > 0
        });
        let mut suspects: Vec<TickerSuspect> = self.tickers.values().copied().collect();
        suspects.sort_by_key(|suspect| (std::cmp::Reverse(suspect.count), suspect.period_ns));
        suspects
    }
}

impl Accused {
    /// These are all that remain.
    fn count(&mut self, judgement: &Judgement<'_>, remain: Option<Remain<'_>>) {
        if let Some(remain) = remain {
            self.suspect.count = judgement.estimate(remain.count);
            self.suspect.slope = judgement.slope(self.charge, remain.born, self.start);
        }
        self.suspect.watched_ns = judgement.watched_ns();
    }
}

/// Of those whom a charge is about.
#[derive(Clone, Copy, Debug)]
struct Remain<'a> {
    count: u32,
    /// When those began that began while watched.
    born: &'a Births,
}

impl<'a> Judgement<'a> {
    /// Who remains of whom `charge` is about; none: why it falls.
    fn remain(&self, charge: Charge) -> Result<Remain<'_>, Innocence> {
        match charge {
            Charge::Live(site) => self.remain_live(site),
            Charge::Stuck(group) => self.remain_stuck(group),
            Charge::Proven(group) => self.remain_dead(group),
        }
    }

    fn remain_live(&self, site: u16) -> Result<Remain<'_>, Innocence> {
        let sums = self.sums.site(site).filter(|sums| sums.born.count() > 0).ok_or(Innocence::Gone)?;
        if sums.is_outside() {
            return Err(Innocence::Network);
        }
        if sums.is_one_queue() {
            return Err(Innocence::Queue);
        }
        let younger = if sums.timed > 0 { Innocence::Timer } else { Innocence::OthersEnd };
        let longest = self.watch.groups.get_site(site).map_or(0, |site| site.longest_life);
        self.still(&sums.old, sums.old.count(), self.watch.threshold(longest), younger, self.belief(&sums.old))
    }

    fn remain_stuck(&self, group: u32) -> Result<Remain<'_>, Innocence> {
        let sums = self.sums.group(group).filter(|sums| sums.all > 0).ok_or(Innocence::Gone)?;
        let younger = if sums.timed > 0 { Innocence::Timer } else { Innocence::OthersEnd };
        let longest = self.watch.groups.get(group).map_or(0, |group| self.watch.groups.longest_wait(group));
        let stuck = sums.stuck().ok_or(younger)?;
        self.still(stuck, stuck.count(), self.watch.threshold(longest), younger, self.belief(stuck))
    }

    fn remain_dead(&self, group: u32) -> Result<Remain<'_>, Innocence> {
        let sums = self.sums.group(group).filter(|sums| sums.all > 0).ok_or(Innocence::Gone)?;
        if sums.dead.both > 0 && !sums.dead.is_certain() {
            return Err(Innocence::Reachable);
        }
        self.still(&sums.dead.born, sums.dead.dead, self.watch.slack(), Innocence::Gone, REST)
    }

    /// For how many times as long as they grew those stand who are not proven.
    fn belief(&self, born: &Births) -> Tick {
        let shortest = self.watch.settings.stretches.map_or(Tick::MAX, |stretches| tick(stretches.waiting_ns));
        (grew(born) / shortest.max(1)).clamp(1, REST)
    }

    /// Whether who is dead has been added to by nobody for much longer than they grew.
    pub(super) fn dead_rest(&self, born: &Births) -> bool {
        self.has_rested(born, self.watch.slack(), REST)
    }

    /// Whether nobody was added for so many `times` as long as they grew; `threshold`: younger ones are not among them yet.
    fn has_rested(&self, born: &Births, threshold: Tick, times: Tick) -> bool {
        let Some(youngest) = born.youngest() else { return true };
        let rested = self.now.saturating_sub(youngest);
        rested > threshold.saturating_add(grew(born).max(self.watch.slack()).saturating_mul(times))
    }

    /// These remain, if there are any, and if they have not come to rest for so many `times` as long as they grew.
    fn still<'b>(&self, born: &'b Births, count: u32, threshold: Tick, none: Innocence, times: Tick) -> Result<Remain<'b>, Innocence> {
        if count == 0 {
            return Err(none);
        }
        if self.has_rested(born, threshold, times) {
            return Err(Innocence::Rests);
        }
        Ok(Remain { count, born })
    }
}

/// For how long.
fn grew(born: &Births) -> Tick {
    born.youngest().zip(born.oldest()).map_or(0, |(youngest, oldest)| youngest.saturating_sub(oldest))
}
