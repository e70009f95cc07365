//! Made-up Reports with something in every field. Must not know how a page says it.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use goroscope_abi::{Family, Kind};

use super::super::{OwnUsage, Services};
use crate::model::{
    AgentReport, Count, Evidence, Finding, FindingKind, GroupReport, Histogram, Identity, KubernetesReport, LimitKind, MemoryLimit,
    Projection, Report, RuntimeCounters, RuntimeGauges, Since, Site, Sites, Tally, report::Info,
};

pub(super) const OWN: OwnUsage = OwnUsage {
    cpu_seconds: 1.25,
    resident_bytes: 30_000_000,
    virtual_bytes: 200_000_000,
    open_fds: 12,
    max_fds: Some(1024),
    start_time_seconds: 1_700_000_000.5,
};

pub(super) fn identity(process: &str) -> Identity {
    Identity { process: process.into(), ..Identity::default() }
}

/// Every kind counted, each with another number; two sites and others for each family.
pub(super) fn group(identity: Identity) -> GroupReport {
    let counts = Kind::ALL.iter().map(|kind| (*kind, Count::exact(100 + *kind as u64))).collect();
    let sites = Family::ALL.iter().map(|family| {
        let named = vec![(format!("main.{}Busy", family.name()), 40), ("net/http.(*Server).Serve".to_owned(), 7)];
        (*family, Sites { named, other: 3 })
    });
    GroupReport {
        identity,
        started_at: Some(UNIX_EPOCH + Duration::from_millis(1_600_000_000_250)),
        since: Some(Since { process: UNIX_EPOCH, probes: UNIX_EPOCH }),
        counts,
        sampling_ratio: BTreeMap::from([(Family::Goroutine, 1.0), (Family::Map, 0.001), (Family::Timer, 1.0)]),
        sites: sites.collect(),
        gauges: Some(gauges()),
        counters: Some(counters()),
        findings: vec![finding()],
        info: vec![Info {
            go_version: "go1.26.8".into(),
            build_id: "a/b".into(),
            module: "example.com/api".into(),
            module_version: "v1.2.3".into(),
            ..Info::default()
        }],
    }
}

pub(super) fn finding() -> Finding {
    Finding {
        kind: FindingKind::GoroutineLeak,
        created_by: Site { function: "main.leak".into(), file: "/src/api/main.go".into(), line: 12 },
        blocked_in: None,
        wait_reason: "chan receive",
        period: None,
        evidence: Evidence::Proven,
        count: 900,
        slope: 1.5,
        since: UNIX_EPOCH,
        watched: Duration::from_secs(60),
        one_in: 1,
        restarts: 2,
        projection: Some(Projection {
            limit: MemoryLimit { kind: LimitKind::Cgroup, bytes: 2_000, used: 1_000 },
            bytes_per_second: 2.0,
            reached_in: Duration::from_secs(500),
        }),
    }
}

/// What memory says, each figure another number.
pub(super) fn gauges() -> RuntimeGauges {
    RuntimeGauges {
        read_at: UNIX_EPOCH + Duration::from_millis(1_700_000_099_500),
        goroutines: 1001,
        system_goroutines: 5,
        by_state: BTreeMap::from([("running", 1), ("runnable", 2), ("waiting", 1000), ("not_in_go", 3)]),
        waiting: BTreeMap::from([("chan receive", 900), ("select", 100)]),
        by_site: Sites { named: vec![("main.leak".into(), 900)], other: 106 },
        gomaxprocs: 8,
        threads: 11,
        gogc: Some(100),
        heap_goal: 4_194_304,
        heap_live: 2_097_152,
        memory_limit: Some(1 << 30),
        stack_bytes: Some(65_536),
        other_bytes: Some(1 << 20),
        timers: Some(4),
    }
}

pub(super) fn counters() -> RuntimeCounters {
    let histogram = |count| Some(Histogram::new(vec![(0.000_01, count), (0.001, 2), (f64::INFINITY, 1)], 0.0125));
    RuntimeCounters {
        gc_cycles: 7,
        gc_pauses: histogram(11),
        allocated_bytes: Some(123_456_789),
        allocations: Some(654_321),
        schedule_latency: histogram(500),
        mutex_wait_ns: Some(1_500_000_000),
    }
}

pub(super) fn report(groups: Vec<GroupReport>) -> Report {
    let agent = AgentReport {
        processes: BTreeMap::from([("attached", 2), ("refused", 1)]),
        refusals: BTreeMap::from([(("odd".to_owned(), "map", "no_stack_check"), 1), (("old".to_owned(), "all", "go_version"), 1)]),
        attach_failures: BTreeMap::from([("bytes_differ", 1)]),
        creation_mismatch: 1,
        memory_failures: BTreeMap::from([("torn", 2)]),
        failed_looks: BTreeMap::from([("heap_too_large", 3)]),
        lost: BTreeMap::from([("sites_full", 5)]),
        map_entries: BTreeMap::from([("counters", (2, 4096))]),
        collect_duration: Duration::from_millis(1),
        executables: 2,
        kubernetes: Some(KubernetesReport { is_connected: true, pods: 3, unnamed: 1, errors: BTreeMap::from([("expired", 2)]) }),
        starting: 0,
        losses: Vec::new(),
    };
    Report { taken_at: UNIX_EPOCH + Duration::from_millis(1_700_000_100_250), processes: Vec::new(), groups, agent }
}

/// A container, one of a pod, a unit, and a host process of which only one kind could be counted.
pub(super) fn full() -> Report {
    let container = Identity { process: "api".into(), container: Some("c0ffee".into()), ..Identity::default() };
    let pod = in_pod(group(Identity { namespace: Some("shop".into()), pod: Some("web-6d4cf5-x2x4z".into()), ..identity("web") }));
    let service = Identity { process: "etcd".into(), unit: Some("etcd.service".into()), pid: Some(42), ..Identity::default() };
    let partly = GroupReport { counts: BTreeMap::from([(Kind::Sleep, Count::exact(0))]), ..gone(identity("tool")) };
    report(vec![group(service), partly, group(container), pod])
}

pub(super) fn in_pod(mut group: GroupReport) -> GroupReport {
    group.identity.container = Some("app".into());
    for info in &mut group.info {
        (info.workload, info.workload_type) = ("web".into(), "Deployment".into());
        (info.pod_uid, info.container_id) = ("0a1b".into(), "c0ffee".into());
    }
    group
}

pub(super) fn gone(identity: Identity) -> GroupReport {
    GroupReport { started_at: None, sites: BTreeMap::new(), gauges: None, counters: None, findings: Vec::new(), ..group(identity) }
}

/// All of them, each with something counted.
pub(super) fn all_services() -> Services {
    let tally = |reasons: &'static [&'static str]| {
        let tally = Tally::new(reasons);
        reasons.iter().take(1).for_each(|reason| tally.count(reason));
        Some(std::sync::Arc::new(tally))
    };
    let (otlp_failures, refused) = (tally(&["timeout", "partial"]), tally(&["forbidden"]));
    Services {
        otlp_exports: tally(&[""]),
        otlp_failures,
        reload_failures: tally(&[""]),
        refused,
        alertmanager_posts: tally(&[""]),
        alertmanager_failures: tally(&["unreachable"]),
        events: tally(&[""]),
        event_failures: tally(&["forbidden"]),
    }
}
