//! Those who only the clock will wake, and who waits for what they lead to.
//!
//! Input: [`Due`] timers, goroutines, what is waited on. Output: for each candidate the goroutines on whose stacks it is. Must not know
//! whether that is a reason to believe in the end of a wait.
//!
//! A goroutine that waits until its children have slept has no timer of its own. Its children have, and lead to what it waits on: in
//! few steps, or they are none of its children.

use std::collections::HashMap;

use super::NoProof;
use super::goroutines::{Candidate, Doing, Seen, Watched};
use super::mark::Mark;
use super::source::Source;
use super::timers::{Due, TOGETHER};
use super::walk::{Bounds, Walk};
use crate::model::Waiter;

/// Goroutines whose stacks are looked at, and the bytes of each.
const SLEEPERS: usize = 8 << 10;
const STACK: u64 = 2048;
/// Steps from a stack: to what is on it, a closure, what that holds.
const BOUNDS: Bounds = Bounds { steps: 3, objects: OBJECTS, bytes: 512 };
/// Objects that are looked at in one generation.
const OBJECTS: usize = 1 << 16;
/// Who waits for a goroutine that waits for one that sleeps.
const GENERATIONS: usize = 2;

/// Goroutines that only the clock wakes, by candidate that waits on what they lead to.
#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<usize, Vec<u64>>);

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
        for _ in 0..GENERATIONS {
            sleepers.truncate(SLEEPERS);
            let mut fresh = Vec::new();
            let mut left = OBJECTS;
            for sleepers in sleepers.chunks(TOGETHER) {
                let mut walk = Walk::new(mark, BOUNDS, left);
                for (number, sleeper) in sleepers.iter().enumerate().filter_map(|(number, sleeper)| Some((number, seen.get(*sleeper)?))) {
                    let (low, high) = sleeper.stack();
                    walk.range(number, low, high.min(low.saturating_add(STACK)));
                }
                left = walk.follow(source, &mut |sleeper, object| {
                    let Some(sleeper) = sleepers.get(sleeper).and_then(|sleeper| seen.get(*sleeper)) else { return };
                    for number in watched.by(object) {
                        let candidate = candidates.get(number).filter(|candidate| candidate.last_deadline_ns.is_none());
                        fresh.extend(candidate.filter(|_| peers.note(number, sleeper.goid)).map(|candidate| candidate.seen));
                    }
                })?;
            }
            sleepers = fresh;
        }
        Ok(peers)
    }

    /// Whether it is the first of this candidate.
    fn note(&mut self, number: usize, goid: u64) -> bool {
        let peers = self.0.entry(number).or_default();
        if peers.len() < Waiter::PEERS && !peers.contains(&goid) {
            peers.push(goid);
            return peers.len() == 1;
        }
        false
    }

    /// Those of one candidate.
    pub(super) fn take(&mut self, number: usize) -> Vec<u64> {
        self.0.remove(&number).unwrap_or_default()
    }
}
