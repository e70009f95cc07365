//! One account for each label set: what its ended processes left, what its live ones have, what is named.
//!
//! A process in a container may be known before its pod is. Its account is held back for a while then, under the container's id, and is
//! moved when the names come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use goroscope_abi::{Family, Kind};

use super::{
    runtime::{self, GaugeNames},
    sites::Names as SiteNames,
};
use crate::model::{Count, Finding, GroupReport, Identity, Info, RuntimeCounters, RuntimeReading, Since};

/// How long the counters of a label set stay after its last process ended, and its pod with it.
const KEPT: Duration = Duration::from_secs(300);

/// How long an account waits for its names before it is shown without.
const AWAITED: Duration = Duration::from_secs(30);

/// What is known of the names of containers.
pub trait Names {
    /// Whether an account may still be given other names.
    fn are_awaited(&self, identity: &Identity) -> bool;

    /// Whether its pod is there: then it may have a process again.
    fn are_in_use(&self, identity: &Identity) -> bool;
}

/// Without pods: names are what they are.
#[derive(Clone, Copy, Debug)]
pub struct Final;

impl Names for Final {
    fn are_awaited(&self, _: &Identity) -> bool {
        false
    }

    fn are_in_use(&self, _: &Identity) -> bool {
        false
    }
}

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
    names: BTreeMap<Family, SiteNames>,
    gauge_names: GaugeNames,
    /// Since when its first processes were counted: what comes later changes nothing.
    since: Option<Since>,
    /// When its first process was, ns.
    first_ns: Option<u64>,
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
        account.seen(now_ns);
    }

    /// Moves accounts whose names have come to them: `names` gives the new ones, none where there are none. Those whose processes must
    /// not be shown are let go of.
    pub fn rename(&mut self, names: impl Fn(&Identity) -> Option<Renamed>) {
        let found: Vec<(Identity, Renamed)> = self.0.keys().filter_map(|old| Some((old.clone(), names(old)?))).collect();
        for (old, new) in found {
            let Some(account) = self.0.remove(&old) else { continue };
            if let Renamed::To(new) = new {
                self.0.entry(new).or_default().join(account);
            }
        }
    }

    /// Every label set as it stands at `now_ns`, with those that ended less than five minutes ago, without those whose names are still
    /// to come.
    pub fn report(&mut self, live: &[Live<'_>], names: &impl Names, now_ns: u64) -> Vec<GroupReport> {
        let mut by_identity: BTreeMap<&Identity, Vec<&Live<'_>>> = BTreeMap::new();
        for process in live {
            by_identity.entry(process.identity).or_default().push(process);
            self.0.entry(process.identity.clone()).or_default().seen(now_ns);
        }
        let after = |ns: u64, span: Duration| ns.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        for (identity, account) in &mut self.0 {
            if names.are_in_use(identity) {
                account.last_ns = now_ns;
            }
        }
        self.0.retain(|_, account| after(account.last_ns, KEPT) > now_ns);
        let is_shown = |identity: &Identity, account: &Account| {
            account.first_ns.is_none_or(|first_ns| after(first_ns, AWAITED) <= now_ns) || !names.are_awaited(identity)
        };
        self.0
            .iter_mut()
            .filter(|(identity, account)| is_shown(identity, account))
            .map(|(identity, account)| account.report(identity, by_identity.get(identity).map_or(&[][..], Vec::as_slice)))
            .collect()
    }
}

/// What becomes of an account whose names have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// It goes by these.
    To(Identity),
    /// It is not to be shown.
    Unwanted,
}

impl Account {
    fn seen(&mut self, now_ns: u64) {
        self.first_ns.get_or_insert(now_ns);
        self.last_ns = self.last_ns.max(now_ns);
    }

    /// Takes another one in.
    fn join(&mut self, other: Self) {
        self.ended.add(&other.ended);
        self.since = self.since.or(other.since);
        self.first_ns = self.first_ns.min(other.first_ns).or(self.first_ns).or(other.first_ns);
        if self.last_ns == 0 {
            (self.names, self.gauge_names) = (other.names, other.gauge_names);
        }
        self.last_ns = self.last_ns.max(other.last_ns);
    }

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
        let report = Ledger::default().report(&[live(&identity, &a, 1.0), live(&identity, &b, 0.001)], &Final, 0);
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
        let report = ledger.report(&[live(&identity, &next, 1.0)], &Final, 2 * SECOND);
        assert_eq!(report[0].counts[&Kind::GoroutineStart], Count::exact(13), "a restart does not reset");
        assert_eq!(report[0].since, Some(since(2)), "nor does it move the beginning");
        let report = ledger.report(&[], &Final, 301 * SECOND);
        assert_eq!(report[0].started_at, None);
        assert_eq!(report[0].counts[&Kind::GoroutineStart], Count::exact(10), "only what was booked");
        assert!(ledger.report(&[], &Final, 303 * SECOND).is_empty());
    }

    /// A cluster with one pod, whose containers are not known yet.
    struct Cluster {
        pod: &'static str,
    }

    impl Names for Cluster {
        fn are_awaited(&self, identity: &Identity) -> bool {
            identity.unnamed_container().is_some()
        }

        fn are_in_use(&self, identity: &Identity) -> bool {
            identity.pod.as_deref() == Some(self.pod)
        }
    }

    fn in_container(id: &str) -> Identity {
        Identity { process: "web".into(), container: Some(id.into()), ..Identity::default() }
    }

    fn in_pod(pod: &str) -> Identity {
        let text = |text: &str| Some(text.to_owned());
        Identity { process: "web".into(), namespace: text("shop"), pod: text(pod), container: text("app"), ..Identity::default() }
    }

    fn starts(report: &[GroupReport]) -> Vec<(&Identity, u64)> {
        report.iter().map(|group| (&group.identity, group.counts[&Kind::GoroutineStart].value)).collect()
    }

    #[test]
    fn names_that_come_late_find_everything() {
        let (mut ledger, cluster) = (Ledger::default(), Cluster { pod: "a" });
        let (ran, runs) = (totals(10, &[]), totals(3, &[]));
        // One life of the container is over, the next one runs: both ids are new.
        let (first, second) = (in_container("1"), in_container("2"));
        ledger.end(&first, &ran, since(1), SECOND);
        assert!(ledger.report(&[live(&second, &runs, 1.0)], &cluster, 2 * SECOND).is_empty(), "held back");
        ledger.rename(|old| old.unnamed_container().map(|_| Renamed::To(in_pod("a"))));
        let named = in_pod("a");
        let report = ledger.report(&[live(&named, &runs, 1.0)], &cluster, 3 * SECOND);
        assert_eq!(starts(&report), [(&named, 13)]);
        // As long as the pod is there.
        assert_eq!(starts(&ledger.report(&[], &cluster, 9_000 * SECOND)), [(&named, 10)]);
        assert_eq!(starts(&ledger.report(&[], &Final, 9_299 * SECOND)), [(&named, 10)]);
        assert!(ledger.report(&[], &Final, 9_300 * SECOND).is_empty(), "and five minutes more");
    }

    #[test]
    fn names_that_do_not_come_are_not_waited_for_forever() {
        let (mut ledger, cluster) = (Ledger::default(), Cluster { pod: "a" });
        let (ran, runs) = (totals(10, &[]), totals(3, &[]));
        let (dead, alive) = (in_container("1"), in_container("2"));
        ledger.end(&dead, &ran, since(1), SECOND);
        let mut shown = |at: u64| starts(&ledger.report(&[live(&alive, &runs, 1.0)], &cluster, at * SECOND)).len();
        assert_eq!((shown(1), shown(30), shown(31)), (0, 0, 2));
        // They come after all.
        ledger.rename(|old| (old == &dead).then(|| Renamed::To(in_pod("b"))));
        let report = ledger.report(&[live(&alive, &runs, 1.0)], &cluster, 40 * SECOND);
        assert_eq!(starts(&report), [(&alive, 3), (&in_pod("b"), 10)]);
        ledger.rename(|old| (old == &alive).then_some(Renamed::Unwanted));
        assert_eq!(starts(&ledger.report(&[], &cluster, 41 * SECOND)), [(&in_pod("b"), 10)]);
    }
}
