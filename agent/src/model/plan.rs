//! What to attach for one executable, and why something is not.

use std::fmt;

use goroscope_abi::{Family, Kind};
use goroscope_gobin::{FileOffset, VirtualAddress};

/// One probe: a function's site behind its stack check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What a hit is.
    pub kind: Kind,
    /// The probed function, as the executable calls it.
    pub function: String,
    /// Where the breakpoint goes.
    pub offset: FileOffset,
    /// The same place in the executable's address space.
    pub address: VirtualAddress,
    /// The bytes that were disassembled there: verified again at attach.
    pub bytes: Vec<u8>,
    /// The instruction, as text (`push rbp`, `jbe`, `b.ls`).
    pub instruction: &'static str,
}

/// What of a process is not observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Everything.
    All,
    /// What the probes of a family count.
    Family(Family),
    /// What the runtime's memory tells.
    Memory,
}

impl Subject {
    /// A metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Family(family) => family.name(),
            Self::Memory => "memory",
        }
    }

    /// The family, where it is one.
    #[must_use]
    pub const fn family(self) -> Option<Family> {
        match self {
            Self::Family(family) => Some(family),
            Self::All | Self::Memory => None,
        }
    }
}

/// Why something of a process cannot be observed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    /// What cannot be observed.
    pub subject: Subject,
    /// snake_case, from a closed set: a metric label.
    pub reason: &'static str,
    /// What exactly, for people: function, bytes, limits.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.subject.name(), self.reason, self.detail)
    }
}

/// What to attach for one executable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbePlan {
    /// Probes of the families that can be counted whole. A family with one unusable function has none here.
    pub probes: Vec<Probe>,
    /// Families that are counted (a family whose functions the executable does not contain is counted: as 0).
    pub families: Vec<Family>,
    /// Families that are not, and why.
    pub refusals: Vec<Refusal>,
}
