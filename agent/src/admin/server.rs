//! Connections: how many, how long, and how they end.
//!
//! Not `axum::serve`: that has no limit for connections, none for the time that a request head may take, and none for the drain.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::routes::Peer;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at once, per listener. Each may hold one rendered page.
    pub connections: usize,
    /// How long a request head may take, also after the response before it.
    pub head: Duration,
    /// How long a connection may last; it ends with the response under way, for which there is [`Limits::drain`].
    pub lifetime: Duration,
    /// How long responses may take to finish once the agent (or the connection's lifetime) ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // Prometheus scrapes every 15 to 60 s and connects anew without ado.
        let seconds = Duration::from_secs;
        Self { connections: 32, head: seconds(10), lifetime: seconds(60), drain: seconds(5) }
    }
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every response was finished.
    Whole,
    /// So many connections were cut off.
    Cut(usize),
}

/// Request heads are small.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The kernel gives no new connection (too many files): how long to wait before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves each router on its listener until `shutdown`, then drains.
pub(super) async fn serve(servers: Vec<(TcpListener, Router)>, limits: Limits, shutdown: impl Future<Output = ()>) -> Drained {
    // Closed when its sender goes: every connection hears it.
    let (alive, stop) = watch::channel(());
    let mut accepting = JoinSet::new();
    for (listener, router) in servers {
        accepting.spawn(accept(listener, router, limits, stop.clone()));
    }
    drop(stop);
    shutdown.await;
    drop(alive);
    let cut = accepting.join_all().await.into_iter().sum();
    if cut == 0 { Drained::Whole } else { Drained::Cut(cut) }
}

/// Takes connections until `stop`; then the number of those that had to be cut off.
async fn accept(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<()>) -> usize {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // Never closed.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            _ = stop.changed() => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone(), limits, stop.clone());
                connections.spawn(async move {
                    let end = connection.await;
                    drop(slot);
                    end
                });
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.join_all().await.into_iter().filter(|end| *end == End::Cut).count()
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// Serves one connection to its end, within its times. What goes wrong on it is the client's: it sees its connection close.
async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, limits: Limits, mut stop: watch::Receiver<()>) -> End {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => return End::Finished,
        _ = stop.changed() => {}
        () = sleep(limits.lifetime) => {}
    }
    serving.as_mut().graceful_shutdown();
    timeout(limits.drain, serving).await.map_or(End::Cut, |_| End::Finished)
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Cut,
}
