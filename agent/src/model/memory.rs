//! The memory of a target as rooms read it: a trait, so that proofs and censuses are tested and fuzzed without a process.

use std::ops::Range;

use super::RuntimeAddress;

/// Why memory could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
    /// The agent lacks the right.
    #[error("not permitted (CAP_SYS_PTRACE is needed)")]
    NotPermitted,
    /// Some of it is not mapped: the process gave it back meanwhile, or a pointer was torn or hostile.
    #[error("not mapped")]
    NotMapped,
    /// Anything else, as errno.
    #[error("errno {0}")]
    Other(i32),
}

/// The memory of one process. Reading it neither stops nor changes the process.
pub trait Memory {
    /// Fills `out` from `at`.
    ///
    /// # Errors
    /// Not all of it could be read; `out` is then undefined.
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError>;

    /// Fills many buffers with few system calls. For each whether it was filled; those that were not are undefined.
    ///
    /// # Errors
    /// The process has ended or may not be read: nothing was filled.
    fn read_many(&self, reads: &mut [Read<'_>]) -> Result<(), MemoryError> {
        for read in reads {
            read.done = match self.read(read.at, read.out) {
                Ok(()) => true,
                Err(MemoryError::NotMapped | MemoryError::Other(_)) => false,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }

    /// The parts of `range` that are present: pages that were never touched are not, and reading them would populate them.
    ///
    /// # Errors
    /// The process has ended or may not be read.
    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError>;

    /// A little-endian word of 64 bits.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u64(&self, at: RuntimeAddress) -> Result<u64, MemoryError> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A little-endian word of 32 bits.
    ///
    /// # Errors
    /// As [`Memory::read`].
    fn u32(&self, at: RuntimeAddress) -> Result<u32, MemoryError> {
        let mut bytes = [0; 4];
        self.read(at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        (**self).read(at, out)
    }

    fn read_many(&self, reads: &mut [Read<'_>]) -> Result<(), MemoryError> {
        (**self).read_many(reads)
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        (**self).present(range)
    }
}

/// One of many reads.
#[derive(Debug)]
pub struct Read<'a> {
    /// From where.
    pub at: RuntimeAddress,
    /// To where.
    pub out: &'a mut [u8],
    /// Whether it was filled.
    pub done: bool,
}
