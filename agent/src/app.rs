//! The composition root: builds every part, owns it, and takes it down again.
//!
//! Order: bind (a taken port is known before a probe is on), load the kernel side, observe, serve, show, wait for a signal or for
//! the user to leave the view, give the terminal back, drain.

mod cluster;
mod export;

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use http::Uri;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tracing::{error, info, warn};

use self::{cluster::Outside, export::Exporting};
use crate::{
    admin::{self, Admin, DebugSocket, Feeder, Limits, Reports, Security},
    args::{COMMIT, ExitStatus, VERSION},
    config::{Auth, Config, Kubernetes, Otlp},
    k8s::{self, Cluster},
    metrics::{Metrics, SERIES_LIMIT, Services},
    model::Reviewer,
    observer::{self, Handle, Scope},
    otlp::Exporter,
    telemetry::{self, Hold, Tail},
    tracer::{self, LoadError},
    view::{self, About, View},
};

/// How often a Report is made when nobody asks: what ended sites and label sets need to be named in time.
const BEAT: Duration = Duration::from_secs(5);

/// Between two Reports: however many ask, collecting takes no more than a part of a core.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a view shows something new.
const VIEW: Duration = Duration::from_secs(1);

/// `goroscope run`: observes until SIGTERM or SIGINT.
#[must_use]
pub fn run(config: Config) -> ExitStatus {
    let tail = (config.view && view::is_possible()).then(Tail::default);
    if let Err(error) = telemetry::init(&config.log_level, config.log_format, tail.as_ref()) {
        eprintln!("goroscope: {error}");
    }
    let listeners = match bind(&config) {
        Ok(listeners) => listeners,
        Err((status, error)) => {
            error!("{error}");
            return status;
        }
    };
    let tracer = match tracer::load(&config.map_entries) {
        Ok(tracer) => tracer,
        // Each half works without the other.
        Err(error) if tracer::may_read_memory() => tracer::without_kernel_side(&error),
        Err(error) => {
            error!("{error}");
            return match error {
                LoadError::NotPermitted(_) => ExitStatus::Permission,
                LoadError::Kernel(_) | LoadError::PidNamespace | LoadError::Object(_) => ExitStatus::Kernel,
            };
        }
    };
    for loss in &tracer.losses {
        warn!(%loss, "this host does not allow everything");
    }
    let Config { interval, exact, pids, excludes, per_process, snapshot_dir, kubernetes, alertmanagers, otlp, .. } = config;
    let reviews = listeners.security.asks_reviewer().then(|| kubernetes.clone());
    let pods = k8s::is_wanted(&kubernetes).then_some(kubernetes);
    let scope = Scope { pids, excludes, per_process, exact, interval, snapshots: snapshot_dir, kubernetes: pods.is_some() };
    let (handle, observer) = observer::start(tracer, scope);
    let served = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(anyhow::Error::from).and_then(
        |runtime| {
            let served = runtime.block_on(serve(listeners, handle.clone(), tail, To { pods, reviews, alertmanagers, otlp }));
            // Connections that did not drain must not hold the end up.
            runtime.shutdown_background();
            served
        },
    );
    handle.stop();
    if observer.join().is_err() {
        error!("the observer failed; the kernel takes all probes off when this process ends");
        return ExitStatus::Failure;
    }
    match served {
        Ok(()) => ExitStatus::Ok,
        Err(error) => {
            error!("{error:#}");
            ExitStatus::Failure
        }
    }
}

struct Listeners {
    all: TcpListener,
    health: Option<TcpListener>,
    debug: Option<DebugSocket>,
    security: Security,
}

/// Takes what is served at, and reads what it is secured with.
fn bind(config: &Config) -> Result<Listeners, (ExitStatus, anyhow::Error)> {
    let security = Security::load(config.tls.clone(), config.auth.clone()).map_err(|error| (ExitStatus::Usage, error.into()))?;
    let asks = security.asks_reviewer() || matches!(config.auth, Auth::Token(_));
    if asks && !security.is_encrypted() && !config.listen.ip().is_loopback() {
        warn!("tokens come without TLS (--tls-cert): whoever can read the network can use them");
    }
    let listen = |address| admin::bind(address).map_err(|error| (ExitStatus::Listen, error.into()));
    let all = listen(config.listen)?;
    let health = config.health_listen.map(listen).transpose()?;
    let debug = config.debug_socket.as_deref().map(admin::bind_socket).transpose().map_err(|error| (ExitStatus::Listen, error.into()))?;
    Ok(Listeners { all, health, debug, security })
}

/// Who is spoken to.
struct To {
    pods: Option<Kubernetes>,
    reviews: Option<Kubernetes>,
    alertmanagers: Vec<Uri>,
    otlp: Option<Otlp>,
}

async fn serve(listeners: Listeners, handle: Handle, tail: Option<Tail>, to: To) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let reattach = signal(SignalKind::user_defined1())?;
    let scheme = if listeners.security.is_encrypted() { "https" } else { "http" };
    let metrics = format!("{scheme}://{}/metrics", listeners.all.local_addr()?);
    info!(version = VERSION, commit = COMMIT, %metrics, "observing");

    let Security { reload_failures, refused, .. } = &listeners.security;
    let mut services = Services { reload_failures: reload_failures.clone(), refused: refused.clone(), ..Services::default() };
    let node = to.pods.as_ref().map(Cluster::node_of);
    let outside = Outside::find(to.pods, to.alertmanagers, &mut services).await?;
    let exporter = match to.otlp {
        Some(Otlp { endpoint, headers, interval }) => {
            let exporter = Exporter::start(endpoint, headers)?;
            services.otlp_exports = Some(Arc::clone(&exporter.exports));
            services.otlp_failures = Some(Arc::clone(&exporter.failures));
            Some((exporter, interval))
        }
        None => None,
    };
    let renderer = Arc::new(Metrics::new(SERIES_LIMIT, VERSION, COMMIT).with_services(services));

    let (feeder, reports) = admin::channel();
    tokio::spawn(feed(feeder, handle.clone()));
    outside.begin(handle.clone(), reports.clone());
    tokio::spawn(reattach_on(reattach, handle));
    let mut shown = match tail {
        Some(tail) => Shown::start(&tail, metrics, reports.clone())?,
        None => None,
    };
    let exporting = exporter.map(|(exporter, interval)| Exporting::start(exporter, interval, node, reports.clone(), Arc::clone(&renderer)));
    let reviewer = match to.reviews {
        Some(kubernetes) => Some(Arc::new(Cluster::find(&kubernetes).await.context("auth kubernetes")?) as Arc<dyn Reviewer>),
        None => None,
    };
    let Listeners { all: listener, health, debug, security } = listeners;
    let admin = Admin { listener, health, debug, security, reviewer, reports, metrics: renderer, limits: Limits::default() };
    // The last export is sent while responses drain.
    let (flush, flushing) = oneshot::channel();
    let drained = admin
        .serve(async move {
            let why = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                why = left(&mut shown) => why,
            };
            // The terminal first: what is said from here on is seen.
            drop(shown);
            info!("{why}: draining");
            let _ = flush.send(exporting.map(Exporting::finish));
        })
        .await?;
    if let Ok(Some(last)) = flushing.await {
        last.await?;
    }
    info!(?drained, "served");
    Ok(())
}

/// A view that is on. In the order of the fields: the terminal is given back, then warnings are told.
struct Shown {
    _view: View,
    _hold: Hold,
    ended: oneshot::Receiver<()>,
    hangup: Signal,
}

impl Shown {
    /// Takes the terminal; where it cannot be had, the agent works without.
    fn start(tail: &Tail, metrics: String, reports: Reports) -> anyhow::Result<Option<Self>> {
        let (end, ended) = oneshot::channel();
        let hold = tail.hold();
        let log = tail.clone();
        let on_end = move || {
            // Nobody waits for it any more where the agent ends by itself.
            let _ = end.send(());
        };
        let view = match View::start(About { version: VERSION, metrics }, Box::new(move || log.last()), on_end) {
            Ok(view) => view,
            Err(error) => {
                drop(hold);
                warn!(%error, "no live view: the terminal cannot be taken");
                return Ok(None);
            }
        };
        let feed = view.feed();
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(VIEW);
            loop {
                beat.tick().await;
                if reports.fresh().await.is_some_and(|report| !feed.show(report)) {
                    return;
                }
            }
        });
        // From here on a hang-up does not end the process by itself, which would leave the terminal as it is.
        let hangup = signal(SignalKind::hangup())?;
        Ok(Some(Self { _view: view, _hold: hold, ended, hangup }))
    }
}

/// Why the view was left; never, where there is none.
async fn left(shown: &mut Option<Shown>) -> &'static str {
    let Some(Shown { ended, hangup, .. }) = shown else { return std::future::pending().await };
    tokio::select! {
        _ = ended => "the view was left",
        _ = hangup.recv() => "SIGHUP",
    }
}

/// Publishes a Report on every beat, and whenever somebody waits for one.
async fn feed(feeder: Feeder, handle: Handle) {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = feeder.requested() => {}
        }
        let began = Instant::now();
        match handle.report().await {
            Some(report) => feeder.publish(report, began),
            None => return,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn reattach_on(mut signal: Signal, handle: Handle) {
    while signal.recv().await.is_some() {
        handle.reattach();
    }
}
