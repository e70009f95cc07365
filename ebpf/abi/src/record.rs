//! Ring-buffer entries: what the kernel side tells the agent as it happens.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a [`Record`] tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A process has a new image.
    Exec = 1,
    /// The leader of a thread group has ended.
    Exit = 2,
    /// A process took [`HITS_PER_RECORD`] more hits of one kind on one CPU: the budget looks.
    Hits = 3,
}

/// After how many hits of one kind on one CPU the kernel side tells the agent. A power of two.
pub const HITS_PER_RECORD: u64 = 1024;

/// One ring-buffer entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Record {
    /// CLOCK_MONOTONIC, ns.
    pub time_ns: u64,
    /// [`crate::ProcessKey::exec_ns`] of the process.
    pub exec_ns: u64,
    /// Which process.
    pub tgid: u32,
    /// [`RecordKind`] as number.
    pub kind: u32,
    /// For `Hits`: [`crate::Family`] as number.
    pub family: u32,
    /// Zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<Record>() == 32);
