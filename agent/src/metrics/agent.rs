//! What the agent says of itself: families of [`AgentReport`], and its build.
//!
//! In: an [`AgentReport`]. Out: samples. Must not know: formats, observed processes.

use std::time::{SystemTime, UNIX_EPOCH};

use goroscope_abi::Drop;

use super::family::{Descriptor, Families, Labels, Merge, Value};
use crate::model::{AgentReport, KubernetesReport, PodEvent};

static PROCESSES: Descriptor = Descriptor::gauge(
    "goroscope_agent_processes",
    "Live Go processes that the agent knows, by state: attached (at least one family is counted) or refused (none is, see \
     goroscope_agent_refusals).",
);
static EXECUTABLES: Descriptor =
    Descriptor::gauge("goroscope_agent_executables", "Executable files with probes attached. Processes of one file share one attachment.");
static ATTACH_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_attach_failures_total",
    "Processes that could not be looked at, executables that were refused and probes that the kernel did not take, by reason.",
);
static EVENTS_LOST: Descriptor = Descriptor::counter(
    "goroscope_agent_events_lost_total",
    "What the kernel side could not keep, by reason: counters_full (hits of a new process are not counted), sites_full and site_unread \
     (hits count in the total and in other, not under their site), processes_full, records_full (the agent scans /proc again).",
);
static CREATION_MISMATCH: Descriptor = Descriptor::counter(
    "goroscope_agent_creation_mismatch_total",
    "Goroutine creations that probes and memory did not agree on, of intervals at whose ends both could be read at rest. Above 0, one of \
     both counts wrongly.",
);
static MEMORY_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_memory_read_failures_total",
    "Readings of a process' memory that were given up, by reason; the numbers of the reading before stay.",
);
static LEAK_LOOKS_FAILED: Descriptor = Descriptor::counter(
    "goroscope_agent_leak_looks_failed_total",
    "Looks for leaks that saw less than they should, by reason: proofs that could not be made (what is lost, stuck or loops is not found), \
     censuses that met more go statements than are followed (leaks at those that came last are not found), more timers, sleepers \
     or connections than are followed (who may be excused by one is not accused), and a /proc that could not be read.",
);
static MAP_ENTRIES: Descriptor =
    Descriptor::gauge("goroscope_agent_bpf_map_entries", "Entries in use of a BPF map of the agent. At the maximum, new ones are lost.");
static MAP_MAX_ENTRIES: Descriptor =
    Descriptor::gauge("goroscope_agent_bpf_map_max_entries", "Entries that a BPF map of the agent has room for.");
static COLLECT_DURATION: Descriptor = Descriptor::gauge(
    "goroscope_agent_collect_duration_seconds",
    "How long the last collection took: reading every counter from the kernel and naming new sites.",
)
.unit("seconds");
static LAST_COLLECT: Descriptor = Descriptor::gauge(
    "goroscope_agent_last_collect_timestamp_seconds",
    "When the numbers on this page were collected, in seconds since 1970. Old means that the agent is stuck.",
)
.unit("seconds");
static K8S_CONNECTED: Descriptor = Descriptor::gauge(
    "goroscope_agent_k8s_connected",
    "1 while the API server tells of the node's pods. At 0 what was known stays; what is new is named by container id only.",
)
.merge(Merge::Same);
static K8S_PODS: Descriptor =
    Descriptor::gauge("goroscope_agent_k8s_pods", "Pods of this node that run or may run again, as the API server last told.");
static K8S_UNNAMED: Descriptor = Descriptor::gauge(
    "goroscope_agent_k8s_unnamed_processes",
    "Go processes in containers that no known pod has. For some seconds after a container's start there is always one; after 30 s its \
     series have the container's id for a name.",
);
static K8S_WATCH_ERRORS: Descriptor = Descriptor::counter(
    "goroscope_agent_k8s_watch_errors_total",
    "Questions about pods that the API server did not answer, or not as it should, by reason. Each is asked again.",
);
static BUILD: Descriptor =
    Descriptor::info("goroscope_agent_build_info", "Always 1. The agent's version and the commit it was built from.").merge(Merge::Same);

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 16] = [
    &PROCESSES,
    &EXECUTABLES,
    &ATTACH_FAILURES,
    &EVENTS_LOST,
    &CREATION_MISMATCH,
    &MEMORY_FAILURES,
    &LEAK_LOOKS_FAILED,
    &MAP_ENTRIES,
    &MAP_MAX_ENTRIES,
    &COLLECT_DURATION,
    &LAST_COLLECT,
    &K8S_CONNECTED,
    &K8S_PODS,
    &K8S_UNNAMED,
    &K8S_WATCH_ERRORS,
    &BUILD,
];

/// States that are always told, so that a query has its 0.
const STATES: [&str; 2] = ["attached", "refused"];

/// The agent's own families.
pub(super) fn add(families: &mut Families, agent: &AgentReport, taken_at: SystemTime) {
    let AgentReport { processes, refusals: _, attach_failures, lost, map_entries, collect_duration, executables, .. } = agent;
    let mut push = |descriptor, label, name: &str, count| {
        families.push(descriptor, Labels::default().with(label, name), Value::Count(count));
    };
    // What may not be there yet starts at 0: a counter born at 1 hides its first event from increase(). The real number is added.
    STATES.iter().for_each(|state| push(&PROCESSES, "state", state, 0));
    processes.iter().for_each(|(state, count)| push(&PROCESSES, "state", state, *count));
    Drop::ALL.iter().for_each(|drop| push(&EVENTS_LOST, "reason", drop.name(), 0));
    lost.iter().for_each(|(reason, count)| push(&EVENTS_LOST, "reason", reason, *count));
    attach_failures.iter().for_each(|(reason, count)| push(&ATTACH_FAILURES, "reason", reason, *count));
    for (map, (used, max)) in map_entries {
        push(&MAP_ENTRIES, "map", map, *used);
        push(&MAP_MAX_ENTRIES, "map", map, *max);
    }
    agent.memory_failures.iter().for_each(|(reason, count)| push(&MEMORY_FAILURES, "reason", reason, *count));
    agent.failed_looks.iter().for_each(|(reason, count)| push(&LEAK_LOOKS_FAILED, "reason", reason, *count));
    if let Some(KubernetesReport { is_connected, pods, unnamed, errors }) = &agent.kubernetes {
        PodEvent::REASONS.iter().for_each(|reason| push(&K8S_WATCH_ERRORS, "reason", reason, 0));
        errors.iter().for_each(|(reason, count)| push(&K8S_WATCH_ERRORS, "reason", reason, *count));
        families.push(&K8S_CONNECTED, Labels::default(), Value::Count(u64::from(*is_connected)));
        families.push(&K8S_PODS, Labels::default(), Value::Count(*pods));
        families.push(&K8S_UNNAMED, Labels::default(), Value::Count(*unnamed));
    }
    families.push(&CREATION_MISMATCH, Labels::default(), Value::Count(agent.creation_mismatch));
    families.push(&EXECUTABLES, Labels::default(), Value::Count(*executables));
    families.push(&COLLECT_DURATION, Labels::default(), Value::Float(collect_duration.as_secs_f64()));
    let taken_at = taken_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    families.push(&LAST_COLLECT, Labels::default(), Value::Float(taken_at.as_secs_f64()));
}

/// Which agent this is.
pub(super) fn add_build(families: &mut Families, version: &str, commit: &str) {
    families.push(&BUILD, Labels::default().with("version", version).with("commit", commit), Value::Count(1));
}
