//! Leaks as Events on their pods: one for each when it is found, one more when its evidence is stronger, and again each hour while it is
//! there, since an API server forgets Events after about that time.
//!
//! In: the leaks that are known. Out: [`Note`]s for a [`Recorder`]. Must not know: what an Event is made of.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use super::{Known, Leak, Tallies};
use crate::model::Evidence;

/// How often a leak that stays is told of.
const AGAIN: Duration = Duration::from_secs(3600);

/// Notes at once, and how long until there may be one more: what tells of everything tells of nothing.
const BURST: usize = 20;
const REFILL: Duration = Duration::from_secs(10);

/// Leaks whose telling is remembered.
const TOLD: usize = 10_000;

/// How long after a failure nothing is tried.
const PAUSE: Duration = Duration::from_secs(15);

/// Something to be said of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The pod's `metadata.uid`.
    pub pod_uid: String,
    /// The container's name.
    pub container: String,
    /// Names the note: one of the same id says the same and is not needed.
    pub id: String,
    /// In CamelCase.
    pub reason: &'static str,
    /// For people, at most 1 kB.
    pub message: String,
    /// Since when, and of when it is.
    pub first: SystemTime,
    /// See `first`.
    pub last: SystemTime,
    /// How often it has been said with this one.
    pub count: i32,
}

/// Why a note could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({reason})")]
pub struct RecordError {
    /// snake_case, from a closed set: a metric label.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
    /// Whether it may be better later.
    pub is_passing: bool,
}

/// An answer to come.
pub type Recorded<'a> = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send + 'a>>;

/// Puts notes where people who look at a pod see them.
pub trait Recorder: Send + Sync {
    /// Makes one. One that is there already is as good.
    fn record<'a>(&'a self, note: &'a Note) -> Recorded<'a>;
}

/// Makes notes of leaks.
#[derive(Debug)]
pub struct Recording {
    known: watch::Receiver<Known>,
    /// What was done.
    pub tallies: Tallies,
    plan: Plan,
    is_failing: bool,
}

impl Recording {
    pub(super) fn new(known: watch::Receiver<Known>, tallies: Tallies) -> Self {
        Self { known, tallies, plan: Plan::default(), is_failing: false }
    }

    /// Goes on until nobody finds leaks any more.
    pub async fn run(mut self, recorder: &dyn Recorder) {
        while self.known.changed().await.is_ok() {
            let known = self.known.borrow_and_update().clone();
            let left_out = self.plan.left_out;
            let notes = self.plan.notes(&known.leaks, known.at, Instant::now().into_std());
            (left_out..self.plan.left_out).for_each(|_| self.tallies.failed.count("too_many"));
            let mut notes = notes.into_iter();
            while let Some((note, leak)) = notes.next() {
                match recorder.record(&note).await {
                    Ok(()) => {
                        self.is_failing = false;
                        self.tallies.done.count("");
                    }
                    Err(error) => {
                        self.failed(&error);
                        if error.is_passing {
                            // Nor would the others get through.
                            [leak].into_iter().chain(notes.map(|(_, leak)| leak)).for_each(|leak| self.plan.forget(&leak));
                            sleep(PAUSE).await;
                            break;
                        }
                    }
                }
            }
        }
    }

    fn failed(&mut self, error: &RecordError) {
        self.tallies.failed.count(error.reason);
        if std::mem::replace(&mut self.is_failing, true) {
            debug!(%error, "no Event for a leak");
        } else {
            warn!(%error, "no Event for a leak; said once, counted in goroscope_agent_k8s_event_failures_total");
        }
    }
}

/// What was told of, and when. Pure.
#[derive(Debug, Default)]
struct Plan {
    told: HashMap<u64, Told>,
    /// When notes were made, of those that count.
    recent: VecDeque<std::time::Instant>,
    /// How many notes were too many, since start.
    left_out: u64,
}

#[derive(Debug)]
struct Told {
    /// In the number of hours since 1970: the next agent counts the same.
    hour: u64,
    times: i32,
    leak: Leak,
}

impl Plan {
    /// What is to be said now.
    fn notes(&mut self, leaks: &[Leak], at: SystemTime, now: std::time::Instant) -> Vec<(Note, Leak)> {
        self.told.retain(|_, told| leaks.iter().any(|leak| leak.is_of(&told.leak)));
        let hour = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / AGAIN.as_secs();
        let mut notes = Vec::new();
        for leak in leaks {
            let key = leak.fingerprint();
            let (Some(namespace), Some(pod), Some(container)) = (&leak.identity.namespace, &leak.identity.pod, &leak.identity.container)
            else {
                continue;
            };
            let is_known = self.told.get(&key).is_some_and(|told| told.hour >= hour);
            if leak.pod_uid.is_empty() || is_known || self.stronger(leak) > leak.evidence || self.told.len() >= TOLD {
                continue;
            }
            if !self.may(now) {
                self.left_out += 1;
                // Not again at each look.
                self.told.entry(key).or_insert_with(|| Told { hour: 0, times: 0, leak: leak.clone() }).hour = hour;
                continue;
            }
            let told = self.told.entry(key).or_insert_with(|| Told { hour, times: 0, leak: leak.clone() });
            told.hour = hour;
            told.times = told.times.saturating_add(1);
            let note = Note {
                namespace: namespace.clone(),
                pod: pod.clone(),
                pod_uid: leak.pod_uid.clone(),
                container: container.clone(),
                id: format!("{:016x}", key ^ hour.rotate_left(32)),
                reason: leak.alert_name().strip_prefix("Goroscope").unwrap_or(leak.alert_name()),
                message: leak.description(),
                first: leak.began(at),
                last: at,
                count: told.times,
            };
            notes.push((note, leak.clone()));
        }
        notes
    }

    /// The strongest evidence that was told of for a leak.
    fn stronger(&self, leak: &Leak) -> Evidence {
        let told = self.told.values().filter(|told| told.leak.is_of(leak)).map(|told| told.leak.evidence);
        told.max().unwrap_or(Evidence::Live)
    }

    /// It was not told of after all.
    fn forget(&mut self, leak: &Leak) {
        self.told.remove(&leak.fingerprint());
        self.recent.pop_back();
    }

    fn may(&mut self, now: std::time::Instant) -> bool {
        let span = REFILL.saturating_mul(u32::try_from(BURST).unwrap_or(u32::MAX));
        while self.recent.front().is_some_and(|made| now.saturating_duration_since(*made) >= span) {
            self.recent.pop_front();
        }
        let may = self.recent.len() < BURST;
        if may {
            self.recent.push_back(now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::{
        slice,
        sync::{Arc, Mutex},
    };

    use super::{
        super::{
            Alerts,
            leak::leaks,
            testing::{NOW, finding, report},
        },
        *,
    };
    use crate::model::Finding;

    fn leak(process: &str, evidence: Evidence) -> Leak {
        let mut found = finding("main.wait", "main.leak", 3);
        found.evidence = evidence;
        leaks(&report(&[(process, vec![found])])).remove(0)
    }

    /// The notes at `minute`: reason, how often.
    fn check(plan: &mut Plan, start: std::time::Instant, minute: u64, leaks: &[Leak], expected: &[(&str, i32)]) {
        let span = Duration::from_secs(60 * minute);
        let notes = plan.notes(leaks, NOW + span, start + span);
        let found: Vec<_> = notes.iter().map(|(note, _)| (note.reason, note.count)).collect();
        assert_eq!(found, expected, "minute {minute}");
    }

    #[test]
    fn once_when_it_is_found_when_it_is_surer_and_each_hour() {
        let (mut plan, start) = (Plan::default(), std::time::Instant::now());
        let (stuck, proven) = (leak("web", Evidence::Stuck), leak("web", Evidence::Proven));
        check(&mut plan, start, 0, &[], &[]);
        check(&mut plan, start, 1, slice::from_ref(&stuck), &[("GoroutineLeak", 1)]);
        check(&mut plan, start, 2, slice::from_ref(&stuck), &[]);
        check(&mut plan, start, 3, &[proven.clone(), stuck.clone()], &[("GoroutineLeak", 1)]);
        // What is less sure is no news.
        check(&mut plan, start, 4, slice::from_ref(&stuck), &[]);
        check(&mut plan, start, 59, slice::from_ref(&proven), &[]);
        check(&mut plan, start, 60, slice::from_ref(&proven), &[("GoroutineLeak", 2)]);
        // It was over, and is there again.
        check(&mut plan, start, 61, &[], &[]);
        check(&mut plan, start, 62, &[proven], &[("GoroutineLeak", 1)]);
        // Without a pod there is nothing to put it on.
        let mut outside = stuck;
        outside.identity.pod = None;
        check(&mut plan, start, 63, &[outside], &[]);
    }

    #[test]
    fn one_name_in_one_hour_whoever_says_it() {
        let of = |plan: &mut Plan, minute: u64| {
            plan.notes(&[leak("web", Evidence::Stuck)], NOW + Duration::from_secs(60 * minute), std::time::Instant::now()).remove(0).0
        };
        let first = of(&mut Plan::default(), 1);
        assert_eq!(first.id, of(&mut Plan::default(), 59).id, "an agent that was started again");
        assert_ne!(first.id, of(&mut Plan::default(), 61).id);
        assert_eq!((first.pod.as_str(), first.container.as_str(), first.pod_uid.as_str()), ("web-0", "app", "uid-web"));
        assert!(first.message.contains("leak/main.go:13") && first.message.contains("stuck"), "{}", first.message);
    }

    #[test]
    fn many_at_once_are_too_many() {
        let (mut plan, start) = (Plan::default(), std::time::Instant::now());
        let leaks: Vec<Leak> = (0..BURST + 5).map(|i| leak(&format!("p{i}"), Evidence::Stuck)).collect();
        assert_eq!((plan.notes(&leaks, NOW, start).len(), plan.left_out), (BURST, 5));
        assert_eq!((plan.notes(&leaks, NOW, start).len(), plan.left_out), (0, 5), "each is left out once");
    }

    /// Fails as often as there are errors.
    #[derive(Default)]
    struct Recorded {
        errors: Mutex<Vec<RecordError>>,
        notes: Mutex<Vec<Note>>,
    }

    impl Recorder for Recorded {
        fn record<'a>(&'a self, note: &'a Note) -> super::Recorded<'a> {
            Box::pin(async move {
                if let Some(error) = self.errors.lock().unwrap().pop() {
                    return Err(error);
                }
                self.notes.lock().unwrap().push(note.clone());
                Ok(())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_for_a_moment_is_tried_again() {
        let mut alerts = Alerts::default();
        let recording = alerts.recording();
        let tallies = recording.tallies.clone();
        let error = |is_passing| RecordError { reason: "unreachable", detail: String::new(), is_passing };
        let recorder = Arc::new(Recorded::default());
        *recorder.errors.lock().unwrap() = vec![error(false), error(true), error(true)];
        let task = tokio::spawn({
            let recorder = Arc::clone(&recorder);
            async move { recording.run(recorder.as_ref()).await }
        });
        let proven = || vec![Finding { evidence: Evidence::Proven, ..finding("main.wait", "main.leak", 3) }];
        let found = report(&[("web", proven()), ("api", proven())]);
        for _ in 0..4 {
            alerts.take(&found);
            // wait: the clock is tokio's and stands still otherwise
            sleep(PAUSE * 2).await;
        }
        drop(alerts);
        task.await.unwrap();
        // The third failure is for good: that leak is not told of again.
        let said = recorder.notes.lock().unwrap();
        assert_eq!(said.iter().map(|note| note.pod.as_str()).collect::<Vec<_>>(), ["api-0"]);
        let counts = |tally: &crate::model::Tally| tally.counts().map(|(_, count)| count).sum::<u64>();
        assert_eq!((counts(&tallies.done), counts(&tallies.failed)), (1, 3));
    }
}
