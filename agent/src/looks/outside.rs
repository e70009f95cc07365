//! What leads out of the process: its connections, pipes and other descriptors, looked at when it is due, and before a proof that asks for
//! them. Input: /proc. Output: what a [`Watch`] and a prover are told of them. Must not know goroutines.

use std::time::Duration;

use super::{clock, nanos};
use crate::{
    discovery::{Descriptors, ProcRoot},
    growth::Watch,
    model::OwnEnds,
};

/// How often connections are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// Looks at them may take one part in so many of the time.
const SHARE: u32 = 200;

/// Of one process.
#[derive(Debug)]
pub(super) struct Outside {
    pid: u32,
    descriptors: Descriptors,
    next_ns: u64,
}

impl Outside {
    /// Nothing was looked at yet.
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, descriptors: Descriptors::default(), next_ns: 0 }
    }

    /// As they were at the last look.
    pub(super) const fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// Looks at connections, if it is time to. Whether all could be remembered.
    pub(super) fn connections(&mut self, root: &ProcRoot, watch: &mut Watch, now: u64) -> bool {
        if now < self.next_ns {
            return true;
        }
        // Of what cannot be listed nothing was closed.
        let are_all = !self.look(root, watch, now) || watch.connections(now, self.descriptors.accepted());
        let cost = Duration::from_nanos(clock().saturating_sub(now));
        self.next_ns = now.saturating_add(nanos(PERIOD.max(cost.saturating_mul(SHARE))));
        are_all
    }

    /// What leads to the process itself, as the next proof needs to know; and whether more would, were it not open elsewhere.
    pub(super) fn own_ends(&mut self, root: &ProcRoot, watch: &mut Watch, now: u64) -> (OwnEnds, bool) {
        if !watch.asks_for_own_ends() {
            return (OwnEnds::default(), false);
        }
        self.look(root, watch, now);
        match self.descriptors.own_ends(root, self.pid) {
            // A child has all open files of the process until it executes its program.
            (_, true) => self.descriptors.own_ends(root, self.pid),
            known => known,
        }
    }

    /// Whether all could be listed: what cannot does not lead to the process itself.
    fn look(&mut self, root: &ProcRoot, watch: &mut Watch, now: u64) -> bool {
        let looked = self.descriptors.look(root, self.pid, now);
        if looked.is_err() {
            self.descriptors = Descriptors::default();
        }
        watch.own_ends(now, self.descriptors.may_lead_to_itself(), self.descriptors.have_changed());
        looked.unwrap_or(false)
    }
}
