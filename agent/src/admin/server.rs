//! Connections: how many, how long, and how they end.
//!
//! Not `axum::serve`: that has no limit for connections, none for the time that a request head may take, and none for the drain.

use std::{io, pin::pin, sync::Arc, time::Duration};

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
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{files::Kept, routes::Peer};
use crate::model::Tally;

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
    /// How often is looked whether certificates and tokens changed.
    pub reload: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        // Prometheus scrapes every 15 to 60 s and connects anew without ado.
        let seconds = Duration::from_secs;
        Self { connections: 32, head: seconds(10), lifetime: seconds(60), drain: seconds(5), reload: seconds(5) }
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

/// How clients come in.
pub(super) enum Door {
    Plain(TcpListener),
    /// With what the handshakes are made, and where those are counted that fail.
    Tls(TcpListener, Kept<ServerConfig>, Arc<Tally>),
    Socket(UnixListener),
}

/// Who came in.
enum Visitor {
    Plain(TcpStream, Peer),
    Tls(TcpStream, Peer, TlsAcceptor, Arc<Tally>),
    Socket(UnixStream),
}

impl Door {
    async fn next(&self) -> io::Result<Visitor> {
        match self {
            Self::Plain(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Visitor::Plain(stream, Peer::Network { address, is_encrypted: false }))
            }
            Self::Tls(listener, config, failures) => {
                let (stream, address) = listener.accept().await?;
                let peer = Peer::Network { address, is_encrypted: true };
                Ok(Visitor::Tls(stream, peer, TlsAcceptor::from(config.get()), Arc::clone(failures)))
            }
            Self::Socket(listener) => Ok(Visitor::Socket(listener.accept().await?.0)),
        }
    }
}

/// Serves each router on its listener until `shutdown`, then drains.
pub(super) async fn serve(servers: Vec<(Door, Router)>, limits: Limits, shutdown: impl Future<Output = ()>) -> Drained {
    // Closed when its sender goes: every connection hears it.
    let (alive, stop) = watch::channel(());
    let mut accepting = JoinSet::new();
    for (door, router) in servers {
        accepting.spawn(accept(door, router, limits, stop.clone()));
    }
    drop(stop);
    shutdown.await;
    drop(alive);
    let cut = accepting.join_all().await.into_iter().sum();
    if cut == 0 { Drained::Whole } else { Drained::Cut(cut) }
}

/// Takes connections until `stop`; then the number of those that had to be cut off.
async fn accept(door: Door, router: Router, limits: Limits, mut stop: watch::Receiver<()>) -> usize {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // Never closed.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, door.next().await)
        };
        let (slot, accepted) = tokio::select! {
            _ = stop.changed() => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(visitor) => {
                let visit = visit(visitor, router.clone(), limits, stop.clone());
                connections.spawn(async move {
                    let end = visit.await;
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
    drop(door);
    connections.join_all().await.into_iter().filter(|end| *end == End::Cut).count()
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// Serves one client to the end. What goes wrong on the way is the client's: it sees its connection close.
async fn visit(visitor: Visitor, router: Router, limits: Limits, mut stop: watch::Receiver<()>) -> End {
    match visitor {
        Visitor::Plain(stream, peer) => connection(stream, peer, router, limits, stop).await,
        Visitor::Socket(stream) => connection(stream, Peer::Socket, router, limits, stop).await,
        Visitor::Tls(stream, peer, acceptor, failures) => {
            let shaken = tokio::select! {
                shaken = timeout(limits.head, acceptor.accept(stream)) => shaken,
                _ = stop.changed() => return End::Finished,
            };
            match shaken {
                Ok(Ok(stream)) => return connection(stream, peer, router, limits, stop).await,
                Ok(Err(error)) => tracing::debug!(?peer, %error, "no TLS connection"),
                Err(_) => tracing::debug!(?peer, "no TLS connection in time"),
            }
            failures.count("handshake");
            End::Finished
        }
    }
}

/// Serves one connection to its end, within its times.
async fn connection<S>(stream: S, peer: Peer, router: Router, limits: Limits, mut stop: watch::Receiver<()>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
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
