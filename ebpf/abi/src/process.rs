//! Who a hit belongs to: keys of `COUNTERS` and `SITES`, value of `PROCESSES`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One life of one process: a pid that execs or is used again is another process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ProcessKey {
    /// When this image was exec'ed: CLOCK_MONOTONIC in ns, 0 when that was before the agent came.
    pub exec_ns: u64,
    /// Thread group id in the init pid namespace: what user space calls pid.
    pub tgid: u32,
    /// Zero.
    pub pad: u32,
}

/// What is known of a running process: the value of map `PROCESSES`, key tgid (u32).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ProcessInfo {
    /// See [`ProcessKey::exec_ns`]; written by the exec program.
    pub exec_ns: u64,
    /// Runtime address minus ELF virtual address; written by the agent.
    pub bias: u64,
    /// Index into `EXECUTABLES`; 0 until the agent knows the process.
    pub slot: u32,
    /// Zero.
    pub pad: u32,
}

/// One site of one process: the key of map `SITES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SiteKey {
    /// Whose.
    pub process: ProcessKey,
    /// Return address in the code that did it: a runtime address of that process.
    pub pc: u64,
    /// [`crate::Kind`] as number.
    pub kind: u32,
    /// Zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<ProcessKey>() == 16);
const _: () = assert!(size_of::<ProcessInfo>() == 24);
const _: () = assert!(size_of::<SiteKey>() == 32);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya asks for Pod on map keys and values")]
    // SAFETY: repr(C), integers only, no padding (asserted above), any bit pattern is valid.
    unsafe impl aya::Pod for super::ProcessKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::ProcessInfo {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SiteKey {}
}
