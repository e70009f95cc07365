//! Who a process belongs to, as its cgroup says when its exec is told: it may have ended before the finder gets to it.
//!
//! Input noun: a pid. Output noun: [`Birth`]. Must not know executables.

use crate::{
    attribution::{self, Owner},
    discovery::ProcRoot,
    model::Identity,
};

/// What is known of a process before it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    owner: Owner,
    /// The uid of its pod, where its cgroup tells it.
    pub(super) pod_uid: Option<String>,
}

impl Birth {
    /// None where the process has ended already, or has no cgroup.
    pub(super) fn read(root: &ProcRoot, pid: u32) -> Option<Self> {
        root.cgroup(pid).ok().filter(|cgroup| !cgroup.is_empty()).map(|cgroup| Self::of(&cgroup))
    }

    fn of(cgroup: &str) -> Self {
        let owner = attribution::owner(cgroup);
        let pod_uid = matches!(owner, Owner::Container(_)).then(|| attribution::pod_uid(cgroup)).flatten();
        Self { owner, pod_uid }
    }

    /// The names of the process, if it ran the program of this name.
    pub(super) fn identity(&self, process: String, pid: Option<u32>) -> Identity {
        attribution::identity(process, self.owner.clone(), pid)
    }
}

/// A process that the finder was asked to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) birth: Option<Birth>,
    /// It has ended meanwhile and was booked: what the finder says of it comes too late.
    pub(super) is_booked: bool,
}

/// A process that ended before it was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Orphan {
    /// When, ns: it is read for the last time a little later.
    pub(super) ended_ns: u64,
    pub(super) birth: Option<Birth>,
}
