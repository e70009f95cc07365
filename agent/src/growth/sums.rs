//! What the goroutines of each group and of each `go` statement say together, at one time. Input: members, groups and proofs of a
//! [`Watch`]. Output nouns: [`GroupSums`], [`SiteSums`]. Must not know what follows from it.

use std::collections::HashMap;

use goroscope_gobin::WaitKind;

use super::{
    Watch,
    births::Births,
    member::{Member, RUNS, SYSCALL, Tick},
};

/// What the proofs say of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Dead {
    /// In both of the last proofs, without having run.
    pub(super) both: u32,
    /// Called dead by both.
    pub(super) dead: u32,
    /// The first proof that called one of them dead.
    pub(super) first: u16,
    /// When the first of them began to wait.
    pub(super) oldest: Option<Tick>,
    /// When those of the dead began that began while watched.
    pub(super) born: Births,
}

/// Of those who wait at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupSums {
    /// All that are there.
    pub(super) all: u32,
    /// Of those that began while watched, whose wait a timer will end.
    pub(super) timed: u32,
    /// Of those that began while watched and have waited for so long that they would be stuck, who wait for those whom only the clock wakes.
    parents: u32,
    /// Of those that are stuck: when they blocked, in a watch that ends, else when they began.
    stuck: Births,
    pub(super) dead: Dead,
}

/// Of those whom one `go` statement made.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteSums {
    /// All that are there.
    pub(super) all: u32,
    /// Of all, how many wait for the network or are in system calls.
    pub(super) outside: u32,
    /// Of those that began while watched, whose life a timer will end.
    pub(super) timed: u32,
    /// When those began that began while watched.
    pub(super) born: Births,
    /// The same of those that have gone on running for too long.
    pub(super) old: Births,
    /// The same of those that go on running now.
    pub(super) live: Births,
    /// Of those, the workers of one queue.
    pub(super) shares: u32,
    /// Where those wait.
    pub(super) groups: HashMap<u32, u32>,
}

/// All sums, by the numbers of groups and sites.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    watch: &'a Watch,
    now: Tick,
    pub(super) groups: Vec<GroupSums>,
    pub(super) sites: Vec<SiteSums>,
}

impl<'a> Sums<'a> {
    pub(super) fn new(watch: &'a Watch, now: Tick) -> Self {
        let groups = vec![GroupSums::default(); watch.groups.all().len()];
        let sites = vec![SiteSums::default(); watch.groups.all_sites().len()];
        let mut sums = Self { watch, now, groups, sites };
        let thresholds: Vec<Tick> = watch.groups.all().iter().map(|group| watch.threshold(watch.groups.longest_wait(group))).collect();
        for (goid, member) in &watch.members {
            let threshold = usize::try_from(member.group).ok().and_then(|number| thresholds.get(number));
            if let Some(threshold) = threshold {
                sums.add(*goid, member, *threshold);
            }
        }
        for group in &mut sums.groups {
            group.stuck.sort();
            group.dead.born.sort();
        }
        for site in &mut sums.sites {
            site.born.sort();
            site.old.sort();
            site.live.sort();
        }
        sums
    }

    pub(super) fn group(&self, number: u32) -> Option<&GroupSums> {
        self.groups.get(usize::try_from(number).ok()?)
    }

    pub(super) fn site(&self, number: u16) -> Option<&SiteSums> {
        self.sites.get(usize::from(number))
    }

    fn add(&mut self, goid: u64, member: &Member, threshold: Tick) {
        let (watch, now) = (self.watch, self.now);
        let stuck = watch.is_stuck(goid, member, threshold, now);
        if let Some(sums) = usize::try_from(member.group).ok().and_then(|number| self.groups.get_mut(number)) {
            sums.all += 1;
            sums.timed += u32::from(!member.at_start() && (member.ends_at() != 0 || member.waits_for_peers()));
            let is_parent = !member.at_start() && member.waits_for_peers() && now.saturating_sub(member.since) > threshold;
            sums.parents += u32::from(is_parent);
            if stuck {
                sums.stuck.add(if watch.settings.stretches.is_some() { member.born } else { member.since });
            }
            sums.dead.add(member, watch.proofs.len());
        }
        if let Some(site) = self.sites.get_mut(usize::from(member.site)) {
            site.add(watch, now, goid, member, stuck);
        }
    }
}

impl GroupSums {
    /// Those that are stuck. Nobody is where most are parents that wait for their children: what else leads to what they wait on, as a rest on
    /// a stack does, makes some look as if they did not.
    pub(super) fn stuck(&self) -> Option<&Births> {
        (self.parents <= self.stuck.count()).then_some(&self.stuck)
    }
}

impl Dead {
    /// `last`: the number of the last proof.
    fn add(&mut self, member: &Member, last: usize) {
        let Ok(last) = u16::try_from(last) else { return };
        if member.proof != last || !member.in_two_proofs() {
            return;
        }
        self.both += 1;
        if !member.dead_twice(last) {
            return;
        }
        self.first = if self.dead == 0 { member.dead_since } else { self.first.min(member.dead_since) };
        self.dead += 1;
        if !member.at_start() {
            self.born.add(member.born);
        }
        self.oldest = Some(self.oldest.map_or(member.since, |oldest| oldest.min(member.since)));
    }

    /// Both proofs agree on at least half of those whom they both saw.
    pub(super) const fn is_certain(&self) -> bool {
        self.dead > 0 && self.dead.saturating_mul(2) >= self.both
    }
}

impl SiteSums {
    fn add(&mut self, watch: &Watch, now: Tick, goid: u64, member: &Member, stuck: bool) {
        let is_outside = watch.reasons.is_outside(member.reason);
        self.all += 1;
        self.outside += u32::from(is_outside);
        if member.at_start() {
            return;
        }
        self.born.add(member.born);
        // Only a proof tells whether a timer will end its life, and whether it is one of the workers of a queue.
        if watch.proofs.last().is_none_or(|proof| *proof < member.born) {
            return;
        }
        let age = now.saturating_sub(member.born);
        let longest = watch.groups.get_site(member.site).map_or(0, |site| site.longest_life);
        if stuck || is_outside || member.runs < 2 || age <= watch.threshold(longest) {
            return;
        }
        // Three of its usual gaps without a run: it has blocked for good, or waits for something else than its loop.
        let gap = age / (Tick::from(member.runs) + 1);
        let idle = now.saturating_sub(member.since);
        let looping = Watch::runs(member) || idle <= gap.saturating_mul(3).saturating_add(watch.slack());
        if watch.ends.end(goid, gap, now, watch.started_ns) {
            self.timed += 1;
            return;
        }
        self.old.add(member.born);
        if looping {
            self.live.add(member.born);
            self.shares += u32::from(member.shares());
            *self.groups.entry(member.group).or_default() += 1;
        }
    }

    /// Most of them wait for what is outside of the process.
    pub(super) const fn is_outside(&self) -> bool {
        self.outside.saturating_mul(2) > self.all
    }

    /// Most of those that run are the workers of one queue.
    pub(super) fn is_one_queue(&self) -> bool {
        self.shares > 0 && self.shares.saturating_mul(2) >= self.live.count()
    }
}

impl Watch {
    /// Began while watched, and has been in a wait that no clock ends, or in a call, for longer than `threshold`.
    fn is_stuck(&self, goid: u64, member: &Member, threshold: Tick, now: Tick) -> bool {
        if member.reason == SYSCALL {
            return !member.at_start() && self.calls.lasts(goid) > threshold;
        }
        if member.at_start() || !self.reasons.can_be_stuck(member.reason) || now.saturating_sub(member.since) <= threshold {
            return false;
        }
        let kind = self.reasons.kind(member.reason);
        // Whoever is at the other end of a connection may be slow: a pipe within the process is a channel like others.
        let own_pipe = member.waits_for_own_pipe() && usize::from(member.proof) == self.proofs.len();
        if kind == Some(WaitKind::Io) && !own_pipe {
            return false;
        }
        // A timer that is pending ends the wait. Coroutines are in no proof, and no timer wakes them.
        let looked_for_timers = member.proof != 0 || kind == Some(WaitKind::Coroutine);
        looked_for_timers && member.ends_at() == 0 && !member.waits_for_peers()
    }

    /// Whether it runs, as far as the last census saw.
    const fn runs(member: &Member) -> bool {
        member.reason == RUNS
    }
}
