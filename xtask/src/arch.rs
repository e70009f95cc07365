//! The processors that goroscope runs on.

use std::env::consts::ARCH;

use anyhow::{Context as _, Result};

/// A machine's architecture, as Debian, Go and images call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// This machine's.
    ///
    /// # Errors
    /// It is another one.
    pub(crate) fn host() -> Result<Self> {
        let known = Self::ALL.into_iter().find(|arch| arch.rust() == ARCH);
        known.with_context(|| format!("{ARCH} is not supported\n  remedy: --arch amd64 or --arch arm64"))
    }

    /// As Rust and QEMU call it.
    pub(crate) const fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// As Debian, Go and images call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}
