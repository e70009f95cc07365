//! The agent's HTTP server.
//!
//! In: [`Reports`], rendered by `metrics` and `export`. Out: responses. Must not know: how Reports come to be.
//!
//! | Route | Who | What |
//! |---|---|---|
//! | `/metrics` | all | OpenMetrics 1.0 or text 0.0.4, as `Accept` says, of a Report made for it |
//! | `/livez` | all | 200 while the agent answers |
//! | `/readyz` | all | 200 once every process found at start-up is attached or refused, 503 before; its text says what is left and lost |
//! | `/debug/processes` | this host | JSON of every Go process ([`crate::export::json`]) |
//! | `/debug/goroutines` | this host | JSON of the goroutines of every process, or of `?pid=PID` ([`crate::export::goroutines`]) |
//! | `/debug/findings` | this host | JSON of the leaks that are known now ([`crate::export::findings`]) |
//! | `/` | all | this table, in short |
//!
//! A second listener, where there is one, has `/livez` and `/readyz` only. GET and HEAD; nothing here changes anything.
//!
//! Clients are strangers: a connection ends after [`Limits::lifetime`] whatever it does, a request head must be there within
//! [`Limits::head`], and only [`Limits::connections`] are served at once; more wait in the kernel's queue.

mod reports;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

pub use self::{
    reports::{Feeder, Reports, channel},
    server::{Drained, Limits},
};
use crate::metrics::Metrics;

/// What is served, and where.
#[derive(Debug)]
pub struct Admin {
    /// Where everything is served.
    pub listener: TcpListener,
    /// Where `/livez` and `/readyz` are served too.
    pub health: Option<TcpListener>,
    /// Where Reports come from.
    pub reports: Reports,
    /// Renders `/metrics`.
    pub metrics: Arc<Metrics>,
    /// What one client may take.
    pub limits: Limits,
}

/// An address that cannot be listened on: exit status `Listen`.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}{}", remedy(.error))]
pub struct BindError {
    /// Which address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub error: io::Error,
}

/// Takes an address, to be served later: what cannot be had is known before a probe is on.
///
/// # Errors
/// The address is taken, not on this host, or may not be used.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error| BindError { address, error })
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program (or another goroscope) has it: stop that, or choose another address (--listen, --health-listen)"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this host has no such address: choose one of its own, or 0.0.0.0 for all (--listen, --health-listen)"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE: choose another port (--listen, --health-listen)",
        _ => "",
    }
}

impl Admin {
    /// Serves until `shutdown`, then takes no more connections, lets responses under way finish for at most [`Limits::drain`], and
    /// says whether they did.
    ///
    /// # Errors
    /// A listener cannot be handed to the async runtime.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let Self { listener, health, reports, metrics, limits } = self;
        let mut servers = vec![(tokio::net::TcpListener::from_std(listener)?, routes::all(reports.clone(), metrics))];
        if let Some(health) = health {
            servers.push((tokio::net::TcpListener::from_std(health)?, routes::health(reports)));
        }
        Ok(server::serve(servers, limits, shutdown).await)
    }
}
