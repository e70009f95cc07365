//! One account for each label set: what its ended processes left, what its live ones have, what is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use goroscope_abi::{Family, Kind};

use super::{
    runtime::{self, GaugeNames},
    sites::Names,
};
use crate::model::{Count, Finding, GroupReport, Identity, Info, RuntimeCounters, RuntimeReading, Since};

/// How long the counters of a label set stay after its last process ended.
const KEPT: Duration = Duration::from_secs(300);

/// What one process did so far. Grows only.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Events by kind: a kind that is not here is not counted.
    pub counts: BTreeMap<Kind, Count>,
    /// Families whose sites are known: their events could all be found under a function.
    pub sited: BTreeSet<Family>,
    /// Events by family and function, where the function is known.
    pub sites: BTreeMap<(Family, String), u64>,
    /// What its memory has counted; none where it was never read.
    pub runtime: Option<RuntimeCounters>,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        for (kind, count) in &other.counts {
            *self.counts.entry(*kind).or_default() += *count;
        }
        self.sited.extend(&other.sited);
        for (site, count) in &other.sites {
            *self.sites.entry(site.clone()).or_default() += count;
        }
        if let Some(runtime) = &other.runtime {
            runtime::add(self.runtime.get_or_insert_default(), runtime);
        }
    }
}

/// A process that is alive, as the ledger sees it.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// Its label set.
    pub identity: &'a Identity,
    /// When it started.
    pub started_at: SystemTime,
    /// Since when it is counted.
    pub since: Since,
    /// What it did so far.
    pub totals: &'a Totals,
    /// Share of events counted, by family.
    pub sampling_ratio: BTreeMap<Family, f64>,
    /// What its memory said last.
    pub reading: Option<&'a RuntimeReading>,
    /// Leaks that are known now.
    pub findings: &'a [Finding],
    /// Its info labels.
    pub info: Info,
}

#[derive(Debug, Default)]
struct Account {
    ended: Totals,
    names: BTreeMap<Family, Names>,
    gauge_names: GaugeNames,
    /// Since when its first processes were counted: what comes later changes nothing.
    since: Option<Since>,
    /// When its last process was seen, ns.
    last_ns: u64,
}

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<Identity, Account>);

impl Ledger {
    /// Books the last totals of a process that has ended.
    pub fn end(&mut self, identity: &Identity, totals: &Totals, since: Since, now_ns: u64) {
        let account = self.0.entry(identity.clone()).or_default();
        account.since.get_or_insert(since);
        account.ended.add(totals);
        account.last_ns = account.last_ns.max(now_ns);
    }

    /// Every label set as it stands at `now_ns`, with those that ended less than five minutes ago.
    pub fn report(&mut self, live: &[Live<'_>], now_ns: u64) -> Vec<GroupReport> {
        let mut by_identity: BTreeMap<&Identity, Vec<&Live<'_>>> = BTreeMap::new();
        for process in live {
            by_identity.entry(process.identity).or_default().push(process);
            self.0.entry(process.identity.clone()).or_default().last_ns = now_ns;
        }
        let kept = u64::try_from(KEPT.as_nanos()).unwrap_or(u64::MAX);
        self.0.retain(|_, account| account.last_ns.saturating_add(kept) > now_ns);
        self.0
            .iter_mut()
            .map(|(identity, account)| account.report(identity, by_identity.get(identity).map_or(&[][..], Vec::as_slice)))
            .collect()
    }
}

impl Account {
    fn report(&mut self, identity: &Identity, live: &[&Live<'_>]) -> GroupReport {
        let mut totals = self.ended.clone();
        self.since = self.since.or_else(|| live.iter().map(|process| process.since).reduce(Since::min));
        let mut sampling_ratio: BTreeMap<Family, f64> = BTreeMap::new();
        let mut info = BTreeSet::new();
        for process in live {
            totals.add(process.totals);
            for (family, ratio) in &process.sampling_ratio {
                let smallest = sampling_ratio.entry(*family).or_insert(*ratio);
                *smallest = smallest.min(*ratio);
            }
            info.insert(process.info.clone());
        }
        let mut sites = BTreeMap::new();
        for family in Family::ALL {
            let of_family = |kind: &Kind| kind.family() == family && kind.has_site();
            if !totals.sited.contains(&family) || !totals.counts.keys().any(of_family) {
                continue;
            }
            let total = totals.counts.iter().filter(|(kind, _)| of_family(kind)).map(|(_, count)| count.value).sum();
            let counts =
                totals.sites.iter().filter(|((of, _), _)| *of == family).map(|((_, name), count)| (name.clone(), *count)).collect();
            sites.insert(family, self.names.entry(family).or_default().split(total, &counts));
        }
        let readings: Vec<&RuntimeReading> = live.iter().filter_map(|process| process.reading).collect();
        GroupReport {
            gauges: runtime::gauges(&readings, &mut self.gauge_names),
            counters: totals.runtime,
            findings: findings(live),
            identity: identity.clone(),
            since: self.since,
            started_at: live.iter().map(|process| process.started_at).min(),
            counts: totals.counts,
            sampling_ratio,
            sites,
            info: info.into_iter().collect(),
        }
    }
}

/// The findings of all processes; those that are one statement's of several processes are one series when they are shown.
fn findings(live: &[&Live<'_>]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = live.iter().flat_map(|process| process.findings).cloned().collect();
    findings.sort_by(|a, b| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn totals(starts: u64, sites: &[(&str, u64)]) -> Totals {
        Totals {
            counts: [(Kind::GoroutineStart, Count::exact(starts)), (Kind::GoroutineExit, Count::exact(0))].into(),
            sites: sites.iter().map(|(name, count)| ((Family::Goroutine, (*name).to_owned()), *count)).collect(),
            sited: [Family::Goroutine].into(),
            runtime: None,
        }
    }

    fn since(second: u64) -> Since {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Since { process: time, probes: time + Duration::from_secs(1) }
    }

    fn live<'a>(identity: &'a Identity, totals: &'a Totals, ratio: f64) -> Live<'a> {
        Live {
            identity,
            started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(totals.counts[&Kind::GoroutineStart].value),
            since: since(totals.counts[&Kind::GoroutineStart].value),
            totals,
            sampling_ratio: [(Family::Goroutine, ratio)].into(),
            reading: None,
            findings: &[],
            info: Info::default(),
        }
    }

    #[test]
    fn replicas_are_summed_and_the_smallest_ratio_is_shown() {
        let identity = Identity { process: "web".into(), ..Identity::default() };
        let (a, b) = (totals(10, &[("main.serve", 9)]), totals(5, &[("main.serve", 5)]));
        let report = Ledger::default().report(&[live(&identity, &a, 1.0), live(&identity, &b, 0.001)], 0);
        assert_eq!(report.len(), 1);
        assert_eq!(report[0].counts[&Kind::GoroutineStart], Count::exact(15));
        assert_eq!(report[0].sampling_ratio[&Family::Goroutine], 0.001);
        assert_eq!(report[0].started_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5)), "the oldest");
        assert_eq!(report[0].sites[&Family::Goroutine].named, [("main.serve".to_owned(), 14)]);
        assert_eq!(report[0].sites[&Family::Goroutine].other, 1);
        assert!(!report[0].sites.contains_key(&Family::Map), "what is not counted is absent");
    }

    #[test]
    fn counters_outlive_their_processes_by_five_minutes() {
        let identity = Identity { process: "job".into(), ..Identity::default() };
        let mut ledger = Ledger::default();
        let done = totals(10, &[("main.run", 10)]);
        ledger.end(&identity, &done, since(2), SECOND);
        let next = totals(3, &[("main.run", 3)]);
        let report = ledger.report(&[live(&identity, &next, 1.0)], 2 * SECOND);
        assert_eq!(report[0].counts[&Kind::GoroutineStart], Count::exact(13), "a restart does not reset");
        assert_eq!(report[0].since, Some(since(2)), "nor does it move the beginning");
        let report = ledger.report(&[], 301 * SECOND);
        assert_eq!(report[0].started_at, None);
        assert_eq!(report[0].counts[&Kind::GoroutineStart], Count::exact(10), "only what was booked");
        assert!(ledger.report(&[], 303 * SECOND).is_empty());
    }
}
