//! Exit statuses: one table for the code, `--help` and the documents.

use std::process::ExitCode;

/// How the program ends: one table for the code, `--help` and the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Ended as asked.
    Ok = 0,
    /// Something failed while running.
    Failure = 1,
    /// A flag, variable or key is unknown or wrong.
    Usage = 2,
    /// Cannot listen.
    Listen = 3,
    /// Capabilities are missing.
    Permission = 4,
    /// The kernel lacks something.
    Kernel = 5,
}

impl ExitStatus {
    /// Every status, in the order of its number.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Failure, Self::Usage, Self::Listen, Self::Permission, Self::Kernel];

    /// What it means, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "ended as asked (SIGTERM and Ctrl-C included)",
            Self::Failure => "something failed while running",
            Self::Usage => "a flag, an environment variable or a key of the file is unknown or wrong",
            Self::Listen => "the address is taken or not on this host",
            Self::Permission => "root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE, are needed",
            Self::Kernel => "the kernel lacks what is needed (goroscope doctor says what)",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// The table, as `--help` prints it.
pub(super) fn exit_statuses() -> String {
    let lines = ExitStatus::ALL.iter().map(|status| format!("  {}  {}", *status as u8, status.meaning()));
    format!(
        "Exit statuses (check has its own: goroscope check --help; doctor ends with 1 where something is missing or degraded):\n{}",
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// How `check` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckStatus {
    /// The report is empty.
    None = 0,
    /// There are findings in the report.
    Some = 1,
    /// There is no report, or one that is empty as too little could be seen.
    NotWatched = 2,
}

impl From<CheckStatus> for ExitCode {
    fn from(status: CheckStatus) -> Self {
        Self::from(status as u8)
    }
}
