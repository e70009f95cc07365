//! From what is watched to an immutable [`Report`].

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use goroscope_abi::Family;

use super::{
    Observer,
    attachment::Attachment,
    clock,
    pods::Cluster,
    watched::{Memory, Reading, Watched},
};
use crate::{
    collect::{Final, Live, Totals},
    model::{AgentReport, FamilyReport, Info, Place, ProcessReport, Refusal, Report, Subject, TargetState},
};

impl Observer {
    /// The state of everything.
    pub(super) fn report(&mut self) -> Arc<Report> {
        let begin = clock();
        let mut sites = self.maps.sites(|key| self.watched.contains_key(key));
        let used_sites = self.maps.sites_held();
        self.take_windows(&sites);
        let mut processes = Vec::with_capacity(self.watched.len());
        let mut totals: Vec<(&Watched, Totals, Option<&Attachment>)> = Vec::new();
        for (key, watched) in &self.watched {
            let attachment = watched.slot.as_ref().ok().and_then(|slot| self.attachments.get(slot));
            let reading = Reading::of_process(&self.maps, key, &mut sites);
            let (sums, sites) = watched.totals(attachment, &reading, begin);
            let mut report = describe(watched, attachment, &sums, begin);
            report.sites = sites;
            // While its first probes are on their way it is neither attached nor refused.
            let waiting = attachment.is_some_and(|attachment| !attachment.pending.is_empty()) || matches!(watched.memory, Memory::Unread);
            let settled = report.state != TargetState::Refused || !waiting || watched.executable.is_none();
            if watched.ended_ns.is_none() && settled {
                processes.push(Arc::new(report));
            }
            totals.push((watched, sums, attachment));
        }
        let live: Vec<Live<'_>> = totals
            .iter()
            .map(|(watched, sums, attachment)| {
                let ratio = |family: &Family, state: &super::State| state.mode().map(|mode| (*family, mode.ratio()));
                Live {
                    identity: &watched.target.identity,
                    started_at: watched.target.started_at,
                    since: watched.since(),
                    totals: sums,
                    sampling_ratio: attachment
                        .iter()
                        .flat_map(|attachment| &attachment.families)
                        .filter_map(|(family, state)| ratio(family, state))
                        .collect(),
                    reading: watched.memory.reading().filter(|_| watched.ended_ns.is_none()).map(|reading| &reading.runtime),
                    findings: if watched.ended_ns.is_none() { &watched.findings } else { &[] },
                    info: info(watched),
                }
            })
            .collect();
        let groups = match &self.cluster {
            Some(cluster) => self.ledger.report(&live, cluster, begin),
            None => self.ledger.report(&live, &Final, begin),
        };
        let mut agent = self.agent(&processes);
        agent.map_entries.insert("SITES", (used_sites, self.maps.room("SITES")));
        agent.collect_duration = Duration::from_nanos(clock().saturating_sub(begin));
        Arc::new(Report { taken_at: SystemTime::now(), processes, groups, agent })
    }

    /// What is left of the start-up: probes, readings, the first list of pods.
    fn left_to_start(&self) -> u64 {
        let left = self.starting.as_ref().map_or(0, |starting| ((starting.attaching.len() + starting.reading.len()) as u64).max(1));
        left + u64::from(self.cluster.as_ref().is_some_and(|cluster| !cluster.is_listed))
    }

    fn agent(&self, processes: &[Arc<ProcessReport>]) -> AgentReport {
        let mut states = BTreeMap::from([("attached", 0), ("refused", 0)]);
        let mut refusals = BTreeMap::new();
        for process in processes {
            let state = if process.state == TargetState::Refused { "refused" } else { "attached" };
            *states.entry(state).or_default() += 1;
            for refusal in &process.refusals {
                *refusals.entry((process.identity.process.clone(), refusal.subject.name(), refusal.reason)).or_default() += 1;
            }
        }
        AgentReport {
            processes: states,
            refusals,
            attach_failures: self.failures.clone(),
            creation_mismatch: self.mismatch,
            memory_failures: self.memory_failures.clone(),
            failed_looks: self.failed_looks.clone(),
            lost: self.maps.drops(),
            map_entries: BTreeMap::from([
                ("COUNTERS", (self.maps.processes_with_hits().len() as u64, self.maps.room("COUNTERS"))),
                ("EXECUTABLES", (self.attachments.len() as u64, self.maps.room("EXECUTABLES"))),
            ]),
            executables: self.attachments.len() as u64,
            starting: self.left_to_start(),
            kubernetes: self.kubernetes(),
            losses: self.losses.iter().cloned().chain(self.cluster.as_ref().and_then(Cluster::loss)).chain(self.unmet()).collect(),
            ..AgentReport::default()
        }
    }
}

fn info(watched: &Watched) -> Info {
    let Some(executable) = &watched.executable else { return of_place(watched.target.place.as_deref()) };
    let module = executable.binary.build.as_ref().and_then(|build| build.main_module.as_ref());
    Info {
        go_version: executable.binary.version.to_string(),
        build_id: executable.id.build_id.clone(),
        module: module.map(|module| module.path.clone()).unwrap_or_default(),
        module_version: module.map(|module| module.version.clone()).unwrap_or_default(),
        ..of_place(watched.target.place.as_deref())
    }
}

fn of_place(place: Option<&Place>) -> Info {
    let Some(place) = place else { return Info::default() };
    Info {
        workload: place.workload.name.clone(),
        workload_type: place.workload.kind.clone(),
        pod_uid: place.pod_uid.clone(),
        container_id: place.container_id.clone(),
        ..Info::default()
    }
}

fn describe(watched: &Watched, attachment: Option<&Attachment>, totals: &Totals, now_ns: u64) -> ProcessReport {
    let Info { go_version, build_id, module, module_version, .. } = info(watched);
    let mut families = BTreeMap::new();
    for (family, state) in attachment.iter().flat_map(|attachment| &attachment.families) {
        let Some(mode) = state.mode() else { continue };
        families.insert(*family, FamilyReport { mode, counts: watched.shown(*family, totals, now_ns) });
    }
    let runtime = watched.memory.reading().map(|reading| reading.runtime.clone());
    let state = match (families.is_empty(), &runtime) {
        (true, None) => TargetState::Refused,
        _ => TargetState::Attached { at: watched.found_at.max(attachment.map_or(watched.found_at, |attachment| attachment.attached_at)) },
    };
    ProcessReport {
        pid: watched.target.pid(),
        identity: watched.target.identity.clone(),
        place: watched.target.place.clone(),
        exe: watched.target.exe.display().to_string(),
        go_version,
        build_id,
        module,
        module_version,
        state,
        refusals: refusals(watched, attachment),
        families,
        sites: Vec::new(),
        runtime,
        findings: Arc::clone(&watched.findings),
    }
}

/// What is not observed of it, and why.
fn refusals(watched: &Watched, attachment: Option<&Attachment>) -> Vec<Refusal> {
    let probes = match (&watched.slot, attachment) {
        (_, Some(attachment)) => attachment.refusals(),
        (Ok(_), None) => Vec::new(),
        // All that probes count; memory is read all the same.
        (Err(refusal), None) if watched.memory.reading().is_some() => {
            Family::ALL.map(|family| Refusal { subject: Subject::Family(family), ..refusal.clone() }).into()
        }
        (Err(refusal), None) => vec![refusal.clone()],
    };
    let memory = if let Memory::Refused(refusal) = &watched.memory { Some(refusal.clone()) } else { None };
    probes.into_iter().chain(memory).collect()
}
