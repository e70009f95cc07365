//! Memory for tests: ranges of bytes that are made up by their addresses, or given.

use std::{cell::Cell, ops::Range};

use crate::model::{Memory, MemoryError, RuntimeAddress};

/// Memory of which some ranges are mapped.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    ranges: Vec<(u64, Vec<u8>)>,
    pub(super) reads: Cell<usize>,
}

impl Sparse {
    /// Ranges (start, end) in which each byte tells its address.
    pub(super) fn counting(ranges: &[(u64, u64)]) -> Self {
        Self { ranges: ranges.iter().map(|(start, end)| (*start, (*start..*end).map(Self::byte).collect())).collect(), reads: Cell::new(0) }
    }

    /// What [`Sparse::counting`] has there.
    pub(super) fn byte(at: u64) -> u8 {
        (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]
    }

    /// Maps words from `at` on.
    pub(super) fn words(mut self, at: u64, words: &[u64]) -> Self {
        self.ranges.push((at, words.iter().flat_map(|word| word.to_le_bytes()).collect()));
        self
    }
}

impl Memory for Sparse {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        let found = self.ranges.iter().rev().find_map(|(start, bytes)| {
            let offset = usize::try_from(at.0.checked_sub(*start)?).ok()?;
            bytes.get(offset..)?.get(..out.len())
        });
        out.copy_from_slice(found.ok_or(MemoryError::NotMapped)?);
        Ok(())
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        Ok(vec![range])
    }
}
