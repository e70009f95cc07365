//! What is counted of Go processes: families of [`GroupReport`]s and of refusals.
//!
//! In: a [`Report`]. Out: chunks of samples for the series limit. Must not know: formats, what the agent says of itself.
//!
//! A kind that a group does not have gives no series ("could not be counted" is not 0); one that it has gives one, be it 0.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use goroscope_abi::{Family, Kind};

use super::{
    family::{Descriptor, Label, Labels, Merge, Sample, Value},
    findings, label,
    limit::{Chunk, Detail},
    runtime,
};
use crate::model::{GroupReport, Identity, Report, Sites};

static GOROUTINE_STARTS: Descriptor = Descriptor::counter(
    "goroscope_goroutine_starts_total",
    "Goroutines created, the runtime's own and coroutines included. Where memory is read: since the process started, exact, as of \
     goroscope_last_read_timestamp_seconds. Else: calls of runtime.newproc1 from the moment that the process was attached, an estimate \
     where goroscope_sampling_ratio is below 1.",
);
static GOROUTINE_EXITS: Descriptor = Descriptor::counter(
    "goroscope_goroutine_exits_total",
    "Goroutines ended. Where memory is read: since the process started, exact, as of goroscope_last_read_timestamp_seconds. Else: from \
     the moment that the process was attached, an estimate where goroscope_sampling_ratio is below 1.",
);
static MAP_WRITES: Descriptor = Descriptor::counter(
    "goroscope_map_writes_total",
    "Writes to Go maps (m[k] = v, m[k]++): one call of a runtime.mapassign function each, by the variant that the compiler chose \
     for the key type. An update counts like an insert; maps of the standard library count too. Exact, or an estimate where \
     goroscope_sampling_ratio is below 1.",
);
static MAP_DELETES: Descriptor = Descriptor::counter(
    "goroscope_map_deletes_total",
    "Deletes from Go maps: calls of runtime.mapdelete functions, those on nil and empty maps and of absent keys included. Exact, or \
     an estimate where goroscope_sampling_ratio is below 1.",
);
static MAP_CLEARS: Descriptor = Descriptor::counter(
    "goroscope_map_clears_total",
    "Go maps emptied at once: calls of runtime.mapclear, by clear(m) or by a loop that deletes every key. Exact, or an estimate where \
     goroscope_sampling_ratio is below 1.",
);
static TIMER_STARTS: Descriptor = Descriptor::counter(
    "goroscope_timer_starts_total",
    "Timers made by time.NewTimer, AfterFunc, NewTicker and what calls them (After, Tick, context deadlines). Exact, or an estimate \
     where goroscope_sampling_ratio is below 1.",
);
static TIMER_STOPS: Descriptor = Descriptor::counter(
    "goroscope_timer_stops_total",
    "Stops of timers and tickers: calls of Stop, also of timers that were no longer active. Exact, or an estimate where \
     goroscope_sampling_ratio is below 1.",
);
static TIMER_RESETS: Descriptor = Descriptor::counter(
    "goroscope_timer_resets_total",
    "Resets of timers and tickers: calls of Reset. Exact, or an estimate where goroscope_sampling_ratio is below 1.",
);
static TIMER_FIRES: Descriptor = Descriptor::counter(
    "goroscope_timer_fires_total",
    "Runs of such timers and tickers; sleeps, I/O deadlines and timers of the runtime do not count. Exact, or an estimate where \
     goroscope_sampling_ratio is below 1.",
);
static SLEEPS: Descriptor = Descriptor::counter(
    "goroscope_sleeps_total",
    "Calls of time.Sleep. Exact, or an estimate where goroscope_sampling_ratio of family timer is below 1.",
);
static GOROUTINE_STARTS_BY_SITE: Descriptor = Descriptor::counter(
    "goroscope_goroutine_starts_by_site_total",
    "goroscope_goroutine_starts_total by the function that holds the go statement, as probes saw it: the busiest 20 by name, the rest as \
     other, also what was created before the probes were on. The sum over created_by is the total.",
);
static MAP_WRITES_BY_SITE: Descriptor = Descriptor::counter(
    "goroscope_map_writes_by_site_total",
    "goroscope_map_writes_total, all variants, by the function that writes (the first one outside runtime, time, context, reflect and \
     internal): the busiest 20 by name, the rest as other. The sum over written_by is the total.",
);
static TIMER_STARTS_BY_SITE: Descriptor = Descriptor::counter(
    "goroscope_timer_starts_by_site_total",
    "goroscope_timer_starts_total by the function that makes the timer (the first one outside runtime, time, context, reflect and \
     internal): the busiest 20 by name, the rest as other. The sum over started_by is the total.",
);
static SAMPLING_RATIO: Descriptor = Descriptor::gauge(
    "goroscope_sampling_ratio",
    "Share of time in which a family's events are counted: 1 means that its counters are exact, less that they are estimated from \
     short random windows. The smallest where a series stands for several processes.",
)
.merge(Merge::Min);
static START_TIME: Descriptor = Descriptor::gauge(
    "goroscope_process_start_time_seconds",
    "When the process started, in seconds since 1970. The oldest where a series stands for several processes.",
)
.unit("seconds")
.merge(Merge::Min);
static PROCESS_INFO: Descriptor = Descriptor::info(
    "goroscope_process_info",
    "Always 1. What is known of the Go executable: its Go version, Go build id, main module and the module's version; in a pod also \
     what keeps that running (workload and workload_type), its uid and the container's id.",
);
static REFUSALS: Descriptor = Descriptor::gauge(
    "goroscope_agent_refusals",
    "Live Go processes of which a family (or all) cannot or may not be counted, by reason. Their series are absent, never 0; \
     goroscope inspect PID explains.",
);

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 17] = [
    &GOROUTINE_STARTS,
    &GOROUTINE_EXITS,
    &MAP_WRITES,
    &MAP_DELETES,
    &MAP_CLEARS,
    &TIMER_STARTS,
    &TIMER_STOPS,
    &TIMER_RESETS,
    &TIMER_FIRES,
    &SLEEPS,
    &GOROUTINE_STARTS_BY_SITE,
    &MAP_WRITES_BY_SITE,
    &TIMER_STARTS_BY_SITE,
    &SAMPLING_RATIO,
    &START_TIME,
    &PROCESS_INFO,
    &REFUSALS,
];

/// The counter of a kind, and the value of its label `variant`.
const fn counter(kind: Kind) -> (&'static Descriptor, &'static str) {
    match kind {
        Kind::GoroutineStart => (&GOROUTINE_STARTS, ""),
        Kind::GoroutineExit => (&GOROUTINE_EXITS, ""),
        Kind::MapAssignFast32 => (&MAP_WRITES, "fast32"),
        Kind::MapAssignFast64 => (&MAP_WRITES, "fast64"),
        Kind::MapAssignFaststr => (&MAP_WRITES, "faststr"),
        Kind::MapAssignGeneric => (&MAP_WRITES, "generic"),
        Kind::MapDelete => (&MAP_DELETES, ""),
        Kind::MapClear => (&MAP_CLEARS, ""),
        Kind::TimerStart => (&TIMER_STARTS, ""),
        Kind::TimerStop => (&TIMER_STOPS, ""),
        Kind::TimerReset => (&TIMER_RESETS, ""),
        Kind::Sleep => (&SLEEPS, ""),
        Kind::TimerFire => (&TIMER_FIRES, ""),
    }
}

/// The family by site, and the label that names the site.
const fn by_site(family: Family) -> (&'static Descriptor, &'static str) {
    match family {
        Family::Goroutine => (&GOROUTINE_STARTS_BY_SITE, "created_by"),
        Family::Map => (&MAP_WRITES_BY_SITE, "written_by"),
        Family::Timer => (&TIMER_STARTS_BY_SITE, "started_by"),
    }
}

/// All samples of a Report's processes. Groups come in the order of their labels, whatever order the Report has.
pub(super) fn chunks(report: &Report) -> Vec<Chunk> {
    let mut groups: Vec<_> = report.groups.iter().collect();
    groups.sort_by(|a, b| a.identity.cmp(&b.identity));
    let mut chunks = Vec::with_capacity(4 * groups.len() + 1);
    for group in groups {
        let labels = identity_labels(&group.identity);
        chunks.push(totals(group, &labels));
        chunks.push(info(group, &labels));
        chunks.extend(runtime::chunks(group, &labels));
        chunks.push(findings::chunk(&group.findings, &labels));
        chunks.extend(group.sites.iter().map(|(family, sites)| by_sites(*family, sites, &labels, since(group, *family))));
    }
    chunks.push(refusals(report));
    chunks
}

pub(super) fn identity_labels(identity: &Identity) -> Arc<[Label]> {
    let Identity { process, namespace, pod, container, unit, pid } = identity;
    let pid = pid.map(|pid| pid.to_string());
    let labels = [
        ("process", Some(process)),
        ("namespace", namespace.as_ref()),
        ("pod", pod.as_ref()),
        ("container", container.as_ref()),
        ("unit", unit.as_ref()),
        ("pid", pid.as_ref()),
    ];
    labels.into_iter().filter_map(|(name, value)| Some((name, label::clean(value.filter(|value| !value.is_empty())?)))).collect()
}

fn totals(group: &GroupReport, labels: &Arc<[Label]>) -> Chunk {
    let counts = group.counts.iter().map(|(kind, count)| {
        let (descriptor, variant) = counter(*kind);
        let labels = Labels::shared(labels).with("variant", variant);
        (descriptor, Sample::new(labels, Value::Count(count.value)).since(since(group, kind.family())))
    });
    let ratios = group.sampling_ratio.iter().filter(|(_, ratio)| group.started_at.is_some() && ratio.is_finite()).map(|(family, ratio)| {
        let labels = Labels::shared(labels).with("family", family.name());
        (&SAMPLING_RATIO, Sample::new(labels, Value::Float(*ratio)))
    });
    let started = group.started_at.map(|at| {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        (&START_TIME, Sample::new(Labels::shared(labels), Value::Float(at.as_secs_f64())))
    });
    Chunk { detail: Detail::Totals, samples: counts.chain(ratios).chain(started).collect() }
}

fn info(group: &GroupReport, labels: &Arc<[Label]>) -> Chunk {
    let samples = group.info.iter().filter(|_| group.started_at.is_some()).map(|info| {
        let labels = Labels::shared(labels)
            .with("go_version", &info.go_version)
            .with("build_id", &info.build_id)
            .with("module", &info.module)
            .with("module_version", &info.module_version)
            .with("workload", &info.workload)
            .with("workload_type", &info.workload_type)
            .with("pod_uid", &info.pod_uid)
            .with("container_id", &info.container_id);
        (&PROCESS_INFO, Sample::new(labels, Value::Count(1)))
    });
    Chunk { detail: Detail::Info, samples: samples.collect() }
}

/// Since when a family is counted: goroutines since the process started where its memory is read, all else since its probes are on.
fn since(group: &GroupReport, family: Family) -> Option<SystemTime> {
    let since = group.since?;
    Some(if family == Family::Goroutine && group.counters.is_some() { since.process } else { since.probes })
}

fn by_sites(family: Family, sites: &Sites, labels: &Arc<[Label]>, since: Option<SystemTime>) -> Chunk {
    let (descriptor, label) = by_site(family);
    let named = sites.named.iter().map(|(function, count)| (function.as_str(), *count));
    let samples = named.chain([("other", sites.other)]).map(|(function, count)| {
        // A function whose name could not be found has none, and must not look like the total.
        let function = if function.is_empty() { "other" } else { function };
        (descriptor, Sample::new(Labels::shared(labels).with(label, function), Value::Count(count)).since(since))
    });
    Chunk { detail: Detail::Sites, samples: samples.collect() }
}

fn refusals(report: &Report) -> Chunk {
    let samples = report.agent.refusals.iter().map(|((process, family, reason), processes)| {
        let labels = Labels::default().with("process", process).with("family", family).with("reason", reason);
        (&REFUSALS, Sample::new(labels, Value::Count(*processes)))
    });
    Chunk { detail: Detail::Info, samples: samples.collect() }
}
