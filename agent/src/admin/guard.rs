//! Who may ask.
//!
//! In: a request's head, and where it came from. Out: that it may pass, or a [`Refusal`]. Must not know: pages, how tokens are
//! reviewed.

use std::{path::PathBuf, sync::Arc};

use axum::http::{HeaderMap, StatusCode, header::AUTHORIZATION};
use subtle::ConstantTimeEq as _;
use tracing::debug;

use super::{
    files::{FileError, Kept, Source},
    reviews::Reviews,
};
use crate::model::{Tally, Verdict};

/// Why requests are refused, as `goroscope_agent_requests_refused_total` has them. `handshake`: no TLS connection came about.
pub(super) const REASONS: &[&str] = &["unauthenticated", "forbidden", "unreviewed", "handshake"];

/// Longer ones are nobody's: a service account's has about 1,200.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Tokens of a file, one a line.
pub(super) type Tokens = Vec<Vec<u8>>;

/// Reads a file of tokens a first time. Later it may be empty: that is how the last one is taken back.
pub(super) fn tokens(path: PathBuf) -> Result<Source<Tokens>, FileError> {
    let of = |contents: &[Vec<u8>]| {
        let lines = contents.iter().flat_map(|content| content.split(|byte| *byte == b'\n'));
        lines.map(|line| line.trim_ascii().to_vec()).filter(|line| !line.is_empty()).collect::<Tokens>()
    };
    let source = Source::load("the file of tokens", vec![path.clone()], Box::new(move |contents| Ok(of(contents))))?;
    if source.first().is_empty() { Err(FileError::Lacks { path, what: "token", detail: None }) } else { Ok(source) }
}

/// Who may ask for `/metrics`.
#[derive(Debug)]
pub(super) enum Guard {
    Open,
    Tokens(Kept<Tokens>, Arc<Tally>),
    Reviews(Reviews, Arc<Tally>),
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unauthenticated,
    Forbidden,
    Unreviewed,
}

impl Refusal {
    pub(super) const fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "a valid bearer token is needed\n"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "the token is known, and whose it is may not get this\n"),
            Self::Unreviewed => (StatusCode::SERVICE_UNAVAILABLE, "the API server cannot be asked whose the token is: try again\n"),
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unreviewed => "unreviewed",
        }
    }
}

impl Guard {
    /// Whether a request with these headers may get `path`.
    pub(super) async fn ask(&self, headers: &HeaderMap, path: &str) -> Result<(), Refusal> {
        let (answer, refused) = match self {
            Self::Open => return Ok(()),
            Self::Tokens(tokens, refused) => (is_one_of(&tokens.get(), bearer(headers)), refused),
            Self::Reviews(reviews, refused) => (review(reviews, bearer(headers), path).await, refused),
        };
        answer.inspect_err(|refusal| refused.count(refusal.reason()))
    }

    /// Whether it knows who asks, and not only that they know a secret.
    pub(super) const fn knows_people(&self) -> bool {
        matches!(self, Self::Reviews(..))
    }
}

fn is_one_of(tokens: &Tokens, token: Option<&str>) -> Result<(), Refusal> {
    let token = token.ok_or(Refusal::Unauthenticated)?.as_bytes();
    // All are compared: how long it takes tells nothing of them.
    let found = tokens.iter().fold(0, |found, known| found | known.as_slice().ct_eq(token).unwrap_u8());
    if found == 1 { Ok(()) } else { Err(Refusal::Unauthenticated) }
}

async fn review(reviews: &Reviews, token: Option<&str>, path: &str) -> Result<(), Refusal> {
    match reviews.verdict(token.ok_or(Refusal::Unauthenticated)?, path).await {
        Ok(Verdict::Allowed) => Ok(()),
        Ok(Verdict::Unknown) => Err(Refusal::Unauthenticated),
        Ok(Verdict::Forbidden) => Err(Refusal::Forbidden),
        Err(error) => {
            debug!(%error, path, "a token could not be reviewed");
            Err(Refusal::Unreviewed)
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_token = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    is_token.then_some(token)
}
