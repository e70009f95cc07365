//! The bytes of a file, with a protocol of what was read. Input noun: an open file. Output noun: [`Reads`]. Must not know what
//! the bytes mean.

use std::{
    cell::RefCell,
    fs::File,
    io,
    time::{Duration, Instant},
};

use goroscope_gobin::{FileOffset, ReadError, Source};
use sha2::{Digest as _, Sha256};

use crate::model::executable::read_exact_at;

/// Reads in one analysis. Real executables take some hundreds.
const READS_LIMIT: usize = 1 << 16;
/// How much is read at once when reads are repeated.
const CHUNK: usize = 256 << 10;

/// What was read of a file, in order, and a hash over offsets, lengths and bytes.
#[derive(Debug)]
pub(super) struct Reads {
    reads: Vec<Read>,
    /// SHA-256.
    pub(super) digest: [u8; 32],
}

#[derive(Debug)]
struct Read {
    offset: FileOffset,
    length: usize,
    /// First bytes of the hash up to here: a file that differs early is told early.
    so_far: [u8; 8],
}

/// Why reading was stopped before the analysis was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It took too long.
    Timeout,
    /// It took too many reads.
    TooManyReads,
}

/// A [`Source`] that remembers. The hash is over the very bytes that were handed out: a file that is changed meanwhile cannot
/// put facts under a hash that is not theirs.
pub(super) struct Recorder<'a> {
    file: &'a File,
    size: u64,
    deadline: Instant,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    reads: Vec<Read>,
    hasher: Sha256,
    stop: Option<Stop>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(file: &'a File, size: u64, limit: Duration) -> Self {
        let now = Instant::now();
        Self { file, size, deadline: now.checked_add(limit).unwrap_or(now), state: RefCell::default() }
    }

    /// Why reads failed, where it was not the file's fault.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.state.borrow().stop
    }

    pub(super) fn finish(self) -> Reads {
        let state = self.state.into_inner();
        Reads { reads: state.reads, digest: state.hasher.finalize().into() }
    }
}

impl Source for Recorder<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        let mut state = self.state.borrow_mut();
        let stop = if Instant::now() >= self.deadline {
            Some(Stop::Timeout)
        } else {
            (state.reads.len() >= READS_LIMIT).then_some(Stop::TooManyReads)
        };
        if stop.is_some() {
            state.stop = stop;
            return Err(ReadError::Io { offset, length: out.len(), source: io::ErrorKind::QuotaExceeded.into() });
        }
        read_exact_at(self.file, offset, out)?;
        hash_head(&mut state.hasher, offset, out.len());
        state.hasher.update(&*out);
        let so_far = so_far(&state.hasher);
        state.reads.push(Read { offset, length: out.len(), so_far });
        Ok(())
    }
}

impl Reads {
    /// Whether the same reads of another file give the same bytes. Anything that goes wrong is a no.
    pub(super) fn agree_with(&self, file: &File, limit: Duration) -> bool {
        let start = Instant::now();
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        for read in &self.reads {
            hash_head(&mut hasher, read.offset, read.length);
            if start.elapsed() >= limit || !hash_range(&mut hasher, file, read, &mut buffer) || so_far(&hasher) != read.so_far {
                return false;
            }
        }
        self.digest == <[u8; 32]>::from(hasher.finalize())
    }
}

fn hash_head(hasher: &mut Sha256, offset: FileOffset, length: usize) {
    hasher.update(offset.0.to_le_bytes());
    hasher.update((length as u64).to_le_bytes());
}

fn hash_range(hasher: &mut Sha256, file: &File, read: &Read, buffer: &mut [u8]) -> bool {
    let mut done = 0;
    while done < read.length {
        let length = (read.length - done).min(buffer.len());
        let (Some(part), Some(at)) = (buffer.get_mut(..length), read.offset.checked_add(done as u64)) else { return false };
        if read_exact_at(file, at, part).is_err() {
            return false;
        }
        hasher.update(&*part);
        done += length;
    }
    true
}

fn so_far(hasher: &Sha256) -> [u8; 8] {
    let whole: [u8; 32] = hasher.clone().finalize().into();
    let mut first = [0; 8];
    first.iter_mut().zip(whole).for_each(|(out, byte)| *out = byte);
    first
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn recorded(file: &File, ranges: &[(u64, usize)]) -> Reads {
        let recorder = Recorder::new(file, 1 << 20, HOUR);
        for (offset, length) in ranges {
            recorder.read_exact_at(FileOffset(*offset), &mut vec![0; *length]).unwrap();
        }
        recorder.finish()
    }

    #[test]
    fn agreement_is_over_what_was_read() {
        let mut bytes: Vec<u8> = (0..=250).cycle().take(700_000).collect();
        let reads = recorded(&file(&bytes), &[(0, 64), (5, 600_000), (650_000, 10)]);
        assert!(reads.agree_with(&file(&bytes), HOUR));
        assert!(!reads.agree_with(&file(&bytes), Duration::ZERO));
        assert!(!reads.agree_with(&file(&bytes[..650_009]), HOUR));
        bytes[649_999] ^= 1;
        assert!(reads.agree_with(&file(&bytes), HOUR), "not a byte that was read");
        bytes[650_009] ^= 1;
        assert!(!reads.agree_with(&file(&bytes), HOUR));
        bytes[650_009] ^= 1;
        bytes[400_000] ^= 1;
        assert!(!reads.agree_with(&file(&bytes), HOUR));
    }

    #[test]
    fn order_and_place_are_part_of_the_hash() {
        let zeros = file(&[0; 100]);
        let digests: Vec<_> =
            [[(0, 10), (20, 10)], [(20, 10), (0, 10)], [(0, 20), (0, 0)], [(0, 10), (21, 10)]].map(|r| recorded(&zeros, &r).digest).into();
        for (i, one) in digests.iter().enumerate() {
            assert!(digests.iter().skip(i + 1).all(|other| other != one));
        }
    }

    #[test]
    fn bounded() {
        let bytes = file(b"bytes");
        let late = Recorder::new(&bytes, 5, Duration::ZERO);
        assert!(matches!(late.read_exact_at(FileOffset(0), &mut [0]), Err(ReadError::Io { .. })));
        assert_eq!(late.stopped(), Some(Stop::Timeout));
        let many = Recorder::new(&bytes, 5, HOUR);
        assert!((0..READS_LIMIT).all(|_| many.read_exact_at(FileOffset(0), &mut [0]).is_ok()));
        assert!(many.read_exact_at(FileOffset(0), &mut [0]).is_err());
        assert_eq!(many.stopped(), Some(Stop::TooManyReads));
        let short = Recorder::new(&bytes, 5, HOUR);
        assert!(matches!(short.read_exact_at(FileOffset(4), &mut [0; 2]), Err(ReadError::PastEnd { length: 2, .. })));
        assert_eq!(short.stopped(), None);
    }
}
