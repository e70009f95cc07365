//! What a proof tells a [`Watch`], and when the next is due. Input noun: [`Proof`]. Output: what its members are known to be. Must not
//! judge.

use std::collections::{HashMap, HashSet};

use goroscope_gobin::WaitKind;

use super::{
    Watch,
    member::{Member, Tick},
    queues, schedule, tick,
};
use crate::model::{Proof, RuntimeAddress, Waiter};

/// Proofs that are remembered: of hours, where they follow one another as closely as may be.
const PROOFS: u16 = 1 << 14;

impl Watch {
    /// One more proof, and what it cost with all that was looked at for it, ns.
    pub fn proof(&mut self, proof: &Proof, cost_ns: u64) {
        let began = self.tick(proof.began_ns);
        self.last_proof = Some((self.since_start(proof.began_ns), cost_ns));
        let number = self.number_proof(began);
        self.unfollowed = proof.unfollowed;
        let (sampled, slack) = (self.is_sampled(), self.slack());
        let shared = self.shared_objects(proof, sampled);
        for (goid, waiter) in &proof.waiters {
            let Some(member) = self.members.get_mut(goid) else { continue };
            if member.seq != waiter.seq || self.reasons.get(member.reason).is_none() || member.since > began {
                continue;
            }
            // What was not followed may be a timer, or the same as before.
            let hidden = proof.unfollowed && waiter.deadline_ns.is_none();
            let was_due = member.deadline != 0 && began > member.deadline.saturating_add(slack);
            if member.outlived == 0 && was_due {
                member.outlived = number;
            }
            let due = waiter.deadline_ns.filter(|due| *due > proof.began_ns);
            let due = due.map_or(if hidden { member.deadline } else { 0 }, |due| tick(due.saturating_sub(self.started_ns)).max(1));
            // One that is late is still pending.
            if was_due && waiter.deadline_ns.is_none() && !hidden && member.outlives_timer() {
                self.groups.timer_ended_nothing(member.group);
            }
            member.proven(number, waiter.unreachable, due);
            member.set_waits_for_own_pipe(waiter.own_pipe);
            if !waiter.objects.is_empty() {
                let alone =
                    |object: &RuntimeAddress| shared.get(&(sampled.unwrap_or(member.site), *object)).is_none_or(|waiters| *waiters < 2);
                member.set_shares(!waiter.objects.iter().any(alone));
            }
        }
        for (goid, waiter) in &proof.waiters {
            let waits = |member| self.waits_for(member, &waiter.peers, slack) || self.waits_for_one_at_work(member, &waiter.peers);
            let waits = self.members.get(goid).is_some_and(waits);
            if let Some(member) = self.members.get_mut(goid) {
                member.set_waits_for_peers(waits);
            }
        }
        self.inward(proof);
        self.looping.proof();
        self.tickers.proof(number, began, &proof.tickers);
        self.ends.proof(&self.members, proof);
        queues::void_deadlines(&mut self.members, &self.groups, proof, &self.proofs);
    }

    /// One more has begun, and has this number: the first of many are forgotten before there are more than can be numbered.
    fn number_proof(&mut self, began: Tick) -> u16 {
        if self.proofs.len() == usize::from(PROOFS) {
            let many = PROOFS / 2;
            self.proofs.drain(..usize::from(many));
            self.members.values_mut().for_each(|member| member.forget_proofs(many));
            self.tickers.forget_proofs(many);
        }
        self.proofs.push(began);
        u16::try_from(self.proofs.len()).unwrap_or(PROOFS)
    }

    /// No proof was to be had at this time, and it cost so much: the next is due as if there had been one.
    pub fn no_proof(&mut self, now_ns: u64, cost_ns: u64) {
        self.last_proof = Some((self.since_start(now_ns), cost_ns));
        self.looping.proof();
    }

    /// Who leads to nothing outside; not where most wait for what somebody leads to whom the clock wakes: he may end it.
    fn inward(&mut self, proof: &Proof) {
        let inward: HashSet<RuntimeAddress> = proof.inward.iter().copied().collect();
        let mut waiters: HashMap<u16, (u32, u32)> = HashMap::new();
        if !inward.is_empty() {
            for (member, waiter) in proof.waiters.iter().filter_map(|(goid, waiter)| Some((self.members.get(goid)?, waiter))) {
                let (all, timed) = waiters.entry(member.site).or_default();
                (*all, *timed) = (*all + 1, *timed + u32::from(proof.unfollowed || !waiter.peers.is_empty()));
            }
        }
        let is_timed = |site: u16| waiters.get(&site).is_some_and(|(all, timed)| timed * 2 >= *all);
        self.groups.inward(|site, created_at| inward.contains(&created_at) && !is_timed(site));
    }

    /// When the next proof is due. `None`: of those who began while watched nobody waits who could be stuck, nor loops, and the timers became
    /// no more.
    #[must_use]
    pub fn next_proof_ns(&self) -> Option<u64> {
        let more_loop = self.looping.want_proof();
        let due = || schedule::next_proof(self.last_proof, more_loop || self.groups.want_proof());
        (self.waiting > 0 || more_loop || self.looping.matter() || self.has_more_timers()).then(|| self.started_ns.saturating_add(due()))
    }

    /// Where only a sample is followed, the number that stands for all `go` statements: those of the others are not known.
    fn is_sampled(&self) -> Option<u16> {
        (self.sampling > 0).then_some(0)
    }

    /// For how many goroutines of a `go` statement who run again and again an object is what they wait on; where `sampled`, for how many of
    /// all.
    fn shared_objects(&self, proof: &Proof, sampled: Option<u16>) -> HashMap<(u16, RuntimeAddress), u32> {
        let mut shared: HashMap<(u16, RuntimeAddress), u32> = HashMap::new();
        for (goid, waiter) in &proof.waiters {
            // Only of those that run again and again it matters.
            let Some(member) = self.members.get(goid).filter(|member| member.runs > 0) else { continue };
            for object in &waiter.objects {
                *shared.entry((sampled.unwrap_or(member.site), *object)).or_default() += 1;
            }
        }
        if let Some(site) = sampled {
            for object in proof.waiters.iter().filter(|(goid, _)| !self.follows(**goid)).flat_map(|(_, waiter)| &waiter.objects) {
                shared.entry((site, *object)).and_modify(|waiters| *waiters += 1);
            }
        }
        shared
    }

    /// Whether all `peers` began along with `member`, or as children of it, and have not run since it began to wait: they sleep for once,
    /// and not between the turns of a loop. Who leads to what many wait on is none of theirs. Who is not in the sample may be.
    fn waits_for(&self, member: &Member, peers: &[u64], slack: Tick) -> bool {
        let is_own = |goid: &u64| {
            self.members.get(goid).is_some_and(|peer| {
                !peer.at_start() && peer.born.abs_diff(member.born) <= slack && peer.since <= member.since.saturating_add(slack)
            }) || !self.follows(*goid)
        };
        (1..Waiter::PEERS).contains(&peers.len()) && peers.iter().all(is_own)
    }

    /// Whether one of `peers`, of the same `go` statement, began before `member`, and has run since: who waits for a lock, or for what is done
    /// once, waits for somebody like himself, who is at work with it and sleeps now and then. Where a lock was lost, all who came before
    /// wait for it, too, or are gone. Who is not in the sample may be the one.
    fn waits_for_one_at_work(&self, member: &Member, peers: &[u64]) -> bool {
        let is_at_work = |goid: &u64| {
            self.members.get(goid).is_some_and(|peer| {
                let is_older = peer.born < member.born || (peer.at_start() && !member.at_start());
                peer.site == member.site && is_older && peer.runs > 0
            }) || !self.follows(*goid)
        };
        self.reasons.kind(member.reason) == Some(WaitKind::Semaphore) && peers.iter().any(is_at_work)
    }
}
