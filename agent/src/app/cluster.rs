//! What the agent speaks to beside Prometheus: the API server for names and Events, Alertmanagers for leaks.

use std::{sync::Arc, time::Duration};

use http::Uri;
use tracing::{error, info};

use crate::{
    admin::Reports,
    alert::{Alerts, Recording},
    config::Kubernetes,
    k8s::{Cluster, ConnectError},
    metrics::Services,
    model::PodEvent,
    observer::Handle,
};

/// How often leaks are told of: as often as Reports are made.
const BEAT: Duration = Duration::from_secs(5);

/// What is to be spoken to; nothing has been said yet.
pub(super) struct Outside {
    alerts: Alerts,
    recording: Option<Recording>,
    kubernetes: Option<(Kubernetes, Result<Cluster, ConnectError>)>,
}

impl Outside {
    /// Finds everybody, and adds what will be counted to `services`. `kubernetes`: where pods are to be asked for.
    pub(super) async fn find(kubernetes: Option<Kubernetes>, alertmanagers: Vec<Uri>, services: &mut Services) -> anyhow::Result<Self> {
        let alerts = Alerts::default();
        if !alertmanagers.is_empty() {
            let node = kubernetes.as_ref().map(Cluster::node_of);
            let tallies = alerts.post_to(alertmanagers, node)?;
            services.alertmanager_posts = Some(tallies.done);
            services.alertmanager_failures = Some(tallies.failed);
        }
        let recording = kubernetes.as_ref().filter(|kubernetes| kubernetes.events).map(|_| alerts.recording());
        if let Some(recording) = &recording {
            services.events = Some(Arc::clone(&recording.tallies.done));
            services.event_failures = Some(Arc::clone(&recording.tallies.failed));
        }
        let kubernetes = match kubernetes {
            Some(kubernetes) => {
                let cluster = Cluster::find(&kubernetes).await;
                Some((kubernetes, cluster))
            }
            None => None,
        };
        Ok(Self { alerts, recording, kubernetes })
    }

    /// Begins to ask and to tell, in tasks of their own.
    pub(super) fn begin(self, handle: Handle, reports: Reports) {
        let Self { mut alerts, recording, kubernetes } = self;
        match kubernetes {
            Some((config, Ok(cluster))) => {
                info!(node = cluster.node(), "asking the API server for the pods of this node");
                if let Some(recording) = recording {
                    let cluster = cluster.clone();
                    tokio::spawn(async move { recording.run(&cluster).await });
                }
                tokio::spawn(cluster.watch(config, move |event| handle.pods(event)));
            }
            Some((_, Err(failure))) => {
                let detail = failure.to_string();
                error!(detail, "no names from Kubernetes");
                let _ = handle.pods(PodEvent::Failed { reason: "unreachable", detail });
            }
            None => {}
        }
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            loop {
                beat.tick().await;
                if let Some(report) = reports.latest() {
                    alerts.take(&report);
                }
            }
        });
    }
}
