//! Findings as JSON.
//!
//! In: [`Finding`]s. Out: JSON, a list. Must not know: how they were found. The shape is a promise: keys may be added, not renamed.

use serde::Serialize;

use super::{json::rfc3339, process::Header};
use crate::model::{Finding, Report, Site};

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
    /// Of a ticker: between two ticks. Absent where they have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    period_seconds: Option<f64>,
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
    /// Processes of the same workload before this one that ended with it.
    restarts: u64,
    /// Absent where no limit is known, or the process does not grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit: Option<Limit>,
}

/// When the process comes to the limit of its memory.
#[derive(Serialize)]
struct Limit {
    /// `cgroup` or `gomemlimit`.
    limit: &'static str,
    limit_bytes: u64,
    used_bytes: u64,
    bytes_per_second: f64,
    reached_in_seconds: f64,
}

/// The list as JSON text.
///
/// # Errors
/// Only what `serde_json` returns for values that JSON does not have; there is none in a Finding.
pub fn findings(findings: &[Finding]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&findings.iter().map(Entry::from).collect::<Vec<_>>())
}

/// Findings of one process.
#[derive(Serialize)]
struct Process<'a> {
    #[serde(flatten)]
    header: Header<'a>,
    findings: Vec<Entry<'a>>,
}

/// `/debug/findings`: the processes that have any, in the order of pids.
///
/// # Errors
/// As [`findings`].
pub fn all(report: &Report) -> Result<String, serde_json::Error> {
    let mut processes: Vec<Process<'_>> = report
        .processes
        .iter()
        .filter(|process| !process.findings.is_empty())
        .map(|process| Process { header: Header::from(process.as_ref()), findings: process.findings.iter().map(Entry::from).collect() })
        .collect();
    processes.sort_by_key(|process| process.header.pid);
    serde_json::to_string(&processes)
}

impl<'a> From<&'a Finding> for Entry<'a> {
    fn from(finding: &'a Finding) -> Self {
        let slope = if finding.slope.is_finite() { finding.slope } else { 0.0 };
        Self {
            kind: finding.kind.as_str(),
            creation_site: finding.created_by.place(),
            creation_function: &finding.created_by.function,
            wait_reason: finding.wait_reason,
            blocking_function: finding.blocked_in.as_ref().map(|site| site.function.as_str()),
            blocking_site: finding.blocked_in.as_ref().map(Site::place),
            period_seconds: finding.period.map(|period| period.as_secs_f64()),
            count: finding.count,
            slope: (slope * 1000.0).round() / 1000.0,
            evidence: finding.evidence.as_str(),
            since: rfc3339(finding.since),
            watched_seconds: (finding.watched.as_secs_f64() * 1000.0).round() / 1000.0,
            followed_one_in: finding.one_in,
            restarts: finding.restarts,
            memory_limit: finding.projection.map(|projection| Limit {
                limit: projection.limit.kind.as_str(),
                limit_bytes: projection.limit.bytes,
                used_bytes: projection.limit.used,
                bytes_per_second: projection.bytes_per_second.round(),
                reached_in_seconds: projection.reached_in.as_secs_f64().round(),
            }),
        }
    }
}
