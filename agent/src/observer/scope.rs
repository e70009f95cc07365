//! Which processes the observer is to watch. In: what the configuration says. Out: [`Scope`]. Must not know how they are found.

use std::{path::PathBuf, time::Duration};

use crate::config::Excludes;

/// Which processes are wanted, and how they are told apart.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Only these; empty: all.
    pub pids: Vec<u32>,
    /// Not these.
    pub excludes: Excludes,
    /// Label `pid` on everything.
    pub per_process: bool,
    /// Every event is counted, whatever it costs.
    pub exact: bool,
    /// How often memory is read.
    pub interval: Duration,
    /// Where what was seen when a leak was found is kept.
    pub snapshots: PathBuf,
    /// Whether somebody tells of pods ([`Handle::pods`]).
    pub kubernetes: bool,
}

impl Scope {
    pub(super) fn wants_pid(&self, pid: u32) -> bool {
        pid != std::process::id() && (self.pids.is_empty() || self.pids.contains(&pid))
    }
}
