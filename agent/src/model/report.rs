//! The immutable state of everything at one instant, as the sinks read it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use goroscope_abi::{Family, Kind};

use super::{CensusReport, Finding, Histogram, Identity, Place, Refusal, RuntimeFigures};

/// A number of events, with the interval that holds the truth. Exact when the interval is a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// What is exported.
    pub value: u64,
    /// Not fewer than this (about 99 %).
    pub low: u64,
    /// Not more than this (about 99 %).
    pub high: u64,
}

impl Count {
    /// A number that is known.
    #[must_use]
    pub const fn exact(value: u64) -> Self {
        Self { value, low: value, high: value }
    }

    /// Whether this is no estimate.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        self.low == self.high
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.value = self.value.saturating_add(other.value);
        self.low = self.low.saturating_add(other.low);
        self.high = self.high.saturating_add(other.high);
    }
}

/// How a family is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyMode {
    /// Every event since the probes are on.
    Exact,
    /// Only in random windows; `ratio` is the share of time that they take up (0 to 1).
    Sampled {
        /// Share of time counted.
        ratio: f64,
    },
}

impl FamilyMode {
    /// The share of events that are counted: 1 is exact.
    #[must_use]
    pub const fn ratio(self) -> f64 {
        match self {
            Self::Exact => 1.0,
            Self::Sampled { ratio } => ratio,
        }
    }
}

/// One site of one process: for `/debug/processes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteReport {
    /// Which family's site.
    pub family: Family,
    /// The function that holds the statement.
    pub function: String,
    /// Source file as the compiler recorded it.
    pub file: String,
    /// Line of the statement.
    pub line: u32,
    /// How many events came from here.
    pub count: u64,
}

/// One attached family of one process.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyReport {
    /// Exact or sampled.
    pub mode: FamilyMode,
    /// Events by kind; only kinds of this family.
    pub counts: BTreeMap<Kind, Count>,
}

/// Whether a Go process is observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// At least one family is counted.
    Attached {
        /// Since when.
        at: SystemTime,
    },
    /// None is; the refusals say why.
    Refused,
}

/// One Go process.
#[derive(Clone, Debug)]
pub struct ProcessReport {
    /// The pid in the agent's namespace.
    pub pid: u32,
    /// Its names.
    pub identity: Identity,
    /// Its container in its pod, where that is known.
    pub place: Option<Arc<Place>>,
    /// The executable's path as the process sees it.
    pub exe: String,
    /// `go1.26.8`; empty when unknown.
    pub go_version: String,
    /// Go build id, module path and version; empty when unknown.
    pub build_id: String,
    /// Main module's path, empty when unknown.
    pub module: String,
    /// Main module's version, empty when unknown.
    pub module_version: String,
    /// Attached or not.
    pub state: TargetState,
    /// What is not counted and why.
    pub refusals: Vec<Refusal>,
    /// Attached families.
    pub families: BTreeMap<Family, FamilyReport>,
    /// Sites, most events first.
    pub sites: Vec<SiteReport>,
    /// What its memory said last; none where it is not read.
    pub runtime: Option<RuntimeReading>,
    /// Leaks that are known now.
    pub findings: Arc<[Finding]>,
}

/// What the memory of one process said at one instant.
#[derive(Clone, Debug)]
pub struct RuntimeReading {
    /// Figures.
    pub figures: RuntimeFigures,
    /// Goroutines; older than the figures where there are so many that counting them costs too much to do it each time.
    pub census: Arc<CensusReport>,
}

/// What the memory of the live processes of a label set says, added up.
#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeGauges {
    /// When the oldest of the readings was taken.
    pub read_at: SystemTime,
    /// See [`RuntimeFigures::goroutines`].
    pub goroutines: u64,
    /// See [`RuntimeFigures::system_goroutines`].
    pub system_goroutines: u64,
    /// By state, the runtime's own included.
    pub by_state: BTreeMap<&'static str, u64>,
    /// Those that wait, by what for.
    pub waiting: BTreeMap<&'static str, u64>,
    /// By the function that holds the `go` statement.
    pub by_site: Sites,
    /// The largest of them.
    pub gomaxprocs: u64,
    /// See [`RuntimeFigures::threads`].
    pub threads: u64,
    /// The largest of them.
    pub gogc: Option<u64>,
    /// See [`RuntimeFigures::heap_goal`].
    pub heap_goal: u64,
    /// See [`RuntimeFigures::heap_live`].
    pub heap_live: u64,
    /// The largest of them.
    pub memory_limit: Option<u64>,
    /// See [`RuntimeFigures::stack_bytes`].
    pub stack_bytes: Option<u64>,
    /// See [`RuntimeFigures::other_bytes`].
    pub other_bytes: Option<u64>,
    /// See [`RuntimeFigures::timers`].
    pub timers: Option<u64>,
}

/// What only rises of what memory says: added up over the processes of a label set, and kept as long as its counters are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeCounters {
    /// See [`RuntimeFigures::gc_cycles`].
    pub gc_cycles: u64,
    /// See [`RuntimeFigures::gc_pauses`].
    pub gc_pauses: Option<Histogram>,
    /// See [`RuntimeFigures::allocated_bytes`].
    pub allocated_bytes: Option<u64>,
    /// See [`RuntimeFigures::allocations`].
    pub allocations: Option<u64>,
    /// See [`RuntimeFigures::schedule_latency`].
    pub schedule_latency: Option<Histogram>,
    /// See [`RuntimeFigures::mutex_wait_ns`].
    pub mutex_wait_ns: Option<u64>,
}

/// Named sites of one family of one label set: their sum plus `other` is the family's total at this instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// Function and count; at most 20.
    pub named: Vec<(String, u64)>,
    /// The rest.
    pub other: u64,
}

/// All processes of one label set, summed; kept for five minutes after the last of them ended.
#[derive(Clone, Debug, Default)]
pub struct GroupReport {
    /// The labels.
    pub identity: Identity,
    /// When the oldest of its live processes started; none when there is none, and then there are no gauges.
    pub started_at: Option<SystemTime>,
    /// Since when its counters count.
    pub since: Option<Since>,
    /// Events by kind. A kind that is not here is not counted.
    pub counts: BTreeMap<Kind, Count>,
    /// The smallest share of events counted, by family, over live processes.
    pub sampling_ratio: BTreeMap<Family, f64>,
    /// Sites by family.
    pub sites: BTreeMap<Family, Sites>,
    /// What memory says now; none where no live process is read.
    pub gauges: Option<RuntimeGauges>,
    /// What memory has counted; none where no process was ever read.
    pub counters: Option<RuntimeCounters>,
    /// Leaks of its live processes, the most certain first.
    pub findings: Vec<Finding>,
    /// One entry for each distinct set of info labels of its live processes.
    pub info: Vec<Info>,
}

/// When the counters of a label set were 0: as its first process tells, for as long as they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// The process started: what its memory counts.
    pub process: SystemTime,
    /// The process was found: what probes count.
    pub probes: SystemTime,
}

impl Since {
    /// The earlier of both, each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self { process: self.process.min(other.process), probes: self.probes.min(other.probes) }
    }
}

/// Labels of `goroscope_process_info` beside the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Info {
    /// Go's version.
    pub go_version: String,
    /// Go build id.
    pub build_id: String,
    /// Main module's path.
    pub module: String,
    /// Main module's version.
    pub module_version: String,
    /// What keeps the pod running: its name. As all below empty where there is no pod.
    pub workload: String,
    /// And its kind.
    pub workload_type: String,
    /// The pod's uid.
    pub pod_uid: String,
    /// The full id of the container, where `container` is its name.
    pub container_id: String,
}

/// What the agent knows of its node's pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesReport {
    /// Whether the API server answers.
    pub is_connected: bool,
    /// Pods that it told of.
    pub pods: u64,
    /// Processes in containers that no pod is known to have.
    pub unnamed: u64,
    /// Questions that failed since start, by reason.
    pub errors: BTreeMap<&'static str, u64>,
}

/// What the agent says of itself.
#[derive(Clone, Debug, Default)]
pub struct AgentReport {
    /// Go processes by state (`attached`, `refused`).
    pub processes: BTreeMap<&'static str, u64>,
    /// Current refusals: (process, family or "all", reason) -> how many processes.
    pub refusals: BTreeMap<(String, &'static str, &'static str), u64>,
    /// Attach failures since start, by reason.
    pub attach_failures: BTreeMap<&'static str, u64>,
    /// Creations that probes and memory did not agree on, since start.
    pub creation_mismatch: u64,
    /// Readings of memory that were given up, since start, by reason.
    pub memory_failures: BTreeMap<&'static str, u64>,
    /// Looks for leaks that saw less than they should, since start, by reason.
    pub failed_looks: BTreeMap<&'static str, u64>,
    /// Kernel-side drops since start, by name ([`goroscope_abi::Drop::name`]).
    pub lost: BTreeMap<&'static str, u64>,
    /// Entries in use and room, by BPF map.
    pub map_entries: BTreeMap<&'static str, (u64, u64)>,
    /// How long the last collection took.
    pub collect_duration: Duration,
    /// Attached executables.
    pub executables: u64,
    /// Whether every process found at start-up is attached or refused, and if not how many are left.
    pub starting: u64,
    /// Of pods; none where the agent does not ask for them.
    pub kubernetes: Option<KubernetesReport>,
    /// What the host does not allow and what is therefore not collected, and what was asked for and is not there: for `/readyz`.
    pub losses: Vec<String>,
}

/// Everything at one instant.
#[derive(Clone, Debug)]
pub struct Report {
    /// When.
    pub taken_at: SystemTime,
    /// Every Go process that is alive.
    pub processes: Vec<Arc<ProcessReport>>,
    /// By label set.
    pub groups: Vec<GroupReport>,
    /// The agent itself.
    pub agent: AgentReport,
}
