//! One request to the receiver, and what its answer means.
//!
//! In: an export. Out: an [`Outcome`]. Must not know: what waits, when to try again.

use std::{error::Error, io, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
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

use crate::export::otlp::refused;

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Answers are small; of a larger one the rest is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer that is no OTLP which are shown.
const SHOWN: usize = 200;

/// Nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nothing to check the receiver's certificate with.
    #[error(
        "cannot check the certificate of the OTLP receiver: {0}; install the distribution's ca-certificates, or let SSL_CERT_FILE name a \
         PEM file of the CA"
    )]
    Roots(#[source] io::Error),
    /// TLS cannot be used at all.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of it was taken.
    Taken,
    /// Some points were not, and never will be.
    Partial {
        /// How many.
        points: i64,
        /// Why.
        message: String,
    },
    /// It will not be taken.
    Refused {
        /// Why.
        message: String,
    },
    /// It may be taken later.
    Again {
        /// One of the exporter's reasons.
        reason: &'static str,
        /// Why.
        message: String,
        /// When, as the receiver says.
        after: Option<Duration>,
    },
}

/// Keeps a connection to the receiver.
#[derive(Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoint: Uri,
    headers: HeaderMap,
}

impl Client {
    pub(super) fn new(endpoint: Uri, given: Vec<(HeaderName, HeaderValue)>) -> Result<Self, ClientError> {
        let builder = HttpsConnectorBuilder::new();
        let builder = if endpoint.scheme_str() == Some("https") {
            builder.with_provider_and_native_roots(ring::default_provider()).map_err(ClientError::Roots)?
        } else {
            // A host without CA certificates can export without TLS.
            let config = ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions()?;
            builder.with_tls_config(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().build();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("goroscope/", env!("CARGO_PKG_VERSION"))));
        headers.extend(given);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Ok(Self { http: legacy::Client::builder(TokioExecutor::new()).build(connector), endpoint, headers })
    }

    /// One attempt.
    pub(super) async fn post(&self, export: Bytes) -> Outcome {
        match timeout(ATTEMPT, self.ask(export)).await {
            Ok(Ok((status, headers, body))) => judge(status, &headers, &body),
            Ok(Err(message)) => Outcome::Again { reason: "unreachable", message, after: None },
            Err(_) => Outcome::Again { reason: "timeout", message: format!("no answer within {} s", ATTEMPT.as_secs()), after: None },
        }
    }

    async fn ask(&self, export: Bytes) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let mut request = Request::new(Full::new(export));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = self.http.request(request).await.map_err(|error| chain(&error))?;
        let (head, body) = answer.into_parts();
        // The status is what counts: an answer that breaks off is as good as an empty one.
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok((head.status, head.headers, body))
    }
}

/// As OTLP/HTTP says: 200 may be partial; 429, 502, 503 and 504 are tried again; all else is final.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let message = || format!("{status}: {}", shown(body));
    // Where it is a date instead of seconds, our own pause will do.
    let after = || headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs);
    match status {
        status if status.is_success() => match refused(body) {
            Some((points, message)) => Outcome::Partial { points, message },
            None => Outcome::Taken,
        },
        StatusCode::TOO_MANY_REQUESTS => Outcome::Again { reason: "throttled", message: message(), after: after() },
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Outcome::Again { reason: "unavailable", message: message(), after: after() }
        }
        _ => Outcome::Refused { message: message() },
    }
}

/// The beginning of a text that a stranger wrote.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
    text.trim().replace(char::is_control, " ")
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

    fn check(status: u16, retry_after: Option<&'static str>, body: &[u8], expected: &Outcome) {
        let headers = retry_after.map(|after| (RETRY_AFTER, HeaderValue::from_static(after))).into_iter().collect();
        assert_eq!(judge(StatusCode::from_u16(status).unwrap(), &headers, body), *expected, "{status}");
    }

    #[test]
    fn answers_mean_what_the_specification_says() {
        let again = |reason, message: &str, after: Option<u64>| Outcome::Again {
            reason,
            message: message.to_owned(),
            after: after.map(Duration::from_secs),
        };
        check(200, None, b"", &Outcome::Taken);
        check(200, None, b"\x0a\x02\x08\x00", &Outcome::Taken);
        check(200, None, b"{}", &Outcome::Taken);
        check(200, None, b"\x0a\x07\x08\x05\x12\x03bad", &Outcome::Partial { points: 5, message: "bad".into() });
        check(429, Some("7"), b"slow\ndown", &again("throttled", "429 Too Many Requests: slow down", Some(7)));
        check(503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), b"", &again("unavailable", "503 Service Unavailable: ", None));
        check(502, None, b"", &again("unavailable", "502 Bad Gateway: ", None));
        check(504, None, b"", &again("unavailable", "504 Gateway Timeout: ", None));
        for (status, text) in [(400, "400 Bad Request: no"), (401, "401 Unauthorized: no"), (500, "500 Internal Server Error: no")] {
            check(status, None, b"no", &Outcome::Refused { message: text.into() });
        }
        assert_eq!(shown(&[b'x'; 1000]).len(), SHOWN);
    }
}
