//! The agent's HTTP server.
//!
//! In: [`Reports`], rendered by `metrics` and `export`; who asks, known to a [`Reviewer`]. Out: responses. Must not know: how Reports
//! come to be, what knows who asks.
//!
//! | Route | Who | What |
//! |---|---|---|
//! | `/metrics` | who passes the [`Guard`] | OpenMetrics 1.0 or text 0.0.4, as `Accept` says, of a Report made for it |
//! | `/livez` | all | 200 while the agent answers |
//! | `/readyz` | all | 200 once every process found at start-up is attached or refused, 503 before; its text says what is left and lost |
//! | `/debug/processes` | this host | JSON of every Go process ([`crate::export::json`]) |
//! | `/debug/goroutines` | this host | JSON of the goroutines of every process, or of `?pid=PID` ([`crate::export::goroutines`]) |
//! | `/debug/findings` | this host | JSON of the leaks that are known now ([`crate::export::findings`]) |
//! | `/` | all | this table, in short |
//!
//! "This host" is a loopback peer, the debug socket and, over TLS, whom the API server allows to get the path. At the debug socket, which
//! only the agent's own user can open, everything is for everybody.
//!
//! A second listener, where there is one, has `/livez` and `/readyz` only, without TLS. GET and HEAD; nothing here changes anything.
//!
//! Clients are strangers: a connection ends after [`Limits::lifetime`] whatever it does, a request head must be there within
//! [`Limits::head`], and only [`Limits::connections`] are served at once; more wait in the kernel's queue.

mod files;
mod guard;
mod reports;
mod reviews;
mod routes;
mod server;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use rustls::ServerConfig;

pub use self::{
    files::FileError,
    reports::{Feeder, Reports, channel},
    server::{Drained, Limits},
    socket::{DebugSocket, SocketError, bind_socket},
};
use self::{
    files::Source,
    guard::{Guard, Tokens},
    reviews::Reviews,
    server::Door,
};
use crate::{
    config::{Auth, Tls},
    metrics::Metrics,
    model::{Reviewer, Tally},
};

/// What is served, and where.
pub struct Admin {
    /// Where everything is served.
    pub listener: TcpListener,
    /// Where `/livez` and `/readyz` are served too.
    pub health: Option<TcpListener>,
    /// Where everything is served to this host's root.
    pub debug: Option<DebugSocket>,
    /// Who may ask at `listener`, and how it is hidden.
    pub security: Security,
    /// Knows who asks; with none nobody is known.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// Where Reports come from.
    pub reports: Reports,
    /// Renders `/metrics`.
    pub metrics: Arc<Metrics>,
    /// What one client may take.
    pub limits: Limits,
}

/// TLS and auth of the main listener, read from files and not yet kept up to date.
pub struct Security {
    tls: Option<Source<ServerConfig>>,
    who: Who,
    /// Files that changed and could not be used; none: there are no files.
    pub reload_failures: Option<Arc<Tally>>,
    /// Requests that were refused, by reason; none: nobody is refused.
    pub refused: Option<Arc<Tally>>,
}

enum Who {
    Everybody,
    Tokens(Source<Tokens>),
    Reviewed,
}

impl Security {
    /// Reads certificates and tokens: what is wrong with them is known before a probe is on.
    ///
    /// # Errors
    /// A file cannot be read or used, or certificate and key do not belong together.
    pub fn load(tls: Option<Tls>, auth: Auth) -> Result<Self, FileError> {
        let tls = tls.map(tls::load).transpose()?;
        let who = match auth {
            Auth::None => Who::Everybody,
            Auth::Kubernetes => Who::Reviewed,
            Auth::Token(path) => Who::Tokens(guard::tokens(path)?),
        };
        let has_files = tls.is_some() || matches!(who, Who::Tokens(_));
        let refuses = tls.is_some() || !matches!(who, Who::Everybody);
        let reload_failures = has_files.then(Arc::default);
        let refused = refuses.then(|| Arc::new(Tally::new(guard::REASONS)));
        Ok(Self { tls, who, reload_failures, refused })
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a [`Reviewer`] is needed.
    #[must_use]
    pub const fn asks_reviewer(&self) -> bool {
        matches!(self.who, Who::Reviewed)
    }

    /// The door, and who may pass it; from now on files are read again.
    fn begin(self, listener: tokio::net::TcpListener, reviewer: Option<Arc<dyn Reviewer>>, limits: Limits) -> (Door, Guard) {
        let failures = self.reload_failures.unwrap_or_default();
        let refused = self.refused.unwrap_or_default();
        let guard = match self.who {
            Who::Everybody => Guard::Open,
            Who::Tokens(tokens) => Guard::Tokens(tokens.keep(limits.reload, Arc::clone(&failures)), Arc::clone(&refused)),
            Who::Reviewed => Guard::Reviews(Reviews::new(reviewer), Arc::clone(&refused)),
        };
        let door = match self.tls {
            Some(tls) => Door::Tls(listener, tls.keep(limits.reload, failures), refused),
            None => Door::Plain(listener),
        };
        (door, guard)
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither keys nor tokens.
        f.debug_struct("Security").field("is_encrypted", &self.is_encrypted()).finish_non_exhaustive()
    }
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
        let Self { listener, health, debug, security, reviewer, reports, metrics, limits } = self;
        let (door, guard) = security.begin(tokio::net::TcpListener::from_std(listener)?, reviewer, limits);
        let mut servers = vec![(door, routes::all(reports.clone(), Arc::clone(&metrics), guard))];
        // Its file goes when all is served.
        let _file = match debug {
            Some(DebugSocket { listener, file }) => {
                let door = Door::Socket(tokio::net::UnixListener::from_std(listener)?);
                servers.push((door, routes::all(reports.clone(), metrics, Guard::Open)));
                Some(file)
            }
            None => None,
        };
        if let Some(health) = health {
            servers.push((Door::Plain(tokio::net::TcpListener::from_std(health)?), routes::health(reports)));
        }
        Ok(server::serve(servers, limits, shutdown).await)
    }
}
