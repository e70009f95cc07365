//! Which goroutines of a process leak: told by evidence from censuses and proofs over time.
//!
//! Input nouns: [`Goroutine`]s of one census after another, the places where they wait, [`crate::model::Proof`]s, connections; the time
//! with each. Output noun: [`Suspect`]. Must not know processes, memory, executables; has no clock and no threads.
//!
//! One [`Watch`] for each process. A goroutine takes some 40 bytes; where there are more than [`Settings::members`], one in two, four and
//! so on is followed, and [`Suspect::one_in`] says so. How long a wait or a life is too long is no constant, but for a floor of one
//! second: it is relative to the length of the watch, or to waits that the goroutines themselves have shown. How long a watch without an
//! end must see a growth is in [`Stretches`].

mod births;
mod calls;
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

use std::collections::{HashMap, hash_map::Entry};

use goroscope_gobin::WaitKind;

use self::{
    calls::Calls,
    connections::Connections,
    early::Early,
    ends::Ends,
    gap::Gap,
    groups::Groups,
    judge::Judgement,
    looping::Looping,
    member::{Member, Reasons, SYSCALL, Tick},
    standing::Standing,
    tickers::Tickers,
};
pub use self::{
    schedule::census_period,
    settings::{Settings, Stretches},
    standing::{Innocence, Said},
    trend::MemoryTrend,
};
use crate::model::{Asleep, Goroutine, GoroutineState, RuntimeAddress, Suspect};

const NS_PER_TICK: u64 = 10_000_000;
const TICKS_PER_SECOND: Tick = 100;
/// So many more timers than before are looked at.
const TIMERS: u64 = 3;
/// At least one in 2^32 is followed.
const SAMPLING_MOST: u32 = 32;

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
    stacks_asked: usize,
    /// When each proof began.
    proofs: Vec<Tick>,
    last_proof: Option<(u64, u64)>,
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
            stacks_asked: 0,
            proofs: Vec::new(),
            last_proof: None,
            own_ends_since: 0,
            waiting: 0,
            looping: Looping::default(),
            asks_for_own_ends: false,
        }
    }

    /// A census begins: [`Watch::see`] each goroutine, then [`Watch::end_census`].
    pub fn begin_census(&mut self, now_ns: u64) {
        let now = self.tick(now_ns);
        let [last, before, _] = self.ticks;
        if self.censuses > 0 {
            self.gap.add(now.saturating_sub(last), now);
        }
        self.ticks = [now, last, before];
        self.censuses += 1;
        self.stacks_asked = 0;
        self.waiting = 0;
        self.looping.begin_census();
        self.asks_for_own_ends = false;
        self.groups.begin_census();
    }

    /// One goroutine of the census. Whether to read its stack and tell, by [`Watch::stack`], where it waits; and of one that is in a system
    /// call what its thread does, before that, by [`Watch::call`].
    pub fn see(&mut self, goroutine: &Goroutine) -> bool {
        let has_room = self.make_room();
        if goroutine.goid == 0 || goroutine.created_at == RuntimeAddress::default() || !self.follows(goroutine.goid) {
            return false;
        }
        self.highest_now = self.highest_now.max(goroutine.goid);
        if goroutine.state == GoroutineState::Dead {
            self.short_life(goroutine);
            return false;
        }
        let [now, last, _] = self.ticks;
        let (first, census, slack) = (self.censuses == 1, self.generation(), self.slack());
        let reason = self.reasons.number(goroutine);
        let is_io = self.reasons.kind(reason) == Some(WaitKind::Io);
        let member = match self.members.entry(goroutine.goid) {
            Entry::Occupied(entry) => {
                let member = entry.into_mut();
                member.census = census;
                self.looping.see(member, self.reasons.is_outside(reason));
                if member.seq == goroutine.seq && member.reason == reason {
                    if reason == SYSCALL {
                        let wants = self.calls.wants(goroutine.goid, now) && self.stacks_asked < self.settings.stacks;
                        self.stacks_asked += usize::from(wants);
                        return wants;
                    }
                    if !self.reasons.can_be_stuck(reason) {
                        return false;
                    }
                    // Who waits for the kernel waits for others, unless a proof has told that it is the process itself.
                    let (is_asked, seen) = (!is_io || member.proof != 0, self.proofs.last() >= Some(&member.since));
                    let wants = is_asked && !member.stack_known() && self.stacks_asked < self.settings.stacks;
                    self.stacks_asked += usize::from(wants);
                    if !member.at_start() && (is_asked || self.proofs.last() < Some(&self.own_ends_since.max(member.since))) {
                        self.waiting += 1;
                        self.asks_for_own_ends |= is_io;
                        self.groups.waits(member.group, now.saturating_sub(member.since), slack, seen);
                    }
                    return wants;
                }
                if self.reasons.get(member.reason).is_some() {
                    self.groups.wait_ended(member.group, last.saturating_sub(member.since), member.is_due(now));
                }
                if let Some(lasted) = self.calls.end(goroutine.goid, last) {
                    self.groups.wait_ended(member.group, lasted, false);
                }
                member.runs = member.runs.saturating_add(u8::from(member.seq != goroutine.seq));
                member
            }
            Entry::Vacant(entry) => {
                // Ids that are in every sample are made up.
                let Some(site) = self.groups.site(goroutine.created_at).filter(|_| has_room) else { return false };
                if !first {
                    self.groups.born(site, now);
                }
                entry.insert(Member::new(first, now, site, 0, goroutine.seq, reason, census))
            }
        };
        let group = self.groups.group(member.site, reason, RuntimeAddress::default());
        member.begin(now, goroutine.seq, reason, group);
        // Who runs again and again may never be seen in one wait twice.
        let loops = member.runs > 0 && !member.at_start() && self.reasons.get(reason).is_some();
        let wants = loops && self.stacks_asked < self.settings.stacks && self.groups.wants_stacks(group);
        self.stacks_asked += usize::from(wants);
        wants
    }

    /// In a census many may be met at once: there is room for some more than are followed for long. Whether there is.
    fn make_room(&mut self) -> bool {
        let most = self.settings.members.saturating_add(self.settings.members / 4);
        while self.members.len() >= most && self.sampling < SAMPLING_MOST {
            self.sample_fewer();
        }
        self.members.len() < most
    }

    /// Follows half of those who are followed.
    fn sample_fewer(&mut self) {
        self.sampling += 1;
        self.early.forget();
        let sampling = self.sampling;
        self.members.retain(|goid, _| followed(*goid, sampling));
        self.calls.keep(|goid| followed(goid, sampling));
    }

    /// All goroutines were seen.
    pub fn end_census(&mut self) {
        let (census, [now, _, gone_since]) = (self.generation(), self.ticks);
        if self.censuses == 1 {
            self.early.note(&self.members);
        }
        let (groups, reasons, calls, early) = (&mut self.groups, &self.reasons, &mut self.calls, &self.early);
        self.members.retain(|goid, member| {
            // Missed once, a goroutine may have been torn while it was read: goids are never used again, so a second look is safe.
            if census.wrapping_sub(member.census) < 2 {
                return true;
            }
            let site = groups.get_site(member.site).filter(|_| member.at_start());
            let age = site.map_or(0, |site| early.age(*goid, member.site, site.births, gone_since));
            if reasons.get(member.reason).is_some() {
                // Who never ran while watched, and then ended, may have waited as long as it lived.
                let before = if member.runs == 0 && member.since == member.born { age } else { 0 };
                let lasted = gone_since.saturating_sub(member.since).saturating_add(before);
                groups.wait_ended(member.group, lasted, member.is_due(now));
            }
            if let Some(lasted) = calls.end(*goid, gone_since) {
                groups.wait_ended(member.group, lasted, false);
            }
            groups.died(member.site, gone_since.saturating_sub(member.born).saturating_add(age));
            false
        });
        while self.members.len() > self.settings.members && self.sampling < SAMPLING_MOST {
            self.sample_fewer();
        }
        // Of a million that have ended nothing is kept.
        if self.members.capacity() / 8 > self.members.len().max(1024) {
            self.members.shrink_to(self.members.len() * 2);
        }
        self.highest = self.highest_now;
    }

    /// The census ended early: who was not seen may still be there.
    pub fn cut_census(&mut self) {
        if self.censuses <= 1 {
            // Who was there at the start is not known yet.
            self.members.clear();
            self.calls = Calls::default();
            self.censuses = 0;
            return;
        }
        let census = self.generation();
        self.members.values_mut().for_each(|member| member.census = census);
        self.highest = self.highest_now;
    }

    /// Where the goroutine waits: the first return address on its stack that is not in a package that only passes waits on.
    pub fn stack(&mut self, goid: u64, blocked_at: RuntimeAddress) {
        if let Some(member) = self.members.get_mut(&goid) {
            member.group = self.groups.stack(member.site, member.reason, blocked_at);
            member.set_stack_known();
        }
    }

    /// What the thread of a goroutine that is in a system call, or in C, does: it sleeps, or nobody knows.
    pub fn call(&mut self, goid: u64, thread: Option<Asleep>) {
        let [now, ..] = self.ticks;
        let Some(member) = self.members.get_mut(&goid).filter(|member| member.reason == SYSCALL) else { return };
        if let Some(lasted) = self.calls.see(goid, thread, now) {
            self.groups.wait_ended(member.group, lasted, false);
            member.begin(now, member.seq, SYSCALL, self.groups.group(member.site, SYSCALL, RuntimeAddress::default()));
        }
    }

    /// The connections that others made, by inode, that are open now and whose other end is not the process itself.
    pub fn connections(&mut self, now_ns: u64, inodes: &[u64]) {
        let now = self.tick(now_ns);
        let slack = self.slack();
        self.connections.are(now, inodes, slack);
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
        let mut standing = std::mem::take(&mut self.standing);
        let mut said = standing.look(&Judgement::new(self, self.tick(now_ns)));
        let tickers = self.ticker_suspects(now_ns);
        said.tickers = standing.look_at_tickers(tickers, &self.tickers, self.proofs.len(), (now_ns, self.since_start(now_ns)));
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

    /// A struct that nobody has used again since its goroutine ended: the site also ends.
    fn short_life(&mut self, goroutine: &Goroutine) {
        let is_new = self.censuses > 1 && goroutine.goid > self.highest && !self.members.contains_key(&goroutine.goid);
        if let Some(site) = is_new.then(|| self.groups.site(goroutine.created_at)).flatten() {
            let [now, ..] = self.ticks;
            self.groups.born(site, now);
            self.groups.died(site, 0);
        }
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
        longest.saturating_mul(2).saturating_add(self.slack())
    }
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
