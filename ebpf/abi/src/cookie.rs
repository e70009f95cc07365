//! What a multi link tells its program with each hit, in 64 bits: a process needs no introduction to be counted right.

use crate::Kind;

/// The attach cookie of a probe: kind (8 bits), slot (24 bits), ELF virtual address (32 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie(pub u64);

impl Cookie {
    /// No cookie: perf links.
    pub const NONE: Self = Self(0);

    /// The cookie of a probe of `kind` at ELF virtual address `address`, which is left out if it has more than 32 bits.
    #[must_use]
    pub const fn new(kind: Kind, slot: u32, address: u64) -> Self {
        let address = if address > 0xffff_ffff { 0 } else { address };
        Self((address << 32) | (((slot & 0xff_ffff) as u64) << 8) | kind as u64)
    }

    /// What a hit is.
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        Kind::from_number((self.0 & 0xff) as u32)
    }

    /// The executable; 0 is none.
    #[must_use]
    pub const fn slot(self) -> u32 {
        ((self.0 >> 8) & 0xff_ffff) as u32
    }

    /// The probe's ELF virtual address; 0 is none.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 >> 32
    }
}
