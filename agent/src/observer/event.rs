//! What the loop is told, and the handle by which others ask it. In: nouns of the threads around the loop. Out: [`Event`]. Must not know
//! what becomes of one.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Sender},
};

use goroscope_abi::{Family, ProcessKey};

use super::{births::Birth, finder::Found, reader::Reading, switcher::Reply};
use crate::{
    goruntime::RuntimeError,
    model::{Finding, PodEvent, Report},
};

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Event {
    /// A process has a new image.
    Exec(ProcessKey, Option<Birth>),
    /// The leader of a process has ended, when, ns.
    Exit(ProcessKey, u64),
    /// A process took many hits of a family.
    Hits(ProcessKey, Family),
    Found(Box<Found>),
    /// A process that is not of interest, or not any more.
    NotGo(ProcessKey),
    /// A process that had ended when it was looked at.
    Gone(ProcessKey),
    /// A process that could not be looked at.
    Unreadable {
        key: ProcessKey,
        reason: &'static str,
    },
    /// All of /proc was looked at.
    Scanned,
    Switched(Reply),
    /// The memory of a process was read.
    Read(ProcessKey, Box<Reading>),
    /// It could not be.
    NotRead(ProcessKey, RuntimeError),
    /// Leaks of a process as they are known now.
    Findings(ProcessKey, Vec<Finding>),
    /// Looks for leaks that saw less than they should, by reason.
    LooksFailed(BTreeMap<&'static str, u64>),
    /// What became known of pods.
    Pods(PodEvent),
    /// Somebody wants to know.
    Report(tokio::sync::oneshot::Sender<Arc<Report>>),
    /// Detach everything and attach it again.
    Reattach,
    /// Read everything for the last time.
    Stop,
}

/// Asks the loop.
#[derive(Clone, Debug)]
pub struct Handle(pub(super) Sender<Event>);

impl Handle {
    /// The state of everything now. None when the loop has ended.
    pub async fn report(&self) -> Option<Arc<Report>> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.send(Event::Report(reply)).ok()?;
        answer.await.ok()
    }

    /// Tells what became known of pods. Whether somebody listens.
    #[must_use]
    pub fn pods(&self, event: PodEvent) -> bool {
        self.0.send(Event::Pods(event)).is_ok()
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
