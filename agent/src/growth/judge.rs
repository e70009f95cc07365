//! The rules. Input: members, groups and proofs of a [`Watch`]. Output noun: [`Suspect`]. Must not know how they were collected.
//!
//! **Proven.** Dead in the last two proofs, without having run in between; at least half of those of the group who were in both proofs;
//! and one of them began after another was dead already: a pool that was dropped dies, but does not grow. Who waits for nothing, as a
//! channel that is nil, was told so, and lost nothing: of those it is also asked that they grow as who is stuck does.
//!
//! **Stuck.** Began while watched, and have been in this wait for longer than twice the longest wait of the group that was seen to
//! end. No timer is pending that leads to what they wait on, they do not wait for goroutines of their own that a timer will wake, nor in a
//! lock for an older one of their `go` statement that works between sleeps, and they did not come along with connections that are still
//! open. A timer does not count where one came due, ended no wait on the same object, and more have come to wait there since; nor at a
//! place where several came due and none ended a wait. Of those in system calls the thread has slept for so long, in one that the process
//! must end.
//!
//! **Live.** Began while watched, run again and again, and are older than twice the longest life at this `go` statement that ended.
//! A proof was made since they began. Not those that wait for the network, nor the workers of one queue, nor those whose life a timer
//! will end: one that outlasts the turns of the loop.
//!
//! **They grow**, in a watch that ends: three or more, that blocked in three (live: began in four) or more of six equal parts of the
//! watch, the youngest in its last third, and not surely more and more rarely ([`births::fade`]); not where nobody has begun for longer
//! than twice the longest pause between two of them: they have become as many as they shall be. In an endless watch: see `births`; the
//! time is that from the first of them on, in the whole watch or in a later part of it, and it is not shorter than
//! [`super::Stretches::waiting_ns`]; or than [`super::Stretches::rush_ns`], where they are hundreds, come evenly ([`births::rush`]), and are
//! the process' own ([`Judgement::is_own`]). And where they must be old to be suspected, those of the same `go` statement that are younger must not
//! have become fewer, nor none.

use std::collections::HashMap;

use goroscope_gobin::WaitKind;

use super::{
    NS_PER_TICK, Watch,
    births::{self, Births},
    groups::Group,
    member::{SYSCALL, Tick},
    spread::{FEWEST, Spread},
    stretch::{Stretch, starts},
    sums::{Dead, SiteSums, Sums},
};
use crate::model::{Evidence, RuntimeAddress, Suspect};

const STUCK_PARTS: usize = 3;
const LIVE_PARTS: usize = 4;
/// Proofs in a row that must say that nothing outside is led to.
const PROOFS: u16 = 2;

/// What somebody is accused of, and by which evidence: what stands is known by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Charge {
    /// The goroutines of this `go` statement are live.
    Live(u16),
    /// Those of this group are stuck.
    Stuck(u32),
    /// They are dead.
    Proven(u32),
}

/// A charge that the evidence bears out.
#[derive(Clone, Debug)]
pub(super) struct Accused {
    pub(super) charge: Charge,
    /// Where they wait.
    pub(super) group: u32,
    /// When the growth began that was seen.
    pub(super) start: Tick,
    pub(super) suspect: Suspect,
}

/// How a number grows.
#[derive(Clone, Copy, Debug)]
struct Growth {
    /// The first of those that grow.
    oldest: Tick,
    /// When the time began that was judged.
    start: Tick,
}

/// Everything that can be said at `now`, the strongest evidence for each group.
pub(super) fn judge(watch: &Watch, now: Tick) -> Vec<Suspect> {
    strongest(Judgement::new(watch, now).accused())
}

/// One suspect for each group.
pub(super) fn strongest(accused: impl IntoIterator<Item = Accused>) -> Vec<Suspect> {
    let mut found: HashMap<u32, Suspect> = HashMap::new();
    for Accused { group, suspect, .. } in accused {
        let stronger = found.get(&group).is_none_or(|known| known.evidence < suspect.evidence);
        if stronger {
            found.insert(group, suspect);
        }
    }
    let mut suspects: Vec<Suspect> = fold_unknown(found.into_values().collect());
    suspects.sort_by(|a, b| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)).then(a.created_at.cmp(&b.created_at)));
    suspects
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

/// What is seen at one time.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    pub(super) watch: &'a Watch,
    pub(super) now: Tick,
    pub(super) sums: Sums<'a>,
}

impl<'a> Judgement<'a> {
    pub(super) fn new(watch: &'a Watch, now: Tick) -> Self {
        Self { watch, now, sums: Sums::new(watch, now) }
    }

    /// All charges that the evidence bears out.
    pub(super) fn accused(&self) -> Vec<Accused> {
        let mut accused: Vec<Accused> = Vec::new();
        for (number, (group, sums)) in (0_u32..).zip(self.watch.groups.all().iter().zip(&self.sums.groups)) {
            accused.extend(self.proven(number, group, &sums.dead));
            accused.extend(sums.stuck().and_then(|stuck| self.stuck(number, group, stuck)));
        }
        for (site, sums) in (0_u16..).zip(&self.sums.sites) {
            accused.extend(self.live(site, sums));
        }
        // What was not followed may be a timer or a sleeper that ends it.
        accused.retain(|accused| !self.watch.unfollowed || matches!(accused.charge, Charge::Proven(_)));
        let connected = self.connected(&accused);
        accused.retain(|accused| !connected.contains(&accused.charge));
        accused
    }

    fn proven(&self, number: u32, group: &Group, dead: &Dead) -> Option<Accused> {
        let first = self.watch.proofs.get(usize::from(dead.first).checked_sub(1)?)?;
        let grows = dead.born.youngest().is_some_and(|youngest| youngest > *first);
        if dead.dead < 2 || !grows || !dead.is_certain() {
            return None;
        }
        // Who waits for nothing does so because it was told to: that there are some proves no growth, as it does where something was lost.
        if self.watch.reasons.kind(group.reason) == Some(WaitKind::Forever) {
            self.growth(&dead.born, group.site, self.youth(Charge::Proven(number)).max(self.watch.slack()), STUCK_PARTS)?;
        }
        if self.watch.settings.stretches.is_some() && self.dead_rest(&dead.born) {
            return None;
        }
        let growth = Growth { oldest: dead.oldest.unwrap_or_default(), start: 0 };
        Some(self.accuse(Charge::Proven(number), number, group, growth, &dead.born, dead.dead))
    }

    fn stuck(&self, number: u32, group: &Group, stuck: &Births) -> Option<Accused> {
        let growth = self.growth(stuck, group.site, self.youth(Charge::Stuck(number)), STUCK_PARTS)?;
        Some(self.accuse(Charge::Stuck(number), number, group, growth, stuck, stuck.count()))
    }

    fn live(&self, site: u16, sums: &SiteSums) -> Option<Accused> {
        if sums.live.count() < FEWEST || sums.is_outside() || sums.is_one_queue() {
            return None;
        }
        let growth = self.growth(&sums.live, site, self.youth(Charge::Live(site)), LIVE_PARTS)?;
        let (number, _) = sums.groups.iter().max_by_key(|(group, count)| (**count, std::cmp::Reverse(**group)))?;
        let number = self.watch.groups.usual(*number);
        let group = self.watch.groups.get(number).filter(|group| group.site == site)?;
        Some(self.accuse(Charge::Live(site), number, group, growth, &sums.live, sums.live.count()))
    }

    /// Who is younger than this was not in the last `proofs` proofs.
    fn unseen(&self, proofs: usize) -> Tick {
        self.watch.proofs.iter().rev().nth(proofs.saturating_sub(1)).map_or(self.now, |proof| self.now.saturating_sub(*proof))
    }

    /// How those grow who began, or blocked, at these times, of a `go` statement; younger ones than `threshold` cannot be among them.
    fn growth(&self, births: &Births, site: u16, threshold: Tick, parts: usize) -> Option<Growth> {
        let Some(stretches) = self.watch.settings.stretches else {
            let mut spread = Spread::default();
            // Where looks are far apart, those of the last of the time are all too young: it is no part of what can be judged.
            let judged = self.now.saturating_sub(self.watch.slack().saturating_sub(super::TICKS_PER_SECOND));
            births.all().iter().for_each(|at| spread.add(*at, 0, judged));
            let grows = spread.spans(parts) && !births::fade(births.all(), threshold, self.now) && !self.rests(site);
            return births.oldest().filter(|_| grows).map(|oldest| Growth { oldest, start: 0 });
        };
        let born = &self.sums.site(site)?.born;
        let of = |shortest_ns: u64| {
            let since = |start: Tick| Stretch::since(start, births, born, threshold, self.now);
            starts(self.now, Some(shortest_ns)).into_iter().filter_map(since)
        };
        let rushes = |stretch: &Stretch<'_>| stretch.rushes(stretches.rush_ns, self.watch.last_gap()) && self.is_own(site, stretch.births);
        let found = of(stretches.waiting_ns).find(|stretch| stretch.goes_on(stretches.waiting_ns));
        let oldest = found.or_else(|| of(stretches.rush_ns).find(rushes))?.oldest;
        Some(Growth { oldest, start: oldest })
    }

    /// Whether those who began at this `go` statement at these times are the process' own, and no clients that have come, or come back: two
    /// proofs that saw a third of them, at least, say that they lead to nothing outside; and nobody has come along with them who does.
    fn is_own(&self, site: u16, births: &[Tick]) -> bool {
        let (Some(first), Some(third)) = (births.first(), births.get(births.len() / 3)) else { return false };
        let is_inward = |site: u16| self.watch.groups.get_site(site).is_some_and(|site| site.inward >= PROOFS);
        let are_seen = self.watch.proofs.iter().rev().nth(usize::from(PROOFS) - 1).is_some_and(|proof| proof > third);
        let along = |sums: &SiteSums| (births.len() / 2..=births.len() * 2).contains(&sums.born.since(*first).len());
        is_inward(site) && are_seen && (0..).zip(&self.sums.sites).all(|(other, sums)| is_inward(other) || !along(sums))
    }

    /// Nobody has begun at this `go` statement for longer than it ever paused.
    fn rests(&self, site: u16) -> bool {
        let site = self.watch.groups.get_site(site);
        site.is_some_and(|site| self.now.saturating_sub(site.last_birth) > self.watch.threshold(site.longest_pause))
    }

    fn accuse(&self, charge: Charge, number: u32, group: &Group, growth: Growth, born: &Births, count: u32) -> Accused {
        let watch = self.watch;
        let created_at = watch.groups.get_site(group.site).map_or(RuntimeAddress::default(), |site| site.created_at);
        let suspect = Suspect {
            created_at,
            blocked_at: Some(group.blocked_at).filter(|at| *at != RuntimeAddress::default()),
            wait: watch.reasons.told(group.reason),
            evidence: charge.evidence(),
            count: self.estimate(count),
            slope: self.slope(charge, born, growth.start),
            since_ns: watch.started_ns.saturating_add(u64::from(growth.oldest) * NS_PER_TICK),
            watched_ns: self.watched_ns(),
            one_in: watch.one_in(),
        };
        Accused { charge, group: number, start: growth.start, suspect }
    }

    /// How many goroutines so many of those who are followed stand for.
    pub(super) fn estimate(&self, count: u32) -> u64 {
        u64::from(count).saturating_mul(self.watch.one_in())
    }

    /// How many more these have become in a second since `start`, and since the first of them, if there are more, up to the last who can be.
    pub(super) fn slope(&self, charge: Charge, born: &Births, start: Tick) -> f64 {
        let first = born.oldest().filter(|_| born.count() > 1);
        let (start, until) = (start.max(first.unwrap_or(start)), self.now.saturating_sub(self.youth(charge)));
        let gap = self.watch.gap.at(self.now);
        // Those who began after the look that found the last of them are found by the next one.
        let until = born.youngest().filter(|youngest| until <= youngest.saturating_add(gap)).unwrap_or(until);
        let (length, began) = (until.saturating_sub(start), born.since(start));
        // Those who were found first had begun before.
        let later = began.len().saturating_sub(began.partition_point(|at| *at == start));
        let (more, length) = if later > 0 { (later, length) } else { (began.len(), length.saturating_add(gap)) };
        let seconds = f64::from(length.max(1)) / f64::from(super::TICKS_PER_SECOND);
        f64::from(u32::try_from(more).unwrap_or(u32::MAX)) * f64::from(1_u32 << self.watch.sampling.min(31)) / seconds
    }

    /// Who is younger than this cannot be charged with it. Who is in a call is in no proof.
    fn youth(&self, charge: Charge) -> Tick {
        let groups = &self.watch.groups;
        match charge {
            Charge::Proven(_) => self.unseen(2),
            Charge::Stuck(group) => groups.get(group).map_or(0, |group| {
                let unseen = if group.reason == SYSCALL { 0 } else { self.unseen(1) };
                self.watch.threshold(groups.longest_wait(group)).max(unseen)
            }),
            Charge::Live(site) => self.watch.threshold(groups.get_site(site).map_or(0, |site| site.longest_life)).max(self.unseen(1)),
        }
    }

    /// Of these charges those of goroutines that came along with connections that are still open: they end when the other side likes.
    /// What is proven stands.
    pub(super) fn connected<'c>(&self, accused: impl IntoIterator<Item = &'c Accused>) -> Vec<Charge> {
        let unproven: Vec<&Accused> = accused.into_iter().filter(|accused| !matches!(accused.charge, Charge::Proven(_))).collect();
        let mut births: HashMap<u32, Vec<Tick>> = unproven.iter().map(|accused| (accused.group, Vec::new())).collect();
        if births.is_empty() {
            return Vec::new();
        }
        for member in self.watch.members.values().filter(|member| !member.at_start()) {
            if let Some(births) = births.get_mut(&member.group) {
                births.push(member.born);
            }
        }
        let slack = self.watch.slack();
        let explained = |accused: &&Accused| {
            let births = match accused.charge {
                // Who loops is at many places: all of the statement count.
                Charge::Live(site) => self.sums.site(site).map(|sums| sums.born.all()),
                _ => births.get(&accused.group).map(Vec::as_slice),
            };
            births.is_some_and(|births| self.watch.connections.explain(births, self.watch.one_in(), slack))
        };
        unproven.into_iter().filter(explained).map(|accused| accused.charge).collect()
    }

    pub(super) fn watched_ns(&self) -> u64 {
        u64::from(self.now) * NS_PER_TICK
    }
}

impl Charge {
    const fn evidence(self) -> Evidence {
        match self {
            Self::Live(_) => Evidence::Live,
            Self::Stuck(_) => Evidence::Stuck,
            Self::Proven(_) => Evidence::Proven,
        }
    }
}
