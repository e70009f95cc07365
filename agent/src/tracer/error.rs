//! Why the kernel side cannot be loaded or attached.

use std::{error::Error, io};

use rustix::io::Errno;
use thiserror::Error;

use crate::model::with_causes;

/// The kernel side cannot be loaded at all.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A capability is missing.
    #[error("not permitted to use BPF: goroscope needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE (see `goroscope doctor`): {}", with_causes(.0.as_ref()))]
    NotPermitted(#[source] Box<dyn Error + Send + Sync>),
    /// The kernel refuses for another reason.
    #[error("this kernel does not take goroscope's programs (see `goroscope doctor`): {}", with_causes(.0.as_ref()))]
    Kernel(#[source] Box<dyn Error + Send + Sync>),
    /// What the kernel counts has pids that mean other processes here, or none.
    #[error(
        "this is a pid namespace of its own, and the kernel counts by the pids of the first: run goroscope on the host itself, or with \
         hostPID: true (Kubernetes), --pid=host (Docker, podman)"
    )]
    PidNamespace,
    /// The object does not hold what this agent was built with.
    #[error("the embedded kernel side has no `{0}`: a broken build")]
    Object(&'static str),
}

impl LoadError {
    /// Sorts an error of aya or of the system by whether a capability is missing.
    pub(super) fn from<E: Error + Send + Sync + 'static>(error: E) -> Self {
        match errno(&error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted(Box::new(error)),
            _ => Self::Kernel(Box::new(error)),
        }
    }
}

/// An executable cannot be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// A capability is missing.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// The kernel refuses the place or the file.
    #[error("{0}")]
    Kernel(String),
}

impl AttachError {
    /// The reason, as metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotPermitted(_) => "attach_not_permitted",
            Self::Kernel(_) => "attach_failed",
        }
    }

    pub(super) fn from<E: Error + 'static>(error: E) -> Self {
        let text = with_causes(&error);
        match errno(&error) {
            Some(Errno::PERM | Errno::ACCESS) => Self::NotPermitted(text),
            _ => Self::Kernel(text),
        }
    }
}

/// The errno at the root of an error, if there is one.
pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error().map(Errno::from_raw_os_error);
        }
        at = error.source();
    }
    None
}
