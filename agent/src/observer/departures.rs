//! Processes that go: read for the last time, booked, forgotten; executables without a process come off.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use goroscope_abi::ProcessKey;
use tracing::debug;

use super::{
    IDLE, Observer,
    attachment::{Attachment, State},
    births::{Birth, Orphan},
    nanos,
    reader::Task,
    switcher::Command,
    watched::{Reading, Watched},
};
use crate::{
    discovery::Life,
    model::{Identity, Slot, Target},
    tracer::{Hits, SiteHits},
};

/// How long after its leader a process is read for the last time: its other threads may still have been on a CPU.
const SETTLE: Duration = Duration::from_millis(500);

/// How long where /proc says that all of them have ended.
const SETTLE_OVER: Duration = Duration::from_millis(50);

/// How often processes that have ended are read at most.
const BURIALS: Duration = Duration::from_millis(100);

/// How often at most all sites of all processes are listed, for those that are not where others of their executable were: on a host with
/// thousands of them that takes milliseconds.
const LISTINGS: Duration = Duration::from_millis(250);

/// When those that have ended are read: in time for the next ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burials {
    /// When they were last, ns.
    last_ns: u64,
    /// When all sites were last listed for it, ns.
    listed_ns: u64,
}

impl Burials {
    /// When they may be read again, ns.
    fn next_ns(self) -> u64 {
        self.last_ns.saturating_add(nanos(BURIALS))
    }

    /// When one that ended at `ended_ns` is to be read.
    pub(super) fn due_ns(self, ended_ns: u64) -> u64 {
        ended_ns.saturating_add(nanos(SETTLE_OVER)).max(self.next_ns())
    }

    /// Whether one that ended at `ended_ns` is read at `now`; `is_over` says whether surely none of its threads is left.
    fn is_due(now: u64, ended_ns: u64, is_over: impl FnOnce() -> bool) -> bool {
        let after = now.saturating_sub(ended_ns);
        after >= nanos(SETTLE) || (after >= nanos(SETTLE_OVER) && is_over())
    }
}

impl Observer {
    /// The leader of a process has ended, at `ended_ns`.
    pub(super) fn exit(&mut self, key: ProcessKey, ended_ns: u64) {
        match self.watched.get_mut(&key) {
            Some(watched) => {
                watched.ended_ns.get_or_insert(ended_ns);
            }
            None => {
                let birth = self.looking.get(&key).and_then(|look| look.birth.clone());
                self.orphans.entry(key).or_insert(Orphan { ended_ns, birth });
            }
        }
    }

    /// The finder could say nothing of a process, or does not want it.
    pub(super) fn passed_over(&mut self, key: ProcessKey) {
        let birth = self.looking.remove(&key).and_then(|look| look.birth);
        // No record tells that an image gave way to another one.
        if key.exec_ns != 0 && self.maps.exec_ns(key.tgid) != key.exec_ns {
            self.bury_later(key, birth);
        }
    }

    /// A process had ended when the finder got to it.
    pub(super) fn gone(&mut self, key: ProcessKey) {
        let birth = self.looking.remove(&key).and_then(|look| look.birth);
        self.bury_later(key, birth);
    }

    /// Counts that no process stands for any more are booked and freed; of those that were never hit, and never told, there are none.
    fn bury_later(&mut self, key: ProcessKey, birth: Option<Birth>) {
        if !self.watched.contains_key(&key) && self.maps.hits(&key).is_some() {
            self.orphans.entry(key).or_insert_with(|| Orphan { ended_ns: super::clock(), birth });
        }
    }

    /// Finds counts of processes whose end no record told of, and that nobody looked at before it: those that were there at the last scan
    /// too, since what is told of others may be on its way.
    pub(super) fn find_left_behind(&mut self) {
        let is_known =
            |key: &ProcessKey| self.watched.contains_key(key) || self.orphans.contains_key(key) || self.looking.contains_key(key);
        let is_over = |key: &ProcessKey| self.maps.exec_ns(key.tgid) != key.exec_ns || self.root.is_over(key.tgid);
        let left: HashSet<ProcessKey> = self.maps.processes_with_hits().into_iter().filter(|key| !is_known(key) && is_over(key)).collect();
        for key in std::mem::replace(&mut self.left_behind, left.clone()).intersection(&left) {
            self.bury_later(*key, None);
        }
    }

    /// Reads processes that have ended for the last time, and forgets them.
    pub(super) fn bury(&mut self, now: u64) {
        if now < self.burials.next_ns() {
            return;
        }
        self.burials.last_ns = now;
        let watched = self.watched.iter().filter_map(|(key, watched)| Some((key, watched.ended_ns?)));
        let ended = watched.chain(self.orphans.iter().map(|(key, orphan)| (key, orphan.ended_ns)));
        let due = ended.filter(|(key, ended_ns)| Burials::is_due(now, *ended_ns, || self.root.is_over(key.tgid)));
        let due: Vec<ProcessKey> = due.map(|(key, _)| *key).collect();
        let mut unknown = HashMap::new();
        for key in due {
            let hits = self.maps.hits(&key);
            // Whether the links' cookies told what a process runs: then it need not be looked at to be booked.
            let is_introduced = hits.as_ref().is_some_and(|hits| hits.slot.is_some());
            if self.looking.contains_key(&key) && !is_introduced {
                continue;
            }
            // What it did in a window that is over is taken in first, from the sites of all.
            let has_window = !self.closed.is_empty() && self.watched.contains_key(&key);
            let known = if has_window { None } else { self.known_sites(&key, hits.as_ref()) };
            match known {
                Some(sites) => self.bury_one(key, hits, sites, now),
                None => {
                    unknown.insert(key, hits);
                }
            }
        }
        if !unknown.is_empty() && now >= self.burials.listed_ns.saturating_add(nanos(LISTINGS)) {
            self.burials.listed_ns = now;
            self.bury_listed(unknown, now);
        }
    }

    /// The sites of a process that has ended, where they are all known by others of its executable.
    fn known_sites(&self, key: &ProcessKey, hits: Option<&Hits>) -> Option<Vec<SiteHits>> {
        let Some(hits) = hits.filter(|hits| hits.sited() > 0) else { return Some(Vec::new()) };
        self.attachments.get(&hits.slot?)?.sites.find(hits, |kind, pc| self.maps.site(key, kind, pc))
    }

    /// Reads those for the last time whose sites nobody knows.
    fn bury_listed(&mut self, unknown: HashMap<ProcessKey, Option<Hits>>, now: u64) {
        let with_windows = !self.closed.is_empty();
        let mut sites = self.maps.sites(|key| unknown.contains_key(key) || (with_windows && self.watched.contains_key(key)));
        self.take_windows(&sites);
        for (key, hits) in unknown {
            let sites = sites.remove(&key).unwrap_or_default();
            let known = hits.as_ref().and_then(|hits| Some((self.attachments.get_mut(&hits.slot?)?, hits.bias)));
            if let Some((attachment, bias)) = known {
                attachment.sites.learn(&sites, bias);
            }
            self.bury_one(key, hits, sites, now);
        }
    }

    fn bury_one(&mut self, key: ProcessKey, hits: Option<Hits>, sites: Vec<SiteHits>, now: u64) {
        if self.unwanted.remove(&key) {
            self.orphans.remove(&key);
            self.maps.forget(&key, &sites);
            return;
        }
        let Some(watched) = self.watched.get_mut(&key) else {
            let birth = self.orphans.remove(&key).and_then(|orphan| orphan.birth);
            if let Some(look) = self.looking.get_mut(&key) {
                look.is_booked = true;
            }
            if !self.scope.wants_pid(key.tgid) {
                self.maps.forget(&key, &sites);
            } else if let Some(hits) = hits {
                self.book_orphan(key, birth.as_ref(), Reading { hits, sites }, now);
            }
            return;
        };
        // Its leader may have ended and other threads go on.
        let exec = self.maps.exec_ns(key.tgid);
        if exec == key.exec_ns && matches!(self.root.life(watched.listed), Ok(Life::Alive)) {
            watched.ended_ns = None;
            return;
        }
        let reading = Reading { hits: hits.unwrap_or_default(), sites };
        let attachment = watched.slot.as_ref().ok().and_then(|slot| self.attachments.get(slot));
        let totals = watched.last_totals(attachment, &reading, now);
        self.ledger.end(&watched.target.identity, &totals, watched.since(), now);
        self.lives.end(&watched.target.identity, watched.target.started_at, &watched.findings, SystemTime::now());
        self.maps.forget(&key, &reading.sites);
        let slot = watched.slot.clone();
        self.watched.remove(&key);
        let _ = self.looks.send(Task::Forget(key));
        let _ = self.tasks.send(Task::Forget(key));
        if let Ok(slot) = slot {
            self.note_idle(slot, now);
        }
    }

    /// Books a process that ended before anybody looked at it: its links' cookies tell the executable, its cgroup at birth whose it was.
    fn book_orphan(&mut self, key: ProcessKey, birth: Option<&Birth>, reading: Reading, now: u64) {
        match reading.hits.slot.and_then(|slot| self.attachments.get(&slot)) {
            Some(attachment) => {
                let (example, listed) = &attachment.example;
                let pid = self.scope.per_process.then_some(key.tgid);
                let process = example.identity.process.clone();
                let identity = birth.map_or_else(|| self.identity_like(attachment, pid), |birth| birth.identity(process, pid));
                let mut target = Target { key, identity, place: None, load_bias: reading.hits.bias, ..example.clone() };
                if birth.is_none_or(|birth| self.place(&mut target, birth.pod_uid.as_deref())) {
                    let watched = Watched::new(target, *listed, Some(Arc::clone(&attachment.executable)), Ok(attachment.slot));
                    let totals = watched.last_totals(Some(attachment), &reading, now);
                    self.ledger.end(&watched.target.identity, &totals, watched.since(), now);
                }
            }
            // Perf links (before Linux 6.6) have no cookies: nobody knows what it was.
            None => *self.failures.entry("ended_unseen").or_default() += 1,
        }
        self.maps.forget(&key, &reading.sites);
    }

    /// The names of a process of an executable, of which nothing else is known.
    fn identity_like(&self, attachment: &Attachment, pid: Option<u32>) -> Identity {
        let example = &attachment.example.0.identity;
        let mut others = self.watched.values().filter(|watched| watched.slot.as_ref() == Ok(&attachment.slot)).peekable();
        // Where pods come and go, that of the first process may be gone for long.
        let is_unsure = self.cluster.is_some() && example.container.is_some() && others.peek().is_none();
        if !self.scope.per_process && (is_unsure || !others.all(|watched| watched.target.identity == *example)) {
            // Its file runs in several containers: which was its own nobody knows.
            return Identity { process: example.process.clone(), ..Identity::default() };
        }
        Identity { pid, ..example.clone() }
    }

    fn note_idle(&mut self, slot: Slot, now: u64) {
        let used = self.watched.values().any(|watched| watched.slot.as_ref() == Ok(&slot));
        if let Some(attachment) = self.attachments.get_mut(&slot)
            && !used
        {
            attachment.idle_since_ns.get_or_insert(now);
        }
    }

    pub(super) fn detach_idle(&mut self, now: u64) {
        let idle = |attachment: &Attachment| {
            let since = attachment.idle_since_ns.is_some_and(|since| now >= since.saturating_add(nanos(IDLE)));
            // What is being switched answers first.
            since && !attachment.families.values().any(|state| matches!(state, State::Attaching | State::Closing))
        };
        let slots: Vec<Slot> = self.attachments.values().filter(|attachment| idle(attachment)).map(|attachment| attachment.slot).collect();
        for slot in slots {
            let Some(attachment) = self.attachments.remove(&slot) else { continue };
            debug!(slot = slot.0, "no process left: detached");
            for family in attachment.families.keys() {
                let _ = self.commands.send(Command::Detach(slot, *family));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_read_when_no_thread_of_it_can_be_left() {
        const MS: u64 = 1_000_000;
        // (ms since the end, surely none of its threads is left) -> it is read
        for (after, is_over, expected) in [(0, true, false), (49, true, false), (50, false, false), (50, true, true), (500, false, true)] {
            let ended_ns = 7_000 * MS;
            assert_eq!(Burials::is_due(ended_ns + after * MS, ended_ns, || is_over), expected, "{after} {is_over}");
        }
        // An end that is still to come, as another CPU's clock may say.
        assert!(!Burials::is_due(0, MS, || true));
    }

    #[test]
    fn burials_are_not_too_frequent() {
        const MS: u64 = 1_000_000;
        // (ms of the last ones, ms of the end) -> ms
        for (last, ended, expected) in [(0, 0, 100), (0, 600, 650), (1_000, 600, 1_100), (1_000, 1_060, 1_110)] {
            let burials = Burials { last_ns: last * MS, listed_ns: 0 };
            assert_eq!(burials.due_ns(ended * MS), expected * MS, "{last} {ended}");
        }
    }
}
