//! The thread that looks at processes: pid in, [`Found`] out. Analysis of a large executable takes tens of milliseconds,
//! so it is nobody else's thread.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Weak,
        mpsc::{Receiver, Sender},
    },
};

use goroscope_abi::ProcessKey;
use tracing::{debug, warn};

use super::{Event, Scope};
use crate::{
    analysis::{Analyser, Settings},
    attribution,
    discovery::{Listed, ProcError, ProcRoot, Process},
    model::{Executable, ProbePlan, Refusal, Target},
    plan,
    tracer::Maps,
};

/// What to look at.
#[derive(Debug)]
pub(super) enum Job {
    /// One process that has a new image.
    Process(ProcessKey),
    /// Every process that is not among these, which are watched already.
    Scan(HashSet<Listed>),
}

/// A Go process.
#[derive(Debug)]
pub(super) struct Found {
    /// The process.
    pub(super) target: Target,
    /// What names it for good in /proc.
    pub(super) listed: Listed,
    /// The uid of its pod, where its cgroup tells it.
    pub(super) pod_uid: Option<String>,
    /// Its executable and what to attach; or why nothing can be known of it.
    pub(super) executable: Result<(Arc<Executable>, Arc<ProbePlan>), Refusal>,
}

/// What the thread owns.
pub(super) struct Finder {
    root: ProcRoot,
    analyser: Analyser,
    plans: HashMap<usize, (Weak<Executable>, Arc<ProbePlan>)>,
    scope: Scope,
    maps: Arc<Maps>,
    events: Sender<Event>,
}

impl Finder {
    pub(super) fn new(root: ProcRoot, scope: Scope, maps: Arc<Maps>, events: Sender<Event>) -> Self {
        Self { root, analyser: Analyser::new(Settings::default()), plans: HashMap::new(), scope, maps, events }
    }

    /// Works until nobody asks any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Process(key) => {
                    let found = self.look(key);
                    let _ = self.events.send(found);
                }
                Job::Scan(known) => self.scan(&known),
            }
        }
    }

    fn scan(&mut self, known: &HashSet<Listed>) {
        let processes = match self.root.scan() {
            Ok(scan) => scan.processes,
            Err(error) => {
                warn!(%error, "cannot list processes");
                Vec::new()
            }
        };
        let left: Vec<_> = processes.into_iter().filter(|listed| !known.contains(listed)).collect();
        for listed in left {
            let event = self.look(ProcessKey { exec_ns: self.maps.exec_ns(listed.pid), tgid: listed.pid, pad: 0 });
            let _ = self.events.send(event);
        }
        let _ = self.events.send(Event::Scanned);
    }

    fn look(&mut self, key: ProcessKey) -> Event {
        if !self.scope.wants_pid(key.tgid) {
            return Event::NotGo(key);
        }
        // Nothing is opened for the many that come and go faster than they are looked at.
        if self.is_over(key) {
            return Event::Gone(key);
        }
        match self.root.observe(key.tgid) {
            // What was seen is the next image's.
            Ok(_) if self.is_over(key) => Event::Gone(key),
            Ok(process) => self.identify(key, process).map_or(Event::NotGo(key), |found| Event::Found(Box::new(found))),
            Err(error @ ProcError::Gone { .. }) => {
                debug!(pid = key.tgid, %error, "not looked at");
                Event::Gone(key)
            }
            Err(error) => {
                debug!(pid = key.tgid, %error, "cannot be looked at");
                Event::Unreadable { key, reason: error.reason() }
            }
        }
    }

    /// Whether the process has another image by now, or has ended and been freed: as the kernel side knows it.
    fn is_over(&self, key: ProcessKey) -> bool {
        key.exec_ns != 0 && self.maps.exec_ns(key.tgid) != key.exec_ns
    }

    /// None for what is not Go and for what is not wanted.
    fn identify(&mut self, key: ProcessKey, process: Process) -> Option<Found> {
        let pid = self.scope.per_process.then_some(key.tgid);
        let identity = attribution::identify(&process.exe, &process.cgroup, pid);
        if self.scope.excludes.excludes(&identity.process, &process.exe.to_string_lossy()) {
            return None;
        }
        let pod_uid = identity.container.is_some().then(|| attribution::pod_uid(&process.cgroup)).flatten();
        let listed = Listed { pid: process.pid, start_ticks: process.start_ticks };
        let mut target = Target { key, identity, place: None, exe: process.exe, started_at: process.started_at, load_bias: 0 };
        let executable = match self.analyser.analyse(process.file) {
            Ok(executable) => {
                target.load_bias = process.text.bias_from(executable.binary.text_base());
                let plan = self.plan(&executable);
                Ok((executable, plan))
            }
            Err(refusal) if is_not_go(&refusal) => return None,
            Err(refusal) => Err(refusal),
        };
        Some(Found { target, listed, pod_uid, executable })
    }

    /// The plan of an executable, made once.
    fn plan(&mut self, executable: &Arc<Executable>) -> Arc<ProbePlan> {
        let address = Arc::as_ptr(executable) as usize;
        if let Some((known, plan)) = self.plans.get(&address)
            && known.upgrade().is_some_and(|known| Arc::ptr_eq(&known, executable))
        {
            return Arc::clone(plan);
        }
        self.plans.retain(|_, (known, _)| known.strong_count() > 0);
        let plan = Arc::new(plan::plan(&executable.binary));
        self.plans.insert(address, (Arc::downgrade(executable), Arc::clone(&plan)));
        plan
    }
}

/// Most of a host's processes: nothing to say about them.
fn is_not_go(refusal: &Refusal) -> bool {
    matches!(refusal.reason, "not_elf" | "not_go")
}
