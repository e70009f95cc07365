//! One post over HTTP or HTTPS to somebody who takes what the agent tells: `otlp`'s receiver, `alert`'s Alertmanagers.
//!
//! In: a URL, headers, a body. Out: an [`Answer`], or a [`Failure`] where there was none. Must not know: what is told, what an answer
//! means, when to try again.

mod backoff;

use std::{io, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header::USER_AGENT};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;

pub use self::backoff::Backoff;
use crate::model::{is_harmful, with_causes};

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are shown.
const SHOWN: usize = 200;

/// Nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nothing to check the certificate with.
    #[error(
        "cannot check the certificate of the {whose}: {source}; install the distribution's ca-certificates, or let SSL_CERT_FILE name a PEM \
         file of the CA"
    )]
    Roots {
        /// Who is posted to.
        whose: &'static str,
        /// What is wrong with the CA certificates.
        source: io::Error,
    },
    /// TLS cannot be used at all.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `unreachable` or `timeout`.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What counts.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// As far as it was read; empty where it was larger than agreed, or broke off.
    pub body: Bytes,
}

impl Answer {
    /// The status and the beginning of a text that a stranger wrote.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..SHOWN).unwrap_or(&self.body));
        format!("{}: {}", self.status, text.trim().replace(is_harmful, " "))
    }
}

/// Keeps a connection to one of those who are posted to.
#[derive(Debug)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    headers: HeaderMap,
    answer_bytes: usize,
}

impl Client {
    /// For posts to `url` with these headers beside the agent's name, which they may replace. `whose` says in errors who that is; at most
    /// `answer_bytes` of an answer are read.
    ///
    /// # Errors
    /// The URL is one of HTTPS, and this host has no CA certificates.
    pub fn new(whose: &'static str, url: Uri, headers: HeaderMap, answer_bytes: usize) -> Result<Self, ClientError> {
        let builder = HttpsConnectorBuilder::new();
        let builder = if url.scheme_str() == Some("https") {
            builder.with_provider_and_native_roots(ring::default_provider()).map_err(|source| ClientError::Roots { whose, source })?
        } else {
            // A host without CA certificates can do without TLS.
            let config = ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions()?;
            builder.with_tls_config(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().build();
        let mut all = HeaderMap::new();
        all.insert(USER_AGENT, HeaderValue::from_static(concat!("goroscope/", env!("CARGO_PKG_VERSION"))));
        all.extend(headers);
        Ok(Self { http: legacy::Client::builder(TokioExecutor::new()).build(connector), url, headers: all, answer_bytes })
    }

    /// Where to.
    #[must_use]
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// One attempt.
    ///
    /// # Errors
    /// No answer came in time.
    pub async fn post(&self, body: Bytes) -> Result<Answer, Failure> {
        match timeout(ATTEMPT, self.ask(body)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure { reason: "unreachable", detail: with_causes(&error) }),
            Err(_) => Err(Failure { reason: "timeout", detail: format!("no answer within {} s", ATTEMPT.as_secs()) }),
        }
    }

    async fn ask(&self, body: Bytes) -> Result<Answer, legacy::Error> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        let (head, body) = self.http.request(request).await?.into_parts();
        // The status is what counts: an answer that breaks off is as good as an empty one.
        let body = Limited::new(body, self.answer_bytes).collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_in_one_short_line() {
        let check = |body: &[u8], expected: &str| {
            let answer = Answer { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body) };
            assert_eq!(answer.shown(), format!("400 Bad Request: {expected}"));
        };
        check(b"no\nway", "no way");
        check(b"", "");
        check(&[b'x'; 1000], &"x".repeat(SHOWN));
    }
}
