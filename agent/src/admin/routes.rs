//! What each route answers.

use std::{fmt::Write, net::SocketAddr, sync::Arc};

use axum::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
};
use axum::{
    Extension, Router,
    extract::{Query, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{
    Reports,
    guard::{Guard, Refusal},
};
use crate::{
    export::{findings, goroutines, json},
    metrics::{Metrics, OwnUsage, negotiate},
    model::is_harmful,
};

const TEXT: &str = "text/plain; charset=utf-8";

const INDEX: &str = "goroscope: every Go process on this host\n
/metrics          counters for Prometheus (OpenMetrics or text, as Accept says)
/livez            200 while the agent answers
/readyz           200 once every process found at start-up is attached or refused
/debug/processes  JSON of every Go process, its counters, sites and refusals (from this host only)
/debug/goroutines JSON of their goroutines by go statement, state and wait; ?pid=PID for one (from this host only)
/debug/findings   JSON of the leaks that are known now (from this host only)\n";

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Network {
        address: SocketAddr,
        is_encrypted: bool,
    },
    /// Whoever may open the debug socket.
    Socket,
}

/// Everything.
pub(super) fn all(reports: Reports, metrics: Arc<Metrics>, guard: Guard) -> Router {
    let guard = Arc::new(guard);
    let guarded = middleware::from_fn_with_state(Arc::clone(&guard), may_read);
    let metrics = Router::new().route("/metrics", get(serve_metrics)).layer(guarded).with_state((reports.clone(), metrics));
    let debug = Router::new()
        .route("/debug/processes", get(processes))
        .route("/debug/goroutines", get(goroutines))
        .route("/debug/findings", get(findings));
    let debug = debug.layer(middleware::from_fn_with_state(guard, may_debug)).with_state(reports.clone());
    health(reports).route("/", get(|| async { text(StatusCode::OK, INDEX) })).merge(metrics).merge(debug)
}

/// For the kubelet and its like.
pub(super) fn health(reports: Reports) -> Router {
    Router::new()
        .route("/livez", get(|| async { text(StatusCode::OK, "ok\n") }))
        .route("/readyz", get(readyz))
        .with_state(reports)
        .fallback(|| async { text(StatusCode::NOT_FOUND, "there is no such page; / lists those there are\n") })
}

async fn serve_metrics(State((reports, metrics)): State<(Reports, Arc<Metrics>)>, headers: HeaderMap) -> Response {
    let accept: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = negotiate(&accept.join(","));
    let Some(report) = reports.fresh().await else { return nothing_yet() };
    // Reads /proc/self and writes up to some megabytes: not for the threads that serve connections.
    let page = tokio::task::spawn_blocking(move || metrics.page(&report, OwnUsage::read().ok().as_ref()).render(format)).await;
    match page {
        Ok(Ok(page)) => respond(StatusCode::OK, format.content_type(), page),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn readyz(State(reports): State<Reports>) -> Response {
    let Some(mut report) = reports.latest() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "not ready: processes have not been looked for yet\n");
    };
    // Ready stays ready; what is not yet may be by now, and the collector's own beat is slow.
    if report.agent.starting > 0 {
        report = reports.fresh().await.unwrap_or(report);
    }
    let (status, mut body) = match report.agent.starting {
        0 => (StatusCode::OK, "ready\n".to_owned()),
        left => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {left} of the processes found at start-up are not attached or refused yet\n"),
        ),
    };
    for loss in &report.agent.losses {
        // One line each, whatever is in it.
        let _ = writeln!(body, "lost: {}", loss.replace(is_harmful, " "));
    }
    text(status, body)
}

async fn processes(State(reports): State<Reports>) -> Response {
    let Some(report) = reports.fresh().await else { return nothing_yet() };
    respond_json(json::processes(&report))
}

/// `?pid=PID`.
#[derive(Deserialize)]
struct Which {
    pid: Option<u32>,
}

async fn goroutines(State(reports): State<Reports>, Query(Which { pid }): Query<Which>) -> Response {
    let Some(report) = reports.fresh().await else { return nothing_yet() };
    respond_json(goroutines::goroutines(&report, pid))
}

async fn findings(State(reports): State<Reports>) -> Response {
    let Some(report) = reports.fresh().await else { return nothing_yet() };
    respond_json(findings::all(&report))
}

fn respond_json(body: Result<String, impl std::fmt::Display>) -> Response {
    match body {
        Ok(body) => respond(StatusCode::OK, "application/json", body),
        Err(error) => failed(&error),
    }
}

async fn may_read(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.ask(request.headers(), request.uri().path()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

async fn may_debug(State(guard): State<Arc<Guard>>, Extension(peer): Extension<Peer>, request: Request, next: Next) -> Response {
    match is_from_this_host(peer, request.headers()) {
        Ok(()) => next.run(request).await,
        // From elsewhere: nobody listens on the way, and the API server knows who it is and what they may get.
        Err(_) if guard.knows_people() && matches!(peer, Peer::Network { is_encrypted: true, .. }) => {
            may_read(State(guard), request, next).await
        }
        Err(why) => text(StatusCode::FORBIDDEN, why),
    }
}

fn refused(refusal: Refusal) -> Response {
    let (status, why) = refusal.answer();
    let mut response = text(status, why);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Paths and function names of all processes are for who is on this host. A web page that its visitor's browser loads may
/// have a name that resolves to 127.0.0.1 (DNS rebinding), so the name asked for counts too.
fn is_from_this_host(peer: Peer, headers: &HeaderMap) -> Result<(), String> {
    let Peer::Network { address, .. } = peer else { return Ok(()) };
    if !address.ip().to_canonical().is_loopback() {
        return Err(format!("/debug is for clients on the agent's own host (loopback), and this one is {}\n", address.ip()));
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if is_address || name.eq_ignore_ascii_case("localhost") {
        Ok(())
    } else {
        Err("/debug must be asked for as localhost or by address: other names may be a foreign page's\n".to_owned())
    }
}

fn nothing_yet() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "nothing has been collected yet: try again\n")
}

fn failed(error: &impl std::fmt::Display) -> Response {
    tracing::error!(%error, "a page could not be rendered");
    text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered; the agent's log says why\n")
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    respond(status, TEXT, body.into())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response {
    // Names in these texts are chosen by strangers: no browser may take one for HTML, no proxy keep a page.
    let headers = [(CONTENT_TYPE, content_type), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "no-store")];
    (status, headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response()
}
