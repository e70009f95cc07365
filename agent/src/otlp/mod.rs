//! Sends exports to an OTLP receiver, one after another, and goes on when it is away.
//!
//! In: exports, as [`crate::export::otlp`] encodes them. Out: requests; what became of them, counted. Must not know: Reports, metrics.
//!
//! Points are cumulative: a newer export says all that an older one did. So a few wait while the receiver is away, the oldest gives way
//! to the newest, and at the end only the last one matters.

mod client;

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use hyper::body::Bytes;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use self::client::{Client, Outcome};
use crate::{
    model::Tally,
    post::{Backoff, ClientError},
};

/// Exports that wait behind the one that is being sent.
const WAITING: usize = 4;

/// Reasons of [`Exporter::failures`].
const FAILURES: &[&str] = &["unreachable", "timeout", "throttled", "unavailable", "rejected", "partial", QUEUE_FULL];
const QUEUE_FULL: &str = "queue_full";

/// Sends in a task of its own.
#[derive(Debug)]
pub struct Exporter {
    inbox: Sender<Bytes>,
    task: JoinHandle<()>,
    /// Exports that were taken.
    pub exports: Arc<Tally>,
    /// Attempts that failed, and exports that were given up, by reason.
    pub failures: Arc<Tally>,
}

impl Exporter {
    /// Begins to send what is offered. In a tokio runtime only.
    ///
    /// # Errors
    /// The endpoint needs CA certificates, and this host has none.
    pub fn start(endpoint: Uri, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Self, ClientError> {
        let (exports, failures) = (Arc::<Tally>::default(), Arc::new(Tally::new(FAILURES)));
        let (sender, inbox) = mpsc::channel(WAITING);
        info!(%endpoint, "exporting metrics by OTLP");
        let client = Arc::new(Client::new(endpoint, headers)?);
        let courier = Courier {
            client,
            inbox,
            open: true,
            waiting: VecDeque::new(),
            backoff: Backoff::default(),
            failing: false,
            exports: Arc::clone(&exports),
            failures: Arc::clone(&failures),
        };
        Ok(Self { inbox: sender, task: tokio::spawn(courier.run()), exports, failures })
    }

    /// To be sent as soon as those before it are.
    pub fn offer(&self, export: Vec<u8>) {
        if self.inbox.try_send(export.into()).is_err() {
            self.failures.count(QUEUE_FULL);
        }
    }

    /// Sends what is left, of which the newest is enough, and ends. Whether that was done in time.
    pub async fn finish(self, within: Duration) -> bool {
        let Self { inbox, mut task, .. } = self;
        drop(inbox);
        let done = timeout(within, &mut task).await.is_ok();
        task.abort();
        done
    }
}

#[derive(Debug)]
struct Courier {
    client: Arc<Client>,
    inbox: Receiver<Bytes>,
    /// Whether more may come.
    open: bool,
    waiting: VecDeque<Bytes>,
    backoff: Backoff,
    /// Whether the last attempt failed: that is said once.
    failing: bool,
    exports: Arc<Tally>,
    failures: Arc<Tally>,
}

impl Courier {
    async fn run(mut self) {
        while let Some(export) = self.next().await {
            self.deliver(export).await;
        }
    }

    /// The export that is to be sent next; none when there will be no more.
    async fn next(&mut self) -> Option<Bytes> {
        if self.waiting.is_empty() && self.open {
            match self.inbox.recv().await {
                Some(export) => self.waiting.push_back(export),
                None => self.open = false,
            }
        }
        if self.open { self.waiting.pop_front() } else { self.waiting.drain(..).next_back() }
    }

    /// Sends it until it is taken, refused for good, or has to give way to newer ones.
    async fn deliver(&mut self, export: Bytes) {
        loop {
            let client = Arc::clone(&self.client);
            let sending = export.clone();
            let outcome = self.meanwhile(async move { client.post(sending).await }).await;
            let after = match outcome {
                Outcome::Taken => return self.taken(),
                Outcome::Partial { points, message } => {
                    self.failed("partial", &format!("{points} points were refused: {message}"));
                    return;
                }
                Outcome::Refused { message } => {
                    self.failed("rejected", &message);
                    return;
                }
                Outcome::Again { reason, message, after } => {
                    self.failed(reason, &message);
                    after
                }
            };
            let pause = self.backoff.after_failure(after);
            self.wait(pause).await;
            // At the end the newest is enough; before, each is kept while there is room.
            if !self.open && !self.waiting.is_empty() {
                return;
            }
            if self.waiting.len() == WAITING {
                self.failures.count(QUEUE_FULL);
                return;
            }
        }
    }

    /// Does something, and takes in what is offered meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = work.as_mut() => return done,
                export = self.inbox.recv(), if self.open => self.take_in(export),
            }
        }
    }

    /// Waits, but not for long when the end has come.
    async fn wait(&mut self, pause: Duration) {
        let mut pause = pin!(sleep(if self.open { pause } else { Backoff::SHORTEST }));
        loop {
            tokio::select! {
                () = pause.as_mut() => return,
                export = self.inbox.recv(), if self.open => {
                    self.take_in(export);
                    if !self.open {
                        return;
                    }
                }
            }
        }
    }

    fn take_in(&mut self, export: Option<Bytes>) {
        let Some(export) = export else {
            self.open = false;
            return;
        };
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.failures.count(QUEUE_FULL);
        }
        self.waiting.push_back(export);
    }

    fn taken(&mut self) {
        self.exports.count("");
        self.backoff = Backoff::default();
        if std::mem::take(&mut self.failing) {
            info!("the OTLP receiver takes exports again");
        }
    }

    fn failed(&mut self, reason: &'static str, message: &str) {
        self.failures.count(reason);
        if std::mem::replace(&mut self.failing, true) {
            debug!(reason, message, "the OTLP receiver did not take an export");
        } else {
            warn!(
                reason,
                message, "the OTLP receiver did not take an export; said once, counted in goroscope_agent_otlp_export_failures_total"
            );
        }
    }
}

#[cfg(test)]
mod tests;
