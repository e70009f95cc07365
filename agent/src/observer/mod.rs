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

mod attachment;
mod finder;
mod report;
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

use goroscope_abi::{Family, ProcessKey};
use tracing::{debug, info, warn};

use self::{
    attachment::{Attachment, State},
    finder::{Finder, Found, Job},
    switcher::{Command, Reply},
    watched::{Reading, Watched},
};
use crate::{
    analysis::{Sameness, same_file},
    collect::Ledger,
    config::Excludes,
    discovery::{Life, ProcRoot},
    model::{Executable, ProbePlan, Refusal, Report, Slot},
    tracer::{Maps, Record, Records, SiteHits, Tracer},
};

/// How long after its leader a process is read for the last time: its other threads may still have been on a CPU.
const SETTLE: Duration = Duration::from_millis(500);

/// How long an executable stays attached without a process: what is started again and again is counted from its first
/// instruction.
const IDLE: Duration = Duration::from_secs(60);

/// How often /proc is listed where exec is seen by the kernel side, in case a record was lost.
const RESCAN: Duration = Duration::from_secs(60);

/// How often where it is not.
const RESCAN_BLIND: Duration = Duration::from_secs(1);

/// Which processes are wanted, and how they are told apart.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only these; empty: all.
    pub pids: Vec<u32>,
    /// Not these.
    pub excludes: Excludes,
    /// Label `pid` on everything.
    pub per_process: bool,
    /// Every event is counted, whatever it costs.
    pub exact: bool,
}

impl Scope {
    fn wants_pid(&self, pid: u32) -> bool {
        pid != std::process::id() && (self.pids.is_empty() || self.pids.contains(&pid))
    }
}

/// What the loop is told.
#[derive(Debug)]
enum Event {
    Record(Record),
    Found(Box<Found>),
    /// A process that is not of interest, or not any more.
    NotGo(ProcessKey),
    /// A process that could not be looked at.
    Unreadable {
        key: ProcessKey,
        reason: &'static str,
    },
    /// All of /proc was looked at.
    Scanned,
    Switched(Reply),
    /// Somebody wants to know.
    Report(tokio::sync::oneshot::Sender<Arc<Report>>),
    /// Detach everything and attach it again.
    Reattach,
    /// Read everything for the last time.
    Stop,
}

/// Asks the loop.
#[derive(Clone, Debug)]
pub struct Handle(Sender<Event>);

impl Handle {
    /// The state of everything now. None when the loop has ended.
    pub async fn report(&self) -> Option<Arc<Report>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.send(Event::Report(reply)).ok()?;
        answer.await.ok()
    }

    /// Takes all probes off and puts them on again.
    pub fn reattach(&self) {
        let _ = self.0.send(Event::Reattach);
    }

    /// Ends the loop, which takes all probes off.
    pub fn stop(&self) {
        let _ = self.0.send(Event::Stop);
    }
}

/// Starts to observe. The returned thread ends, with every probe off, after [`Handle::stop`].
#[must_use]
pub fn start(tracer: Tracer, scope: Scope) -> (Handle, thread::JoinHandle<()>) {
    let (events, inbox) = channel();
    let (jobs, job_inbox) = channel();
    let (commands, command_inbox) = channel();
    let Tracer { maps, switch, records, losses } = tracer;

    let finder = Finder::new(ProcRoot::default(), scope.clone(), Arc::clone(&maps), events.clone());
    spawn("finder", move || finder.run(&job_inbox));
    let (switch_maps, switch_events) = (Arc::clone(&maps), events.clone());
    let switcher = spawn("switcher", move || switcher::run(switch, &switch_maps, &command_inbox, &switch_events));
    let record_events = events.clone();
    spawn("records", move || pump(records, &record_events));

    let observer = Observer {
        root: ProcRoot::default(),
        scope,
        maps,
        losses,
        jobs,
        commands,
        attachments: BTreeMap::new(),
        watched: BTreeMap::new(),
        orphans: HashMap::new(),
        ledger: Ledger::default(),
        failures: BTreeMap::new(),
        looking: HashSet::new(),
        scanning: None,
        next_scan_ns: 0,
        starting: Some(Starting::default()),
        records_lost: 0,
    };
    let thread = spawn("observer", move || {
        observer.run(&inbox);
        let _ = switcher.join();
    });
    (Handle(events), thread)
}

fn spawn(name: &'static str, run: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    #[expect(clippy::expect_used, reason = "at start-up; a host that gives no thread gives no agent")]
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the host gives no thread")
}

/// Hands records on until nobody listens.
fn pump(mut records: Records, events: &Sender<Event>) {
    let mut open = true;
    while open {
        records.wait(Duration::from_secs(1), |record| open &= events.send(Event::Record(record)).is_ok());
    }
}

/// CLOCK_MONOTONIC, ns: the clock of the kernel side.
fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
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
}

struct Observer {
    root: ProcRoot,
    scope: Scope,
    maps: Arc<Maps>,
    losses: Vec<String>,
    jobs: Sender<Job>,
    commands: Sender<Command>,
    attachments: BTreeMap<Slot, Attachment>,
    watched: BTreeMap<ProcessKey, Watched>,
    /// Processes that ended unseen, or that the finder still looks at: when they are read for the last time, ns.
    orphans: HashMap<ProcessKey, u64>,
    ledger: Ledger,
    failures: BTreeMap<&'static str, u64>,
    /// What the finder was asked to look at.
    looking: HashSet<ProcessKey>,
    /// When the running scan of /proc was asked for, ns.
    scanning: Option<u64>,
    next_scan_ns: u64,
    /// Until every process found at start-up is attached or refused.
    starting: Option<Starting>,
    records_lost: u64,
}

impl Observer {
    fn run(mut self, inbox: &Receiver<Event>) {
        loop {
            self.housekeep();
            let wait = Duration::from_nanos(self.next_deadline().saturating_sub(clock()));
            match inbox.recv_timeout(wait.max(Duration::from_millis(1))) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        info!(processes = self.watched.len(), executables = self.attachments.len(), "all probes come off");
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Record(Record::Exec(key)) => self.exec(key),
            Event::Record(Record::Exit(key)) => self.exit(key),
            Event::Record(Record::Hits { process, family }) => self.hits(process, family),
            Event::Found(found) => self.found(*found),
            Event::NotGo(key) => {
                self.looking.remove(&key);
            }
            Event::Unreadable { key, reason } => {
                self.looking.remove(&key);
                *self.failures.entry(reason).or_default() += 1;
            }
            Event::Scanned => self.scanned(),
            Event::Switched(reply) => self.switched(reply),
            Event::Report(reply) => {
                let _ = reply.send(self.report());
            }
            Event::Reattach => self.reattach(),
            Event::Stop => {}
        }
    }

    /// A process has a new image: its old one has ended.
    fn exec(&mut self, key: ProcessKey) {
        let now = clock();
        for (_, old) in self.watched.range_mut(..).filter(|(old, _)| old.tgid == key.tgid && old.exec_ns != key.exec_ns) {
            old.ended_ns.get_or_insert(now);
        }
        if self.scope.wants_pid(key.tgid) && self.looking.insert(key) {
            let _ = self.jobs.send(Job::Process(key));
        }
    }

    fn exit(&mut self, key: ProcessKey) {
        let now = clock();
        match self.watched.get_mut(&key) {
            Some(watched) => {
                watched.ended_ns.get_or_insert(now);
            }
            None => {
                self.orphans.insert(key, now);
            }
        }
    }

    fn found(&mut self, found: Found) {
        let Found { target, listed, executable } = found;
        let key = target.key;
        self.looking.remove(&key);
        if self.watched.contains_key(&key) {
            return;
        }
        let slot = match executable {
            Ok((executable, plan)) if !plan.families.is_empty() => self.attachment(&executable, &plan, &target),
            Ok((_, plan)) => {
                Err(plan.refusals.first().cloned().unwrap_or(Refusal { family: None, reason: "nothing_to_attach", detail: String::new() }))
            }
            Err(refusal) => Err(refusal),
        };
        let mut watched = Watched::new(target, listed, slot);
        match &watched.slot {
            Ok(slot) => self.register(*slot, &mut watched),
            Err(refusal) => {
                info!(pid = key.tgid, process = %watched.target.identity.process, %refusal, "refused");
                *self.failures.entry(refusal.reason).or_default() += 1;
            }
        }
        // It may have ended before it was known.
        watched.ended_ns = watched.ended_ns.or_else(|| self.orphans.remove(&key));
        self.watched.insert(key, watched);
    }

    /// Tells the kernel side whose hits these are.
    fn register(&mut self, slot: Slot, watched: &mut Watched) {
        let key = watched.target.key;
        match self.maps.register(key, slot, watched.target.load_bias) {
            Ok(true) => {}
            Ok(false) => watched.ended_ns = Some(clock()),
            Err(error) => {
                warn!(pid = key.tgid, %error, "cannot register a process");
                *self.failures.entry("processes_full").or_default() += 1;
            }
        }
        if let Some(attachment) = self.attachments.get_mut(&slot) {
            attachment.idle_since_ns = None;
            let windows: Vec<Family> =
                attachment.families.iter().filter(|(_, state)| matches!(state, State::Windows { .. })).map(|(family, _)| *family).collect();
            let reading = Reading { hits: self.maps.hits(&key).unwrap_or_default(), sites: Vec::new() };
            for family in windows {
                watched.begin_windows(family, &reading, clock());
            }
        }
    }

    /// The slot of an executable, attached now if it is the first of its inode.
    fn attachment(&mut self, executable: &Arc<Executable>, plan: &Arc<ProbePlan>, target: &crate::model::Target) -> Result<Slot, Refusal> {
        let same = self.attachments.values().find(|attachment| match same_file(&attachment.executable, executable) {
            Sameness::Same => true,
            Sameness::Different => false,
            // One inode under two devices has one text: the first one's breakpoints are in it.
            Sameness::Maybe => attachment.plan.probes.iter().any(|probe| {
                let address = probe.address.0.wrapping_add(target.load_bias);
                crate::tracer::breakpoint(target.pid(), address)
            }),
        });
        if let Some(attachment) = same {
            return Ok(attachment.slot);
        }
        let slot = (1..self.maps.slots()).map(Slot).find(|slot| !self.attachments.contains_key(slot)).ok_or_else(|| Refusal {
            family: None,
            reason: "executables_full",
            detail: format!("{} executables are attached already", self.attachments.len()),
        })?;
        let attachment = Attachment::new(slot, Arc::clone(executable), Arc::clone(plan));
        self.maps.describe(slot, &attachment.description()).map_err(|error| Refusal {
            family: None,
            reason: "attach_failed",
            detail: error.to_string(),
        })?;
        for refusal in &plan.refusals {
            info!(executable = %target.exe.display(), %refusal, "not counted");
        }
        for family in attachment.families.keys() {
            if let Some(starting) = &mut self.starting {
                starting.attaching.insert((slot, *family));
            }
            let _ = self.commands.send(Command::Attach(attachment.site(*family)));
        }
        self.attachments.insert(slot, attachment);
        Ok(slot)
    }

    fn switched(&mut self, reply: Reply) {
        let (slot, family) = match &reply {
            Reply::Attached(slot, family) | Reply::Detached(slot, family) | Reply::Window(slot, family, _) => (*slot, Some(*family)),
            Reply::Failed(slot, refusal) => (*slot, refusal.family),
        };
        if let (Some(starting), Some(family)) = (&mut self.starting, family) {
            starting.attaching.remove(&(slot, family));
        }
        self.note_started();
        let Some(attachment) = self.attachments.get_mut(&slot) else { return };
        match reply {
            Reply::Attached(_, family) => {
                debug!(slot = slot.0, family = family.name(), "attached");
                attachment.settle(family, State::Exact);
            }
            Reply::Failed(_, refusal) => {
                warn!(slot = slot.0, %refusal, "cannot attach");
                *self.failures.entry(refusal.reason).or_default() += 1;
                if let Some(family) = refusal.family {
                    attachment.settle(family, State::Failed);
                }
                attachment.failures.push(refusal);
            }
            Reply::Detached(_, family) => self.detached(slot, family),
            Reply::Window(_, family, opened) => self.window_over(slot, family, opened),
        }
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
        let lost = self.maps.drops().get("records_full").copied().unwrap_or(0);
        if lost > self.records_lost {
            self.records_lost = lost;
            self.next_scan_ns = now;
        }
        if now >= self.next_scan_ns && self.scanning.is_none() {
            self.scanning = Some(now);
            let known = self.watched.values().filter(|watched| watched.ended_ns.is_none()).map(|watched| watched.listed).collect();
            let _ = self.jobs.send(Job::Scan(known));
        }
        self.bury(now);
        self.open_windows(now);
        self.detach_idle(now);
    }

    fn scanned(&mut self) {
        let now = clock();
        let rescan = if self.losses.iter().any(|loss| loss.contains("tracepoint")) { RESCAN_BLIND } else { RESCAN };
        self.next_scan_ns = now.saturating_add(nanos(rescan));
        if let Some(starting) = &mut self.starting {
            starting.scanned = true;
        }
        self.note_started();
        self.scanning = None;
        // Ends that no record told of.
        let gone: Vec<ProcessKey> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.ended_ns.is_none() && matches!(self.root.life(watched.listed), Ok(Life::Exited)))
            .map(|(key, _)| *key)
            .collect();
        for key in gone {
            self.exit(key);
        }
    }

    fn note_started(&mut self) {
        if self.starting.as_ref().is_some_and(|starting| starting.scanned && starting.attaching.is_empty()) {
            let (processes, executables) = (self.watched.len(), self.attachments.len());
            info!(processes, executables, "every process found at start-up is attached or refused");
            self.starting = None;
        }
    }

    /// Reads processes that have ended for the last time, and forgets them.
    fn bury(&mut self, now: u64) {
        let settled = |ended: u64| now >= ended.saturating_add(nanos(SETTLE));
        let due: Vec<ProcessKey> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.ended_ns.is_some_and(settled))
            .map(|(key, _)| *key)
            .chain(self.orphans.iter().filter(|(key, ended)| settled(**ended) && !self.looking.contains(*key)).map(|(key, _)| *key))
            .collect();
        if due.is_empty() {
            return;
        }
        let mut sites = self.maps.sites();
        for key in due {
            let sites = sites.remove(&key).unwrap_or_default();
            self.bury_one(key, sites, now);
        }
    }

    fn bury_one(&mut self, key: ProcessKey, sites: Vec<SiteHits>, now: u64) {
        let hits = self.maps.hits(&key);
        let Some(watched) = self.watched.get_mut(&key) else {
            self.orphans.remove(&key);
            if let Some(hits) = hits {
                self.book_orphan(key, Reading { hits, sites }, now);
            }
            return;
        };
        // Its leader may have ended and other threads go on.
        let exec = self.maps.exec_ns(key.tgid);
        if exec == key.exec_ns && matches!(self.root.life(watched.listed), Ok(Life::Alive)) {
            watched.ended_ns = None;
            return;
        }
        let reading = Reading { hits: hits.unwrap_or_default(), sites };
        if let Some(attachment) = watched.slot.as_ref().ok().and_then(|slot| self.attachments.get(slot)) {
            let (totals, _) = watched.totals(attachment, &reading, now);
            self.ledger.end(&watched.target.identity, &totals, now);
        }
        self.maps.forget(&key, &reading.sites);
        let slot = watched.slot.clone();
        self.watched.remove(&key);
        if let Ok(slot) = slot {
            self.note_idle(slot, now);
        }
    }

    /// Books a process that ended before anybody looked at it: its links' cookies tell the executable.
    fn book_orphan(&mut self, key: ProcessKey, reading: Reading, now: u64) {
        if let Some(attachment) = reading.hits.slot.and_then(|slot| self.attachments.get(&slot)) {
            let like = self.watched.values().find(|watched| watched.slot.as_ref() == Ok(&attachment.slot));
            if let Some(like) = like {
                let target = crate::model::Target {
                    key,
                    identity: crate::model::Identity { pid: self.scope.per_process.then_some(key.tgid), ..like.target.identity.clone() },
                    ..like.target.clone()
                };
                let watched = Watched::new(target, like.listed, Ok(attachment.slot));
                let (totals, _) = watched.totals(attachment, &reading, now);
                self.ledger.end(&watched.target.identity, &totals, now);
            }
        }
        self.maps.forget(&key, &reading.sites);
    }

    fn note_idle(&mut self, slot: Slot, now: u64) {
        let used = self.watched.values().any(|watched| watched.slot.as_ref() == Ok(&slot));
        if let Some(attachment) = self.attachments.get_mut(&slot)
            && !used
        {
            attachment.idle_since_ns.get_or_insert(now);
        }
    }

    fn detach_idle(&mut self, now: u64) {
        let idle = |attachment: &Attachment| {
            let since = attachment.idle_since_ns.is_some_and(|since| now >= since.saturating_add(nanos(IDLE)));
            // What is being switched answers first.
            since && !attachment.families.values().any(|state| matches!(state, State::Attaching | State::Closing))
        };
        let slots: Vec<Slot> = self.attachments.values().filter(|attachment| idle(attachment)).map(|attachment| attachment.slot).collect();
        for slot in slots {
            let Some(attachment) = self.attachments.remove(&slot) else { continue };
            debug!(slot = slot.0, "no process left: detached");
            for family in attachment.families.keys() {
                let _ = self.commands.send(Command::Detach(slot, *family));
            }
        }
    }

    fn next_deadline(&self) -> u64 {
        let ends = self.watched.values().filter_map(|watched| watched.ended_ns).chain(self.orphans.values().copied());
        let ends = ends.map(|ended| ended.saturating_add(nanos(SETTLE)));
        let idle =
            self.attachments.values().filter_map(|attachment| attachment.idle_since_ns).map(|since| since.saturating_add(nanos(IDLE)));
        let scan = if self.scanning.is_some() { u64::MAX } else { self.next_scan_ns };
        // A lost record is noticed within a second.
        let tick = clock().saturating_add(1_000_000_000);
        ends.chain(idle).chain(self.next_window()).chain([scan, tick]).min().unwrap_or(tick)
    }
}
