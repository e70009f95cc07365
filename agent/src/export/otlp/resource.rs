//! Attributes of a Resource: what the semantic conventions say of a service, its process, its container and where they run.
//!
//! In: labels of a process and of its info. Out: attributes. Must not know: metrics.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};

use super::{Origin, attribute, text};
use crate::metrics::{Label, Subject};

/// Labels, and the attributes that they are. `container` is told below: in a pod it is a name, elsewhere an id.
const ATTRIBUTES: [(&str, &str); 10] = [
    ("process", "process.executable.name"),
    ("namespace", "k8s.namespace.name"),
    ("pod", "k8s.pod.name"),
    ("pod_uid", "k8s.pod.uid"),
    ("container_id", "container.id"),
    ("unit", "systemd.unit"),
    ("go_version", "process.runtime.version"),
    ("build_id", "process.executable.build_id.go"),
    ("module", "goroscope.module.path"),
    ("module_version", "goroscope.module.version"),
];

/// Kinds of workloads that the conventions know, the one that names a service first; as `workload_type` has them, in lower case.
const WORKLOADS: [&str; 6] = ["deployment", "replicaset", "statefulset", "daemonset", "cronjob", "job"];

/// The agent's own.
pub(super) fn of_agent(origin: &Origin) -> Vec<KeyValue> {
    let Origin { host, version, pid, .. } = origin;
    let mut attributes = vec![
        text("service.name", "goroscope"),
        text("service.version", version),
        text("service.instance.id", host),
        attribute("process.pid", Value::IntValue(i64::from(*pid))),
    ];
    attributes.extend(place(origin));
    attributes
}

/// That of the processes of one label set. `infos` are the labels of its info samples; `is_first` whether it is the oldest process of its
/// container.
pub(super) fn of_process(labels: &[Label], infos: &[&[Label]], subject: Subject, is_first: bool, origin: &Origin) -> Vec<KeyValue> {
    let known = agreed(labels, infos);
    let get = |label: &str| known.get(label).copied().filter(|value| !value.is_empty());
    let mut attributes = service(&get, is_first, origin);
    attributes.extend(ATTRIBUTES.iter().filter_map(|(label, name)| Some(text(name, get(label)?))));
    let in_pod = get("pod").is_some();
    // Its id may be among the info as well.
    if let Some(container) = get("container").filter(|_| in_pod || get("container_id").is_none()) {
        attributes.push(text(if in_pod { "k8s.container.name" } else { "container.id" }, container));
    }
    attributes.extend(workload(&get).map(|(kind, name)| text(&format!("k8s.{kind}.name"), name)));
    attributes.push(text("process.runtime.name", "go"));
    attributes.extend(subject.pid.map(|pid| attribute("process.pid", Value::IntValue(i64::from(pid)))));
    attributes.extend(place(origin));
    attributes
}

/// What tells containers of a host apart.
pub(super) fn container(labels: &[Label]) -> String {
    let get = |label: &str| labels.iter().find(|(name, _)| *name == label).map_or("", |(_, value)| value);
    match get("container") {
        // Without a container every label set stands for itself.
        "" => labels.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect(),
        container => format!("{}\0{}\0{container}", get("namespace"), get("pod")),
    }
}

/// The labels of the process, and of its info those that are the same for all processes behind it.
fn agreed<'a>(labels: &'a [Label], infos: &[&'a [Label]]) -> BTreeMap<&'a str, &'a str> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    if let Some((first, others)) = infos.split_first() {
        let in_all = |label: &&Label| others.iter().all(|other| other.contains(label));
        known.extend(first.iter().filter(in_all).map(|(name, value)| (*name, value.as_ref())));
    }
    known.extend(labels.iter().map(|(name, value)| (*name, value.as_ref())));
    known
}

/// The workload as the conventions call its kind, and its name.
fn workload<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Option<(&'static str, &'a str)> {
    let kind = get("workload_type")?.to_ascii_lowercase();
    Some((WORKLOADS.into_iter().find(|known| *known == kind)?, get("workload")?))
}

/// service.*, in the order that the conventions give for Kubernetes: workload, pod, container; elsewhere the executable.
fn service<'a>(get: &impl Fn(&str) -> Option<&'a str>, is_first: bool, origin: &Origin) -> Vec<KeyValue> {
    let process = get("process").unwrap_or("unknown_service:go");
    let (name, instance) = match (get("namespace"), get("pod")) {
        (Some(namespace), Some(pod)) => {
            let container = get("container").unwrap_or_default();
            (workload(get).map_or(pod, |(_, name)| name), vec![namespace, pod, container])
        }
        _ => (process, [Some(origin.host.as_str()), get("container"), get("unit")].into_iter().flatten().collect()),
    };
    let mut instance = instance.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    // Two processes of one container are two Resources, and must not be one instance.
    let in_pod = get("pod").is_some();
    if !is_first && in_pod {
        instance.push(process);
    }
    instance.extend(get("pid"));
    let version = get("module_version").filter(|version| *version != "(devel)");
    let mut attributes = vec![text("service.name", name), text("service.instance.id", &instance.join("."))];
    attributes.extend(get("namespace").map(|namespace| text("service.namespace", namespace)));
    attributes.extend(version.map(|version| text("service.version", version)));
    attributes
}

fn place(origin: &Origin) -> impl Iterator<Item = KeyValue> {
    let node = origin.node.as_ref().map(|node| text("k8s.node.name", node));
    [text("host.name", &origin.host)].into_iter().chain(node)
}
