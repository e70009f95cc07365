//! Why an executable is not analysed. Input noun: none. Output noun: [`Refusal`]. Must not know how it came to that.

use crate::ReadError;

/// Why there are no facts about an executable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not an ELF file.
    #[error("not an ELF executable")]
    NotElf,
    /// An ELF file that Go did not make.
    #[error("not a Go executable")]
    NotGo,
    /// Made for a processor that is not supported, or 32-bit, or big-endian.
    #[error("made for an unsupported architecture (ELF machine {machine})")]
    ForeignArch {
        /// `e_machine` of the ELF header.
        machine: u16,
    },
    /// The file ends inside of something.
    #[error("the file ends inside {what}")]
    Truncated {
        /// What was read.
        what: &'static str,
    },
    /// Larger than [`crate::Limits`] allows.
    #[error("{what}: {value} is above the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What the file says.
        value: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A table that Go writes in rising order is not.
    #[error("{what} is not in order")]
    Unordered {
        /// The table.
        what: &'static str,
    },
    /// The ELF structures contradict themselves.
    #[error("corrupt ELF file: {what}")]
    CorruptElf {
        /// The contradiction.
        what: &'static str,
    },
    /// A Go version that the tables do not cover.
    #[error("Go version {version:?} is not supported")]
    UnsupportedGoVersion {
        /// As in the binary.
        version: String,
    },
    /// A Go executable that does not tell its version in any known way.
    #[error("no Go version found")]
    NoVersion,
    /// No function table.
    #[error("no pclntab found")]
    NoPclntab,
    /// The function table contradicts itself.
    #[error("corrupt pclntab: {what}")]
    CorruptPclntab {
        /// The contradiction.
        what: &'static str,
    },
    /// No `runtime.firstmoduledata`.
    #[error("no moduledata found")]
    NoModuledata,
    /// The bytes could not be read.
    #[error("the executable cannot be read")]
    Read(#[from] ReadError),
}

impl Refusal {
    /// A metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotElf => "not_elf",
            Self::NotGo => "not_go",
            Self::ForeignArch { .. } => "foreign_arch",
            Self::Truncated { .. } => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::Unordered { .. } => "unordered",
            Self::CorruptElf { .. } => "corrupt_elf",
            Self::UnsupportedGoVersion { .. } => "unsupported_go_version",
            Self::NoVersion => "no_go_version",
            Self::NoPclntab => "no_pclntab",
            Self::CorruptPclntab { .. } => "corrupt_pclntab",
            Self::NoModuledata => "no_moduledata",
            Self::Read(_) => "read_failed",
        }
    }
}
