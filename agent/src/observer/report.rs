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
    watched::{Reading, Watched},
};
use crate::{
    collect::{Live, Totals},
    model::{AgentReport, FamilyReport, Info, ProcessReport, Refusal, Report, TargetState},
};

impl Observer {
    /// The state of everything.
    pub(super) fn report(&mut self) -> Arc<Report> {
        let begin = clock();
        let mut sites = self.maps.sites();
        let mut processes = Vec::with_capacity(self.watched.len());
        let mut totals: Vec<(&Watched, Totals, &Attachment)> = Vec::new();
        let used_sites: u64 = sites.values().map(|sites| sites.len() as u64).sum();
        for (key, watched) in &self.watched {
            let attachment = watched.slot.as_ref().ok().and_then(|slot| self.attachments.get(slot));
            let Some(attachment) = attachment else {
                processes.push(Arc::new(refused(watched)));
                continue;
            };
            let reading = Reading::of_process(&self.maps, key, &mut sites);
            let (sums, sites) = watched.totals(attachment, &reading, begin);
            let mut report = describe(watched, attachment, &sums, begin);
            report.sites = sites;
            // While its first probes are on their way it is neither attached nor refused.
            let settled = attachment.pending.is_empty() || !report.families.is_empty();
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
                    totals: sums,
                    sampling_ratio: attachment.families.iter().filter_map(|(family, state)| ratio(family, state)).collect(),
                    info: info(attachment),
                }
            })
            .collect();
        let groups = self.ledger.report(&live, begin);
        let mut agent = self.agent(&processes);
        agent.map_entries.insert("SITES", (used_sites, self.maps.room().get("SITES").copied().unwrap_or(0)));
        agent.collect_duration = Duration::from_nanos(clock().saturating_sub(begin));
        Arc::new(Report { taken_at: SystemTime::now(), processes, groups, agent })
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
        let room = |map: &str| self.maps.room().get(map).copied().unwrap_or(0);
        AgentReport {
            processes: states,
            refusals,
            attach_failures: self.failures.clone(),
            lost: self.maps.drops(),
            map_entries: BTreeMap::from([
                ("COUNTERS", (self.maps.processes_with_hits().len() as u64, room("COUNTERS"))),
                ("EXECUTABLES", (self.attachments.len() as u64, room("EXECUTABLES"))),
            ]),
            executables: self.attachments.len() as u64,
            starting: self.starting.as_ref().map_or(0, |starting| (starting.attaching.len() as u64).max(1)),
            losses: self.losses.clone(),
            ..AgentReport::default()
        }
    }
}

fn info(attachment: &Attachment) -> Info {
    let binary = &attachment.executable.binary;
    let module = binary.build.as_ref().and_then(|build| build.main_module.as_ref());
    Info {
        go_version: binary.version.to_string(),
        build_id: attachment.executable.id.build_id.clone(),
        module: module.map(|module| module.path.clone()).unwrap_or_default(),
        module_version: module.map(|module| module.version.clone()).unwrap_or_default(),
    }
}

fn describe(watched: &Watched, attachment: &Attachment, totals: &Totals, now_ns: u64) -> ProcessReport {
    let Info { go_version, build_id, module, module_version } = info(attachment);
    let mut families = BTreeMap::new();
    for (family, state) in &attachment.families {
        let Some(mode) = state.mode() else { continue };
        families.insert(*family, FamilyReport { mode, counts: watched.shown(*family, totals, now_ns) });
    }
    let state =
        if families.is_empty() { TargetState::Refused } else { TargetState::Attached { at: watched.found_at.max(attachment.attached_at) } };
    ProcessReport { go_version, build_id, module, module_version, families, ..process(watched, state, attachment.refusals()) }
}

fn refused(watched: &Watched) -> ProcessReport {
    process(watched, TargetState::Refused, watched.slot.as_ref().err().cloned().into_iter().collect())
}

fn process(watched: &Watched, state: TargetState, refusals: Vec<Refusal>) -> ProcessReport {
    ProcessReport {
        pid: watched.target.pid(),
        identity: watched.target.identity.clone(),
        exe: watched.target.exe.display().to_string(),
        go_version: String::new(),
        build_id: String::new(),
        module: String::new(),
        module_version: String::new(),
        state,
        refusals,
        families: BTreeMap::new(),
        sites: Vec::new(),
    }
}
