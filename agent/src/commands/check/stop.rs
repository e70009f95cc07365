//! When to stop. Input: SIGINT and SIGTERM. Output: whether one came, and how long memory may still be read. Must not know what
//! is under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::looks::{Deadline, clock};

/// How long after a signal memory is still read, ns. The command must have ended after two seconds.
pub(super) const GRACE_NS: u64 = 1_500_000_000;
/// How often the flag is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Whether somebody wants the watch to end.
#[derive(Debug)]
pub(super) struct Stop {
    told: Arc<AtomicBool>,
    /// Until when memory is still read; [`u64::MAX`]: no end is in sight.
    until_ns: AtomicU64,
}

impl Stop {
    /// From now on SIGINT and SIGTERM do not kill.
    pub(super) fn install() -> std::io::Result<Self> {
        let told = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&told))?;
        }
        Ok(Self { told, until_ns: AtomicU64::new(u64::MAX) })
    }

    /// Whether a signal came.
    pub(super) fn is_told(&self) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        if told {
            self.end_by(clock().saturating_add(GRACE_NS));
        }
        told
    }

    /// Memory is read until then, and no longer.
    pub(super) fn end_by(&self, until_ns: u64) {
        self.until_ns.fetch_min(until_ns, Ordering::Relaxed);
    }

    /// Sleeps until then, or until a signal.
    pub(super) fn wait_until(&self, at_ns: u64) {
        while !self.is_told() {
            self.pause(at_ns.min(clock().saturating_add(super::nanos(STEP))));
            if clock() >= at_ns {
                return;
            }
        }
    }

    /// Sleeps until then, whatever comes.
    #[expect(clippy::unused_self, reason = "all waiting is done by the one who knows when to stop")]
    pub(super) fn pause(&self, at_ns: u64) {
        std::thread::sleep(Duration::from_nanos(at_ns.saturating_sub(clock())));
    }
}

impl Deadline for &Stop {
    fn left_ns(&self) -> u64 {
        self.is_told();
        self.until_ns.load(Ordering::Relaxed).saturating_sub(clock())
    }
}
