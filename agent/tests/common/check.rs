//! `goroscope check`, or `goroscope run` for a while, on one process: pid and length of the watch in, its status and Findings out.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::agent::{Agent, command};

/// How a watch ended.
pub struct Checked {
    /// Exit status: 0 nothing found, 1 something, 2 could not watch; none when a signal ended it.
    pub status: Option<i32>,
    /// The report.
    pub findings: Vec<Found>,
    /// Why the report is no good, or what was said of it.
    pub stderr: String,
}

/// One entry of the report, as issue 5 fixes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    /// `goroutine_leak`, ...
    pub kind: String,
    /// `dir/file.go:line` of the go statement.
    pub creation_site: String,
    /// The function that holds it.
    pub creation_function: String,
    /// As the Go runtime words it.
    pub wait_reason: String,
    /// The function that waits; none when the agent cannot tell.
    pub blocking_function: Option<String>,
    /// `dir/file.go:line` where it waits.
    pub blocking_site: Option<String>,
    /// Of a ticker: between two ticks.
    pub period_seconds: Option<f64>,
    /// Goroutines.
    pub count: u64,
    /// Goroutines more a second.
    pub slope: f64,
    /// `proven`, `stuck`, `live`.
    pub evidence: String,
    /// When it began, in whichever form.
    pub since: Value,
}

impl Found {
    /// Where it waits, for people.
    pub fn place(&self) -> &str {
        self.blocking_site.as_deref().unwrap_or("an unknown line")
    }
}

/// Watches process `pid` for `time`. Never panics: what goes wrong is told in `stderr`, with a status that is neither 0 nor 1.
pub fn check(pid: u32, time: Duration) -> Checked {
    let failed = |stderr: String| Checked { status: Some(2), findings: vec![], stderr };
    let directory = match tempfile::tempdir() {
        Ok(directory) => directory,
        Err(error) => return failed(error.to_string()),
    };
    let report = directory.path().join("report.json");
    let mut command = command(&["check", "--pid", &pid.to_string(), "--for", &format!("{}s", time.as_secs()), "--report"]);
    let output = match command.arg(&report).output() {
        Ok(output) => output,
        Err(error) => return failed(error.to_string()),
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = match fs::read_to_string(&report) {
        Ok(text) => text,
        Err(error) => return failed(format!("no report ({error}): {stderr}")),
    };
    match serde_json::from_str::<Vec<Found>>(&text) {
        Ok(findings) if output.status.code() == Some(i32::from(!findings.is_empty())) => {
            Checked { status: output.status.code(), findings, stderr }
        }
        Ok(findings) => failed(format!("{} with {} findings: {stderr}", output.status, findings.len())),
        Err(error) => failed(format!("the report is not as promised ({error}): {text}")),
    }
}

/// What `/debug/findings` says of one process.
#[derive(Deserialize)]
struct OfProcess {
    findings: Vec<Found>,
}

/// `goroscope run` looks at process `pid` for `time`. Every Finding that it has told at any time, as told last.
pub fn run(pid: u32, time: Duration) -> Checked {
    let agent = Agent::start(&["--per-process", "--pid", &pid.to_string()]);
    let (start, mut told) = (Instant::now(), BTreeMap::new());
    while start.elapsed() < time {
        let body = agent.get("/debug/findings").body;
        match serde_json::from_str::<Vec<OfProcess>>(&body) {
            Ok(processes) => {
                let findings = processes.into_iter().flat_map(|process| process.findings);
                told.extend(findings.map(|found| ((found.creation_site.clone(), found.blocking_site.clone()), found)));
            }
            Err(error) => return Checked { status: Some(2), findings: vec![], stderr: format!("{error}: {body}") },
        }
        // wait: what is polled belongs to another process, which sends no event for it
        thread::sleep(Duration::from_millis(500));
    }
    let findings: Vec<Found> = told.into_values().collect();
    Checked { status: Some(i32::from(!findings.is_empty())), findings, stderr: agent.log() }
}
