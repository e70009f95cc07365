//! What is counted: one [`Kind`] per probed event, grouped into [`Family`]s, one [`Counters`] per process and CPU.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A group of kinds that is switched on and off together.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Goroutine creation and end.
    Goroutine = 0,
    /// Map writes, deletes, clears.
    Map = 1,
    /// Timers started, stopped, reset, fired; sleeps.
    Timer = 2,
}

/// The number of families.
pub const FAMILIES: usize = 3;

impl Family {
    /// Every family, in the order of its number.
    pub const ALL: [Self; FAMILIES] = [Self::Goroutine, Self::Map, Self::Timer];

    /// The bit of this family in [`crate::Executable::gate`].
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The family's name, as metric label and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goroutine => "goroutine",
            Self::Map => "map",
            Self::Timer => "timer",
        }
    }
}

/// What one probe counts: the index into [`Counters::hits`], and the low byte of an attach cookie ([`crate::Cookie`]).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A call of `runtime.newproc1`.
    GoroutineStart = 0,
    /// The end of a goroutine: `runtime.gdestroy` (1.22+) or `runtime.goexit0`.
    GoroutineExit = 1,
    /// A call of `runtime.mapassign_fast32`.
    MapAssignFast32 = 2,
    /// A call of `runtime.mapassign_fast64` or `_fast64ptr`.
    MapAssignFast64 = 3,
    /// A call of `runtime.mapassign_faststr`.
    MapAssignFaststr = 4,
    /// A call of `runtime.mapassign`.
    MapAssignGeneric = 5,
    /// A call of a `runtime.mapdelete*`.
    MapDelete = 6,
    /// A call of `runtime.mapclear`.
    MapClear = 7,
    /// A call of `time.newTimer` (1.23+) or `time.startTimer`.
    TimerStart = 8,
    /// A call of `time.stopTimer`.
    TimerStop = 9,
    /// A call of `time.resetTimer`.
    TimerReset = 10,
    /// A call of `time.Sleep`.
    Sleep = 11,
    /// A run of `time.sendTime` or `time.goFunc`.
    TimerFire = 12,
}

/// The number of kinds.
pub const KINDS: usize = 13;

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; KINDS] = [
        Self::GoroutineStart,
        Self::GoroutineExit,
        Self::MapAssignFast32,
        Self::MapAssignFast64,
        Self::MapAssignFaststr,
        Self::MapAssignGeneric,
        Self::MapDelete,
        Self::MapClear,
        Self::TimerStart,
        Self::TimerStop,
        Self::TimerReset,
        Self::Sleep,
        Self::TimerFire,
    ];

    /// The family that this kind is switched with.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::GoroutineStart | Self::GoroutineExit => Family::Goroutine,
            Self::MapAssignFast32
            | Self::MapAssignFast64
            | Self::MapAssignFaststr
            | Self::MapAssignGeneric
            | Self::MapDelete
            | Self::MapClear => Family::Map,
            Self::TimerStart | Self::TimerStop | Self::TimerReset | Self::Sleep | Self::TimerFire => Family::Timer,
        }
    }

    /// Whether hits of this kind are also counted per site (the code that did it).
    #[must_use]
    pub const fn has_site(self) -> bool {
        matches!(
            self,
            Self::GoroutineStart
                | Self::MapAssignFast32
                | Self::MapAssignFast64
                | Self::MapAssignFaststr
                | Self::MapAssignGeneric
                | Self::TimerStart
        )
    }

    /// The kind of a number, as found in a cookie.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        if (number as usize) < KINDS {
            // Not `ALL[n]`: a match lets the verifier see constants.
            Some(match number {
                0 => Self::GoroutineStart,
                1 => Self::GoroutineExit,
                2 => Self::MapAssignFast32,
                3 => Self::MapAssignFast64,
                4 => Self::MapAssignFaststr,
                5 => Self::MapAssignGeneric,
                6 => Self::MapDelete,
                7 => Self::MapClear,
                8 => Self::TimerStart,
                9 => Self::TimerStop,
                10 => Self::TimerReset,
                11 => Self::Sleep,
                _ => Self::TimerFire,
            })
        } else {
            None
        }
    }
}

/// Hits of one process on one CPU: the value of map `COUNTERS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Counters {
    /// The executable's slot as the attach cookie told it, so that a process that ended before the agent looked at it
    /// still has an owner. Without a cookie (perf links, before Linux 6.6) 0 until the agent has met the process.
    pub slot: u64,
    /// Its load bias, as the hits' addresses told it. Holds where `slot` is not 0.
    pub bias: u64,
    /// Hits by [`Kind`].
    pub hits: [u64; KINDS],
    /// Those of them that are under no site: the map was full, or the caller could not be read. Hits of a kind with
    /// sites are the sum over its sites and this, so that total and sites can be read in one pass.
    pub unsited: [u64; KINDS],
    /// Hits by [`Family`] that the gate kept from being counted: what switching the probes costs the process.
    pub gated: [u64; FAMILIES],
}

const _: () = assert!(size_of::<Counters>() == 16 + 16 * KINDS + 8 * FAMILIES);
#[cfg(feature = "user")]
// SAFETY: repr(C), integers only, no padding (asserted above), any bit pattern is valid.
#[expect(unsafe_code, reason = "aya asks for Pod on map values")]
unsafe impl aya::Pod for Counters {}
