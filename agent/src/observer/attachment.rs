//! The lifetime of an executable: its slot, its probes, what each family is doing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use goroscope_abi::{Family, TextRange};

use super::{clock, sites::KnownSites, switcher::Site};
use crate::{
    budget::Schedule,
    discovery::Listed,
    model::{Executable, FamilyMode, ProbePlan, Refusal, Slot, Target},
    symbolize::Symbolizer,
};

/// What one family of one executable is doing.
#[derive(Debug)]
pub(super) enum State {
    /// Being attached.
    Attaching,
    /// On, and every hit counts.
    Exact,
    /// Too busy: being detached.
    Closing,
    /// On in windows.
    Windows {
        schedule: Schedule,
        /// When the next one opens, ns; none while one is open.
        next_ns: Option<u64>,
    },
    /// Could not be attached.
    Failed,
}

impl State {
    pub(super) fn mode(&self) -> Option<FamilyMode> {
        match self {
            Self::Exact | Self::Closing => Some(FamilyMode::Exact),
            Self::Windows { schedule, .. } => Some(FamilyMode::Sampled { ratio: schedule.ratio() }),
            Self::Attaching | Self::Failed => None,
        }
    }
}

/// One attached executable. Its processes may have it under several names.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) slot: Slot,
    pub(super) executable: Arc<Executable>,
    pub(super) plan: Arc<ProbePlan>,
    pub(super) symbolizer: Symbolizer,
    /// The process that it was attached for: what is known of one that ended unseen.
    pub(super) example: (Target, Listed),
    pub(super) families: BTreeMap<Family, State>,
    /// Families whose probes are on their way.
    pub(super) pending: BTreeSet<Family>,
    /// When the last of its probes went on.
    pub(super) attached_at: SystemTime,
    /// When the probes of each family were last put on: CLOCK_MONOTONIC, ns.
    exact_since: BTreeMap<Family, u64>,
    /// What could not be attached though it was planned.
    pub(super) failures: Vec<Refusal>,
    /// When its last process ended, ns; none while one lives.
    pub(super) idle_since_ns: Option<u64>,
    /// Where its processes were seen to do what is counted by site.
    pub(super) sites: KnownSites,
}

impl Attachment {
    pub(super) fn new(slot: Slot, executable: Arc<Executable>, plan: Arc<ProbePlan>, example: (Target, Listed)) -> Self {
        let pending = plan.families.iter().copied().collect();
        let families = plan.families.iter().map(|family| (*family, State::Attaching)).collect();
        let symbolizer = Symbolizer::new(Arc::clone(&executable));
        Self {
            slot,
            executable,
            plan,
            symbolizer,
            example,
            families,
            pending,
            attached_at: SystemTime::now(),
            exact_since: BTreeMap::new(),
            failures: Vec::new(),
            idle_since_ns: None,
            sites: KnownSites::default(),
        }
    }

    /// A family's probes are on, or cannot be.
    pub(super) fn settle(&mut self, family: Family, state: State) {
        if matches!(state, State::Exact) {
            self.exact_since.insert(family, clock());
        }
        self.families.insert(family, state);
        if self.pending.remove(&family) && self.pending.is_empty() {
            self.attached_at = SystemTime::now();
        }
    }

    /// Since when every hit of a family counts, ns; none while it does not.
    pub(super) fn exact_since(&self, family: Family) -> Option<u64> {
        let exact = matches!(self.families.get(&family), Some(State::Exact)) && !self.pending.contains(&family);
        exact.then(|| self.exact_since.get(&family).copied()).flatten()
    }

    /// Where the probes of a family go.
    pub(super) fn site(&self, family: Family) -> Site {
        let probes = self.plan.probes.iter().filter(|probe| probe.kind.family() == family).cloned().collect();
        Site { slot: self.slot, family, executable: Arc::clone(&self.executable), probes }
    }

    /// What is not counted, and why.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        self.plan.refusals.iter().chain(&self.failures).cloned().collect()
    }

    /// What the kernel side is told.
    pub(super) fn description(&self) -> goroscope_abi::Executable {
        let binary = &self.executable.binary;
        let mut description = goroscope_abi::Executable { g_sched_bp: g_sched_bp(binary.version.minor), ..Default::default() };
        for (to, from) in description.library.iter_mut().zip(&binary.library_ranges) {
            *to = TextRange { start: from.start.0, end: from.end.0 };
            description.ranges += 1;
        }
        description
    }
}

/// Offset of `sched.bp` in `runtime.g`: `sched` is at 56 in every version, and gobuf lost its field `ret` in 1.25.
const fn g_sched_bp(minor: u16) -> u64 {
    match minor {
        19..=24 => 56 + 48,
        25..=27 => 56 + 40,
        _ => 0,
    }
}
