//! The pods of this node, as they come and go. In: the API server's list and watch. Out: [`PodEvent`]s.
//!
//! The watcher of `kube` lists, watches, resumes where it was interrupted, and lists again when that is too long ago. What it does not
//! tell is that a watch works again on which nothing happens: after a failure one pod is asked for until the server answers.

use std::{mem, pin::pin, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::{
    Api,
    api::ListParams,
    runtime::watcher::{self, DefaultBackoff, Event, watcher},
};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::{Cluster, error, pods};
use crate::{
    config::PodScope,
    model::{Pod, PodEvent},
};

/// How long one watch lasts, s: also the time after which a connection that was lost without a word is given up.
const WATCH: u32 = 120;

/// How long the server may say nothing.
pub(super) const SILENCE: Duration = Duration::from_secs(130);

/// How long the answer to a small question may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The longest pause between two small questions: a pod that begins when the server is back should have its names before it is shown.
const PAUSE: Duration = Duration::from_secs(15);

/// How long a watch that was begun again must hold before it counts.
const HOLDS: Duration = Duration::from_secs(3);

pub(super) struct Watch<T> {
    api: Api<ApiPod>,
    node: String,
    scope: PodScope,
    tell: T,
    /// Pods of a list that is not complete yet.
    listed: Vec<Pod>,
    is_away: bool,
    backoff: DefaultBackoff,
}

/// Nobody listens any more.
struct Deaf;

impl<T: Fn(PodEvent) -> bool> Watch<T> {
    pub(super) fn new(cluster: Cluster, scope: PodScope, tell: T) -> Self {
        let Cluster { client, node } = cluster;
        Self { api: Api::all(client), node, scope, tell, listed: Vec::new(), is_away: false, backoff: DefaultBackoff::default() }
    }

    pub(super) async fn run(mut self) {
        // Ends when nobody listens.
        let Err(Deaf) = self.follow().await else { return };
        debug!("pods are not asked for any more");
    }

    async fn follow(&mut self) -> Result<(), Deaf> {
        let selection = format!("spec.nodeName={}", self.node);
        let config = watcher::Config::default().fields(&selection).timeout(WATCH);
        let mut events = pin!(watcher(self.api.clone(), config));
        loop {
            let next = if self.is_away {
                let Ok(next) = timeout(HOLDS, events.next()).await else {
                    // Silence is what a good watch is like.
                    self.back()?;
                    continue;
                };
                next
            } else {
                events.next().await
            };
            match next {
                Some(Ok(event)) => self.take(event)?,
                Some(Err(error)) => {
                    self.failed(error::of_watch(&error))?;
                    self.wait(&selection).await?;
                }
                None => return Ok(()),
            }
        }
    }

    fn tell(&self, event: PodEvent) -> Result<(), Deaf> {
        if (self.tell)(event) { Ok(()) } else { Err(Deaf) }
    }

    fn take(&mut self, event: Event<ApiPod>) -> Result<(), Deaf> {
        if matches!(event, Event::Init) {
            // A list is about to be asked for: not an answer yet.
            self.listed.clear();
            return Ok(());
        }
        self.back()?;
        match event {
            Event::Init => {}
            Event::InitApply(pod) => self.listed.extend(pods::pod(pod, &self.node, &self.scope)),
            Event::InitDone => {
                let pods = mem::take(&mut self.listed);
                if pods.is_empty() {
                    warn!(node = self.node, "the API server knows no pod of this node: is it called so (--node-name)?");
                }
                self.tell(PodEvent::Listed(pods))?;
            }
            Event::Apply(pod) => {
                if let Some(pod) = pods::pod(pod, &self.node, &self.scope) {
                    self.tell(PodEvent::Changed(Box::new(pod)))?;
                }
            }
            Event::Delete(pod) => {
                if let Some(pod) = pods::pod(pod, &self.node, &self.scope) {
                    // Its last status may name containers that no earlier one did.
                    let uid = pod.uid.clone();
                    self.tell(PodEvent::Changed(Box::new(pod)))?;
                    self.tell(PodEvent::Deleted(uid))?;
                }
            }
        }
        Ok(())
    }

    fn back(&mut self) -> Result<(), Deaf> {
        if mem::take(&mut self.is_away) {
            self.backoff = DefaultBackoff::default();
            info!(node = self.node, "the API server tells of pods again");
            self.tell(PodEvent::Back)?;
        }
        Ok(())
    }

    fn failed(&mut self, (reason, detail): (&'static str, String)) -> Result<(), Deaf> {
        // A watch that is too old is a matter of course: a new list follows.
        if reason != "expired" && !mem::replace(&mut self.is_away, true) {
            warn!(node = self.node, reason, detail, "the API server does not tell of pods: those known stay, and it is asked again");
        } else {
            debug!(node = self.node, reason, detail, "the API server does not tell of pods");
        }
        self.tell(PodEvent::Failed { reason, detail })
    }

    /// Waits until the server answers a small question, longer after each failure.
    async fn wait(&mut self, selection: &str) -> Result<(), Deaf> {
        loop {
            sleep(self.backoff.next().map_or(PAUSE, |pause| pause.min(PAUSE))).await;
            let one = ListParams::default().fields(selection).limit(1);
            let failure = match timeout(ANSWER, self.api.list_metadata(&one)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(failure)) => error::of_client(&failure),
                Err(_) => ("timeout", format!("no answer within {} s", ANSWER.as_secs())),
            };
            self.failed(failure)?;
        }
    }
}
