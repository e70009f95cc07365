//! Those who only the clock will wake, and who waits for what they lead to.
//!
//! Input: [`Due`] timers, goroutines, what is waited on. Output: for each candidate the goroutines on whose stacks it is. Must not know
//! whether that is a reason to believe in the end of a wait.
//!
//! A goroutine that waits until its children have slept has no timer of its own. Its children have, and lead to what it waits on: in
//! few steps, or they are none of its children.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::NoProof;
use super::goroutines::{Candidate, Doing, Seen, Watched};
use super::mark::Mark;
use super::source::Source;
use super::timers::{Due, TOGETHER};
use super::walk::{Bounds, Walk};
use crate::model::Waiter;

/// Goroutines whose stacks are looked at, and the bytes of each.
const SLEEPERS: usize = 32 << 10;
const STACK: u64 = 2048;
/// Steps from a stack: to what is on it, a closure, what that holds.
const BOUNDS: Bounds = Bounds { steps: 3, objects: 64, bytes: 512 };
/// Objects that are looked at in one generation: of all who sleep as many as a child leads to, or more.
const OBJECTS: usize = 1 << 18;
/// Nobody waits for one of many who wait for the same thing: a parent waits alone for what its children do.
const WAITERS: usize = Waiter::PEERS;
/// Who waits for a goroutine that waits for one that sleeps.
const GENERATIONS: usize = 2;

/// Goroutines that only the clock wakes, by candidate that waits on what they lead to.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_candidate: HashMap<usize, Vec<u64>>,
    /// There were more than could be followed.
    cut: bool,
}

impl Peers {
    /// To be asked before anything is marked.
    pub(super) fn find(
        source: &mut Source<'_>,
        mark: &Mark,
        (due, seen): (&[Due], &[Seen]),
        (watched, candidates): (&Watched, &[Candidate]),
    ) -> Result<Self, NoProof> {
        let mut peers = Self::default();
        let waits: HashMap<u64, usize> =
            seen.iter().enumerate().filter(|(_, seen)| seen.doing == Doing::Waits).map(|(index, seen)| (seen.g, index)).collect();
        let timed = candidates.iter().filter(|candidate| candidate.last_deadline_ns.is_some()).map(|candidate| candidate.seen);
        let mut sleepers: Vec<usize> = due.iter().filter_map(|due| waits.get(&due.argument).copied()).chain(timed).collect();
        let mut passed_on = HashSet::new();
        for _ in 0..GENERATIONS {
            peers.cut |= sleepers.len() > SLEEPERS;
            sleepers.truncate(SLEEPERS);
            // Thousands may lead to one object, and thousands wait there.
            let mut leads: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut walk = Walk::new(mark, BOUNDS, OBJECTS);
            for sleepers in sleepers.chunks(TOGETHER) {
                for (number, sleeper) in sleepers.iter().enumerate().filter_map(|(number, sleeper)| Some((number, seen.get(*sleeper)?))) {
                    let (low, high) = sleeper.stack();
                    walk.range(number, low, high.min(low.saturating_add(STACK)));
                }
                walk.follow(source, &mut |sleeper, object| {
                    let Some(sleeper) = sleepers.get(sleeper).and_then(|sleeper| seen.get(*sleeper)) else { return };
                    let known = leads.entry(object).or_default();
                    if known.len() < Waiter::PEERS && !known.contains(&sleeper.goid) {
                        known.push(sleeper.goid);
                    }
                })?;
            }
            peers.cut |= !walk.is_whole();
            sleepers.clear();
            for (object, goids) in leads {
                let are_few = watched.by(object).take(WAITERS + 1).count() <= WAITERS;
                for number in watched.by(object) {
                    if let Some(candidate) = candidates.get(number).filter(|candidate| candidate.last_deadline_ns.is_none()) {
                        peers.note(number, &goids);
                        sleepers.extend((are_few && passed_on.insert(number)).then_some(candidate.seen));
                    }
                }
            }
        }
        Ok(peers)
    }

    /// These lead to what a candidate waits on.
    fn note(&mut self, number: usize, goids: &[u64]) {
        let peers = self.by_candidate.entry(number).or_default();
        for goid in goids {
            if peers.len() < Waiter::PEERS && !peers.contains(goid) {
                peers.push(*goid);
            }
        }
    }

    /// Whether all who only the clock wakes were followed.
    pub(super) const fn are_all(&self) -> bool {
        !self.cut
    }

    /// Those of one candidate.
    pub(super) fn take(&mut self, number: usize) -> Vec<u64> {
        self.by_candidate.remove(&number).unwrap_or_default()
    }
}
