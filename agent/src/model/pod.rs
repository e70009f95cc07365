//! Pods, as far as processes are named after them.

use std::sync::Arc;

/// What keeps a pod running, as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `Job`...; `StaticPod` for the kubelet's own, `Pod` for one that nobody controls.
    pub kind: String,
    /// Its own name, in the pod's namespace.
    pub name: String,
}

/// A pod of this node, as the API server told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`: a new one for each pod, also of the same name.
    pub uid: String,
    /// What keeps it running.
    pub workload: Workload,
    /// Of every kind: regular, init, sidecar and ephemeral ones, which differ in where the status lists them only.
    pub containers: Vec<Container>,
    /// None of its containers will run again.
    pub is_over: bool,
    /// Whether its processes are to be observed.
    pub is_wanted: bool,
}

/// A container that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// As in the pod's status: `containerd://<id>`.
    pub id: String,
    /// As in the pod's spec.
    pub name: String,
    /// Whether it has ended. The status remembers one that has, and the one before.
    pub has_ended: bool,
}

/// The names of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of the pod.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name, not its id.
    pub container: String,
    /// The container's full id.
    pub container_id: String,
    /// The pod's `metadata.uid`.
    pub pod_uid: String,
    /// What keeps the pod running.
    pub workload: Arc<Workload>,
    /// Whether its processes are to be observed.
    pub is_wanted: bool,
}

/// What becomes known of the pods of this node.
#[derive(Clone, Debug)]
pub enum PodEvent {
    /// All there are.
    Listed(Vec<Pod>),
    /// One is new or has changed.
    Changed(Box<Pod>),
    /// One was deleted: its uid.
    Deleted(String),
    /// The API server did not answer, or not as it should. What was known stays, and it is asked again.
    Failed {
        /// snake_case, from a closed set: a metric label.
        reason: &'static str,
        /// For people.
        detail: String,
    },
    /// The API server answers again.
    Back,
}

impl PodEvent {
    /// Every reason that a question can fail for.
    pub const REASONS: [&str; 7] = ["unreachable", "timeout", "unauthorized", "forbidden", "expired", "server_error", "malformed"];
}
