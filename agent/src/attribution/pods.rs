//! The pods of this node, by the ids of their containers. Input noun: [`PodEvent`]s and the time. Output noun: [`Place`]. Must not
//! know where pods come from: watch events and whole lists lead to the same [`Pods`].

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::model::{Container, Place, Pod};

/// How long a container keeps its names after its end, so that its last counts are attributed.
pub const KEPT: Duration = Duration::from_secs(300);

/// Every container of this node that runs, or ended less than [`KEPT`] ago.
#[derive(Debug, Default)]
pub struct Pods {
    by_container: HashMap<String, Entry>,
    /// By uid: those whose containers run, or may run again.
    alive: HashMap<String, Alive>,
}

#[derive(Debug)]
struct Entry {
    place: Arc<Place>,
    /// When its end was first known.
    ended: Option<Instant>,
}

#[derive(Debug)]
struct Alive {
    namespace: String,
    name: String,
    is_wanted: bool,
}

impl Pods {
    /// A pod is new or has changed. Containers that it no longer names, as after a restart, have ended.
    pub fn apply(&mut self, pod: &Pod, now: Instant) {
        if pod.is_over {
            self.alive.remove(&pod.uid);
        } else {
            let alive = Alive { namespace: pod.namespace.clone(), name: pod.name.clone(), is_wanted: pod.is_wanted };
            self.alive.insert(pod.uid.clone(), alive);
        }
        let ids: HashSet<&str> = pod.containers.iter().map(|container| bare(&container.id)).collect();
        self.end(now, |id, place| place.pod_uid == pod.uid && !ids.contains(id));
        let workload = Arc::new(pod.workload.clone());
        for Container { id, name, has_ended } in pod.containers.iter().filter(|container| !container.id.is_empty()) {
            let id = bare(id);
            let place = Place {
                namespace: pod.namespace.clone(),
                pod: pod.name.clone(),
                container: name.clone(),
                container_id: id.to_owned(),
                pod_uid: pod.uid.clone(),
                workload: Arc::clone(&workload),
                is_wanted: pod.is_wanted,
            };
            let ended = has_ended.then(|| self.by_container.get(id).and_then(|entry| entry.ended).unwrap_or(now));
            self.by_container.insert(id.to_owned(), Entry { place: Arc::new(place), ended });
        }
    }

    /// A pod was deleted.
    pub fn delete(&mut self, uid: &str, now: Instant) {
        self.alive.remove(uid);
        self.end(now, |_, place| place.pod_uid == uid);
    }

    /// All pods of the node, as after a lost watch: those that are missing were deleted meanwhile.
    pub fn replace(&mut self, pods: &[Pod], now: Instant) {
        let uids: HashSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        self.alive.retain(|uid, _| uids.contains(uid.as_str()));
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

    /// Whether a pod of this name is there, whose containers run or may run again.
    #[must_use]
    pub fn is_alive(&self, namespace: &str, pod: &str) -> bool {
        self.alive.values().any(|alive| alive.name == pod && alive.namespace == namespace)
    }

    /// Whether the processes of the pod with this uid are to be observed; none when there is no such pod.
    #[must_use]
    pub fn is_wanted(&self, uid: &str) -> Option<bool> {
        self.alive.get(uid).map(|alive| alive.is_wanted)
    }

    /// How many there are that run or may run again.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
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
    use crate::model::Workload;

    fn pod(uid: &str, containers: &[(&str, &str)]) -> Pod {
        // A name that begins with a cross is that of a container that has ended.
        let container = |&(id, name): &(&str, &str)| {
            let has_ended = name.starts_with('+');
            Container { id: id.to_owned(), name: name.trim_start_matches('+').to_owned(), has_ended }
        };
        let containers = containers.iter().map(container).collect();
        let workload = Workload { kind: "Pod".to_owned(), name: uid.to_owned() };
        let (namespace, name) = ("shop".to_owned(), format!("pod-{uid}"));
        Pod { namespace, name, uid: uid.to_owned(), workload, containers, is_over: false, is_wanted: true }
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
    #[test]
    fn a_container_that_is_first_seen_when_it_has_ended_has_its_names_for_five_minutes() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        pods.apply(&pod("a", &[("x://1", "+web")]), start);
        // Told again and again, as the status of a pod that waits for its next start.
        pods.apply(&pod("a", &[("x://1", "+web")]), start + Duration::from_secs(200));
        check(&pods, start, 299, "1", Some(("pod-a", "web")));
        check(&pods, start, 300, "1", None);
        pods.apply(&pod("a", &[("x://1", "+web"), ("x://2", "web")]), start + Duration::from_secs(200));
        check(&pods, start, 299, "1", Some(("pod-a", "web")));
        check(&pods, start, 300, "1", None);
        check(&pods, start, 300, "2", Some(("pod-a", "web")));
    }

    #[test]
    fn a_pod_is_there_until_it_is_deleted_or_over() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        // Scheduled: no container yet.
        pods.apply(&pod("a", &[]), start);
        pods.apply(&Pod { is_wanted: false, ..pod("b", &[]) }, start);
        assert!(pods.is_alive("shop", "pod-a") && !pods.is_alive("shop", "pod-c") && !pods.is_alive("other", "pod-a"));
        assert_eq!((pods.is_wanted("a"), pods.is_wanted("b"), pods.is_wanted("c"), pods.len()), (Some(true), Some(false), None, 2));
        // Another one of the same name, as a StatefulSet makes it: the end of the first is not the end of the second.
        pods.apply(&Pod { uid: "a2".to_owned(), ..pod("a", &[]) }, start);
        pods.delete("a", start);
        assert!(pods.is_alive("shop", "pod-a"));
        pods.apply(&Pod { uid: "a2".to_owned(), is_over: true, ..pod("a", &[]) }, start);
        assert!(!pods.is_alive("shop", "pod-a"));
        pods.replace(&[], start);
        assert!(pods.is_empty());
    }
}
