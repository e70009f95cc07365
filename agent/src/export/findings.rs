//! Findings as JSON.
//!
//! In: [`Finding`]s. Out: JSON, a list. Must not know: how they were found. The shape is a promise: keys may be added, not renamed.

use std::path::Path;

use serde::Serialize;

use super::json::rfc3339;
use crate::model::{Finding, Site};

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'static str,
    /// `dir/file.go:line` of the `go` statement.
    creation_site: String,
    creation_function: &'a str,
    wait_reason: &'a str,
    /// Null for those that mostly run.
    blocking_function: Option<&'a str>,
    blocking_site: Option<String>,
    count: u64,
    /// Goroutines a second.
    slope: f64,
    /// `proven`, `stuck` or `live`.
    evidence: &'static str,
    /// RFC 3339, UTC.
    since: String,
    watched_seconds: f64,
    /// 1: every goroutine was followed. Above, `count` and `slope` are estimates.
    followed_one_in: u64,
}

/// The list as JSON text.
///
/// # Errors
/// Only what `serde_json` returns for values that JSON does not have; there is none in a Finding.
pub fn findings(findings: &[Finding]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&findings.iter().map(Entry::from).collect::<Vec<_>>())
}

impl<'a> From<&'a Finding> for Entry<'a> {
    fn from(finding: &'a Finding) -> Self {
        let slope = if finding.slope.is_finite() { finding.slope } else { 0.0 };
        Self {
            kind: finding.kind.as_str(),
            creation_site: place(&finding.created_by),
            creation_function: &finding.created_by.function,
            wait_reason: finding.wait_reason,
            blocking_function: finding.blocked_in.as_ref().map(|site| site.function.as_str()),
            blocking_site: finding.blocked_in.as_ref().map(place),
            count: finding.count,
            slope: (slope * 1000.0).round() / 1000.0,
            evidence: finding.evidence.as_str(),
            since: rfc3339(finding.since),
            watched_seconds: (finding.watched.as_secs_f64() * 1000.0).round() / 1000.0,
            followed_one_in: finding.one_in,
        }
    }
}

/// `dir/file.go:line`: the last folder, the file, the line.
#[must_use]
pub fn place(site: &Site) -> String {
    let path = Path::new(&site.file);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy());
    match folder {
        Some(folder) => format!("{folder}/{file}:{}", site.line),
        None => format!("{file}:{}", site.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let check =
            |file: &str, expected: &str| assert_eq!(place(&Site { function: String::new(), file: file.to_owned(), line: 7 }), expected);
        check("/home/a/leak/main.go", "leak/main.go:7");
        check("net/http/transport.go", "http/transport.go:7");
        check("main.go", "main.go:7");
        check("./main.go", "main.go:7");
        check("/main.go", "main.go:7");
        check("?", "?:7");
    }
}
