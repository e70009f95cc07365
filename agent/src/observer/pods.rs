//! What is known of pods, and what that changes for processes: their names, and whether they are observed at all.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use goroscope_abi::ProcessKey;
use tracing::{debug, info};

use super::{Observer, UNWANTED, clock, reader::Task};
use crate::{
    attribution::Pods,
    collect::{Names, Renamed},
    model::{Identity, KubernetesReport, Place, PodEvent, Target},
};

/// How long the first look at processes waits for pods.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often what has ended is let go of.
const EXPIRY: Duration = Duration::from_secs(10);

/// What is known of pods.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pods: Pods,
    /// Whether all of them have been told of once.
    pub(super) is_listed: bool,
    /// Why nothing is told at the moment.
    failure: Option<String>,
    errors: BTreeMap<&'static str, u64>,
    expired: Option<Instant>,
}

impl Cluster {
    fn take(&mut self, event: PodEvent, now: Instant) {
        match event {
            PodEvent::Listed(pods) => {
                self.pods.replace(&pods, now);
                self.is_listed = true;
                self.failure = None;
            }
            PodEvent::Changed(pod) => self.pods.apply(&pod, now),
            PodEvent::Deleted(uid) => self.pods.delete(&uid, now),
            PodEvent::Failed { reason, detail } => {
                *self.errors.entry(reason).or_default() += 1;
                if reason != "expired" {
                    self.failure = Some(format!("{reason}: {detail}"));
                }
            }
            PodEvent::Back => self.failure = None,
        }
        if self.expired.is_none_or(|last| now.saturating_duration_since(last) >= EXPIRY) {
            self.pods.expire(now);
            self.expired = Some(now);
        }
    }

    /// The names of a process' container, where they are known.
    fn place_of(&self, identity: &Identity, now: Instant) -> Option<Arc<Place>> {
        self.pods.place(identity.unnamed_container()?, now)
    }

    /// What is lost at the moment: one line.
    pub(super) fn loss(&self) -> Option<String> {
        let since = if self.is_listed { "names of pods are as they were" } else { "no pod is known" };
        match &self.failure {
            Some(failure) => Some(format!("kubernetes: the API server does not answer ({failure}): {since}")),
            None if !self.is_listed => Some("kubernetes: the API server has not told of this node's pods yet".to_owned()),
            None => None,
        }
    }
}

impl Names for Cluster {
    fn are_awaited(&self, identity: &Identity) -> bool {
        identity.unnamed_container().is_some()
    }

    fn are_in_use(&self, identity: &Identity) -> bool {
        match (&identity.namespace, &identity.pod) {
            (Some(namespace), Some(pod)) => self.pods.is_alive(namespace, pod),
            _ => false,
        }
    }
}

impl Observer {
    /// Something became known of pods.
    pub(super) fn pods(&mut self, event: PodEvent) {
        let Some(cluster) = &mut self.cluster else { return };
        let was_listed = cluster.is_listed;
        cluster.take(event, Instant::now());
        if !was_listed && cluster.is_listed {
            info!(pods = cluster.pods.len(), "the pods of this node are known");
            if self.starting.as_ref().is_some_and(|starting| !starting.scanned) {
                self.next_scan_ns = clock();
            }
        }
        self.name();
    }

    /// Gives what has no names those that are known by now.
    fn name(&mut self) {
        let Some(cluster) = &self.cluster else { return };
        let now = Instant::now();
        let mut unwanted: Vec<ProcessKey> = Vec::new();
        let examples = self.attachments.values_mut().map(|attachment| (None, &mut attachment.example.0));
        let watched = self.watched.iter_mut().map(|(key, watched)| (Some(*key), &mut watched.target));
        for (key, target) in examples.chain(watched) {
            let known = match &target.place {
                Some(place) => cluster.pods.place(&place.container_id, now),
                None => cluster.place_of(&target.identity, now),
            };
            let Some(place) = known else { continue };
            unwanted.extend(key.filter(|_| !place.is_wanted));
            target.take_place(place);
        }
        self.ledger.rename(|old| {
            let place = cluster.place_of(old, now)?;
            Some(if place.is_wanted { Renamed::To(old.named(&place)) } else { Renamed::Unwanted })
        });
        let mut sites = if unwanted.is_empty() { HashMap::new() } else { self.maps.sites(|key| unwanted.contains(key)) };
        for key in unwanted {
            debug!(pid = key.tgid, "its pod is to be left alone");
            let Some(watched) = self.watched.remove(&key) else { continue };
            self.maps.forget(&key, &sites.remove(&key).unwrap_or_default());
            let _ = self.looks.send(Task::Forget(key));
            let _ = self.tasks.send(Task::Forget(key));
            if let Some(starting) = &mut self.starting {
                starting.reading.remove(&key);
            }
            // One that has ended is not told of again.
            if watched.ended_ns.is_none() {
                self.leave_alone(key);
            }
            if let Ok(slot) = watched.slot
                && !self.watched.values().any(|watched| watched.slot.as_ref() == Ok(&slot))
                && let Some(attachment) = self.attachments.get_mut(&slot)
            {
                // At once: who does not want probes does not want them for another minute.
                attachment.idle_since_ns = Some(0);
            }
        }
        self.note_started();
    }

    /// Names a process that was found. Whether it is to be observed.
    pub(super) fn place(&self, target: &mut Target, pod_uid: Option<&str>) -> bool {
        let Some(cluster) = &self.cluster else { return true };
        match cluster.place_of(&target.identity, Instant::now()) {
            Some(place) => {
                let is_wanted = place.is_wanted;
                target.take_place(place);
                is_wanted
            }
            // The pod is known before its containers are.
            None => pod_uid.and_then(|uid| cluster.pods.is_wanted(uid)).unwrap_or(true),
        }
    }

    /// What probes count of this process is thrown away when it ends.
    pub(super) fn leave_alone(&mut self, key: ProcessKey) {
        // An end that no record told of leaves one behind.
        if self.unwanted.len() >= UNWANTED {
            self.unwanted.clear();
        }
        self.unwanted.insert(key);
    }

    /// What the agent says of itself about this.
    pub(super) fn kubernetes(&self) -> Option<KubernetesReport> {
        let cluster = self.cluster.as_ref()?;
        let is_unnamed = |target: &Target| target.identity.unnamed_container().is_some();
        let unnamed = self.watched.values().filter(|watched| watched.ended_ns.is_none() && is_unnamed(&watched.target)).count();
        Some(KubernetesReport {
            is_connected: cluster.is_listed && cluster.failure.is_none(),
            pods: cluster.pods.len() as u64,
            unnamed: unnamed as u64,
            errors: cluster.errors.clone(),
        })
    }
}
