//! One post to an Alertmanager, and what its answer means.

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header::CONTENT_TYPE};

use crate::post::{self, Answer, ClientError, Failure};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Keeps a connection to one Alertmanager.
#[derive(Debug)]
pub(super) struct Client(post::Client);

impl Client {
    pub(super) fn new(url: Uri) -> Result<Self, ClientError> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        post::Client::new("Alertmanager", url, headers, ANSWER_BYTES_MAX).map(Self)
    }

    pub(super) const fn url(&self) -> &Uri {
        self.0.url()
    }

    /// Posts a JSON list of alerts.
    pub(super) async fn post(&self, alerts: String) -> Result<(), Failure> {
        judge(&self.0.post(alerts.into()).await?)
    }
}

fn judge(answer: &Answer) -> Result<(), Failure> {
    let failure = |reason| Err(Failure { reason, detail: answer.shown() });
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => failure("unavailable"),
        status if status.is_server_error() => failure("unavailable"),
        _ => failure("rejected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let check = |status: u16, expected: Option<&str>| {
            let answer =
                Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: b"no\nway".as_slice().into() };
            let found = judge(&answer).err();
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
