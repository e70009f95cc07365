//! One census after another, goroutine by goroutine: who is new, who has run, who waits still, who is gone. Input nouns: [`Goroutine`]s, the
//! places where they wait. Output: the members of a [`Watch`]. Must not judge.

use std::collections::hash_map::Entry;

use goroscope_gobin::WaitKind;

use super::{
    Watch,
    calls::Calls,
    connections::Connections,
    followed,
    member::{Member, SYSCALL},
    threshold,
};
use crate::model::{Asleep, Goroutine, GoroutineState, RuntimeAddress};

/// At least one in 2^32 is followed.
const SAMPLING_MOST: u32 = 32;
/// When less than one part in so many of the room is used, more are followed again.
const ROOM: usize = 8;

impl Watch {
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
        self.highest_now = self.highest_now.max(goroutine.goid);
        if goroutine.goid == 0 || goroutine.created_at == RuntimeAddress::default() || !self.follows(goroutine.goid) {
            return false;
        }
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
                if member.runs > 1 && !member.at_start() && !self.reasons.is_outside(reason) {
                    let longest = self.groups.get_site(member.site).map_or(0, |site| site.longest_life);
                    let is_old = now.saturating_sub(member.born) > threshold(longest, slack);
                    self.looping.see(is_old, self.proofs.last() >= Some(&member.born));
                }
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
                let at_start = first || goroutine.goid <= self.unsampled;
                if !at_start {
                    self.groups.born(site, now);
                }
                entry.insert(Member::new(at_start, now, site, 0, goroutine.seq, reason, census))
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
        let most = self.settings.members.saturating_add(self.settings.members / 2);
        self.sample(most.saturating_sub(1));
        self.members.len() < most
    }

    /// Follows half of those who are followed, until they are no more than `most`.
    fn sample(&mut self, most: usize) {
        while self.members.len() > most && self.sampling < SAMPLING_MOST {
            self.sampling += 1;
            self.early.forget();
            let sampling = self.sampling;
            self.members.retain(|goid, _| followed(*goid, sampling));
            self.calls.keep(|goid| followed(goid, sampling));
        }
    }

    /// Follows twice as many, where there is room for many more, in a watch without end. Half of them are new to it, so it is as at its
    /// start: how fast goroutines and connections come can be told of those only who come from now on. Not while somebody is accused.
    fn sample_less(&mut self) {
        let has_room = self.members.len() < self.settings.members / ROOM;
        if self.sampling > 0 && has_room && self.settings.stretches.is_some() && self.standing.is_empty() {
            self.sampling -= 1;
            self.unsampled = self.highest_now;
            self.members.values_mut().for_each(Member::forget_beginning);
            self.groups.forget_beginnings();
            self.connections = Connections::default();
        }
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
        self.sample(self.settings.members);
        self.sample_less();
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

    /// A struct that nobody has used again since its goroutine ended: the site also ends.
    fn short_life(&mut self, goroutine: &Goroutine) {
        let is_new = self.censuses > 1 && goroutine.goid > self.highest && !self.members.contains_key(&goroutine.goid);
        if let Some(site) = is_new.then(|| self.groups.site(goroutine.created_at)).flatten() {
            let [now, ..] = self.ticks;
            self.groups.born(site, now);
            self.groups.died(site, 0);
        }
    }
}
