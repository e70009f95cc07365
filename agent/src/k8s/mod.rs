//! The Kubernetes API server: the only room that speaks to it.
//!
//! In: [`Kubernetes`], how it is reached and which node this is; notes of `alert`. Out: [`PodEvent`]s, Events, and answers as a
//! [`Reviewer`](crate::model::Reviewer). Must not know: processes, metrics, who is told.
//!
//! What is asked for is little: the pods of one node. Rights: `get`, `list` and `watch` on pods, `create` on Events; where who asks is
//! reviewed, `create` on tokenreviews and subjectaccessreviews.

mod error;
mod events;
mod pods;
mod reviews;
mod watch;

use std::{path::Path, time::Duration};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

pub use self::error::ConnectError;
use crate::{
    config::{Kubernetes, KubernetesMode},
    model::PodEvent,
};

/// Where the kubelet puts the token of a pod's service account.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The API server, and the node that this is.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    node: String,
}

/// Whether the API server is to be asked: as configured, or where there is something to ask it with. A kubeconfig that is only
/// somewhere in the environment is not enough for that: it may lead to a cluster that this host is no node of.
#[must_use]
pub fn is_wanted(config: &Kubernetes) -> bool {
    match config.mode {
        KubernetesMode::Always => true,
        KubernetesMode::Never => false,
        KubernetesMode::Auto => config.kubeconfig.is_some() || Path::new(TOKEN).exists(),
    }
}

impl Cluster {
    /// Finds the API server; no connection is made yet.
    ///
    /// # Errors
    /// Neither a service account nor a usable kubeconfig is there.
    pub async fn find(config: &Kubernetes) -> Result<Self, ConnectError> {
        let mut api = match &config.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(ConnectError::kubeconfig)?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(ConnectError::kubeconfig)?
            }
            None if Path::new(TOKEN).exists() => Config::incluster().map_err(|error| ConnectError::Account(error.to_string()))?,
            None => Config::infer().await.map_err(|error| ConnectError::None(error.to_string()))?,
        };
        api.connect_timeout = Some(CONNECT);
        // Of an answer: a watch is told something at least this often.
        api.read_timeout = Some(watch::SILENCE);
        api.reset_reader_on_write = true;
        // What fails is asked again here, and counted.
        api.default_retry = false;
        let node = Self::node_of(config);
        let client = Client::try_from(api).map_err(|error| ConnectError::Client(error.to_string()))?;
        Ok(Self { client, node })
    }

    /// The node whose pods are asked for.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Which node this is, without asking anybody.
    #[must_use]
    pub fn node_of(config: &Kubernetes) -> String {
        config.node_name.clone().unwrap_or_else(host_name)
    }

    /// Tells of the node's pods until `tell` says that nobody listens any more.
    pub async fn watch(self, config: Kubernetes, tell: impl Fn(PodEvent) -> bool + Send + Sync) {
        watch::Watch::new(self, config.scope, tell).run().await;
    }
}

/// As the kubelet takes it, unless it is told another.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}
