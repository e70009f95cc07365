//! The rules. Input: members, groups and proofs of a [`Watch`]. Output noun: [`Suspect`]. Must not know how they were collected.
//!
//! **Proven.** Dead in the last two proofs, without having run in between; at least half of those of the group who were in both proofs;
//! and one of them began after another was dead already: a pool that was dropped dies, but does not grow.
//!
//! **Stuck.** Began while watched, and have been in this wait for longer than twice the longest wait of the group that was seen to
//! end; three or more, that blocked in three or more of six equal parts of the watch, the youngest in its last third. No timer
//! is pending that leads to what they wait on, they do not wait for goroutines of their own that a timer will wake, and they did not come
//! along with connections that are still open. A timer does not count where one came due, ended no wait on the same object, and more have
//! come to wait there since. In a watch that ends, not where nobody has begun for longer than twice the longest pause between two of
//! them: they have become as many as they shall be.
//!
//! **Live.** Began while watched, run again and again, and are older than twice the longest life at this `go` statement that ended;
//! three or more, in four of six parts, growing. Not those that wait for the network, nor the workers of one queue, nor those whose life a
//! timer will end: one that outlasts the turns of the loop; nor where nobody begins any more, as above.

use std::collections::HashMap;

use super::{
    NS_PER_TICK, Watch,
    groups::Group,
    member::{Member, SYSCALL, Tick},
};
use crate::model::{Evidence, RuntimeAddress, Suspect};

const PARTS: usize = 6;
const MEMBERS: u32 = 3;
const STUCK_PARTS: usize = 3;
const LIVE_PARTS: usize = 4;

/// How something is spread over the time that is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    pub(super) count: u32,
    parts: [u32; PARTS],
    pub(super) oldest: Option<Tick>,
}

impl Spread {
    /// `at`, of a stretch of time that began at `start` and is `length` long.
    pub(super) fn add(&mut self, at: Tick, start: Tick, length: Tick) {
        self.count += 1;
        let part = u64::from(at.saturating_sub(start)) * PARTS as u64 / u64::from(length.max(1));
        let part = usize::try_from(part).unwrap_or(PARTS).min(PARTS - 1);
        if let Some(count) = self.parts.get_mut(part) {
            *count += 1;
        }
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    /// Enough, in enough parts, and still growing: what came to an end, or comes to one, has few in the last third.
    pub(super) fn grows(&self, parts: usize) -> bool {
        let used = self.parts.iter().filter(|count| **count > 0).count();
        let recent: u32 = self.parts.iter().skip(PARTS * 2 / 3).sum();
        self.count >= MEMBERS && used >= parts && recent > 0 && recent.saturating_mul(12) >= self.count
    }
}

/// What the proofs say of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Dead {
    /// In both proofs, without having run.
    both: u32,
    /// Called dead by both.
    dead: u32,
    /// The first proof that called one of them dead.
    first: u16,
    youngest_birth: Tick,
    oldest: Option<Tick>,
    /// Of the dead, those that began while watched.
    born: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct GroupSums {
    stuck: Spread,
    dead: Dead,
}

/// What is known of one `go` statement's goroutines that go on running.
#[derive(Clone, Debug, Default)]
struct SiteSums {
    live: Spread,
    /// Of all at the site: how many wait for the network or are in system calls.
    outside: u32,
    all: u32,
    shares: u32,
    /// Where they wait.
    groups: HashMap<u32, u32>,
}

/// Everything that can be said at `now`, the strongest evidence for each group.
pub(super) fn judge(watch: &Watch, now: Tick) -> Vec<Suspect> {
    let mut found: HashMap<u32, Suspect> = HashMap::new();
    for start in starts(watch, now) {
        Judgement { watch, now, start }.into(&mut found);
    }
    let mut suspects: Vec<Suspect> = fold_unknown(found.into_values().collect());
    suspects.sort_by(|a, b| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)).then(a.created_at.cmp(&b.created_at)));
    suspects
}

/// Where the stretches of time begin that are judged, each up to now: the whole watch, its last half, and so on.
pub(super) fn starts(watch: &Watch, now: Tick) -> Vec<Tick> {
    let is_long = |length: Tick| watch.settings.shortest_ns.is_some_and(|shortest| u64::from(length) * NS_PER_TICK >= shortest);
    let halves = std::iter::successors(Some(now), |length| Some(length / 2)).skip(1).take_while(|length| is_long(*length) && *length > 0);
    std::iter::once(0).chain(halves.map(|length| now.saturating_sub(length))).collect()
}

/// Those whose place is not known are counted with others of the same statement and reason.
fn fold_unknown(suspects: Vec<Suspect>) -> Vec<Suspect> {
    let (mut known, unknown): (Vec<_>, Vec<_>) = suspects.into_iter().partition(|suspect| suspect.blocked_at.is_some());
    known.sort_by_key(|suspect| std::cmp::Reverse(suspect.count));
    for suspect in unknown {
        match known.iter_mut().find(|other| other.created_at == suspect.created_at && other.wait == suspect.wait) {
            Some(other) => {
                other.count += suspect.count;
                other.slope += suspect.slope;
            }
            None => known.push(suspect),
        }
    }
    known
}

/// A stretch of time that is judged: from `start` to `now`.
struct Judgement<'a> {
    watch: &'a Watch,
    now: Tick,
    start: Tick,
}

impl Judgement<'_> {
    fn into(self, found: &mut HashMap<u32, Suspect>) {
        let (groups, sites) = self.sums();
        let mut suspects: Vec<(u32, Suspect)> = Vec::new();
        for (number, (group, sums)) in self.watch.groups.all().iter().zip(&groups).enumerate() {
            let Ok(number) = u32::try_from(number) else { break };
            if let Some(suspect) = self.proven(group, &sums.dead).or_else(|| self.stuck(group, &sums.stuck)) {
                suspects.push((number, suspect));
            }
        }
        for (site, sums) in sites.iter().enumerate() {
            suspects.extend(u16::try_from(site).ok().and_then(|site| self.live(site, sums)));
        }
        self.drop_connected(&mut suspects);
        for (group, suspect) in suspects {
            let stronger = found.get(&group).is_none_or(|known| known.evidence < suspect.evidence);
            if stronger {
                found.insert(group, suspect);
            }
        }
    }

    fn sums(&self) -> (Vec<GroupSums>, Vec<SiteSums>) {
        let watch = self.watch;
        let mut groups = vec![GroupSums::default(); watch.groups.all().len()];
        let mut sites = vec![SiteSums::default(); watch.groups.all_sites().len()];
        let thresholds: Vec<Tick> = watch.groups.all().iter().map(|group| self.threshold(watch.groups.longest_wait(group))).collect();
        for (goid, member) in &watch.members {
            let Ok(number) = usize::try_from(member.group) else { continue };
            let (Some(sums), Some(threshold)) = (groups.get_mut(number), thresholds.get(number)) else { continue };
            self.add_dead(&mut sums.dead, member);
            let stuck = self.is_stuck(member, *threshold);
            if stuck {
                sums.stuck.add(member.since, self.start, self.length());
            }
            if let Some(site) = sites.get_mut(usize::from(member.site)) {
                self.add_live(site, *goid, member, stuck);
            }
        }
        (groups, sites)
    }

    const fn length(&self) -> Tick {
        self.now.saturating_sub(self.start)
    }

    /// Older than this is older than twice what was seen to end.
    fn threshold(&self, longest: Tick) -> Tick {
        longest.saturating_mul(2).saturating_add(self.watch.slack())
    }

    const fn began_here(&self, member: &Member) -> bool {
        !member.at_start() && member.born >= self.start
    }

    fn is_stuck(&self, member: &Member, threshold: Tick) -> bool {
        let reasons = &self.watch.reasons;
        if !self.began_here(member) || !reasons.can_be_stuck(member.reason) || self.now.saturating_sub(member.since) <= threshold {
            return false;
        }
        // A timer that is pending ends the wait. Coroutines are in no proof, and no timer wakes them.
        let looked_for_timers = member.proof != 0 || reasons.kind(member.reason) == Some(goroscope_gobin::WaitKind::Coroutine);
        looked_for_timers && member.ends_at() == 0 && !member.waits_for_peers()
    }

    fn add_dead(&self, dead: &mut Dead, member: &Member) {
        let Ok(last) = u16::try_from(self.watch.proofs.len()) else { return };
        if member.proof != last || !member.in_two_proofs() {
            return;
        }
        dead.both += 1;
        if !member.dead_twice(last) {
            return;
        }
        dead.first = if dead.dead == 0 { member.dead_since } else { dead.first.min(member.dead_since) };
        dead.dead += 1;
        dead.born += u32::from(!member.at_start());
        dead.youngest_birth = dead.youngest_birth.max(if member.at_start() { 0 } else { member.born });
        dead.oldest = Some(dead.oldest.map_or(member.since, |oldest| oldest.min(member.since)));
    }

    fn add_live(&self, site: &mut SiteSums, goid: u64, member: &Member, stuck: bool) {
        let watch = self.watch;
        let io = watch.reasons.kind(member.reason) == Some(goroscope_gobin::WaitKind::Io) || member.reason == SYSCALL;
        site.all += 1;
        site.outside += u32::from(io);
        let age = self.now.saturating_sub(member.born);
        let longest = watch.groups.get_site(member.site).map_or(0, |site| site.longest_life);
        if stuck || io || !self.began_here(member) || member.runs < 2 || age <= self.threshold(longest) {
            return;
        }
        // Three of its usual gaps without a run: it has blocked for good, or waits for something else than its loop.
        let gap = age / (Tick::from(member.runs) + 1);
        let idle = self.now.saturating_sub(member.since);
        let looping = Watch::runs(member) || idle <= gap.saturating_mul(3).saturating_add(watch.slack());
        if looping && !watch.ends.end(goid, member, gap, self.now, watch.started_ns) {
            site.live.add(member.born, self.start, self.length());
            site.shares += u32::from(member.shares());
            *site.groups.entry(member.group).or_default() += 1;
        }
    }

    fn proven(&self, group: &Group, dead: &Dead) -> Option<Suspect> {
        let first = self.watch.proofs.get(usize::from(dead.first).checked_sub(1)?)?;
        let grows = dead.youngest_birth > *first;
        (dead.dead >= 2 && grows && dead.dead.saturating_mul(2) >= dead.both)
            .then(|| self.suspect(group, Evidence::Proven, dead.dead, dead.born, dead.oldest))
    }

    fn stuck(&self, group: &Group, stuck: &Spread) -> Option<Suspect> {
        // An endless watch says so in time: there, what was accused stays so while its goroutines stay.
        let over = self.watch.settings.shortest_ns.is_none() && self.rests(group.site);
        (stuck.grows(STUCK_PARTS) && !over).then(|| self.suspect(group, Evidence::Stuck, stuck.count, stuck.count, stuck.oldest))
    }

    fn live(&self, site: u16, sums: &SiteSums) -> Option<(u32, Suspect)> {
        let live = &sums.live;
        let outside = sums.outside.saturating_mul(2) > sums.all;
        let one_queue = sums.shares.saturating_mul(2) >= live.count;
        if !live.grows(LIVE_PARTS) || outside || one_queue || self.rests(site) {
            return None;
        }
        let (number, _) = sums.groups.iter().max_by_key(|(group, count)| (**count, std::cmp::Reverse(**group)))?;
        let number = self.watch.groups.usual(*number);
        let group = self.watch.groups.get(number).filter(|group| group.site == site)?;
        Some((number, self.suspect(group, Evidence::Live, live.count, live.count, live.oldest)))
    }

    /// Nobody has begun at this `go` statement for longer than it ever paused.
    fn rests(&self, site: u16) -> bool {
        let site = self.watch.groups.get_site(site);
        site.is_some_and(|site| self.now.saturating_sub(site.last_birth) > self.threshold(site.longest_pause))
    }

    fn suspect(&self, group: &Group, evidence: Evidence, count: u32, born: u32, oldest: Option<Tick>) -> Suspect {
        let watch = self.watch;
        let one_in = watch.one_in();
        let created_at = watch.groups.get_site(group.site).map_or(RuntimeAddress::default(), |site| site.created_at);
        let seconds = f64::from(self.length().max(1)) / f64::from(super::TICKS_PER_SECOND);
        let estimate = |count: u32| u64::from(count).saturating_mul(one_in);
        Suspect {
            created_at,
            blocked_at: Some(group.blocked_at).filter(|at| *at != RuntimeAddress::default()),
            wait: watch.reasons.get(group.reason),
            evidence,
            count: estimate(count),
            slope: f64::from(born) * f64::from(1_u32 << watch.sampling.min(31)) / seconds,
            since_ns: watch.started_ns.saturating_add(u64::from(oldest.unwrap_or(self.start)) * NS_PER_TICK),
            watched_ns: u64::from(self.now) * NS_PER_TICK,
            one_in,
        }
    }

    /// Who came along with connections that are still open ends when the other side likes. What is proven stands.
    fn drop_connected(&self, suspects: &mut Vec<(u32, Suspect)>) {
        let mut births: HashMap<u32, Vec<Tick>> = HashMap::new();
        for (group, suspect) in suspects.iter() {
            if suspect.evidence != Evidence::Proven {
                births.insert(*group, Vec::new());
            }
        }
        if births.is_empty() {
            return;
        }
        for member in self.watch.members.values().filter(|member| self.began_here(member)) {
            if let Some(births) = births.get_mut(&member.group) {
                births.push(member.born);
            }
        }
        let slack = self.watch.slack();
        suspects.retain(|(group, _)| births.get(group).is_none_or(|births| !self.watch.connections.explain(births, slack)));
    }
}
