//! What the reader says of the memory of processes: kept for the next Report, and held against what the probes say.

use goroscope_abi::{Family, Kind, ProcessKey};
use tracing::{info, warn};

use super::{Observer, Reading, watched::Memory};
use crate::{
    goruntime::RuntimeError,
    model::{Finding, FindingKind, Refusal, Subject},
};

/// An instant at which nothing was created: what memory and probes had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// When the probes had been put on, which must not have changed in between.
    attached_ns: u64,
    created: u64,
    probed: u64,
}

impl Rest {
    /// Creations until the probes had counted this many.
    pub(super) const fn carried(self, probed: u64) -> u64 {
        self.created.saturating_add(probed.saturating_sub(self.probed))
    }
}

impl Observer {
    /// The memory of a process was read.
    pub(super) fn read(&mut self, key: ProcessKey, mut reading: Box<Reading>) {
        self.tried(key);
        let Some(watched) = self.watched.get_mut(&key) else { return };
        // What was read of an ended process may be another's.
        if watched.ended_ns.is_some() {
            return;
        }
        // A goroutine that is just being made hides an end, and a process that never rests is off by what happened while it was read: what
        // was counted stays so, since a counter that falls is a restart to Prometheus.
        if let Memory::Read(before) = &watched.memory {
            let (figures, before) = (&mut reading.runtime.figures, &before.runtime.figures);
            figures.created = figures.created.max(before.created);
            figures.ended = figures.ended.max(before.ended);
        }
        let state = watched
            .slot
            .as_ref()
            .ok()
            .and_then(|slot| self.attachments.get(slot))
            .and_then(|attachment| attachment.exact_since(Family::Goroutine));
        let rest = state.filter(|attached_ns| reading.at_rest && reading.began_ns > *attached_ns).map(|attached_ns| Rest {
            attached_ns,
            created: reading.runtime.figures.created,
            probed: reading.probes.of(Kind::GoroutineStart),
        });
        if let Some(rest) = rest {
            if let Some(last) = watched.rest.filter(|last| last.attached_ns == rest.attached_ns) {
                let by_memory = rest.created.saturating_sub(last.created);
                let by_probes = rest.probed.saturating_sub(last.probed);
                if by_memory != by_probes {
                    self.mismatch = self.mismatch.saturating_add(by_memory.abs_diff(by_probes));
                    warn!(pid = key.tgid, by_memory, by_probes, "memory and probes do not agree on the goroutines created");
                }
            }
            watched.rest = Some(rest);
        }
        watched.memory = Memory::Read(reading);
    }

    /// The memory of a process could not be read.
    pub(super) fn not_read(&mut self, key: ProcessKey, error: &RuntimeError) {
        self.tried(key);
        // The reader looks again in a moment.
        if matches!(error, RuntimeError::NotStarted) {
            return;
        }
        let Some(watched) = self.watched.get_mut(&key).filter(|watched| watched.ended_ns.is_none()) else { return };
        // One that has ended is told by its end.
        if matches!(error, RuntimeError::Gone) {
            return;
        }
        *self.memory_failures.entry(error.reason()).or_default() += 1;
        // What was read once stays until it is read again: its age is told.
        if matches!(watched.memory, Memory::Unread) {
            let refusal = Refusal { subject: Subject::Memory, reason: error.reason(), detail: error.to_string() };
            info!(pid = key.tgid, process = %watched.target.identity.process, %refusal, "memory is not read");
            watched.memory = Memory::Refused(refusal);
        }
    }

    /// Leaks of a process as they are known now: news are logged once.
    pub(super) fn leaks(&mut self, key: ProcessKey, mut findings: Vec<Finding>) {
        let Some(watched) = self.watched.get_mut(&key).filter(|watched| watched.ended_ns.is_none()) else { return };
        self.lives.tell(&watched.target.identity, watched.target.started_at, &mut findings);
        let process = &watched.target.identity.process;
        for new in findings.iter().filter(|new| !watched.findings.iter().any(|known| known.is_of(new))) {
            let (site, function, evidence) = (new.created_by.place(), &new.created_by.function, new.evidence.as_str());
            let (kind, restarts) = (new.kind.as_str(), new.restarts);
            let limit_in_s = new.projection.map(|projection| projection.reached_in.as_secs());
            let message = match new.kind {
                FindingKind::GoroutineLeak => "goroutines leak",
                FindingKind::Ticker => "tickers are never stopped",
            };
            warn!(
                pid = key.tgid, %process, kind, site, function, evidence, count = new.count, wait = new.wait_reason, restarts, limit_in_s,
                "{message}"
            );
        }
        for gone in watched.findings.iter().filter(|known| !findings.iter().any(|new| known.is_of(new))) {
            info!(pid = key.tgid, %process, site = gone.created_by.place(), "a leak is over");
        }
        watched.findings = findings.into();
    }

    /// The first look at a process was taken.
    fn tried(&mut self, key: ProcessKey) {
        if self.starting.as_mut().is_some_and(|starting| starting.reading.remove(&key)) {
            self.note_started();
        }
    }
}
