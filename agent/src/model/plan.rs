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

/// Why a family (or all of an executable, when `family` is none) cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    /// What cannot be counted.
    pub family: Option<Family>,
    /// snake_case, from a closed set: a metric label.
    pub reason: &'static str,
    /// What exactly, for people: function, bytes, limits.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.map_or("everything", Family::name);
        write!(f, "{family}: {} ({})", self.reason, self.detail)
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
