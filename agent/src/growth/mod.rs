//! Which goroutines of a process leak: told by evidence from censuses and proofs over time.
//!
//! Input nouns: [`crate::model::Goroutine`]s of one census after another, the places where they wait, [`crate::model::Proof`]s, connections;
//! the time with each. Output noun: [`Suspect`]. Must not know processes, memory, executables; has no clock and no threads.
//!
//! One [`Watch`] for each process. A goroutine takes some 40 bytes; where there are more than [`Settings::members`], one in two, four and
//! so on is followed, and [`Suspect::one_in`] says so. How long a wait or a life is too long is no constant, but for a floor of one
//! second: it is relative to the length of the watch, or to waits that the goroutines themselves have shown. How long a watch without an
//! end must see a growth is in [`Stretches`].

mod births;
mod calls;
mod census;
mod connections;
mod early;
mod ends;
mod gap;
mod groups;
mod judge;
mod looping;
mod member;
mod proofs;
mod queues;
mod schedule;
mod settings;
mod spread;
mod standing;
mod stretch;
mod sums;
mod tickers;
mod trend;

use std::collections::HashMap;

use self::{
    calls::Calls,
    connections::Connections,
    early::Early,
    ends::Ends,
    gap::Gap,
    groups::Groups,
    judge::Judgement,
    looping::Looping,
    member::{Member, Reasons, Tick},
    standing::Standing,
    tickers::Tickers,
};
pub use self::{
    schedule::census_period,
    settings::{Settings, Stretches},
    standing::{Innocence, Said},
    trend::MemoryTrend,
};
use crate::model::Suspect;

const NS_PER_TICK: u64 = 10_000_000;
const TICKS_PER_SECOND: Tick = 100;
/// So many more timers than before are looked at.
const TIMERS: u64 = 3;

/// What is known of the goroutines of one process since somebody watches.
#[derive(Debug)]
pub struct Watch {
    settings: Settings,
    started_ns: u64,
    members: HashMap<u64, Member>,
    groups: Groups,
    reasons: Reasons,
    calls: Calls,
    connections: Connections,
    tickers: Tickers,
    ends: Ends,
    early: Early,
    standing: Standing,
    /// Timers at the first look, and at the last; none where tickers are not worth a proof.
    timers: Option<(u64, u64)>,
    /// Followed are those of whose hash this many bits are 0.
    sampling: u32,
    censuses: u64,
    /// When the last three censuses were, the latest first.
    ticks: [Tick; 3],
    gap: Gap,
    /// The highest goid up to the census before.
    highest: u64,
    highest_now: u64,
    /// The highest when the sample became larger again: who of those is new to it had begun before.
    unsampled: u64,
    stacks_asked: usize,
    /// When each proof began.
    proofs: Vec<Tick>,
    last_proof: Option<(u64, u64)>,
    /// The last one could not follow all that timers and sleepers lead to.
    unfollowed: bool,
    /// Since when what leads to the process itself has been as it is.
    own_ends_since: Tick,
    /// Goroutines that wait in a way in which one can be stuck, and began while watched.
    waiting: u64,
    looping: Looping,
    /// Some of those who wait do for the kernel.
    asks_for_own_ends: bool,
}

impl Watch {
    /// Nothing is known yet. `now_ns` and all other times are CLOCK_MONOTONIC, ns.
    #[must_use]
    pub fn new(now_ns: u64, settings: Settings) -> Self {
        Self {
            settings,
            started_ns: now_ns,
            members: HashMap::new(),
            groups: Groups::default(),
            reasons: Reasons::default(),
            calls: Calls::default(),
            connections: Connections::default(),
            tickers: Tickers::default(),
            ends: Ends::default(),
            early: Early::default(),
            standing: Standing::default(),
            timers: None,
            sampling: 0,
            censuses: 0,
            ticks: [0; 3],
            gap: Gap::default(),
            highest: 0,
            highest_now: 0,
            unsampled: 0,
            stacks_asked: 0,
            proofs: Vec::new(),
            last_proof: None,
            unfollowed: false,
            own_ends_since: 0,
            waiting: 0,
            looping: Looping::default(),
            asks_for_own_ends: false,
        }
    }

    /// The connections that others made, by inode, that are open now and whose other end is not the process itself. Whether all could be
    /// remembered.
    pub fn connections(&mut self, now_ns: u64, inodes: &[u64]) -> bool {
        let now = self.tick(now_ns);
        let slack = self.slack();
        self.connections.are(now, inodes, slack)
    }

    /// Whether the process may have pipes or connections that lead to itself: those who wait for the kernel may wait for it. `anew`: they
    /// are not the same as before, so that what proofs told of who waits for them is old.
    pub fn own_ends(&mut self, now_ns: u64, has: bool, anew: bool) {
        self.reasons.own_ends = has;
        if anew {
            self.own_ends_since = self.tick(now_ns);
        }
    }

    /// Whether somebody waits for the kernel, and may wait for the process itself.
    #[must_use]
    pub const fn asks_for_own_ends(&self) -> bool {
        self.asks_for_own_ends
    }

    /// So many timers are pending in a runtime that keeps forgotten tickers.
    pub fn timers(&mut self, count: u64) {
        self.timers = Some((self.timers.map_or(count, |(first, _)| first.min(count)), count));
    }

    /// Whether so many timers more are pending than there were that tickers may have been forgotten.
    fn has_more_timers(&self) -> bool {
        self.tickers.matter() || self.timers.is_some_and(|(first, now)| now >= first.saturating_add(TIMERS))
    }

    /// What can be said now, by what was said before: what stood stands until its goroutines are gone, or found innocent.
    pub fn look(&mut self, now_ns: u64) -> Said {
        let (mut standing, now) = (std::mem::take(&mut self.standing), self.tick(now_ns));
        let mut said = standing.look(&Judgement::new(self, now));
        let tickers = self.ticker_suspects(now_ns);
        let times = (self.tickers_until_ns(now), self.since_start(now_ns));
        said.tickers = standing.look_at_tickers(tickers, &self.tickers, self.proofs.len(), times);
        self.standing = standing;
        said
    }

    /// What can be said now, whatever was said before.
    #[must_use]
    pub fn suspects(&self, now_ns: u64) -> Vec<Suspect> {
        judge::judge(self, self.tick(now_ns))
    }

    /// Goroutines that are followed now.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.members.len()
    }

    /// How many goroutines one that is followed stands for.
    #[must_use]
    pub const fn one_in(&self) -> u64 {
        1 << self.sampling
    }

    const fn follows(&self, goid: u64) -> bool {
        followed(goid, self.sampling)
    }

    fn generation(&self) -> u8 {
        self.censuses.to_le_bytes().first().copied().unwrap_or_default()
    }

    const fn since_start(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.started_ns)
    }

    fn tick(&self, now_ns: u64) -> Tick {
        tick(self.since_start(now_ns))
    }

    /// The longer of the times between the last three censuses: that of a proof comes soon after another.
    fn last_gap(&self) -> Tick {
        let [now, last, before] = self.ticks;
        now.saturating_sub(last).max(last.saturating_sub(before))
    }

    /// What a wait or a life may have been longer than it was seen to be: two periods, and a second at least.
    fn slack(&self) -> Tick {
        let [now, ..] = self.ticks;
        self.gap.at(now).saturating_mul(2).max(TICKS_PER_SECOND)
    }

    /// Older than this is older than twice what was seen to end.
    fn threshold(&self, longest: Tick) -> Tick {
        threshold(longest, self.slack())
    }
}

/// The same, where what was seen to end may have been longer by `slack`.
const fn threshold(longest: Tick, slack: Tick) -> Tick {
    longest.saturating_mul(2).saturating_add(slack)
}

fn tick(ns: u64) -> Tick {
    Tick::try_from(ns / NS_PER_TICK).unwrap_or(Tick::MAX)
}

/// Whether a goid is in a sample of one in 2^`sampling`.
const fn followed(goid: u64, sampling: u32) -> bool {
    // Multiplying mixes: goids that follow each other, or come from one processor, are not in step with the sample.
    sampling == 0 || goid.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - sampling) == 0
}

#[cfg(test)]
mod tests;
