//! Processes that go: read for the last time, booked, forgotten; executables without a process come off.

use std::{sync::Arc, time::SystemTime};

use goroscope_abi::ProcessKey;
use tracing::debug;

use super::{
    BURIALS, IDLE, Observer, SETTLE,
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
    tracer::SiteHits,
};

impl Observer {
    pub(super) fn exit(&mut self, key: ProcessKey) {
        let now = super::clock();
        match self.watched.get_mut(&key) {
            Some(watched) => {
                watched.ended_ns.get_or_insert(now);
            }
            None => {
                let birth = self.looking.get(&key).cloned().flatten();
                self.orphans.entry(key).or_insert(Orphan { ended_ns: now, birth });
            }
        }
    }

    /// A process had ended when the finder got to it.
    pub(super) fn gone(&mut self, key: ProcessKey) {
        let birth = self.looking.remove(&key).flatten();
        // No record tells of the end of one that was never hit.
        if !self.watched.contains_key(&key) && self.maps.hits(&key).is_some() {
            self.orphans.entry(key).or_insert_with(|| Orphan { ended_ns: super::clock(), birth });
        }
    }

    /// Reads processes that have ended for the last time, and forgets them.
    pub(super) fn bury(&mut self, now: u64) {
        if now < self.next_burial_ns {
            return;
        }
        let settled = |ended: u64| now >= ended.saturating_add(nanos(SETTLE));
        let due: Vec<ProcessKey> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.ended_ns.is_some_and(settled))
            .map(|(key, _)| *key)
            .chain(
                self.orphans
                    .iter()
                    .filter(|(key, orphan)| settled(orphan.ended_ns) && !self.looking.contains_key(*key))
                    .map(|(key, _)| *key),
            )
            .collect();
        if due.is_empty() {
            return;
        }
        self.next_burial_ns = now.saturating_add(nanos(BURIALS));
        let mut sites = self.maps.sites();
        self.take_windows(&sites);
        for key in due {
            let sites = sites.remove(&key).unwrap_or_default();
            self.bury_one(key, sites, now);
        }
    }

    fn bury_one(&mut self, key: ProcessKey, sites: Vec<SiteHits>, now: u64) {
        let hits = self.maps.hits(&key);
        if self.unwanted.remove(&key) {
            self.orphans.remove(&key);
            self.maps.forget(&key, &sites);
            return;
        }
        let Some(watched) = self.watched.get_mut(&key) else {
            let birth = self.orphans.remove(&key).and_then(|orphan| orphan.birth);
            if let Some(hits) = hits {
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
