//! The thread that reads the memory of processes, on its own clock: figures each time, goroutines as often as their number allows.
//!
//! In: processes to watch. Out: [`Reading`]s. Must not know: budgets, labels, what a reading is compared with.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, SystemTime},
};

use goroscope_abi::{Kind, ProcessKey};
use goroscope_gobin::RuntimeFacts;
use tracing::debug;

use super::{Event, clock, nanos, watched::Reading as Probes};
use crate::{
    collect::{Totals, counters},
    discovery::{Life, Listed, ProcRoot},
    goruntime::{ProcessMemory, Runtime, RuntimeError, Waits},
    model::{
        Blocked, CensusReport, Count, Executable, Goroutine, GoroutineGroup, GoroutineState, RuntimeAddress, RuntimeFigures, RuntimeReading,
    },
    symbolize::Symbolizer,
    tracer::Maps,
};

/// A census may take this part of the time: more goroutines are counted less often.
const CENSUS_SHARE: u32 = 100;

/// When a process that is only just starting is looked at again.
const SOON: Duration = Duration::from_millis(20);

/// Goroutines of one process whose waits are timed; beyond that none is.
const TIMED: usize = 200_000;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Task {
    /// Read this process from now on.
    Watch(Box<Subject>),
    /// And not any more.
    Forget(ProcessKey),
}

/// A process whose memory can be read.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) key: ProcessKey,
    /// The executable's base name.
    pub(super) process: String,
    pub(super) listed: Listed,
    pub(super) executable: Arc<Executable>,
    pub(super) facts: RuntimeFacts,
    pub(super) load_bias: u64,
}

/// What one look at one process gave.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) runtime: RuntimeReading,
    /// What the probes had counted right after.
    pub(super) probes: Probes,
    /// When the look began: CLOCK_MONOTONIC, ns.
    pub(super) began_ns: u64,
    /// Nothing was created while memory and probes were read: both must have the same.
    pub(super) at_rest: bool,
}

impl Reading {
    /// Puts what memory knows into the totals of its process.
    pub(super) fn count(&self, totals: &mut Totals) {
        let figures = &self.runtime.figures;
        totals.counts.insert(Kind::GoroutineStart, Count::exact(figures.created));
        totals.counts.insert(Kind::GoroutineExit, Count::exact(figures.ended));
        totals.runtime = Some(counters(figures));
    }
}

/// One process as this thread knows it.
struct Watch {
    subject: Subject,
    runtime: Runtime<ProcessMemory>,
    symbolizer: Symbolizer,
    census: Option<Arc<CensusReport>>,
    next_census_ns: u64,
    waits: Waits,
    created: u64,
}

/// What the thread owns.
pub(super) struct Reader {
    root: ProcRoot,
    maps: Arc<Maps>,
    interval: Duration,
    events: Sender<Event>,
    watches: BTreeMap<ProcessKey, Watch>,
    /// Processes that are only just starting.
    young: BTreeSet<ProcessKey>,
}

impl Reader {
    pub(super) fn new(root: ProcRoot, maps: Arc<Maps>, interval: Duration, events: Sender<Event>) -> Self {
        Self { root, maps, interval, events, watches: BTreeMap::new(), young: BTreeSet::new() }
    }

    /// Works until nobody listens any more.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        let mut next_ns = clock();
        loop {
            let wait = Duration::from_nanos(next_ns.saturating_sub(clock()));
            let wait = if self.young.is_empty() { wait } else { wait.min(SOON) };
            let new = match tasks.recv_timeout(wait) {
                Ok(task) => {
                    self.take(task).into_iter().chain(tasks.try_iter().filter_map(|task| self.take(task)).collect::<Vec<_>>()).collect()
                }
                Err(RecvTimeoutError::Timeout) if clock() < next_ns => std::mem::take(&mut self.young).into_iter().collect(),
                Err(RecvTimeoutError::Timeout) => {
                    next_ns = clock().saturating_add(nanos(self.interval));
                    self.watches.keys().copied().collect()
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !self.read(new) {
                break;
            }
        }
    }

    /// The process that is new.
    fn take(&mut self, task: Task) -> Option<ProcessKey> {
        match task {
            Task::Watch(subject) => {
                let (key, minor) = (subject.key, subject.executable.binary.version.minor);
                let memory = ProcessMemory::new(key.tgid);
                let runtime = Runtime::new(memory, subject.facts, minor, subject.load_bias);
                let symbolizer = Symbolizer::new(Arc::clone(&subject.executable));
                let watch =
                    Watch { subject: *subject, runtime, symbolizer, census: None, next_census_ns: 0, waits: Waits::new(TIMED), created: 0 };
                self.watches.insert(key, watch);
                Some(key)
            }
            Task::Forget(key) => {
                self.watches.remove(&key);
                self.young.remove(&key);
                None
            }
        }
    }

    /// Reads some processes: memory first and probes after it, so that no site is ahead of its total for longer than that takes.
    /// Whether anybody listens.
    fn read(&mut self, keys: Vec<ProcessKey>) -> bool {
        let mut read = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(watch) = self.watches.get_mut(&key) else { continue };
            let began_ns = clock();
            match watch.read(self.interval) {
                Ok(runtime) => read.push((key, runtime, began_ns)),
                Err(error) => {
                    debug!(pid = key.tgid, %error, "memory is not read");
                    if error == RuntimeError::NotStarted {
                        self.young.insert(key);
                    }
                    if self.events.send(Event::NotRead(key, error)).is_err() {
                        return false;
                    }
                }
            }
        }
        if read.is_empty() {
            return true;
        }
        let keys: BTreeSet<ProcessKey> = read.iter().map(|(key, ..)| *key).collect();
        let mut sites = self.maps.sites(|key| keys.contains(key));
        for (key, runtime, began_ns) in read {
            let probes = Probes::of_process(&self.maps, &key, &mut sites);
            let Some(watch) = self.watches.get_mut(&key) else { continue };
            let at_rest = watch.runtime.figures().is_ok_and(|after| after.created == runtime.figures.created);
            // Another image, or another process: what was read is nobody's.
            let same = matches!(self.root.life(watch.subject.listed), Ok(Life::Alive)) && self.maps.exec_ns(key.tgid) == key.exec_ns;
            let event = match same && runtime.figures.created >= watch.created {
                true => {
                    watch.created = runtime.figures.created;
                    Event::Read(key, Box::new(Reading { runtime, probes, began_ns, at_rest }))
                }
                false => Event::NotRead(key, RuntimeError::Changed),
            };
            if self.events.send(event).is_err() {
                return false;
            }
        }
        true
    }
}

impl Watch {
    fn read(&mut self, interval: Duration) -> Result<RuntimeReading, RuntimeError> {
        let figures: RuntimeFigures = self.runtime.figures()?;
        let begin = clock();
        let census = match &self.census {
            Some(census) if begin < self.next_census_ns => Arc::clone(census),
            _ => {
                let census = Arc::new(self.count(begin)?);
                self.census = Some(Arc::clone(&census));
                let end = clock();
                let pause = (end - begin).saturating_mul(CENSUS_SHARE.into());
                // A little early is in time: the next look comes after the interval.
                self.next_census_ns = end.saturating_add(pause.max(nanos(interval) / 2));
                census
            }
        };
        Ok(RuntimeReading { figures, census })
    }

    fn count(&mut self, now_ns: u64) -> Result<CensusReport, RuntimeError> {
        let mut groups: HashMap<_, (u64, Option<Blocked>)> = HashMap::new();
        let waits = &mut self.waits;
        waits.begin(now_ns);
        let tally = self.runtime.census(&mut |goroutine: &Goroutine| {
            if goroutine.state == GoroutineState::Dead {
                return;
            }
            let blocked = waits.since(goroutine).map(|since| Blocked::one(Duration::from_nanos(now_ns.saturating_sub(since))));
            let key: (RuntimeAddress, _, Option<&'static str>) =
                (goroutine.created_at, goroutine.state, goroutine.wait.map(|reason| reason.as_str()));
            let entry = groups.entry(key).or_default();
            *entry = (entry.0 + 1, Blocked::join(entry.1, blocked));
        })?;
        waits.end();
        // Several statements can be one line of one function: they are told apart by address until here only.
        let mut named: BTreeMap<_, (u64, Option<Blocked>)> = BTreeMap::new();
        for ((created_at, state, wait), (count, blocked)) in groups {
            let address = created_at.to_virtual(self.subject.load_bias);
            let site = if created_at.0 == 0 { None } else { self.symbolizer.holder(address).ok() };
            let entry = named.entry((site, state, wait)).or_default();
            *entry = (entry.0 + count, Blocked::join(entry.1, blocked));
        }
        let mut groups: Vec<GoroutineGroup> = named
            .into_iter()
            .map(|((created_by, state, wait_reason), (count, blocked))| GoroutineGroup { created_by, state, wait_reason, count, blocked })
            .collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(CensusReport { taken_at: SystemTime::now(), groups, torn: tally.torn })
    }
}
