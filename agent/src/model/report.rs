//! The immutable state of everything at one instant, as the sinks read it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use goroscope_abi::{Family, Kind};

use super::{Identity, Refusal};

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
    /// Whether one of its processes is alive: gauges only then.
    pub live: bool,
    /// Events by kind. A kind that is not here is not counted.
    pub counts: BTreeMap<Kind, Count>,
    /// The smallest share of events counted, by family, over live processes.
    pub sampling_ratio: BTreeMap<Family, f64>,
    /// Sites by family.
    pub sites: BTreeMap<Family, Sites>,
    /// One entry for each distinct set of info labels of its live processes.
    pub info: Vec<Info>,
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
    /// What the host does not allow and what is therefore not collected: for `/readyz` and `doctor`.
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
