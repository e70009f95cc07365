//! What a pod belongs to. Input noun: its controller's kind and name, and two facts of the pod. Output noun: [`Workload`]. Must
//! not know the API server: a pod's own metadata is enough, so that no right on Deployments or Jobs is needed.

use crate::model::Workload;

/// The controller in a pod's `ownerReferences`: the one with `controller: true`.
#[derive(Clone, Copy, Debug)]
pub struct Controller<'a> {
    /// As in `ownerReferences`.
    pub kind: &'a str,
    /// As in `ownerReferences`.
    pub name: &'a str,
}

/// The workload of the pod `pod` on the node `node`.
///
/// `template_hash` is the pod's label `pod-template-hash`, which the Deployment controller puts on its pods and into the name
/// of their ReplicaSet. A Job is not traced to its CronJob: the pod holds nothing that proves it, and a Job may end in digits.
#[must_use]
pub fn workload(pod: &str, node: &str, controller: Option<Controller<'_>>, template_hash: Option<&str>) -> Workload {
    let named = |kind: &str, name: &str| Workload { kind: kind.to_owned(), name: name.to_owned() };
    match controller {
        None => named("Pod", pod),
        Some(Controller { kind: "Node", .. }) => named("StaticPod", without(pod, node).unwrap_or(pod)),
        Some(Controller { kind: "ReplicaSet", name }) => match template_hash.and_then(|hash| without(name, hash)) {
            Some(deployment) => named("Deployment", deployment),
            None => named("ReplicaSet", name),
        },
        Some(Controller { kind, name }) => named(kind, name),
    }
}

/// `name` without a last `-suffix`; none when that is not how it ends, or nothing would be left.
fn without<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let stem = name.strip_suffix(suffix)?.strip_suffix('-')?;
    (!stem.is_empty() && !suffix.is_empty()).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pod: &str, controller: Option<(&str, &str)>, hash: Option<&str>, expected: (&str, &str)) {
        let controller = controller.map(|(kind, name)| Controller { kind, name });
        let found = workload(pod, "node-1", controller, hash);
        assert_eq!((found.kind.as_str(), found.name.as_str()), expected, "{pod} {controller:?} {hash:?}");
    }

    #[test]
    fn workloads() {
        let hash = Some("6d4cf56db6");
        check("web-6d4cf56db6-x2x4z", Some(("ReplicaSet", "web-6d4cf56db6")), hash, ("Deployment", "web"));
        check("a-b-6d4cf56db6-x2x4z", Some(("ReplicaSet", "a-b-6d4cf56db6")), hash, ("Deployment", "a-b"));
        // A ReplicaSet made by hand, with and without a label of that name.
        check("web-x2x4z", Some(("ReplicaSet", "web")), None, ("ReplicaSet", "web"));
        check("web-x2x4z", Some(("ReplicaSet", "web")), hash, ("ReplicaSet", "web"));
        check("x", Some(("ReplicaSet", "web6d4cf56db6")), hash, ("ReplicaSet", "web6d4cf56db6"));
        check("x", Some(("ReplicaSet", "-6d4cf56db6")), hash, ("ReplicaSet", "-6d4cf56db6"));
        check("x", Some(("ReplicaSet", "web-")), Some(""), ("ReplicaSet", "web-"));
        check("db-0", Some(("StatefulSet", "db")), None, ("StatefulSet", "db"));
        check("log-abcde", Some(("DaemonSet", "log")), None, ("DaemonSet", "log"));
        check("once-abcde", Some(("Job", "once")), None, ("Job", "once"));
        check("nightly-29400000-abcde", Some(("Job", "nightly-29400000")), None, ("Job", "nightly-29400000"));
        check("etcd-node-1", Some(("Node", "node-1")), None, ("StaticPod", "etcd"));
        check("etcd", Some(("Node", "node-1")), None, ("StaticPod", "etcd"));
        check("debug", None, hash, ("Pod", "debug"));
        check("r-0", Some(("Rollout", "r")), None, ("Rollout", "r"));
    }
}
