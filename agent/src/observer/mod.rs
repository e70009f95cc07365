//! The loop that owns the two lifetimes: attachments per executable, processes per exec.
//!
//! In: records of the kernel side, processes found, links switched, a clock. Out: a [`Report`] for whoever asks.
//!
//! ```text
//! records ──Exec──▶ finder ──Found──▶ observer ──Command──▶ switcher
//!    └──Exit, Hits──────────────────▶    │  ▲────Reply─────────┘
//!                                        └─Report──▶ sinks
//! ```
//!
//! One thread holds all state, so nothing here is locked; what blocks (analysis, attaching) has threads of its own.

mod arrivals;
mod attachment;
mod births;
mod departures;
mod event;
mod finder;
mod looker;
mod pods;
mod reader;
mod readings;
mod records;
mod report;
mod scope;
mod sites;
mod switcher;
mod watched;
mod windows;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use goroscope_abi::{Drop, Family, ProcessKey};
use tracing::{debug, info, warn};

use self::{
    attachment::{Attachment, State},
    births::{Look, Orphan},
    departures::Burials,
    event::Event,
    finder::{Finder, Found, Job},
    looker::Looker,
    pods::Cluster,
    reader::{Reader, Reading, Subject, Task},
    switcher::{Command, Opened, Reply},
    watched::Watched,
};
pub use self::{event::Handle, scope::Scope};
use crate::{
    collect::{Ledger, Lives},
    discovery::{Life, ProcRoot},
    looks::clock,
    model::Slot,
    tracer::{Maps, Tracer},
};

/// How long an executable stays attached without a process: what is started again and again is counted from its first
/// instruction.
const IDLE: Duration = Duration::from_secs(60);

/// How often /proc is listed where exec is seen by the kernel side, in case a record was lost.
const RESCAN: Duration = Duration::from_secs(60);

/// How often where it is not.
const RESCAN_BLIND: Duration = Duration::from_secs(1);

/// Events that are taken before what is due is looked for again.
const AT_ONCE: usize = 256;

/// How many processes that cannot be looked at are remembered.
const UNREADABLE: usize = 4_096;

/// How many processes that are to be left alone are remembered.
const UNWANTED: usize = 65_536;

/// Starts to observe. The returned thread ends, with every probe off, after [`Handle::stop`].
#[must_use]
pub fn start(tracer: Tracer, scope: Scope) -> (Handle, thread::JoinHandle<()>) {
    let (events, inbox) = channel();
    let (jobs, job_inbox) = channel();
    let (commands, command_inbox) = channel();
    let Tracer { maps, switch, records, sees_processes, losses } = tracer;

    let finder = Finder::new(ProcRoot::default(), scope.clone(), Arc::clone(&maps), events.clone());
    spawn("finder", move || finder.run(&job_inbox));
    let (switch_maps, switch_events) = (Arc::clone(&maps), events.clone());
    let switcher = switch.map(|switch| spawn("switcher", move || switcher::run(switch, &switch_maps, &command_inbox, &switch_events)));
    let (tasks, task_inbox) = channel();
    let reader = Reader::new(ProcRoot::default(), Arc::clone(&maps), scope.interval, events.clone());
    spawn("reader", move || reader.run(&task_inbox));
    let (looks, look_inbox) = channel();
    let looker = Looker::new(scope.interval, scope.snapshots.clone(), events.clone());
    spawn("looker", move || looker.run(&look_inbox));
    let record_events = events.clone();
    if let Some(records) = records {
        spawn("records", move || records::pump(records, &record_events));
    }

    let cluster = scope.kubernetes.then(Cluster::default);
    let observer = Observer {
        root: ProcRoot::default(),
        // Pods first: some may not want to be looked at.
        next_scan_ns: if cluster.is_some() { clock().saturating_add(nanos(pods::PATIENCE)) } else { 0 },
        cluster,
        unwanted: HashSet::new(),
        scope,
        maps,
        rescan: if sees_processes { RESCAN } else { RESCAN_BLIND },
        losses,
        jobs,
        commands,
        tasks,
        looks,
        mismatch: 0,
        memory_failures: BTreeMap::new(),
        failed_looks: BTreeMap::new(),
        attachments: BTreeMap::new(),
        watched: BTreeMap::new(),
        orphans: HashMap::new(),
        burials: Burials::default(),
        left_behind: HashSet::new(),
        ledger: Ledger::default(),
        lives: Lives::default(),
        failures: BTreeMap::new(),
        undecided: Vec::new(),
        looking: HashMap::new(),
        unreadable: HashSet::new(),
        young: Vec::new(),
        scanning: false,
        closed: Vec::new(),
        next_settling_ns: 0,
        starting: Some(Starting::default()),
        records_lost: 0,
    };
    let thread = spawn("observer", move || {
        records::boost();
        observer.run(&inbox);
        if let Some(switcher) = switcher {
            let _ = switcher.join();
        }
    });
    (Handle(events), thread)
}

fn spawn(name: &'static str, run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    #[expect(clippy::expect_used, reason = "at start-up; a host that gives no thread gives no agent")]
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the host gives no thread")
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What is left of the start-up.
#[derive(Debug, Default)]
struct Starting {
    /// All of /proc was looked at.
    scanned: bool,
    /// What is still being attached.
    attaching: BTreeSet<(Slot, Family)>,
    /// Whose memory has not been read yet.
    reading: BTreeSet<ProcessKey>,
}

struct Observer {
    root: ProcRoot,
    scope: Scope,
    /// What is known of pods; none where nobody tells of them.
    cluster: Option<Cluster>,
    /// Processes of pods that are to be left alone: what probes count of them is thrown away.
    unwanted: HashSet<ProcessKey>,
    maps: Arc<Maps>,
    /// How often /proc is listed.
    rescan: Duration,
    losses: Vec<String>,
    jobs: Sender<Job>,
    commands: Sender<Command>,
    tasks: Sender<Task>,
    looks: Sender<Task>,
    /// Creations that probes and memory did not agree on.
    mismatch: u64,
    memory_failures: BTreeMap<&'static str, u64>,
    failed_looks: BTreeMap<&'static str, u64>,
    attachments: BTreeMap<Slot, Attachment>,
    watched: BTreeMap<ProcessKey, Watched>,
    /// Processes that ended unseen, or that the finder still looks at.
    orphans: HashMap<ProcessKey, Orphan>,
    /// When those that have ended are read.
    burials: Burials,
    /// Processes that ended unseen and untold, as the last scan found them.
    left_behind: HashSet<ProcessKey>,
    ledger: Ledger,
    /// Leaks of processes that have ended.
    lives: Lives,
    failures: BTreeMap<&'static str, u64>,
    /// Processes whose executable may be one that is being attached: once it is, its breakpoints tell.
    undecided: Vec<Found>,
    /// What the finder was asked to look at, and what is known of it until then.
    looking: HashMap<ProcessKey, Look>,
    /// Processes that could not be looked at.
    unreadable: HashSet<ProcessKey>,
    /// Processes whose memory is read when they are older.
    young: Vec<Subject>,
    /// Whether the finder lists /proc.
    scanning: bool,
    next_scan_ns: u64,
    /// Windows that are over, of which nothing has been read yet.
    closed: Vec<(Slot, Family, Opened)>,
    /// When they are read at the latest, ns.
    next_settling_ns: u64,
    /// Until every process found at start-up is attached or refused.
    starting: Option<Starting>,
    records_lost: u64,
}

impl Observer {
    fn run(mut self, inbox: &Receiver<Event>) {
        'events: loop {
            self.housekeep();
            let wait = Duration::from_nanos(self.next_deadline().saturating_sub(clock()));
            let first = match inbox.recv_timeout(wait.max(Duration::from_millis(1))) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // What has come meanwhile is taken too: what is due is looked for among all processes.
            for event in first.into_iter().chain(inbox.try_iter().take(AT_ONCE)) {
                if matches!(event, Event::Stop) {
                    break 'events;
                }
                self.handle(event);
            }
        }
        info!(processes = self.watched.len(), executables = self.attachments.len(), "all probes come off");
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Exec(key, birth) => self.exec(key, birth),
            Event::Exit(key, ended_ns) => self.exit(key, ended_ns),
            Event::Hits(key, family) => self.hits(key, family),
            Event::Found(found) => self.found(*found),
            Event::NotGo(key) => self.passed_over(key),
            Event::Gone(key) => self.gone(key),
            Event::Unreadable { key, reason } => {
                self.looking.remove(&key);
                // Each scan meets it again: once is enough.
                if self.unreadable.len() >= UNREADABLE {
                    self.unreadable.clear();
                }
                if self.unreadable.insert(key) {
                    *self.failures.entry(reason).or_default() += 1;
                }
            }
            Event::Scanned => self.scanned(),
            Event::Switched(reply) => self.switched(reply),
            Event::Read(key, reading) => self.read(key, reading),
            Event::Findings(key, findings) => self.leaks(key, findings),
            Event::LooksFailed(counts) => {
                counts.into_iter().for_each(|(reason, count)| *self.failed_looks.entry(reason).or_default() += count)
            }
            Event::NotRead(key, error) => self.not_read(key, &error),
            Event::Pods(event) => self.pods(event),
            Event::Report(reply) => {
                let _ = reply.send(self.report());
            }
            Event::Reattach => self.reattach(),
            Event::Stop => {}
        }
    }

    fn switched(&mut self, reply: Reply) {
        let (slot, family) = match &reply {
            Reply::Attached(slot, family) | Reply::Detached(slot, family) | Reply::Window(slot, family, _) => (*slot, Some(*family)),
            Reply::Failed(slot, refusal) => (*slot, refusal.subject.family()),
        };
        if let (Some(starting), Some(family)) = (&mut self.starting, family) {
            starting.attaching.remove(&(slot, family));
        }
        let Some(attachment) = self.attachments.get_mut(&slot) else { return };
        match reply {
            Reply::Attached(_, family) => {
                debug!(slot = slot.0, family = family.name(), "attached");
                attachment.settle(family, State::Exact);
            }
            Reply::Failed(_, refusal) => {
                warn!(slot = slot.0, %refusal, "cannot attach");
                *self.failures.entry(refusal.reason).or_default() += 1;
                if let Some(family) = refusal.subject.family() {
                    attachment.settle(family, State::Failed);
                }
                attachment.failures.push(refusal);
            }
            Reply::Detached(_, family) => self.detached(slot, family),
            Reply::Window(_, family, opened) => self.window_over(slot, family, opened),
        }
        self.decide();
        self.note_started();
    }

    fn reattach(&mut self) {
        info!("all probes come off and go on again");
        for attachment in self.attachments.values_mut() {
            for (family, state) in &attachment.families {
                if matches!(state, State::Exact) {
                    attachment.pending.insert(*family);
                    let _ = self.commands.send(Command::Detach(attachment.slot, *family));
                    let _ = self.commands.send(Command::Attach(attachment.site(*family)));
                }
            }
        }
    }

    /// What is due: scans, last readings, idle executables, windows.
    fn housekeep(&mut self) {
        let now = clock();
        let lost = self.maps.lost(Drop::RecordsFull);
        if lost > self.records_lost {
            self.records_lost = lost;
            self.next_scan_ns = now;
        }
        if now >= self.next_scan_ns && !self.scanning {
            self.scanning = true;
            let known = self.watched.values().filter(|watched| watched.ended_ns.is_none()).map(|watched| watched.listed).collect();
            let _ = self.jobs.send(Job::Scan(known));
        }
        self.bury(now);
        self.watch_grown(now);
        self.settle_windows(now);
        self.open_windows(now);
        self.detach_idle(now);
    }

    fn scanned(&mut self) {
        let now = clock();
        self.next_scan_ns = now.saturating_add(nanos(self.rescan));
        if let Some(starting) = &mut self.starting {
            starting.scanned = true;
        }
        self.note_started();
        self.scanning = false;
        // Ends that no record told of.
        let gone: Vec<ProcessKey> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.ended_ns.is_none() && matches!(self.root.life(watched.listed), Ok(Life::Exited)))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.exit(key, now);
        }
        self.find_left_behind();
    }

    fn note_started(&mut self) {
        if self.starting.as_ref().is_some_and(|starting| starting.scanned && starting.attaching.is_empty() && starting.reading.is_empty())
            && self.undecided.is_empty()
        {
            let (processes, executables) = (self.watched.len(), self.attachments.len());
            info!(processes, executables, "every process found at start-up is attached or refused");
            for unmet in self.unmet() {
                warn!("{unmet}");
            }
            self.starting = None;
        }
    }

    fn next_deadline(&self) -> u64 {
        let ends = self.watched.values().filter_map(|watched| watched.ended_ns).chain(self.orphans.values().map(|orphan| orphan.ended_ns));
        let ends = ends.map(|ended| self.burials.due_ns(ended));
        let idle =
            self.attachments.values().filter_map(|attachment| attachment.idle_since_ns).map(|since| since.saturating_add(nanos(IDLE)));
        let scan = if self.scanning { u64::MAX } else { self.next_scan_ns };
        // A lost record is noticed within a second.
        let tick = clock().saturating_add(1_000_000_000);
        let settling = (!self.closed.is_empty()).then_some(self.next_settling_ns);
        ends.chain(idle).chain(self.next_grown()).chain(self.next_window()).chain(settling).chain([scan, tick]).min().unwrap_or(tick)
    }
}
