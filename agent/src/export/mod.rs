//! Reports for other programs than Prometheus, one file a format.
//!
//! In: a [`crate::model::Report`]. Out: bytes. Must not know: who asks for them.

pub mod findings;
pub mod goroutines;
pub mod json;
pub mod otlp;
pub mod pprof;
mod process;

pub use self::json::rfc3339;
