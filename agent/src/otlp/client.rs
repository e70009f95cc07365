//! One request to the receiver, and what its answer means.
//!
//! In: an export. Out: an [`Outcome`]. Must not know: what waits, when to try again.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use hyper::body::Bytes;

use crate::{
    export::otlp::refused,
    post::{self, Answer, ClientError, Failure},
};

/// Answers are small; of a larger one the rest is not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

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
pub(super) struct Client(post::Client);

impl Client {
    pub(super) fn new(endpoint: Uri, given: Vec<(HeaderName, HeaderValue)>) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::new();
        headers.extend(given);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        post::Client::new("OTLP receiver", endpoint, headers, ANSWER_BYTES_MAX).map(Self)
    }

    /// One attempt.
    pub(super) async fn post(&self, export: Bytes) -> Outcome {
        match self.0.post(export).await {
            Ok(answer) => judge(&answer),
            Err(Failure { reason, detail }) => Outcome::Again { reason, message: detail, after: None },
        }
    }
}

/// As OTLP/HTTP says: 200 may be partial; 429, 502, 503 and 504 are tried again; all else is final.
fn judge(answer: &Answer) -> Outcome {
    let message = || answer.shown();
    // Where it is a date instead of seconds, our own pause will do.
    let after = || answer.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs);
    match answer.status {
        status if status.is_success() => match refused(&answer.body) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, retry_after: Option<&'static str>, body: &[u8], expected: &Outcome) {
        let headers = retry_after.map(|after| (RETRY_AFTER, HeaderValue::from_static(after))).into_iter().collect();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::copy_from_slice(body) };
        assert_eq!(judge(&answer), *expected, "{status}");
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
    }
}
