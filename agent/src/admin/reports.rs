//! How Reports get from who collects them to who serves them: the latest is always there, a fresh one on request.
//!
//! The collector holds the [`Feeder`]: it publishes on its own beat, and at once when [`Feeder::requested`] resolves. Readers
//! hold [`Reports`]. Any number of readers that ask while a collection is under way share its result.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::model::Report;

/// How long a reader waits for a new one before it takes the latest: far below Prometheus's default scrape timeout of 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// A Report, and when its collection began: what happened before that is in it.
type Latest = Option<(Instant, Arc<Report>)>;

/// Both ends. There is no Report until the first is published.
#[must_use]
pub fn channel() -> (Feeder, Reports) {
    let (sender, latest) = watch::channel(None);
    let wanted = Arc::new(Notify::new());
    (Feeder { latest: sender, wanted: Arc::clone(&wanted) }, Reports { latest, wanted })
}

/// The collector's end.
#[derive(Debug)]
pub struct Feeder {
    latest: watch::Sender<Latest>,
    wanted: Arc<Notify>,
}

impl Feeder {
    /// Resolves when somebody waits for a fresh Report. Cancel safe: for `select!` beside the collector's own clock.
    pub async fn requested(&self) {
        self.wanted.notified().await;
    }

    /// The newest Report, whose collection began at `began`.
    pub fn publish(&self, report: Arc<Report>, began: Instant) {
        self.latest.send_replace(Some((began, report)));
    }
}

/// A reader's end.
#[derive(Clone, Debug)]
pub struct Reports {
    latest: watch::Receiver<Latest>,
    wanted: Arc<Notify>,
}

impl Reports {
    /// The latest Report, of whatever age; none before the first.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<Report>> {
        self.latest.borrow().as_ref().map(|(_, report)| Arc::clone(report))
    }

    /// A Report that holds all that has happened until now; where the collector does not come up with one within 2 s, the
    /// latest there is.
    pub async fn fresh(&self) -> Option<Arc<Report>> {
        let asked = Instant::now();
        let mut latest = self.latest.clone();
        self.wanted.notify_one();
        let fresh = latest.wait_for(|latest| latest.as_ref().is_some_and(|(began, _)| *began >= asked));
        // Late or gone: the latest is what there is, and its age is a metric.
        let _ = timeout(PATIENCE, fresh).await;
        self.latest()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::model::AgentReport;

    fn report(executables: u64) -> Arc<Report> {
        let agent = AgentReport { executables, ..AgentReport::default() };
        Arc::new(Report { taken_at: SystemTime::now(), processes: Vec::new(), groups: Vec::new(), agent })
    }

    fn number(report: Option<Arc<Report>>) -> Option<u64> {
        report.map(|report| report.agent.executables)
    }

    #[tokio::test]
    async fn what_happened_before_the_question_is_in_the_answer() {
        let (feeder, reports) = channel();
        let before = Instant::now();
        let collector = tokio::spawn(async move {
            feeder.requested().await;
            // A collection that was under way when the question came does not count.
            feeder.publish(report(2), before);
            tokio::task::yield_now().await;
            feeder.publish(report(3), Instant::now());
            feeder
        });
        let (one, other) = tokio::join!(reports.fresh(), reports.fresh());
        assert_eq!((number(one), number(other)), (Some(3), Some(3)));
        drop(collector.await.unwrap());
    }

    #[tokio::test]
    async fn without_a_collector_the_latest_is_what_there_is() {
        let (feeder, reports) = channel();
        feeder.publish(report(4), Instant::now());
        drop(feeder);
        assert_eq!(number(reports.fresh().await), Some(4));
        let (_, reports) = channel();
        assert_eq!(number(reports.fresh().await), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_hangs_is_waited_for_two_seconds() {
        let (_feeder, reports) = channel();
        let start = tokio::time::Instant::now();
        assert_eq!(number(reports.fresh().await), None);
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
