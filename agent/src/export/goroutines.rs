//! `/debug/goroutines`: the goroutines of every Go process, grouped by statement, state and wait, complete.
//!
//! In: a [`Report`]. Out: JSON, a list in the order of pids. Must not know: connections. The shape is a promise: keys may be added,
//! not renamed; a process whose memory is not read is not in the list.

use serde::Serialize;

use super::{json::rfc3339, process::Header};
use crate::model::{self, GoroutineGroup, ProcessReport, Report};

/// The list as JSON text, of one process or of all.
///
/// # Errors
/// Only what `serde_json` returns for values that JSON does not have; there is none in a Report.
pub fn goroutines(report: &Report, pid: Option<u32>) -> Result<String, serde_json::Error> {
    let wanted = report.processes.iter().filter(|process| pid.is_none_or(|pid| pid == process.pid));
    let mut processes: Vec<_> = wanted.filter_map(|process| Process::of(process)).collect();
    processes.sort_by_key(|process| process.header.pid);
    serde_json::to_string(&processes)
}

#[derive(Serialize)]
struct Process<'a> {
    #[serde(flatten)]
    header: Header<'a>,
    /// When they were counted: RFC 3339, UTC.
    taken_at: String,
    /// As `runtime.NumGoroutine` counts them, when the figures were read last.
    goroutines: u64,
    system_goroutines: u64,
    /// Goroutines that changed while they were read, and are in no group.
    torn: u64,
    groups: Vec<Group<'a>>,
}

#[derive(Serialize)]
struct Group<'a> {
    count: u64,
    state: &'static str,
    /// Null where they do not wait.
    wait_reason: Option<&'static str>,
    /// The function that holds the `go` statement; null where it has no name.
    created_by: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    #[serde(flatten)]
    blocked: Option<Blocked>,
}

/// For how long goroutines of a group have not run; where that is known of none, the keys are missing.
#[derive(Serialize)]
pub struct Blocked {
    /// The longest time, at least.
    blocked_for_seconds: f64,
    /// The shortest, of those of which it is known.
    blocked_for_shortest_seconds: f64,
    /// Of how many it is known.
    blocked_known: u64,
}

impl From<model::Blocked> for Blocked {
    fn from(model::Blocked { known, shortest, longest }: model::Blocked) -> Self {
        Self { blocked_for_seconds: longest.as_secs_f64(), blocked_for_shortest_seconds: shortest.as_secs_f64(), blocked_known: known }
    }
}

impl<'a> Process<'a> {
    fn of(report: &'a ProcessReport) -> Option<Self> {
        let runtime = report.runtime.as_ref()?;
        Some(Self {
            header: Header::from(report),
            taken_at: rfc3339(runtime.census.taken_at),
            goroutines: runtime.figures.goroutines,
            system_goroutines: runtime.figures.system_goroutines,
            torn: runtime.census.torn,
            groups: runtime.census.groups.iter().map(Group::of).collect(),
        })
    }
}

impl<'a> Group<'a> {
    fn of(group: &'a GoroutineGroup) -> Self {
        let site = group.created_by.as_ref();
        Self {
            count: group.count,
            state: group.state.as_str(),
            wait_reason: group.wait_reason,
            created_by: site.map(|site| site.function.as_str()),
            file: site.map(|site| site.file.as_str()),
            line: site.map(|site| site.line),
            blocked: group.blocked.map(Blocked::from),
        }
    }
}
