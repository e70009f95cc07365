//! One post to an Alertmanager, and what its answer means.

use std::{error::Error, io, time::Duration};

use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read, and that are shown.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const SHOWN: usize = 200;

/// Nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nothing to check the certificate with.
    #[error(
        "cannot check the certificate of the Alertmanager: {0}; install the distribution's ca-certificates, or let SSL_CERT_FILE name a PEM \
         file of the CA"
    )]
    Roots(#[source] io::Error),
    /// TLS cannot be used at all.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why alerts were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// snake_case, from a closed set: a metric label.
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

/// Keeps a connection to one Alertmanager.
#[derive(Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
}

impl Client {
    pub(super) fn new(url: Uri) -> Result<Self, ClientError> {
        let builder = HttpsConnectorBuilder::new();
        let builder = if url.scheme_str() == Some("https") {
            builder.with_provider_and_native_roots(ring::default_provider()).map_err(ClientError::Roots)?
        } else {
            // A host without CA certificates can do without TLS.
            let config = ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions()?;
            builder.with_tls_config(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self { http: legacy::Client::builder(TokioExecutor::new()).build(connector), url })
    }

    pub(super) const fn url(&self) -> &Uri {
        &self.url
    }

    /// Posts a JSON list of alerts.
    pub(super) async fn post(&self, alerts: String) -> Result<(), Failure> {
        match timeout(ATTEMPT, self.ask(alerts)).await {
            Ok(Ok((status, body))) => judge(status, &body),
            Ok(Err(detail)) => Err(Failure { reason: "unreachable", detail }),
            Err(_) => Err(Failure { reason: "timeout", detail: format!("no answer within {} s", ATTEMPT.as_secs()) }),
        }
    }

    async fn ask(&self, alerts: String) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::new(Full::new(Bytes::from(alerts)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let agent = HeaderValue::from_static(concat!("goroscope/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = self.http.request(request).await.map_err(|error| chain(&error))?;
        let (head, body) = answer.into_parts();
        // The status is what counts.
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok((head.status, body))
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Result<(), Failure> {
    let detail = || {
        let text = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
        format!("{status}: {}", text.trim().replace(char::is_control, " "))
    };
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(Failure { reason: "unavailable", detail: detail() }),
        status if status.is_server_error() => Err(Failure { reason: "unavailable", detail: detail() }),
        _ => Err(Failure { reason: "rejected", detail: detail() }),
    }
}

/// An error with its causes: hyper's own says little.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let check = |status: u16, expected: Option<&str>| {
            let found = judge(StatusCode::from_u16(status).unwrap(), b"no\nway").err();
            assert_eq!(found.as_ref().map(|failure| failure.reason), expected, "{status}");
            assert!(found.is_none_or(|failure| failure.detail.ends_with("no way")));
        };
        check(200, None);
        check(204, None);
        check(429, Some("unavailable"));
        check(503, Some("unavailable"));
        check(400, Some("rejected"));
        check(301, Some("rejected"));
    }
}
