//! The pods of this node, by the ids of their containers. Input noun: [`Pod`], as it is now, and the time. Output noun:
//! [`Place`]. Must not know where pods come from: watch events and whole lists lead to the same [`Pods`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::workload::Workload;

/// How long a container keeps its names after its end, so that its last counts are attributed.
pub const KEPT: Duration = Duration::from_secs(300);

/// A pod as the API server told it.
#[derive(Clone, Debug)]
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
}

/// A container that was started.
#[derive(Clone, Debug)]
pub struct Container {
    /// As in the pod's status: `containerd://<id>`.
    pub id: String,
    /// As in the pod's spec.
    pub name: String,
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
    /// The pod's `metadata.uid`.
    pub pod_uid: String,
    /// What keeps the pod running.
    pub workload: Workload,
}

/// Every container of this node that runs, or ended less than [`KEPT`] ago.
#[derive(Debug, Default)]
pub struct Pods {
    by_container: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    place: Arc<Place>,
    /// When it was first missing.
    ended: Option<Instant>,
}

impl Pods {
    /// A pod is new or has changed. Containers that it no longer names, as after a restart, have ended.
    pub fn apply(&mut self, pod: &Pod, now: Instant) {
        let ids: HashSet<&str> = pod.containers.iter().map(|container| bare(&container.id)).collect();
        self.end(now, |id, place| place.pod_uid == pod.uid && !ids.contains(id));
        for container in pod.containers.iter().filter(|container| !container.id.is_empty()) {
            let place = Place {
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                container: container.name.clone(),
                pod_uid: pod.uid.clone(),
                workload: pod.workload.clone(),
            };
            self.by_container.insert(bare(&container.id).to_owned(), Entry { place: Arc::new(place), ended: None });
        }
    }

    /// A pod was deleted.
    pub fn delete(&mut self, uid: &str, now: Instant) {
        self.end(now, |_, place| place.pod_uid == uid);
    }

    /// All pods of the node, as after a lost watch: those that are missing were deleted meanwhile.
    pub fn replace(&mut self, pods: &[Pod], now: Instant) {
        let uids: HashSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        self.end(now, |_, place| !uids.contains(place.pod_uid.as_str()));
        for pod in pods {
            self.apply(pod, now);
        }
    }

    /// The names of a container, by the id that its cgroup tells.
    #[must_use]
    pub fn place(&self, id: &str, now: Instant) -> Option<Arc<Place>> {
        self.by_container.get(id).filter(|entry| entry.is_kept(now)).map(|entry| Arc::clone(&entry.place))
    }

    /// Lets go of what ended [`KEPT`] ago.
    pub fn expire(&mut self, now: Instant) {
        self.by_container.retain(|_, entry| entry.is_kept(now));
    }

    fn end(&mut self, now: Instant, has_ended: impl Fn(&str, &Place) -> bool) {
        for (id, entry) in &mut self.by_container {
            if entry.ended.is_none() && has_ended(id, &entry.place) {
                entry.ended = Some(now);
            }
        }
    }
}

impl Entry {
    fn is_kept(&self, now: Instant) -> bool {
        self.ended.is_none_or(|ended| now.saturating_duration_since(ended) < KEPT)
    }
}

/// The id without the runtime's name.
fn bare(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, containers: &[(&str, &str)]) -> Pod {
        let containers = containers.iter().map(|&(id, name)| Container { id: id.to_owned(), name: name.to_owned() }).collect();
        let workload = Workload { kind: "Pod".to_owned(), name: uid.to_owned() };
        Pod { namespace: "shop".to_owned(), name: format!("pod-{uid}"), uid: uid.to_owned(), workload, containers }
    }

    /// `expected`: the pod and the container, `at` seconds after `start`.
    fn check(pods: &Pods, start: Instant, at: u64, id: &str, expected: Option<(&str, &str)>) {
        let place = pods.place(id, start + Duration::from_secs(at));
        assert_eq!(place.as_ref().map(|place| (place.pod.as_str(), place.container.as_str())), expected, "{id} at {at} s");
    }

    #[test]
    fn names_outlive_the_pod_by_five_minutes() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        pods.apply(&pod("a", &[("containerd://1", "web"), ("cri-o://2", "debugger"), ("", "waiting")]), start);
        check(&pods, start, 0, "1", Some(("pod-a", "web")));
        check(&pods, start, 9_999, "2", Some(("pod-a", "debugger")));
        check(&pods, start, 0, "", None);
        check(&pods, start, 0, "3", None);
        pods.delete("a", start + Duration::from_secs(10));
        // A second deletion does not make it longer.
        pods.delete("a", start + Duration::from_secs(200));
        check(&pods, start, 309, "1", Some(("pod-a", "web")));
        check(&pods, start, 310, "1", None);
        pods.expire(start + Duration::from_secs(309));
        assert_eq!(pods.by_container.len(), 2);
        pods.expire(start + Duration::from_secs(310));
        assert_eq!(pods.by_container.len(), 0);
    }

    #[test]
    fn a_restarted_container_has_two_ids_for_a_while() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        pods.apply(&pod("a", &[("docker://1", "web")]), start);
        pods.apply(&pod("a", &[("docker://2", "web")]), start);
        check(&pods, start, 299, "1", Some(("pod-a", "web")));
        check(&pods, start, 300, "1", None);
        check(&pods, start, 300, "2", Some(("pod-a", "web")));
    }

    #[test]
    fn a_new_list_ends_what_it_misses_only() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        pods.replace(&[pod("a", &[("x://1", "one")]), pod("b", &[("x://2", "two")])], start);
        pods.replace(&[pod("b", &[("x://2", "two")]), pod("c", &[("x://3", "three")])], start);
        check(&pods, start, 299, "1", Some(("pod-a", "one")));
        check(&pods, start, 300, "1", None);
        check(&pods, start, 300, "2", Some(("pod-b", "two")));
        check(&pods, start, 300, "3", Some(("pod-c", "three")));
        // Back again: a list that was short for a moment.
        pods.replace(&[pod("a", &[("x://1", "one")])], start);
        check(&pods, start, 900, "1", Some(("pod-a", "one")));
    }
}
