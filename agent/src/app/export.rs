//! Export on a beat: a fresh Report becomes a page, an export, and goes to the exporter; one more at the end.

use std::{
    fs, process,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval_at},
};
use tracing::{error, warn};

use crate::{
    admin::Reports,
    args::VERSION,
    export::otlp::{self, Origin},
    metrics::{Metrics, OwnUsage},
    otlp::Exporter,
};

/// How long the last export may take.
const FLUSH: Duration = Duration::from_secs(5);

/// Exports until it is told to stop.
pub(super) struct Exporting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Begins, one `interval` from now. `node`: the Kubernetes node's name, where there is one.
    pub(super) fn start(exporter: Exporter, interval: Duration, node: Option<String>, reports: Reports, metrics: Arc<Metrics>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let source = Source { reports, metrics, origin: Arc::new(origin(node)) };
        Self { stop, task: tokio::spawn(export(exporter, interval, source, stopped)) }
    }

    /// The last export is made now; the returned task ends when it has been sent, or cannot be in time.
    pub(super) fn finish(self) -> JoinHandle<()> {
        // Where nobody listens any more it has ended already.
        let _ = self.stop.send(());
        self.task
    }
}

struct Source {
    reports: Reports,
    metrics: Arc<Metrics>,
    origin: Arc<Origin>,
}

async fn export(exporter: Exporter, interval: Duration, source: Source, mut stopped: oneshot::Receiver<()>) {
    let mut beat = interval_at((Instant::now() + interval).into(), interval);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            _ = &mut stopped => break,
        }
        source.make().await.into_iter().for_each(|export| exporter.offer(export));
    }
    source.make().await.into_iter().for_each(|export| exporter.offer(export));
    if !exporter.finish(FLUSH).await {
        warn!("the last export was not taken within {} s", FLUSH.as_secs());
    }
}

impl Source {
    /// What there is to say now; none where nothing has been collected.
    async fn make(&self) -> Option<Vec<u8>> {
        let report = self.reports.fresh().await?;
        let (metrics, origin) = (Arc::clone(&self.metrics), Arc::clone(&self.origin));
        // Some megabytes to encode and compress: not for the threads that serve connections.
        let encode = move || otlp::encode(&metrics.page(&report, OwnUsage::read().ok().as_ref()), &origin);
        match spawn_blocking(encode).await {
            Ok(Ok(export)) => Some(export),
            Ok(Err(error)) => {
                error!(%error, "an export could not be made");
                None
            }
            Err(error) => {
                error!(%error, "an export could not be made");
                None
            }
        }
    }
}

fn origin(node: Option<String>) -> Origin {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Origin { host: host.trim().to_owned(), node, version: VERSION, pid: process::id(), started_at: SystemTime::now() }
}
