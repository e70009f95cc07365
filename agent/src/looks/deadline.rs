//! How long there is still time. Input: a clock. Output: memory that ends when the time is up. Must not know what is under way.

use std::ops::Range;

use crate::model::{Memory, MemoryError, Read, RuntimeAddress};

/// CLOCK_MONOTONIC, ns: the clock of Go's runtime and of the kernel side.
#[must_use]
pub fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Who knows when looks must end.
pub trait Deadline {
    /// How long memory may still be read, ns; everything as long as there is no end in sight.
    fn left_ns(&self) -> u64;
}

/// There is no end.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

impl Deadline for Endless {
    fn left_ns(&self) -> u64 {
        u64::MAX
    }
}

/// Memory that ends when the time is up.
#[derive(Debug)]
pub(super) struct Stoppable<'a, M, D> {
    pub(super) memory: &'a M,
    pub(super) deadline: &'a D,
}

impl<M: Memory, D: Deadline> Stoppable<'_, M, D> {
    fn go_on(&self) -> Result<(), MemoryError> {
        if self.deadline.left_ns() == 0 { Err(MemoryError::Gone) } else { Ok(()) }
    }
}

impl<M: Memory, D: Deadline> Memory for Stoppable<'_, M, D> {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        self.go_on()?;
        self.memory.read(at, out)
    }

    fn read_many(&self, reads: &mut [Read<'_>]) -> Result<(), MemoryError> {
        self.go_on()?;
        self.memory.read_many(reads)
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        self.go_on()?;
        self.memory.present(range)
    }
}
