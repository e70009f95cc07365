//! Histories of goroutines, told second by second to a [`Watch`]. Input noun: [`Life`]. Output: what the watch says. No clock.

use std::collections::HashMap;

use goroscope_gobin::WaitReason;

use super::SITE;
use crate::{
    growth::{Said, Settings, Stretches, Watch},
    model::{Asleep, Goroutine, GoroutineState, Proof, RuntimeAddress, Suspect, Waiter},
};

/// A stretch of a goroutine's life: it does one thing for so many seconds, without running in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) seconds: f64,
    /// Go 1.27's number; 0: it runs.
    pub(super) reason: u8,
    /// Where: return address.
    pub(super) place: u64,
    /// What it waits on.
    pub(super) object: u64,
    /// From so many seconds after the start of the stretch nothing leads there.
    pub(super) unreachable: Option<f64>,
    /// A timer that leads there is due then, in seconds after the start of the stretch.
    pub(super) timer: Option<f64>,
    /// So many seconds after it is due that timer is still to be run.
    pub(super) late: f64,
    /// A timer that leads there is due at each multiple of so many seconds, again and again.
    pub(super) rearmed: Option<f64>,
}

/// `chan receive` of Go 1.27.
pub(super) const RECEIVE: u8 = 19;
/// `chan receive (nil chan)`.
pub(super) const NIL: u8 = 15;
pub(super) const SELECT: u8 = 18;
pub(super) const SLEEP: u8 = 14;
/// `sync.Mutex.Lock`.
pub(super) const LOCK: u8 = 22;
/// Where it waits on something: a pipe whose other end the process holds.
pub(super) const IO: u8 = 2;
/// In a system call: no reason of Go's.
pub(super) const CALL: u8 = 255;
pub(super) const FOREVER: f64 = 1e9;
/// While somebody of this `go` statement is there, proofs cannot follow all that timers lead to.
pub(super) const CROWDED: u64 = 0x9000;

impl Stretch {
    pub(super) const fn wait(seconds: f64, reason: u8, place: u64, object: u64) -> Self {
        Self { seconds, reason, place, object, unreachable: None, timer: None, late: 0.0, rearmed: None }
    }

    pub(super) const fn run(seconds: f64) -> Self {
        Self::wait(seconds, 0, 0, 0)
    }
}

/// One goroutine.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// The `go` statement.
    pub(super) site: u64,
    /// Seconds since the watch began; may be before it.
    pub(super) born: f64,
    /// What it does, one after the other, so many times; then it ends.
    pub(super) stretches: Vec<Stretch>,
    pub(super) turns: usize,
    /// It leads to nothing outside of the process.
    pub(super) inward: bool,
}

impl Life {
    pub(super) fn new(site: u64, born: f64, stretches: Vec<Stretch>) -> Self {
        Self::looping(site, born, stretches, 1)
    }

    pub(super) fn looping(site: u64, born: f64, stretches: Vec<Stretch>, turns: usize) -> Self {
        Self { site, born, stretches, turns, inward: false }
    }

    /// Which stretch it is in, and since when.
    fn at(&self, now: f64) -> Option<(usize, f64, &Stretch)> {
        let turn: f64 = self.stretches.iter().map(|stretch| stretch.seconds).sum();
        let turns = ((now - self.born) / turn).floor();
        if now < self.born || turns >= self.turns as f64 {
            return None;
        }
        let mut begin = self.born + turns * turn;
        let first = turns as usize * self.stretches.len();
        for (index, stretch) in (first..).zip(&self.stretches) {
            if now < begin + stretch.seconds {
                return Some((index, begin, stretch));
            }
            begin += stretch.seconds;
        }
        // What was rounded away.
        self.stretches.last().map(|last| (first + self.stretches.len() - 1, begin - last.seconds, last))
    }
}

fn ns(seconds: f64) -> u64 {
    START_NS + std::time::Duration::from_secs_f64(seconds.max(0.0)).as_nanos() as u64
}

const START_NS: u64 = 1_000_000_000_000;

/// The process began with the first of these lives.
fn begin(lives: &[Life], settings: Settings) -> Watch {
    let mut watch = Watch::new(START_NS, settings);
    let age = lives.iter().map(|life| -life.born).fold(0.0, f64::max);
    watch.ran_before(std::time::Duration::from_secs_f64(age).as_nanos() as u64);
    watch
}

/// Watches these lives for so many seconds, with a census each `period` seconds and proofs when they are due; where there are any, two at
/// the end. `connections` are open from their second on.
pub(super) fn watch(lives: &[Life], connections: &[f64], seconds: f64, period: f64, settings: Settings) -> Vec<Suspect> {
    let mut watch = begin(lives, settings);
    watch.own_ends(START_NS, true, false);
    let mut now = 0.0;
    while now <= seconds {
        census(&mut watch, lives, now);
        let open: Vec<u64> = (1_u64..).zip(connections).filter(|(_, at)| **at <= now).map(|(inode, _)| inode).collect();
        watch.connections(ns(now), &open);
        let last = now + 2.0 * period > seconds;
        if watch.next_proof_ns().is_some_and(|due| last || due <= ns(now)) {
            prove(&mut watch, lives, now);
        }
        now += period;
    }
    watch.suspects(ns(seconds))
}

/// Watches these lives without end, for so many seconds: what is said after each census, with its second.
pub(super) fn endless(lives: &[Life], seconds: f64, period: f64) -> Vec<(f64, Said)> {
    let mut watch = begin(lives, Settings { stretches: Some(Stretches::default()), ..Settings::default() });
    let (mut now, mut said) = (0.0, Vec::new());
    while now <= seconds {
        census(&mut watch, lives, now);
        if watch.next_proof_ns().is_some_and(|due| due <= ns(now)) {
            prove(&mut watch, lives, now);
        }
        said.push((now, watch.look(ns(now))));
        now += period;
    }
    said
}

/// A number from 0 to 1 for each number, without rule.
pub(super) fn chance(number: u32) -> f64 {
    let mixed = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    f64::from((mixed >> 40) as u32) / f64::from(1_u32 << 24)
}

/// One who receives.
pub(super) fn receiving(goid: u64) -> Goroutine {
    Goroutine { wait: WaitReason::of(27, RECEIVE), created_at: RuntimeAddress(SITE), ..Goroutine::bare(goid, GoroutineState::Waiting) }
}

/// What a proof says of one who waits for what nobody else has.
pub(super) fn lost(goid: u64) -> (u64, Waiter) {
    (goid, Waiter { unreachable: true, objects: vec![RuntimeAddress(goid)], ..Waiter::default() })
}

fn census(watch: &mut Watch, lives: &[Life], now: f64) {
    watch.begin_census(ns(now));
    let mut places = Vec::new();
    for (goid, life) in (1_u64..).zip(lives) {
        let Some((index, _, stretch)) = life.at(now) else { continue };
        let state = match stretch.reason {
            0 => GoroutineState::Runnable,
            CALL => GoroutineState::Syscall,
            _ => GoroutineState::Waiting,
        };
        let goroutine = Goroutine {
            g: RuntimeAddress(0xc000_0000 + goid * 512),
            wait: WaitReason::of(27, stretch.reason),
            created_at: RuntimeAddress(life.site),
            start: RuntimeAddress(life.site),
            // Go on from one call to the next, and the number stays.
            seq: if stretch.reason == CALL { 0 } else { (index % 256) as u8 },
            ..Goroutine::bare(goid, state)
        };
        if watch.see(&goroutine) {
            places.push((goid, stretch, index));
        }
    }
    watch.end_census();
    for (goid, stretch, index) in places {
        let place = stretch.place;
        if stretch.reason == CALL {
            watch.call(goid, Some(Asleep { thread: goid as u32, switches: index as u64, endless: true }));
        }
        watch.stack(goid, RuntimeAddress(place));
    }
}

/// Those who sleep, by what they hold that is waited on.
fn sleepers(lives: &[Life], now: f64) -> HashMap<u64, Vec<u64>> {
    let mut sleepers: HashMap<u64, Vec<u64>> = HashMap::new();
    for (goid, life) in (1_u64..).zip(lives) {
        if let Some((_, _, stretch)) = life.at(now).filter(|(_, _, stretch)| stretch.reason == SLEEP && stretch.object != 0) {
            sleepers.entry(stretch.object).or_default().push(goid);
        }
    }
    sleepers
}

/// `go` statements with crowds of whom the youngest lead to nothing outside.
fn inward(lives: &[Life], now: f64) -> Vec<RuntimeAddress> {
    const CROWD: usize = 128;
    let mut crowds: HashMap<u64, Vec<(f64, bool)>> = HashMap::new();
    for life in lives.iter().filter(|life| life.at(now).is_some()) {
        crowds.entry(life.site).or_default().push((life.born, life.inward));
    }
    crowds.retain(|_, crowd| {
        crowd.sort_unstable_by(|(one, _), (other, _)| other.total_cmp(one));
        crowd.len() >= CROWD && crowd.iter().take(CROWD).filter(|(_, inward)| *inward).count() * 4 >= CROWD * 3
    });
    crowds.into_keys().map(RuntimeAddress).collect()
}

fn prove(watch: &mut Watch, lives: &[Life], now: f64) {
    let (mut waiters, sleepers) = (HashMap::new(), sleepers(lives, now));
    for (goid, life) in (1_u64..).zip(lives) {
        let Some((index, begin, stretch)) = life.at(now) else { continue };
        let own_pipe = stretch.reason == IO && stretch.object != 0;
        if !own_pipe && !matches!(stretch.reason, RECEIVE | SELECT | NIL | LOCK) {
            continue;
        }
        let next = stretch.rearmed.map(|every| ns(((now / every).floor() + 1.0) * every));
        // A timer is gone when it has come due, and some time has passed where it is late.
        let once = stretch.timer.map(|after| begin + after).filter(|due| now < due + stretch.late).map(ns);
        let waiter = Waiter {
            seq: (index % 256) as u8,
            unreachable: stretch.unreachable.is_some_and(|after| now >= begin + after),
            deadline_ns: next.into_iter().chain(once).min(),
            last_deadline_ns: next.max(once),
            objects: vec![RuntimeAddress(stretch.object)],
            peers: sleepers.get(&stretch.object).cloned().unwrap_or_default(),
            own_pipe,
        };
        waiters.insert(goid, waiter);
    }
    let (inward, tickers) = (inward(lives, now), Vec::new());
    let unfollowed = lives.iter().any(|life| life.site == CROWDED && life.at(now).is_some());
    watch
        .proof(&Proof { began_ns: ns(now), ended_ns: ns(now) + 1_000_000, waiters, tickers, inward, unfollowed, bytes_read: 0 }, 1_000_000);
}
