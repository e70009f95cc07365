//! Reports of imagined processes, for tests of the view. Out: a Report at some second. Must not know what is tested.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use goroscope_abi::{Family, Kind};

use crate::model::{
    AgentReport, Blocked, CensusReport, Count, Evidence, FamilyMode, FamilyReport, Finding, FindingKind, GoroutineGroup, GoroutineState,
    Identity, LimitKind, MemoryLimit, ProcessReport, Projection, Refusal, Report, RuntimeFigures, RuntimeReading, Site, Subject,
    TargetState,
};

/// Some second of an imagined day.
pub(super) fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
}

/// What was seen at that second.
pub(super) fn report(second: u64, processes: Vec<ProcessReport>) -> Report {
    let agent = AgentReport {
        processes: BTreeMap::from([("attached", 3), ("refused", 1)]),
        lost: BTreeMap::from([("ring_buffer_full", 2)]),
        ..AgentReport::default()
    };
    Report { taken_at: at(second), processes: processes.into_iter().map(Arc::new).collect(), groups: Vec::new(), agent }
}

/// Twenty goroutines more each second, which wait; map writes are estimated.
pub(super) fn leaky(second: u64) -> ProcessReport {
    let count = 10 + 20 * second;
    let handle = Some(site("main.handle", 35));
    let groups = vec![
        group(handle.clone(), GoroutineState::Waiting, Some("chan receive"), count - 5),
        group(Some(site("runtime.gcenable", 214)), GoroutineState::Waiting, Some("GC worker (idle)"), 5),
        group(handle, GoroutineState::Waiting, Some("select"), 3),
        group(None, GoroutineState::Running, None, 1),
    ];
    let mut process = process(10, "leaky", Some(reading(second, count, count, 3 << 20, groups)));
    let counts = BTreeMap::from([(Kind::MapAssignFaststr, Count { value: 1000 * second, low: 900 * second, high: 1100 * second })]);
    process.families.insert(Family::Map, FamilyReport { mode: FamilyMode::Sampled { ratio: 0.01 }, counts });
    let counts = BTreeMap::from([(Kind::TimerStart, Count::exact(5 * second))]);
    process.families.insert(Family::Timer, FamilyReport { mode: FamilyMode::Exact, counts });
    process
}

/// One that leaks, is killed for it and leaks again; `count` statements of it.
pub(super) fn accused(second: u64, count: u32) -> ProcessReport {
    let leak = |number: u32| Finding {
        kind: if number == 1 { FindingKind::Ticker } else { FindingKind::GoroutineLeak },
        created_by: Site {
            function: "example.com/a/service.(*Server).handle".into(),
            file: "/src/leaky/main.go".into(),
            line: 35 + number,
        },
        blocked_in: Some(Site { function: "main.wait".into(), file: "/src/leaky/wait.go".into(), line: 7 }),
        wait_reason: "chan receive",
        period: None,
        evidence: if number == 0 { Evidence::Proven } else { Evidence::Stuck },
        count: u64::from(200 - number),
        slope: 20.0,
        since: at(0),
        watched: Duration::from_secs(second),
        one_in: 1,
        restarts: 2,
        projection: Some(Projection {
            limit: MemoryLimit { kind: LimitKind::Cgroup, bytes: 1 << 30, used: 1 << 29 },
            bytes_per_second: 70_000.0,
            reached_in: Duration::from_secs(7500),
        }),
    };
    ProcessReport { findings: (0..count).map(leak).collect(), ..leaky(second) }
}

/// Many goroutines that come and go.
pub(super) fn busy(second: u64) -> ProcessReport {
    let groups = vec![group(Some(site("net/http.(*Server).Serve", 3285)), GoroutineState::Waiting, Some("IO wait"), 1200)];
    process(11, "busy", Some(reading(second, 1200 + second % 2, 10_000 + 400 * second, 300 << 20, groups)))
}

/// One that does nothing.
pub(super) fn quiet() -> ProcessReport {
    process(12, "quiet", Some(reading(0, 1, 1, 1 << 20, vec![group(None, GoroutineState::Waiting, Some("sleep"), 1)])))
}

/// One that is not observed, of somebody with bad intentions.
pub(super) fn refused() -> ProcessReport {
    let refusal = Refusal { subject: Subject::All, reason: "unsupported_go_version", detail: "go1.99\x1b[31m".into() };
    ProcessReport { state: TargetState::Refused, refusals: vec![refusal], ..process(9, "odd\x1b[2J", None) }
}

fn process(pid: u32, name: &str, runtime: Option<RuntimeReading>) -> ProcessReport {
    ProcessReport {
        pid,
        identity: Identity { process: name.into(), ..Identity::default() },
        place: None,
        exe: format!("/bin/{name}"),
        go_version: "go1.26.8".into(),
        build_id: String::new(),
        module: String::new(),
        module_version: String::new(),
        state: TargetState::Attached { at: at(0) },
        refusals: Vec::new(),
        families: BTreeMap::new(),
        sites: Vec::new(),
        runtime,
        findings: Vec::new().into(),
    }
}

fn reading(second: u64, goroutines: u64, created: u64, heap_live: u64, groups: Vec<GoroutineGroup>) -> RuntimeReading {
    let figures = RuntimeFigures {
        taken_at: at(second),
        goroutines,
        system_goroutines: 5,
        created,
        ended: created - goroutines.min(created),
        gomaxprocs: 2,
        threads: 7,
        gc_cycles: second / 5,
        gc_forced_cycles: 0,
        gc_pauses: None,
        gogc: Some(100),
        heap_goal: 2 * heap_live,
        heap_live,
        memory_limit: None,
        allocated_bytes: None,
        allocations: None,
        stack_bytes: None,
        other_bytes: None,
        schedule_latency: None,
        mutex_wait_ns: None,
        timers: Some(4),
    };
    RuntimeReading { figures, census: Arc::new(CensusReport { taken_at: at(second), groups, torn: 0 }) }
}

fn site(function: &str, line: u32) -> Arc<Site> {
    Arc::new(Site { function: function.into(), file: "/src/leaky/main.go".into(), line })
}

fn group(created_by: Option<Arc<Site>>, state: GoroutineState, wait_reason: Option<&'static str>, count: u64) -> GoroutineGroup {
    let blocked = (state == GoroutineState::Waiting).then_some(Blocked::one(Duration::from_secs(10)));
    GoroutineGroup { created_by, state, wait_reason, count, blocked }
}
