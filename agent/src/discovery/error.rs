//! Why a fact of a process is not known. Input noun: none. Output noun: [`ProcError`]. Must not know who asks.

use std::io;

use rustix::io::Errno;

/// Why a fact of a process is not known.
#[derive(Debug, thiserror::Error)]
pub enum ProcError {
    /// The process has ended, or has no executable (a kernel thread, a zombie). Normal.
    #[error("process {pid} is gone")]
    Gone {
        /// Which.
        pid: u32,
    },
    /// The process became another while it was looked at: an exec, or its pid was used again. Worth another look.
    #[error("process {pid} changes")]
    Changing {
        /// Which.
        pid: u32,
    },
    /// The kernel does not let this agent see it.
    #[error("not permitted to read {what} of process {pid}: CAP_SYS_PTRACE is needed, or the same user")]
    NotPermitted {
        /// Which.
        pid: u32,
        /// The file below /proc/PID.
        what: &'static str,
    },
    /// Not what this kernel interface gives.
    #[error("{what} is malformed")]
    Malformed {
        /// The file below /proc.
        what: &'static str,
    },
    /// Longer than any honest one.
    #[error("{what} is longer than {limit} bytes")]
    TooLarge {
        /// The file below /proc.
        what: &'static str,
        /// What is read at most.
        limit: u64,
    },
    /// Anything else that the operating system said.
    #[error("reading {what}")]
    Io {
        /// The file below /proc.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl ProcError {
    /// A metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "gone",
            Self::Changing { .. } => "changing",
            Self::NotPermitted { .. } => "not_permitted",
            Self::Malformed { .. } => "malformed_proc",
            Self::TooLarge { .. } => "oversized_proc",
            Self::Io { .. } => "read_failed",
        }
    }

    /// The error of an operation on /proc/`pid`/`what`.
    pub(super) fn of(pid: u32, what: &'static str, source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::SRCH) => Self::Gone { pid },
            Some(Errno::ACCESS | Errno::PERM) => Self::NotPermitted { pid, what },
            _ => Self::Io { what, source },
        }
    }
}
