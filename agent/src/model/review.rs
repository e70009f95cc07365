//! Who asks, as somebody else knows it: the question that `admin` puts and `k8s` answers.

use std::pin::Pin;

/// What is known of who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// May have it.
    Allowed,
    /// Nobody knows the token, or it has expired.
    Unknown,
    /// Is known, and may not have it.
    Forbidden,
}

/// A question that could not be answered, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// An answer to come.
pub type Review<'a> = Pin<Box<dyn Future<Output = Result<Verdict, ReviewError>> + Send + 'a>>;

/// Knows whose a token is, and what they may get.
pub trait Reviewer: Send + Sync {
    /// Whether who has the bearer token may get `path`, such as `/metrics`.
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Review<'a>;
}
