//! What the kernel side needs to know of one executable: the value of map `EXECUTABLES`, indexed by slot.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How many library ranges an executable can have; gobin keeps the largest.
pub const LIBRARY_RANGES_MAX: usize = 64;

/// A half-open range of ELF virtual addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct TextRange {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

/// One attached executable.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Executable {
    /// Bit set = this family counts now ([`crate::Family::bit`]). Closed while probes are being switched, so that
    /// what is counted lies in a window whose length the agent knows.
    pub gate: u32,
    /// How many of `library` are in use.
    pub ranges: u32,
    /// Offset of `sched.bp` in `runtime.g`, in bytes; 0 when unknown: then a goroutine's creator is not walked beyond its caller.
    pub g_sched_bp: u64,
    /// Text of `runtime`, `time`, `context`, `reflect` and `internal`: sorted, disjoint. A caller in there is walked over.
    pub library: [TextRange; LIBRARY_RANGES_MAX],
}

impl Default for Executable {
    fn default() -> Self {
        Self { gate: 0, ranges: 0, g_sched_bp: 0, library: [TextRange::default(); LIBRARY_RANGES_MAX] }
    }
}

const _: () = assert!(size_of::<Executable>() == 16 + 16 * LIBRARY_RANGES_MAX);
#[cfg(feature = "user")]
// SAFETY: repr(C), integers only, no padding (asserted above), any bit pattern is valid.
#[expect(unsafe_code, reason = "aya asks for Pod on map values")]
unsafe impl aya::Pod for Executable {}
