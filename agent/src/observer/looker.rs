//! The thread that looks for leaks, at one process after the other, each when it is due.
//!
//! In: processes to watch. Out: their [`Finding`]s. Must not know: labels, who is told of a leak.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender},
    time::Duration,
};

use goroscope_abi::ProcessKey;
use tracing::debug;

use super::{Event, clock, reader::Task};
use crate::{
    discovery::ProcRoot,
    looks::{Endless, Looks, Seen, Settings, Subject},
    model::Finding,
};

/// A stretch of time that is judged for itself, ns: a leak that begins late in a long watch shows in it.
const STRETCH_NS: u64 = 60_000_000_000;
/// Goroutines of one process that are followed, 40 bytes each; of more, a sample is.
const FOLLOWED: usize = 200_000;
/// When there is nothing to do.
const IDLE: Duration = Duration::from_secs(3600);

/// What the thread owns.
pub(super) struct Looker {
    interval: Duration,
    events: Sender<Event>,
    watches: BTreeMap<ProcessKey, Watch>,
}

/// One process under watch.
struct Watch {
    looks: Looks<Endless>,
    /// Whether something was found at the last look.
    found: bool,
}

impl Looker {
    pub(super) const fn new(interval: Duration, events: Sender<Event>) -> Self {
        Self { interval, events, watches: BTreeMap::new() }
    }

    /// Works until nobody listens any more.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        loop {
            let next = self.watches.values().map(|watch| watch.looks.next_ns()).min();
            let wait = next.map_or(IDLE, |next| Duration::from_nanos(next.saturating_sub(clock())));
            match tasks.recv_timeout(wait) {
                Ok(Task::Watch(subject)) => {
                    let (key, settings) =
                        (subject.key, Settings { members: FOLLOWED, shortest_ns: Some(STRETCH_NS), ..Settings::default() });
                    let subject = Subject::new(subject.listed, subject.executable, subject.facts, subject.load_bias);
                    let looks = Looks::new(ProcRoot::default(), subject, Endless, self.interval, settings);
                    self.watches.insert(key, Watch { looks, found: false });
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
            match watch.looks.look() {
                Ok(Seen::Alive) => {}
                // The observer says when it is forgotten; until then nothing is to be seen.
                Ok(Seen::Gone) | Err(_) => {
                    debug!(pid = key.tgid, "not looked at any more");
                    self.watches.remove(&key);
                    continue;
                }
            }
            let findings: Vec<Finding> = watch.looks.findings();
            let news = watch.found || !findings.is_empty();
            watch.found = !findings.is_empty();
            if news && self.events.send(Event::Findings(key, findings)).is_err() {
                return false;
            }
        }
        true
    }
}
