//! Where bytes come from, and the two address spaces of an executable.
//!
//! Input noun: none. Output noun: [`Source`], [`FileOffset`], [`VirtualAddress`]. Must not know ELF.

use std::fmt;

use crate::Refusal;

/// A position in the executable file, in bytes from its start.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// An address as the ELF program headers give it: a runtime address is this plus the load bias.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualAddress(pub u64);

macro_rules! hexadecimal {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl $type {
            /// This position moved up by `bytes`, if that still is a position.
            #[must_use]
            pub fn checked_add(self, bytes: u64) -> Option<Self> {
                self.0.checked_add(bytes).map(Self)
            }
        }
    };
}

hexadecimal!(FileOffset);
hexadecimal!(VirtualAddress);

/// The bytes of one executable. The agent implements it with `pread`, tests with a vector.
pub trait Source {
    /// Size in bytes. The file may shrink afterwards: reads then fail, nothing worse.
    fn size(&self) -> u64;

    /// Fills `out` with the bytes at `offset`.
    ///
    /// # Errors
    /// The range is not inside the file, or the medium failed.
    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError>;
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The range ends behind the file.
    #[error("{length} bytes at {offset} are not inside the file")]
    PastEnd {
        /// First byte asked for.
        offset: FileOffset,
        /// Number of bytes asked for.
        length: usize,
    },
    /// The medium failed.
    #[error("reading {length} bytes at {offset}")]
    Io {
        /// First byte asked for.
        offset: FileOffset,
        /// Number of bytes asked for.
        length: usize,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Source for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        let past_end = ReadError::PastEnd { offset, length: out.len() };
        let Ok(start) = usize::try_from(offset.0) else { return Err(past_end) };
        match self.get(start..).and_then(|rest| rest.get(..out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(past_end),
        }
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        self.as_slice().read_exact_at(offset, out)
    }
}

impl dyn Source + '_ {
    /// `length` bytes at `offset`; the caller has bounded `length`, the file's size bounds it again before memory is taken.
    pub(crate) fn vector(&self, offset: FileOffset, length: u64, what: &'static str) -> Result<Vec<u8>, Refusal> {
        let end = offset.0.checked_add(length).filter(|end| *end <= self.size());
        let (Some(_), Ok(length)) = (end, usize::try_from(length)) else { return Err(Refusal::Truncated { what }) };
        let mut bytes = vec![0; length];
        self.read_exact_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

/// How much of a file is read at a time where all of it is wanted: large enough that the system calls vanish.
const CHUNK: u64 = 256 << 10;

/// A region of the file read in one forward pass. Reads that go back behind the buffered chunk are refused: they would let a
/// crafted file make us read it again and again.
pub(crate) struct Stream<'a> {
    source: &'a dyn Source,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_start: u64,
    what: &'static str,
}

impl<'a> Stream<'a> {
    /// The region `[start, start + length)`, cut at the end of the file.
    pub(crate) fn new(source: &'a dyn Source, start: FileOffset, length: u64, what: &'static str) -> Self {
        let end = start.0.saturating_add(length).min(source.size());
        Self { source, next: start.0, end, buffer: Vec::new(), buffer_start: start.0, what }
    }

    /// The `length` bytes at `offset`, which must not lie before what was asked for earlier.
    pub(crate) fn get(&mut self, offset: u64, length: usize) -> Result<&[u8], Refusal> {
        let stop = offset.checked_add(length as u64).filter(|stop| *stop <= self.end).ok_or(Refusal::Truncated { what: self.what })?;
        if offset < self.buffer_start {
            return Err(Refusal::Unordered { what: self.what });
        }
        if stop > self.next {
            self.fill(offset, stop)?;
        }
        let start = usize::try_from(offset - self.buffer_start).unwrap_or(usize::MAX);
        self.buffer.get(start..).and_then(|rest| rest.get(..length)).ok_or(Refusal::Truncated { what: self.what })
    }

    /// Moves the buffer so that it starts at `offset` and reaches at least `stop`; bytes already read are kept.
    fn fill(&mut self, offset: u64, stop: u64) -> Result<(), Refusal> {
        let kept = usize::try_from(offset - self.buffer_start).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.drain(..kept);
        self.buffer_start = offset;
        let from = offset + self.buffer.len() as u64;
        let to = self.end.min(from.saturating_add(CHUNK)).max(stop);
        let old = self.buffer.len();
        let length = usize::try_from(to - from).map_err(|_| Refusal::Truncated { what: self.what })?;
        self.buffer.resize(old + length, 0);
        if let Some(fresh) = self.buffer.get_mut(old..) {
            self.source.read_exact_at(FileOffset(from), fresh)?;
        }
        self.next = to;
        Ok(())
    }
}

/// Calls `visit` with successive overlapping chunks of a region: `(file offset of the chunk, its bytes)`. Neighbours overlap by
/// `overlap` bytes, so that a pattern of at most `overlap + 1` bytes is whole in one of them. Stops when `visit` returns a value.
pub(crate) fn scan<T>(
    source: &dyn Source,
    start: FileOffset,
    length: u64,
    overlap: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<Option<T>, Refusal>,
) -> Result<Option<T>, Refusal> {
    let end = start.0.saturating_add(length).min(source.size());
    let mut at = start.0;
    let mut buffer = Vec::new();
    while at < end {
        let size = CHUNK.min(end - at);
        buffer.resize(usize::try_from(size).unwrap_or(0), 0);
        source.read_exact_at(FileOffset(at), &mut buffer)?;
        if let Some(found) = visit(at, &buffer)? {
            return Ok(Some(found));
        }
        if size <= overlap || at + size == end {
            break;
        }
        at += size - overlap;
    }
    Ok(None)
}

/// Little-endian words of foreign bytes; `None` where they end.
pub(crate) trait Words {
    /// The `N` bytes at `at`.
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    /// The 32-bit word at `at`.
    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The signed 32-bit word at `at`.
    fn i32(&self, at: usize) -> Option<i32> {
        self.array(at).map(i32::from_le_bytes)
    }

    /// The 64-bit word at `at`.
    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

impl Words for [u8] {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.get(..N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_reads_forward_only() {
        let bytes: Vec<u8> = (0..=255).cycle().take(600 << 10).collect();
        let mut stream = Stream::new(&bytes, FileOffset(3), 590 << 10, "test");
        assert_eq!(stream.get(3, 2).unwrap(), [3, 4]);
        assert_eq!(stream.get(255 << 10, 4096).unwrap().len(), 4096);
        assert_eq!(stream.get(300 << 10, 1).unwrap(), [0]);
        assert_eq!(stream.get(580 << 10, 3).unwrap(), [0, 1, 2]);
        assert!(matches!(stream.get(3, 1), Err(Refusal::Unordered { .. })));
        assert!(matches!(stream.get(u64::MAX, 1), Err(Refusal::Truncated { .. })));
        assert!(matches!(stream.get(590 << 10, 4), Err(Refusal::Truncated { .. })));
    }

    #[test]
    fn scan_sees_a_pattern_on_a_chunk_border() {
        let mut bytes = vec![0u8; 600 << 10];
        let at = (256 << 10) - 3;
        bytes[at..at + 6].copy_from_slice(b"needle");
        let found =
            scan(&bytes, FileOffset(0), u64::MAX, 16, |base, chunk| Ok(memchr::memmem::find(chunk, b"needle").map(|i| base + i as u64)));
        assert_eq!(found.unwrap(), Some(at as u64));
    }
}
