//! Pods as the API server has them, as pods as processes are named after them. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod as ApiPod};

use crate::{
    attribution::{Controller, workload},
    config::PodScope,
    model::{Container, Pod},
};

/// What Deployments put on their pods.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The pod as this agent knows it; none for what has no name or uid, which no API server gives.
pub(super) fn pod(pod: ApiPod, node: &str, scope: &PodScope) -> Option<Pod> {
    let metadata = pod.metadata;
    let (namespace, name, uid) = (metadata.namespace?, metadata.name?, metadata.uid?);
    let (labels, annotations) = (metadata.labels.unwrap_or_default(), metadata.annotations.unwrap_or_default());
    let owners = metadata.owner_references.unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true));
    let controller = controller.map(|owner| Controller { kind: &owner.kind, name: &owner.name });
    let workload = workload(&name, node, controller, labels.get(TEMPLATE_HASH).map(String::as_str));
    let is_wanted = scope.wants(&namespace, &labels, &annotations);
    let status = pod.status.unwrap_or_default();
    let is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let statuses = [status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses];
    let containers = containers(statuses.into_iter().flatten().flatten());
    Some(Pod { namespace, name, uid, workload, containers, is_over, is_wanted })
}

/// Every container that a status tells of: one that runs or has ended, and the one before it.
fn containers(statuses: impl Iterator<Item = ContainerStatus>) -> Vec<Container> {
    let mut containers: BTreeMap<String, Container> = BTreeMap::new();
    for status in statuses {
        let state = status.state.and_then(|state| state.terminated);
        let before = status.last_state.and_then(|state| state.terminated);
        let has_ended = state.is_some();
        let ended = [state, before].into_iter().flatten().filter_map(|state| state.container_id).map(|id| (id, true));
        for (id, has_ended) in status.container_id.map(|id| (id, has_ended)).into_iter().chain(ended) {
            let container = Container { id: id.clone(), name: status.name.clone(), has_ended };
            let known = containers.entry(id).or_insert(container);
            known.has_ended |= has_ended;
        }
    }
    containers.remove("");
    containers.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn converted(value: Value) -> Option<Pod> {
        pod(serde_json::from_value(value).unwrap(), "node-1", &PodScope::default())
    }

    /// `status` of a pod, and (id, name, whether it has ended).
    fn check(status: &Value, expected: &[(&str, &str, bool)]) {
        let pod = json!({"metadata": {"namespace": "shop", "name": "web", "uid": "1"}, "status": status});
        let found = converted(pod).unwrap().containers;
        let found: Vec<_> = found.iter().map(|found| (found.id.as_str(), found.name.as_str(), found.has_ended)).collect();
        assert_eq!(found, expected, "{status}");
    }

    fn status(name: &str, id: &str, state: &Value, before: &Value) -> Value {
        let required = json!({"image": "i", "imageID": "i", "ready": true, "restartCount": 0, "state": state, "lastState": before});
        let mut status = required;
        status["name"] = name.into();
        if !id.is_empty() {
            status["containerID"] = id.into();
        }
        status
    }

    fn ended(id: &str) -> Value {
        json!({"terminated": {"exitCode": 1, "containerID": id}})
    }

    #[test]
    fn containers_of_every_kind_and_age() {
        let (running, waiting, none) = (json!({"running": {}}), json!({"waiting": {"reason": "CrashLoopBackOff"}}), json!({}));
        check(&json!({}), &[]);
        check(&json!({"containerStatuses": [status("app", "", &waiting, &none)]}), &[]);
        check(&json!({"containerStatuses": [status("app", "c://2", &running, &none)]}), &[("c://2", "app", false)]);
        // Between two lives, and in its second one.
        check(&json!({"containerStatuses": [status("app", "c://1", &waiting, &ended("c://1"))]}), &[("c://1", "app", true)]);
        check(
            &json!({"containerStatuses": [status("app", "c://2", &running, &ended("c://1"))]}),
            &[("c://1", "app", true), ("c://2", "app", false)],
        );
        check(&json!({"containerStatuses": [status("app", "c://1", &ended("c://1"), &none)]}), &[("c://1", "app", true)]);
        check(&json!({"containerStatuses": [status("app", "c://1", &ended(""), &none)]}), &[("c://1", "app", true)]);
        let kinds = json!({
            "containerStatuses": [status("app", "c://1", &running, &none)],
            "initContainerStatuses": [status("setup", "c://2", &ended("c://2"), &none), status("sidecar", "c://3", &running, &none)],
            "ephemeralContainerStatuses": [status("debugger", "c://4", &running, &none)],
        });
        let expected = [("c://1", "app", false), ("c://2", "setup", true), ("c://3", "sidecar", false), ("c://4", "debugger", false)];
        check(&kinds, &expected);
    }

    #[test]
    fn pods() {
        let owner = |kind: &str, controller: bool| json!({"apiVersion": "v1", "kind": kind, "name": "web-6d", "uid": "2", "controller": controller});
        let metadata = json!({
            "namespace": "shop", "name": "web-6d-x", "uid": "1", "labels": {"pod-template-hash": "6d"},
            "ownerReferences": [owner("Cluster", false), owner("ReplicaSet", true)],
            "annotations": {"goroscope.io/observe": "false"},
        });
        let found = converted(json!({"metadata": metadata, "status": {"phase": "Succeeded"}})).unwrap();
        assert_eq!((found.workload.kind.as_str(), found.workload.name.as_str()), ("Deployment", "web"));
        assert!(found.is_over && !found.is_wanted);
        let found = converted(json!({"metadata": {"namespace": "a", "name": "b", "uid": "c"}, "status": {"phase": "Running"}})).unwrap();
        assert!(!found.is_over && found.is_wanted);
        assert_eq!(found.workload.kind, "Pod");
        assert_eq!(converted(json!({"metadata": {"name": "b", "uid": "c"}})), None);
    }
}
