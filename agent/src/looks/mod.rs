//! The looks at a process: censuses, stacks, connections, proofs, each when it is due.
//!
//! Input noun: [`Subject`]. Output noun: [`Finding`]s. Must not know how long it is looked, nor what is done with the result. Like
//! `observer`, a room that calls others, for one process: `goruntime` reads, `reach` proves, `growth` judges, `symbolize` names.

mod census;
mod deadline;
mod failures;
mod outside;
mod subject;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use self::{deadline::Stoppable, failures::Failures, outside::Outside};
pub use self::{
    deadline::{Deadline, Endless, clock},
    subject::Subject,
};
pub use crate::growth::{Innocence, Settings, Stretches};
use crate::{
    discovery::{Life, ProcRoot, Threads},
    goruntime::{ProcessMemory, Runtime, RuntimeError},
    growth::{MemoryTrend, Watch},
    model::{Finding, Goroutine, LimitKind, MemoryError, MemoryLimit, Projection, RuntimeAddress, RuntimeFigures, Suspect, TickerSuspect},
    reach::{Limits, NoProof, Prover},
    symbolize,
};

/// Start functions that are remembered.
const COLLECTORS: usize = 16 << 10;
/// Fewer tell of nobody that he is lost: two that agree, and one before them since when they became more.
const PROOFS: usize = 3;
/// The last two proofs are at least so far apart, ns: what moves must have a chance to be somewhere else.
const APART_NS: u64 = 500_000_000;

/// Whether the process is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is.
    Alive,
    /// It has ended.
    Gone,
}

/// One process under watch.
#[derive(Debug)]
pub struct Looks<D> {
    root: ProcRoot,
    subject: Subject,
    deadline: D,
    interval: Duration,
    runtime: Runtime<ProcessMemory>,
    prover: Prover,
    watch: Watch,
    trend: MemoryTrend,
    outside: Outside,
    threads: Threads,
    started_ns: u64,
    next_census_ns: u64,
    /// Nothing is looked at before, whatever is due.
    not_before_ns: u64,
    last_census_ns: u64,
    last_proof_cost_ns: u64,
    collectors: HashMap<RuntimeAddress, bool>,
    censuses: u64,
    proofs: usize,
    problem: Option<RuntimeError>,
    failures: Failures,
    /// A last proof was left out, as there was no time for it.
    skipped: bool,
}

impl<D: Deadline> Looks<D> {
    /// Nothing has been looked at yet. Censuses are `interval` apart, or more where they cost much.
    #[must_use]
    pub fn new(root: ProcRoot, subject: Subject, deadline: D, interval: Duration, settings: Settings) -> Self {
        let minor = subject.executable.binary.version.minor;
        let now = clock();
        let mut watch = Watch::new(now, settings);
        watch.ran_before(nanos(subject.listed.age()));
        let mut prover = Prover::new(subject.facts, minor, subject.load_bias, Limits::default());
        prover.closes_idle(subject.closes_idle());
        prover.keeps_tickers(subject.keeps_tickers());
        Self {
            root,
            deadline,
            interval,
            runtime: Runtime::new(ProcessMemory::new(subject.listed.pid), subject.facts, minor, subject.load_bias),
            failures: Failures::of(subject.listed.pid),
            skipped: false,
            outside: Outside::of(subject.listed.pid),
            prover,
            subject,
            watch,
            trend: MemoryTrend::default(),
            threads: Threads::default(),
            started_ns: now,
            next_census_ns: now,
            not_before_ns: now,
            last_census_ns: now,
            last_proof_cost_ns: 0,
            collectors: HashMap::new(),
            censuses: 0,
            proofs: 0,
            problem: None,
        }
    }

    /// Lets proofs cost the agent more than one that watches a whole node can afford.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.prover.limit(Limits::patient());
        self
    }

    /// What is looked at.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its runtime.
    pub const fn runtime(&self) -> &Runtime<ProcessMemory> {
        &self.runtime
    }

    /// When the looks began: CLOCK_MONOTONIC, ns.
    pub const fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// Goroutines that are followed.
    pub fn goroutines(&self) -> usize {
        self.watch.followed()
    }

    /// Proofs made.
    pub const fn proofs(&self) -> usize {
        self.proofs
    }

    /// Censuses made.
    pub const fn censuses(&self) -> u64 {
        self.censuses
    }

    /// Why the last census failed.
    pub fn problem(&self) -> String {
        self.problem.map_or_else(|| "there was no time".to_owned(), |problem| problem.to_string())
    }

    /// Why it cannot be told what is lost, stuck or loops, if there are some of whom it is to be asked: too few proofs could be made.
    pub fn untold(&self) -> Option<String> {
        if self.watch.next_proof_ns().is_none() || self.proofs >= PROOFS {
            return None;
        }
        let too_long = || {
            let seconds = Duration::from_nanos(self.last_proof_cost_ns).as_secs_f64();
            format!("a proof takes {seconds:.1} s, and {PROOFS} are needed: watch for longer")
        };
        self.failures.last().map(|error| error.to_string()).or_else(|| self.skipped.then(too_long))
    }

    /// What could be looked at in part only, so that there may be more leaks than are told.
    pub fn partly(&self) -> Vec<&'static str> {
        self.failures.partly()
    }

    /// Looks that saw less than they should, by reason, since this was asked last.
    pub fn take_failures(&mut self) -> BTreeMap<&'static str, u64> {
        self.failures.take()
    }

    /// What can be said as of the last census.
    pub fn findings(&self) -> Vec<Finding> {
        self.named(&self.watch.suspects(self.last_census_ns), &self.watch.ticker_suspects(self.last_census_ns))
    }

    /// What can be said as of the last census of a process that is watched without end, by what was said before. And what was said and
    /// can be no more, with the reason: goroutines of one statement that are accused for other evidence still are not among them.
    pub fn stands(&mut self) -> (Vec<Finding>, Vec<(Finding, Innocence)>) {
        let said = self.watch.look(self.last_census_ns);
        let findings = self.named(&said.suspects, &said.tickers);
        let cleared = said.cleared.into_iter().flat_map(|(suspect, innocence)| {
            let found = self.named(&[suspect], &[]);
            found.into_iter().map(move |finding| (finding, innocence))
        });
        let cleared = cleared.filter(|(cleared, _)| !findings.iter().any(|finding| finding.is_of(cleared))).collect();
        (findings, cleared)
    }

    fn named(&self, suspects: &[Suspect], tickers: &[TickerSuspect]) -> Vec<Finding> {
        let (now_ns, now) = (clock(), SystemTime::now());
        let mut findings = symbolize::findings(suspects, &self.subject.symbolizer, self.subject.load_bias, now_ns, now);
        findings.extend(symbolize::ticker_findings(tickers, &|period_ns| self.subject.ticker_site(period_ns), now_ns, now));
        if !findings.is_empty() {
            let projection = self.project(suspects);
            findings.iter_mut().for_each(|finding| finding.projection = projection);
        }
        findings
    }

    /// When the process comes to a limit of its memory.
    fn project(&self, suspects: &[Suspect]) -> Option<Projection> {
        let figures = self.runtime.figures().ok();
        let go = figures
            .as_ref()
            .and_then(|figures| Some(MemoryLimit { kind: LimitKind::Go, bytes: figures.memory_limit?, used: held(figures)? }));
        let limits: Vec<MemoryLimit> = self.root.memory_limit(self.subject.listed.pid).into_iter().chain(go).collect();
        self.trend.project(suspects, &limits)
    }

    /// When something is due.
    pub fn next_ns(&self) -> u64 {
        self.watch.next_proof_ns().map_or(self.next_census_ns, |proof| proof.min(self.next_census_ns)).max(self.not_before_ns)
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The process may not be read.
    pub fn look(&mut self) -> Result<Seen, RuntimeError> {
        match self.root.life(self.subject.listed) {
            Ok(Life::Alive) => {}
            Ok(Life::Exited) => return Ok(Seen::Gone),
            Err(error) => {
                // As where the agent has no descriptor left: it is looked at again when it is due.
                tracing::debug!(pid = self.subject.listed.pid, %error, "not looked at this time");
                self.failures.unlisted();
                self.not_before_ns = clock().saturating_add(nanos(self.interval));
                return Ok(Seen::Alive);
            }
        }
        // A proof tells nothing of who has run since the last census: each has one of its own.
        let began = clock();
        if (began >= self.next_census_ns || self.proof_is_due()) && self.census()? == Seen::Gone {
            return Ok(Seen::Gone);
        }
        if self.proof_is_due() {
            self.prove(began);
        }
        Ok(Seen::Alive)
    }

    fn proof_is_due(&self) -> bool {
        self.watch.next_proof_ns().is_some_and(|due| clock() >= due)
    }

    /// How long the last looks take, with as many of their proofs as `most_ns` are enough for, ns.
    pub fn last_takes_ns(&self, most_ns: u64) -> u64 {
        if self.watch.next_proof_ns().is_none() {
            return 0;
        }
        let take = |proofs: u64| self.proof_takes_ns().saturating_mul(proofs).saturating_add(APART_NS);
        [2, 1].into_iter().map(take).find(|takes| *takes <= most_ns).unwrap_or(APART_NS)
    }

    /// A proof takes as long as the one before, or some longer.
    const fn proof_takes_ns(&self) -> u64 {
        self.last_proof_cost_ns.saturating_add(self.last_proof_cost_ns / 4)
    }

    /// The last looks, when the time is up or somebody said stop: two proofs if there is time, and a census.
    pub fn last(&mut self) {
        for begin in [clock(), clock().saturating_add(APART_NS)] {
            let wanted = self.watch.next_proof_ns().is_some();
            let takes = self.proof_takes_ns().saturating_add(begin.saturating_sub(clock()));
            if wanted && takes >= self.deadline.left_ns() {
                self.skipped = true;
            } else if wanted {
                std::thread::sleep(Duration::from_nanos(begin.saturating_sub(clock())));
                let began = clock();
                if !matches!(self.census(), Ok(Seen::Alive)) {
                    return;
                }
                self.prove(began);
            }
        }
        // What is known must not be older than the end; the process may be gone.
        let _ = self.census();
    }

    /// Its cost is that from `began` on: a census came first.
    fn prove(&mut self, began: u64) {
        let (own_ends, held) = self.outside.own_ends(&self.root, &mut self.watch, clock());
        self.prover.own_ends(own_ends);
        let memory = Stoppable { memory: self.runtime.memory(), deadline: &self.deadline };
        let (runtime, subject, collectors) = (&self.runtime, &self.subject, std::cell::RefCell::new(&mut self.collectors));
        let mut census = |visit: &mut dyn FnMut(&Goroutine)| runtime.census(visit).map(|_| ()).map_err(memory_error);
        let is_collector = |goroutine: &Goroutine| {
            let start = goroutine.start;
            let mut collectors = collectors.borrow_mut();
            if collectors.len() >= COLLECTORS {
                collectors.clear();
            }
            *collectors.entry(start).or_insert_with(|| subject.is_collector(start))
        };
        let proof = self.prover.prove(&memory, &mut census, &is_collector, &clock);
        self.last_proof_cost_ns = clock().saturating_sub(began);
        match proof {
            Ok(proof) => {
                self.proofs += 1;
                self.failures.proven();
                if proof.unfollowed {
                    self.failures.unfollowed();
                }
                self.watch.proof(&proof, self.last_proof_cost_ns);
                if held {
                    // As soon as who else has them open is gone, they are other ends than this proof knew.
                    self.watch.own_ends(clock(), true, true);
                }
            }
            Err(error) => {
                tracing::debug!(reason = error.reason(), %error, "no proof");
                self.failures.proof(error);
                // Cut off by the end of the watch, it says nothing of its own.
                self.skipped |= self.deadline.left_ns() == 0;
                // A heap that changes too fast is worth another look soon; a large one is not.
                let cost = if matches!(error, NoProof::NeverPreempted { .. }) { 0 } else { self.last_proof_cost_ns };
                self.watch.no_proof(began, cost);
            }
        }
    }
}

/// Bytes that the runtime holds: what `GOMEMLIMIT` bounds.
fn held(figures: &RuntimeFigures) -> Option<u64> {
    Some(figures.stack_bytes?.saturating_add(figures.other_bytes?))
}

/// What a census says, as those say it who read memory.
const fn memory_error(error: RuntimeError) -> MemoryError {
    match error {
        RuntimeError::Gone => MemoryError::Gone,
        RuntimeError::NotPermitted => MemoryError::NotPermitted,
        RuntimeError::Other(errno) => MemoryError::Other(errno),
        RuntimeError::Changed | RuntimeError::NotStarted | RuntimeError::NotMapped { .. } | RuntimeError::Implausible { .. } => {
            MemoryError::NotMapped
        }
    }
}

/// Its nanoseconds, as far as 584 years.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
