//! A debugging section read forward, inflated on the way if it is compressed.
//!
//! Input noun: a [`Section`]. Output: bytes. Must not know what they mean. What is read is bounded: a few kilobytes of file can
//! hold gigabytes of zeros.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use super::DwarfError;
use crate::elf::Section;
use crate::source::Words;
use crate::{FileOffset, Source};

/// Bytes of the file that are read at a time.
const CHUNK: usize = 64 << 10;
/// `Elf64_Chdr`: type, reserved, size, alignment.
const COMPRESSION_HEADER: u64 = 24;
/// `ELFCOMPRESS_ZLIB`: the only one that Go's linker writes.
const ZLIB: u32 = 1;

/// The rest of a section.
pub(super) struct DebugSection<'a> {
    bytes: Bytes<'a>,
    /// Bytes of the section that are still to come.
    left: u64,
    /// Bytes that may still be read or inflated.
    budget: u64,
}

enum Bytes<'a> {
    Plain(FileBytes<'a>),
    Deflated(Box<ZlibDecoder<FileBytes<'a>>>),
}

impl<'a> DebugSection<'a> {
    /// The start of `section`, of which at most `budget` bytes are read.
    pub(super) fn new(source: &'a dyn Source, section: &Section, budget: u64) -> Result<Self, DwarfError> {
        let (start, size) = (section.region.offset, section.region.file_size);
        let end = start.checked_add(size).filter(|end| end.0 <= source.size()).ok_or(DwarfError::Corrupt)?;
        if !section.compressed {
            return Ok(Self { bytes: Bytes::Plain(FileBytes { source, next: start.0, end: end.0 }), left: size, budget });
        }
        let header = source.vector(start, COMPRESSION_HEADER.min(size), "a compression header").map_err(|_| DwarfError::Unreadable)?;
        let (Some(kind), Some(left)) = (header.u32(0), header.u64(8)) else { return Err(DwarfError::Corrupt) };
        if kind != ZLIB {
            return Err(DwarfError::Compression);
        }
        let bytes = FileBytes { source, next: start.0.saturating_add(COMPRESSION_HEADER), end: end.0 };
        let decoder = ZlibDecoder::new_with_buf(bytes, vec![0; CHUNK]);
        Ok(Self { bytes: Bytes::Deflated(Box::new(decoder)), left, budget })
    }

    /// Bytes of the section that are still to come, as it says itself.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next `length` bytes.
    pub(super) fn read(&mut self, length: u64) -> Result<Vec<u8>, DwarfError> {
        self.left = self.left.checked_sub(length).ok_or(DwarfError::Corrupt)?;
        self.budget = self.budget.checked_sub(length).ok_or(DwarfError::TooLarge)?;
        let mut out = Vec::new();
        let read = match &mut self.bytes {
            Bytes::Plain(file) => file.take(length).read_to_end(&mut out),
            Bytes::Deflated(decoder) => decoder.take(length).read_to_end(&mut out),
        };
        // Memory is taken as bytes arrive, so a length that is a lie costs nothing.
        match read {
            Ok(read) if read as u64 == length => Ok(out),
            Ok(_) => Err(DwarfError::Corrupt),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(DwarfError::Corrupt),
            Err(_) => Err(DwarfError::Unreadable),
        }
    }

    /// Leaves out `length` bytes.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), DwarfError> {
        let left = self.left.checked_sub(length).ok_or(DwarfError::Corrupt)?;
        match &mut self.bytes {
            Bytes::Plain(file) => file.next = file.next.saturating_add(length),
            Bytes::Deflated(decoder) => {
                self.budget = self.budget.checked_sub(length).ok_or(DwarfError::TooLarge)?;
                let skipped = io::copy(&mut decoder.take(length), &mut io::sink()).map_err(|_| DwarfError::Corrupt)?;
                if skipped != length {
                    return Err(DwarfError::Corrupt);
                }
            }
        }
        self.left = left;
        Ok(())
    }
}

/// A range of the file.
struct FileBytes<'a> {
    source: &'a dyn Source,
    next: u64,
    end: u64,
}

impl Read for FileBytes<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        let length = left.min(out.len()).min(CHUNK);
        let Some(out) = out.get_mut(..length) else { return Ok(0) };
        self.source.read_exact_at(FileOffset(self.next), out).map_err(io::Error::other)?;
        self.next = self.next.saturating_add(length as u64);
        Ok(length)
    }
}
