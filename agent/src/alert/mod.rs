//! Tells of leaks where people look: Events on pods, and Alertmanager.
//!
//! In: [`Report`]s. Out: Events by a [`Recorder`], posts to Alertmanagers; what became of them, counted. Must not know: how a leak is found,
//! what an API server is.
//!
//! Both are told the state, not news: all leaks that are known now. So nothing waits in a queue while a receiver is away, and a leak
//! that comes and goes meanwhile is not told of later.

mod alertmanager;
mod client;
mod events;
mod leak;
mod standing;
#[cfg(test)]
mod testing;

use std::{sync::Arc, time::SystemTime};

use http::Uri;
use tokio::sync::watch;

use self::{alertmanager::Courier, client::Client, standing::Standing};
pub use self::{
    events::{Note, RecordError, Recorded, Recorder, Recording},
    leak::{Leak, leaks},
};
use crate::{
    model::{Report, Tally},
    post::ClientError,
};

/// Why a post to an Alertmanager, or an alert in it, failed.
const POST_FAILURES: &[&str] = &["unreachable", "timeout", "unavailable", "rejected", "too_many"];

/// Why an Event could not be made.
const EVENT_FAILURES: &[&str] = &["unreachable", "timeout", "unauthorized", "forbidden", "rejected", "too_many"];

/// What was done, and what was not.
#[derive(Clone, Debug)]
pub struct Tallies {
    /// Things that were done.
    pub done: Arc<Tally>,
    /// Things that were not, by reason.
    pub failed: Arc<Tally>,
}

impl Tallies {
    fn new(reasons: &'static [&'static str]) -> Self {
        Self { done: Arc::default(), failed: Arc::new(Tally::new(reasons)) }
    }
}

/// Hands leaks to those who tell of them.
#[derive(Debug)]
pub struct Alerts {
    known: watch::Sender<Known>,
    standing: Standing,
}

/// The leaks of one Report, and when it was made.
#[derive(Clone, Debug)]
struct Known {
    at: SystemTime,
    leaks: Arc<[Leak]>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { known: watch::Sender::new(Known { at: SystemTime::UNIX_EPOCH, leaks: Arc::default() }), standing: Standing::default() }
    }
}

impl Alerts {
    /// Begins to tell Alertmanagers, each for itself; `node` becomes a label. In a tokio runtime only.
    ///
    /// # Errors
    /// One of them needs CA certificates, and this host has none.
    pub fn post_to(&self, urls: Vec<Uri>, node: Option<String>) -> Result<Tallies, ClientError> {
        let tallies = Tallies::new(POST_FAILURES);
        for url in urls {
            let client = Client::new(url)?;
            let courier = Courier::new(client, self.known.subscribe(), node.clone(), tallies.clone());
            tokio::spawn(courier.run());
        }
        Ok(tallies)
    }

    /// What makes Events of leaks, once there is a [`Recorder`] for it.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording::new(self.known.subscribe(), Tallies::new(EVENT_FAILURES))
    }

    /// The state of everything now.
    pub fn take(&mut self, report: &Report) {
        let told = self.standing.told(leaks(report), report.taken_at);
        self.known.send_replace(Known { at: report.taken_at, leaks: told.into() });
    }
}
