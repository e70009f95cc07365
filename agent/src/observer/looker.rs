//! The thread that looks for leaks, at one process after the other, each when it is due.
//!
//! In: processes to watch. Out: their [`Finding`]s. Must not know: labels, who is told of a leak.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, SystemTime},
};

use goroscope_abi::ProcessKey;
use tracing::{debug, info, warn};

use super::{Event, clock, reader::Task};
use crate::{
    discovery::ProcRoot,
    export::{self, pprof},
    looks::{Endless, Looks, Seen, Settings, Stretches, Subject},
    model::{Finding, RuntimeAddress},
    profile::{self, Groups, Names},
    snapshots::{self, Store},
};

/// Goroutines of one process that are followed, 40 bytes each; of more, a sample is.
const FOLLOWED: usize = 200_000;
/// When there is nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// What the thread owns.
pub(super) struct Looker {
    interval: Duration,
    events: Sender<Event>,
    snapshots: Snapshots,
    watches: BTreeMap<ProcessKey, Watch>,
}

/// One process under watch.
struct Watch {
    looks: Looks<Endless>,
    process: String,
    /// What was found at the last look.
    known: Vec<Finding>,
}

impl Looker {
    pub(super) const fn new(interval: Duration, snapshots: PathBuf, events: Sender<Event>) -> Self {
        Self { interval, events, snapshots: Snapshots { path: snapshots, failed: false }, watches: BTreeMap::new() }
    }

    /// Works until nobody listens any more.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        loop {
            let next = self.watches.values().map(|watch| watch.looks.next_ns()).min();
            let wait = next.map_or(IDLE, |next| Duration::from_nanos(next.saturating_sub(clock())));
            match tasks.recv_timeout(wait) {
                Ok(Task::Watch(subject)) => {
                    let key = subject.key;
                    let settings = Settings { members: FOLLOWED, stretches: Some(Stretches::default()), ..Settings::default() };
                    let process = subject.process.clone();
                    let subject = Subject::new(subject.listed, subject.executable, subject.facts, subject.load_bias);
                    let looks = Looks::new(ProcRoot::default(), subject, Endless, self.interval, settings);
                    self.watches.insert(key, Watch { looks, process, known: Vec::new() });
                }
                Ok(Task::Forget(key)) => {
                    self.watches.remove(&key);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.look() {
                        break;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Looks at those that are due. Whether anybody listens.
    fn look(&mut self) -> bool {
        let now = clock();
        let due: Vec<ProcessKey> = self.watches.iter().filter(|(_, watch)| watch.looks.next_ns() <= now).map(|(key, _)| *key).collect();
        for key in due {
            let Some(watch) = self.watches.get_mut(&key) else { continue };
            let looked = watch.looks.look();
            let failures = watch.looks.take_failures();
            if !failures.is_empty() && self.events.send(Event::LooksFailed(failures)).is_err() {
                return false;
            }
            match looked {
                Ok(Seen::Alive) => {}
                // The observer says when it is forgotten; until then nothing is to be seen.
                Ok(Seen::Gone) | Err(_) => {
                    debug!(pid = key.tgid, "not looked at any more");
                    self.watches.remove(&key);
                    continue;
                }
            }
            let (findings, cleared) = watch.looks.stands();
            for (leak, reason) in cleared {
                let (process, site, evidence) = (&watch.process, leak.created_by.place(), leak.evidence.as_str());
                info!(pid = key.tgid, %process, site, evidence, count = leak.count, reason = reason.as_str(), "no longer called a leak");
            }
            if watch.known.is_empty() && findings.is_empty() {
                continue;
            }
            let is_known = |new: &Finding| watch.known.iter().any(|known| known.is_of(new));
            if findings.iter().any(|new| !is_known(new)) {
                self.snapshots.keep(key.tgid, watch, &findings);
            }
            watch.known.clone_from(&findings);
            if self.events.send(Event::Findings(key, findings)).is_err() {
                return false;
            }
        }
        true
    }
}

/// Where what was seen is kept when a leak is found.
struct Snapshots {
    path: PathBuf,
    /// Said once: leaks are told all the same.
    failed: bool,
}

impl Snapshots {
    /// Keeps the findings of a process, its goroutines and their stacks as they are now.
    fn keep(&mut self, pid: u32, watch: &Watch, findings: &[Finding]) {
        match self.write(pid, watch, findings) {
            Ok(folder) => {
                self.failed = false;
                info!(pid, folder = %folder.display(), "a snapshot is kept");
            }
            Err(error) if !self.failed => {
                self.failed = true;
                warn!(pid, error, "no snapshot is kept");
            }
            Err(_) => {}
        }
    }

    fn write(&self, pid: u32, watch: &Watch, findings: &[Finding]) -> Result<PathBuf, String> {
        let store = Store::open(&self.path, snapshots::LIMIT).map_err(|error| error.to_string())?;
        let (subject, runtime, now) = (watch.looks.subject(), watch.looks.runtime(), SystemTime::now());
        let frame_size = |at: RuntimeAddress| subject.symbolizer.frame_size(at.to_virtual(subject.load_bias));
        let groups = Groups::read(runtime, Some(profile::DEPTH), &frame_size, &mut |_| None).map_err(|error| error.to_string())?;
        let names = Names::new(Arc::clone(&subject.executable), subject.load_bias);
        let said = export::findings::findings(findings).map_err(|error| error.to_string())?;
        let goroutines = serde_json::Value::from(profile::json(&groups, &names)).to_string();
        let stacks = pprof::encode(&watch.process, names.build_id(), now, &groups.samples(&names)).map_err(|error| error.to_string())?;
        let files = [("findings.json", said.as_bytes()), ("goroutines.json", goroutines.as_bytes()), ("stacks.pb.gz", &stacks)];
        store.keep(&watch.process, pid, now, &files).map_err(|error| error.to_string())
    }
}
