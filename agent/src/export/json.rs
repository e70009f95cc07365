//! `/debug/processes`: every Go process, what is counted of it, where, and what is refused and why.
//!
//! In: a [`Report`]. Out: JSON, a list in the order of pids. Must not know: connections. The shape is a promise: keys may be
//! added, not renamed; a family or counter that could not be counted is absent.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use goroscope_abi::Kind;
use serde::Serialize;

use super::process::Header;
use crate::model::{Count, FamilyMode, FamilyReport, ProcessReport, Refusal, Report, RuntimeFigures, SiteReport, Subject, TargetState};

/// The list as JSON text.
///
/// # Errors
/// Only what `serde_json` returns for values that JSON does not have; there is none in a Report.
pub fn processes(report: &Report) -> Result<String, serde_json::Error> {
    let mut processes: Vec<_> = report.processes.iter().map(|process| Process::from(process.as_ref())).collect();
    processes.sort_by_key(|process| process.header.pid);
    serde_json::to_string(&processes)
}

#[derive(Serialize)]
struct Process<'a> {
    #[serde(flatten)]
    header: Header<'a>,
    exe: &'a str,
    go_version: &'a str,
    build_id: &'a str,
    module: &'a str,
    module_version: &'a str,
    state: &'static str,
    /// RFC 3339, UTC; null when refused.
    attached_at: Option<String>,
    refusals: Vec<Refused<'a>>,
    families: BTreeMap<&'static str, Mode>,
    counters: BTreeMap<&'static str, Counter>,
    sites: Vec<Site<'a>>,
    /// What its memory said last; null where it is not read.
    runtime: Option<Runtime>,
}

/// A figure that the process' Go version does not keep is null.
#[derive(Serialize)]
struct Runtime {
    /// RFC 3339, UTC.
    read_at: String,
    goroutines: u64,
    system_goroutines: u64,
    created: u64,
    ended: u64,
    gomaxprocs: u64,
    threads: u64,
    gc_cycles: u64,
    heap_live_bytes: u64,
    heap_goal_bytes: u64,
    memory_limit_bytes: Option<u64>,
    timers: Option<u64>,
}

#[derive(Serialize)]
struct Refused<'a> {
    /// Null: nothing of the process is counted.
    family: Option<&'static str>,
    reason: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Mode {
    mode: &'static str,
    ratio: f64,
}

#[derive(Serialize)]
struct Counter {
    value: u64,
    low: u64,
    high: u64,
}

#[derive(Serialize)]
struct Site<'a> {
    family: &'static str,
    function: &'a str,
    file: &'a str,
    line: u32,
    count: u64,
}

impl<'a> From<&'a ProcessReport> for Process<'a> {
    fn from(report: &'a ProcessReport) -> Self {
        let (state, attached_at) = match &report.state {
            TargetState::Attached { at } => ("attached", Some(rfc3339(*at))),
            TargetState::Refused => ("refused", None),
        };
        Self {
            header: Header::from(report),
            exe: &report.exe,
            go_version: &report.go_version,
            build_id: &report.build_id,
            module: &report.module,
            module_version: &report.module_version,
            state,
            attached_at,
            refusals: report.refusals.iter().map(Refused::from).collect(),
            families: report.families.iter().map(|(family, report)| (family.name(), Mode::from(report.mode))).collect(),
            counters: report.families.values().flat_map(counters).collect(),
            sites: report.sites.iter().map(Site::from).collect(),
            runtime: report.runtime.as_ref().map(|runtime| Runtime::from(&runtime.figures)),
        }
    }
}

impl From<&RuntimeFigures> for Runtime {
    fn from(figures: &RuntimeFigures) -> Self {
        Self {
            read_at: rfc3339(figures.taken_at),
            goroutines: figures.goroutines,
            system_goroutines: figures.system_goroutines,
            created: figures.created,
            ended: figures.ended,
            gomaxprocs: figures.gomaxprocs,
            threads: figures.threads,
            gc_cycles: figures.gc_cycles,
            heap_live_bytes: figures.heap_live,
            heap_goal_bytes: figures.heap_goal,
            memory_limit_bytes: figures.memory_limit,
            timers: figures.timers,
        }
    }
}

impl<'a> From<&'a Refusal> for Refused<'a> {
    fn from(Refusal { subject, reason, detail }: &'a Refusal) -> Self {
        Self { family: (*subject != Subject::All).then(|| subject.name()), reason, detail }
    }
}

impl From<FamilyMode> for Mode {
    fn from(mode: FamilyMode) -> Self {
        let name = match mode {
            FamilyMode::Exact => "exact",
            FamilyMode::Sampled { .. } => "sampled",
        };
        Self { mode: name, ratio: mode.ratio() }
    }
}

impl<'a> From<&'a SiteReport> for Site<'a> {
    fn from(SiteReport { family, function, file, line, count }: &'a SiteReport) -> Self {
        Self { family: family.name(), function, file, line: *line, count: *count }
    }
}

fn counters(family: &FamilyReport) -> impl Iterator<Item = (&'static str, Counter)> {
    family.counts.iter().map(|(kind, Count { value, low, high })| (counter_name(*kind), Counter { value: *value, low: *low, high: *high }))
}

/// The names of the metrics, without prefix and suffix.
const fn counter_name(kind: Kind) -> &'static str {
    match kind {
        Kind::GoroutineStart => "goroutine_starts",
        Kind::GoroutineExit => "goroutine_exits",
        Kind::MapAssignFast32 => "map_writes_fast32",
        Kind::MapAssignFast64 => "map_writes_fast64",
        Kind::MapAssignFaststr => "map_writes_faststr",
        Kind::MapAssignGeneric => "map_writes_generic",
        Kind::MapDelete => "map_deletes",
        Kind::MapClear => "map_clears",
        Kind::TimerStart => "timer_starts",
        Kind::TimerStop => "timer_stops",
        Kind::TimerReset => "timer_resets",
        Kind::Sleep => "sleeps",
        Kind::TimerFire => "timer_fires",
    }
}

/// `2026-11-21T11:50:28.250Z`. What is before 1970 is shown as 1970.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", since.subsec_millis())
}

/// Days since 1970-01-01 as a date of the Gregorian calendar: Howard Hinnant's `civil_from_days`, for which years begin in March.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goroscope_abi::Family;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{AgentReport, Identity};

    fn process(pid: u32) -> ProcessReport {
        ProcessReport {
            pid,
            place: None,
            identity: Identity { process: "odd\n\"".into(), ..Identity::default() },
            exe: "/odd".into(),
            go_version: String::new(),
            build_id: String::new(),
            module: String::new(),
            module_version: String::new(),
            state: TargetState::Refused,
            refusals: vec![Refusal { subject: Subject::All, reason: "go_version", detail: "go1.99".into() }],
            families: BTreeMap::new(),
            sites: Vec::new(),
            runtime: None,
            findings: Arc::default(),
        }
    }

    fn attached() -> ProcessReport {
        let count = |kind, count| BTreeMap::from([(kind, count)]);
        let goroutine = FamilyReport { mode: FamilyMode::Exact, counts: count(Kind::GoroutineStart, Count::exact(7)) };
        let map = count(Kind::MapAssignFaststr, Count { value: 1000, low: 900, high: 1100 });
        let map = FamilyReport { mode: FamilyMode::Sampled { ratio: 0.001 }, counts: map };
        let site = SiteReport { family: Family::Goroutine, function: "main.main".into(), file: "/src/main.go".into(), line: 12, count: 7 };
        ProcessReport {
            place: None,
            identity: Identity { process: "api".into(), container: Some("c0ffee".into()), ..Identity::default() },
            exe: "/api".into(),
            go_version: "go1.26.8".into(),
            build_id: "a/b".into(),
            module: "example.com/api".into(),
            module_version: "v1.2.3".into(),
            state: TargetState::Attached { at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_250) },
            refusals: vec![Refusal { subject: Subject::Family(Family::Timer), reason: "no_stack_check", detail: "time.Sleep".into() }],
            families: BTreeMap::from([(Family::Goroutine, goroutine), (Family::Map, map)]),
            sites: vec![site],
            ..process(2)
        }
    }

    #[test]
    fn the_shape_is_as_promised() {
        let processes = vec![Arc::new(process(30)), Arc::new(attached())];
        let report = Report { taken_at: UNIX_EPOCH, processes, groups: Vec::new(), agent: AgentReport::default() };
        let json: Value = serde_json::from_str(&super::processes(&report).unwrap()).unwrap();
        let expected = json!([
            {
                "pid": 2, "process": "api", "container": "c0ffee", "exe": "/api", "go_version": "go1.26.8", "build_id": "a/b",
                "module": "example.com/api", "module_version": "v1.2.3", "state": "attached",
                "attached_at": "2023-11-14T22:13:20.250Z",
                "refusals": [{"family": "timer", "reason": "no_stack_check", "detail": "time.Sleep"}],
                "families": {"goroutine": {"mode": "exact", "ratio": 1.0}, "map": {"mode": "sampled", "ratio": 0.001}},
                "counters": {
                    "goroutine_starts": {"value": 7, "low": 7, "high": 7},
                    "map_writes_faststr": {"value": 1000, "low": 900, "high": 1100}
                },
                "sites": [{"family": "goroutine", "function": "main.main", "file": "/src/main.go", "line": 12, "count": 7}],
                "runtime": null
            },
            {
                "pid": 30, "process": "odd\n\"", "exe": "/odd", "go_version": "", "build_id": "", "module": "", "module_version": "",
                "state": "refused", "attached_at": null,
                "refusals": [{"family": null, "reason": "go_version", "detail": "go1.99"}],
                "families": {}, "counters": {}, "sites": [], "runtime": null
            }
        ]);
        assert_eq!(json, expected);
    }

    #[test]
    fn kinds_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = Kind::ALL.into_iter().map(counter_name).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn times_are_rfc3339() {
        let check = |seconds: u64, expected: &str| assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, "2000-02-29T00:00:00.000Z");
        check(1_709_251_199, "2024-02-29T23:59:59.000Z");
        check(1_735_689_599, "2024-12-31T23:59:59.000Z");
        check(4_107_542_400, "2100-03-01T00:00:00.000Z");
    }
}
