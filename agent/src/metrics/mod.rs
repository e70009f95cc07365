//! What Prometheus reads: the families of one [`Report`], in OpenMetrics 1.0 and in text 0.0.4.
//!
//! In: a [`Report`]. Out: a [`Page`] of families, built anew at each scrape and rendered in the format that was asked for.
//! Nothing is kept between two scrapes but what was left out of them, so what is gone from the Report is gone from the page.
//! Must not know: HTTP connections, BPF, how anything was counted.
//!
//! The Report becomes [`family::Family`]s once; `prometheus-client` renders them as OpenMetrics ([`openmetrics`]) and
//! [`text`] as the older format, which that crate does not have. A test compares both sample by sample.

mod agent;
mod family;
mod findings;
mod label;
mod limit;
mod negotiate;
mod openmetrics;
mod own;
mod runtime;
mod services;
#[cfg(test)]
mod tests;
mod text;
mod workload;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
    time::SystemTime,
};

use self::{family::Families, limit::Limiter};
pub use self::{
    family::{Descriptor, Family, Label, Labels, Sample, Type, Value},
    negotiate::{Format, negotiate},
    own::OwnUsage,
    services::Services,
};
use crate::model::{Identity, Report};

/// How many series of observed processes a page may have, unless told otherwise.
pub const SERIES_LIMIT: usize = 20_000;

/// Renders pages. One for the life of the agent: it counts what the series limit left out.
#[derive(Debug)]
pub struct Metrics {
    version: &'static str,
    commit: &'static str,
    limiter: Limiter,
    services: Services,
}

impl Metrics {
    /// Pages of at most `series_limit` series of observed processes (the agent's own few come on top), that call the agent
    /// by this version and commit.
    #[must_use]
    pub fn new(series_limit: usize, version: &'static str, commit: &'static str) -> Self {
        Self { version, commit, limiter: Limiter::new(series_limit), services: Services::default() }
    }

    /// The same, with what the agent's own services count.
    #[must_use]
    pub fn with_services(self, services: Services) -> Self {
        Self { services, ..self }
    }

    /// The page of one scrape. `own` is what the agent itself uses, see [`OwnUsage::read`]; none where /proc does not tell.
    #[must_use]
    pub fn page(&self, report: &Report, own: Option<&OwnUsage>) -> Page {
        let mut families = Families::default();
        agent::add(&mut families, &report.agent, report.taken_at);
        agent::add_build(&mut families, self.version, self.commit);
        if let Some(own) = own {
            own.add(&mut families);
        }
        self.services.add(&mut families);
        self.limiter.admit(&mut families, workload::chunks(report));
        Page { families: families.finish(), subjects: subjects(report), taken_at: report.taken_at }
    }
}

/// All families of one instant.
#[derive(Clone, Debug)]
pub struct Page {
    families: Vec<Family>,
    subjects: BTreeMap<Arc<[Label]>, Subject>,
    taken_at: SystemTime,
}

/// What stands behind one label set, beside its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// When the oldest of its live processes started; none where none is alive.
    pub started_at: Option<SystemTime>,
    /// Its process id, where it is one live process.
    pub pid: Option<u32>,
}

/// By the labels that a process' samples share.
fn subjects(report: &Report) -> BTreeMap<Arc<[Label]>, Subject> {
    let mut pids: BTreeMap<&Identity, Option<u32>> = BTreeMap::new();
    for process in &report.processes {
        match pids.entry(&process.identity) {
            Entry::Vacant(entry) => drop(entry.insert(Some(process.pid))),
            Entry::Occupied(mut entry) => drop(entry.insert(None)),
        }
    }
    let subject =
        |group: &crate::model::GroupReport| Subject { started_at: group.started_at, pid: pids.get(&group.identity).copied().flatten() };
    report.groups.iter().map(|group| (workload::identity_labels(&group.identity), subject(group))).collect()
}

impl Page {
    /// Every family, in the order of their names.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// What stands behind the labels of a process.
    #[must_use]
    pub fn subject(&self, labels: &Arc<[Label]>) -> Subject {
        self.subjects.get(labels).copied().unwrap_or_default()
    }

    /// When its Report was made.
    #[must_use]
    pub const fn taken_at(&self) -> SystemTime {
        self.taken_at
    }

    /// The page as text.
    ///
    /// # Errors
    /// Only what writing into a `String` returns, which is nothing today.
    pub fn render(self, format: Format) -> Result<String, fmt::Error> {
        match format {
            Format::OpenMetrics100 | Format::OpenMetrics001 => openmetrics::render(self.families),
            Format::Text004 => text::render(&self.families),
        }
    }
}
