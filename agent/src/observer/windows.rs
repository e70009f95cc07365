//! Families that are too busy to be counted all the time: closing them, opening windows, taking windows in.

use std::{collections::HashMap, time::Duration};

use goroscope_abi::{Family, ProcessKey, record::HITS_PER_RECORD};
use tracing::debug;

use super::{
    Observer,
    attachment::State,
    clock, nanos,
    switcher::{Command, Opened},
    watched::{Reading, Watched},
};
use crate::{
    budget::{Schedule, WINDOW},
    model::Slot,
    tracer::SiteHits,
};

/// How long a window's counts may wait for those of others: each reading lists every site of every process.
const SETTLING: Duration = Duration::from_millis(500);

impl Observer {
    /// A process took hits: whether its family may stay on.
    pub(super) fn hits(&mut self, process: ProcessKey, family: Family) {
        if self.scope.exact {
            return;
        }
        let Some(watched) = self.watched.get_mut(&process) else { return };
        let over = watched.buckets.entry(family).or_default().pour(HITS_PER_RECORD, clock());
        let Ok(slot) = watched.slot else { return };
        if !over {
            return;
        }
        let Some(state) = self.attachments.get_mut(&slot).and_then(|attachment| attachment.families.get_mut(&family)) else { return };
        if matches!(state, State::Exact) {
            // Each life of an executable may be told again; `goroscope_sampling_ratio` says it all the time.
            debug!(pid = process.tgid, process = %watched.target.identity.process, family = family.name(), "too busy to be counted all the time: windows from now on");
            *state = State::Closing;
            let _ = self.commands.send(Command::Detach(slot, family));
        }
    }

    /// The probes of a family are off: what was counted until now is exact.
    pub(super) fn detached(&mut self, slot: Slot, family: Family) {
        let Some(state) = self.attachments.get_mut(&slot).and_then(|attachment| attachment.families.get_mut(&family)) else { return };
        if !matches!(state, State::Closing) {
            return;
        }
        let now = clock();
        let mut schedule = Schedule::new(now);
        let next = schedule.next(now, Duration::ZERO, rand::random());
        *state = State::Windows { schedule, next_ns: Some(next) };
        for (watched, reading) in self.readings_of(slot) {
            if let Some(watched) = self.watched.get_mut(&watched) {
                watched.begin_windows(family, &reading, now);
            }
        }
    }

    /// Opens the windows that are due.
    pub(super) fn open_windows(&mut self, now: u64) {
        for attachment in self.attachments.values_mut() {
            let mut due = Vec::new();
            for (family, state) in &mut attachment.families {
                if let State::Windows { next_ns, .. } = state
                    && next_ns.is_some_and(|next| now >= next)
                {
                    *next_ns = None;
                    due.push(*family);
                }
            }
            for family in due {
                let _ = self.commands.send(Command::Window(attachment.site(family), WINDOW));
            }
        }
    }

    /// A window is over. Nothing is counted until the next one opens: what it counted can be read a little later, with that of others.
    pub(super) fn window_over(&mut self, slot: Slot, family: Family, opened: Opened) {
        if self.closed.is_empty() {
            self.next_settling_ns = clock().saturating_add(nanos(SETTLING));
        }
        self.closed.push((slot, family, opened));
    }

    /// Reads what windows have counted, once enough of them may be over.
    pub(super) fn settle_windows(&mut self, now: u64) {
        if !self.closed.is_empty() && now >= self.next_settling_ns {
            let sites = self.maps.sites(|key| self.watched.contains_key(key));
            self.take_windows(&sites);
        }
    }

    /// Every process of an executable takes in what it did in a window that is over; `sites` of all, as just read.
    pub(super) fn take_windows(&mut self, sites: &HashMap<ProcessKey, Vec<SiteHits>>) {
        for (slot, family, opened) in std::mem::take(&mut self.closed) {
            let (mut counted, mut switching) = (0u64, 0u64);
            for (key, watched) in self.watched.iter_mut().filter(|(_, watched)| watched.slot.as_ref() == Ok(&slot)) {
                let sites = sites.get(key).cloned().unwrap_or_default();
                let reading = Reading { hits: self.maps.hits(key).unwrap_or_default(), sites };
                let (in_window, gated) = watched.end_window(family, reading, opened);
                counted += in_window;
                switching += gated;
            }
            let exposure = exposure(opened, counted, switching);
            if let Some(State::Windows { schedule, next_ns }) =
                self.attachments.get_mut(&slot).and_then(|attachment| attachment.families.get_mut(&family))
            {
                *next_ns = Some(schedule.next(clock(), exposure, rand::random()));
            }
        }
    }

    /// When the next window opens, ns.
    pub(super) fn next_window(&self) -> Option<u64> {
        let states = self.attachments.values().flat_map(|attachment| attachment.families.values());
        states.filter_map(|state| if let State::Windows { next_ns, .. } = state { *next_ns } else { None }).min()
    }

    /// What the kernel side has of every process of an executable.
    fn readings_of(&self, slot: Slot) -> Vec<(ProcessKey, Reading)> {
        let runs_it = |watched: &Watched| watched.slot.as_ref() == Ok(&slot);
        let mut sites = self.maps.sites(|key| self.watched.get(key).is_some_and(runs_it));
        let keys = self.watched.iter().filter(|(_, watched)| runs_it(watched)).map(|(key, _)| *key);
        keys.map(|key| (key, Reading::of_process(&self.maps, &key, &mut sites))).collect()
    }
}

/// For how long the probes cost the processes anything. Breakpoints go in and out while links are made and dropped, most
/// of which time the kernel only waits: the hits that came then, against those in the window, tell the part that counts.
fn exposure(opened: Opened, counted: u64, switching: u64) -> Duration {
    if counted == 0 {
        return opened.length;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share = switching as f64 / counted as f64;
    opened.length.mul_f64(1.0 + share).min(opened.exposure.max(opened.length))
}
