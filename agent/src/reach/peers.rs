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
use crate::model::Waiter;

/// Goroutines whose stacks are looked at, and the bytes of each.
const SLEEPERS: usize = 8 << 10;
const STACK: u64 = 2048;
/// Objects that are looked at in one generation, and the bytes of each.
const OBJECTS: usize = 1 << 16;
const OBJECT: u64 = 512;
/// Steps from a stack: a closure, what it holds.
const STEPS: usize = 2;
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
            for (object, sleeper) in lead_to(source, mark, &sleepers, seen)? {
                for number in watched.by(object) {
                    let Some(candidate) = candidates.get(number).filter(|candidate| candidate.last_deadline_ns.is_none()) else {
                        continue;
                    };
                    if peers.note(number, sleeper) {
                        fresh.push(candidate.seen);
                    }
                }
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

/// Objects in spans with what is waited on, that the stacks of `sleepers` lead to; and the goid of who sleeps.
fn lead_to(source: &mut Source<'_>, mark: &Mark, sleepers: &[usize], seen: &[Seen]) -> Result<Vec<(u64, u64)>, NoProof> {
    let (mut found, mut left) = (Vec::new(), OBJECTS);
    for sleepers in sleepers.chunks(TOGETHER) {
        let of = |index: usize| sleepers.get(index).and_then(|sleeper| seen.get(*sleeper));
        let stack = |index: usize| {
            let (low, high) = of(index)?.stack();
            Some((index, low, high.min(low.saturating_add(STACK))))
        };
        let stacks: Vec<_> = (0..sleepers.len()).filter_map(stack).collect();
        let mut active = source.words(&stacks)?;
        for step in 0..=STEPS {
            let mut frontier = Vec::new();
            for (index, word) in active {
                let (Some(object), Some(sleeper)) = (mark.object(word), of(index)) else { continue };
                if object.watched {
                    found.push((object.from, sleeper.goid));
                }
                if object.is_open() && step < STEPS {
                    frontier.push((index, object.from, object.to.min(object.from + OBJECT)));
                }
            }
            frontier.sort_unstable();
            frontier.dedup();
            frontier.truncate(left);
            left -= frontier.len();
            active = source.words(&frontier)?;
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}
