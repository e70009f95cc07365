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

/// A Report of this age is as good as a new one.
const FRESH: Duration = Duration::from_millis(250);

/// How long a reader waits for a new one before it takes the latest: far below Prometheus's default scrape timeout of 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

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

    /// The newest Report, whose numbers were read just now.
    pub fn publish(&self, report: Arc<Report>) {
        self.latest.send_replace(Some((Instant::now(), report)));
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

    /// A Report not older than 250 ms; where the collector does not come up with one within 2 s, the latest there is.
    pub async fn fresh(&self) -> Option<Arc<Report>> {
        let mut latest = self.latest.clone();
        let is_fresh = |latest: &Latest| latest.as_ref().is_some_and(|(at, _)| at.elapsed() <= FRESH);
        if !is_fresh(&latest.borrow_and_update()) {
            self.wanted.notify_one();
            // Late or gone: the latest is what there is, and its age is a metric.
            let _ = timeout(PATIENCE, latest.changed()).await;
        }
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
    async fn a_fresh_report_is_taken_an_old_one_is_asked_anew() {
        let (feeder, reports) = channel();
        feeder.publish(report(1));
        assert_eq!(number(reports.fresh().await), Some(1));
        let old = Instant::now().checked_sub(2 * FRESH).unwrap();
        feeder.latest.send_replace(Some((old, report(2))));
        let collector = tokio::spawn(async move {
            feeder.requested().await;
            feeder.publish(report(3));
            feeder
        });
        let (one, other) = tokio::join!(reports.fresh(), reports.fresh());
        assert_eq!((number(one), number(other)), (Some(3), Some(3)));
        drop(collector.await.unwrap());
    }

    #[tokio::test]
    async fn without_a_collector_the_latest_is_what_there_is() {
        let (feeder, reports) = channel();
        let old = Instant::now().checked_sub(2 * FRESH).unwrap();
        feeder.latest.send_replace(Some((old, report(4))));
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
