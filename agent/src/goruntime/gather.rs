//! Many small pieces of memory with few and large reads. Input nouns: [`Piece`]s. Output: their bytes, by callback, in the order of
//! addresses. Must not know what is in them.

use crate::model::{Memory, MemoryError, Read, RuntimeAddress};

/// Pieces that are not further apart than this are read together: the gap costs less than a read of its own (measured: 1M structs
/// of 456 bytes in 110 ms instead of 530 ms).
const GAP: u64 = 2 << 10;
/// Bytes of one read.
const RUN: u64 = 64 << 10;
/// Bytes that are held at a time.
const BUFFER: u64 = 1 << 20;
/// Reads of one system call.
const RUNS: usize = 1024;

/// A piece of memory that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) at: u64,
    /// How many bytes; more than [`BUFFER`] are none.
    pub(super) length: u32,
    /// What the caller calls it.
    pub(super) name: usize,
}

impl Piece {
    /// Its end, if addresses go that far.
    fn end(&self) -> Option<u64> {
        self.at.checked_add(u64::from(self.length))
    }
}

/// Neighbours that are read at once.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
    /// How many pieces.
    pieces: usize,
}

/// Reads pieces, sorts them for it, and gives each to `each`, with its bytes or, if they could not be read, without.
pub(super) fn gather(
    memory: &dyn Memory,
    pieces: &mut [Piece],
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(Piece, Option<&[u8]>),
) -> Result<(), MemoryError> {
    pieces.sort_unstable();
    let mut rest: &[Piece] = pieces;
    while !rest.is_empty() {
        let (runs, taken) = plan(rest);
        if taken == 0 {
            // Larger than may be, or behind the end of all addresses.
            if let Some((piece, behind)) = rest.split_first() {
                each(*piece, None);
                rest = behind;
            }
            continue;
        }
        let (batch, behind) = rest.split_at(taken);
        read(memory, &runs, batch, buffer, each)?;
        rest = behind;
    }
    Ok(())
}

/// The runs of the first pieces, as many as may be held at a time, and how many pieces these are.
fn plan(pieces: &[Piece]) -> (Vec<Run>, usize) {
    let mut runs: Vec<Run> = Vec::new();
    let (mut bytes, mut taken) = (0, 0);
    for piece in pieces {
        let Some(end) = piece.end().filter(|_| u64::from(piece.length) <= BUFFER) else { break };
        let full = runs.len() == RUNS;
        let joined = runs.last_mut().filter(|run| piece.at <= run.end.saturating_add(GAP) && end.saturating_sub(run.start) <= RUN);
        let more = joined.as_ref().map_or(end - piece.at, |run| end.saturating_sub(run.end));
        if bytes + more > BUFFER || (joined.is_none() && full) {
            break;
        }
        match joined {
            Some(run) => (run.end, run.pieces) = (run.end.max(end), run.pieces + 1),
            None => runs.push(Run { start: piece.at, end, pieces: 1 }),
        }
        bytes += more;
        taken += 1;
    }
    (runs, taken)
}

fn read(
    memory: &dyn Memory,
    runs: &[Run],
    pieces: &[Piece],
    buffer: &mut Vec<u8>,
    each: &mut dyn FnMut(Piece, Option<&[u8]>),
) -> Result<(), MemoryError> {
    let done = fill(memory, runs, buffer)?;
    let (mut bytes, mut rest) = (buffer.as_slice(), pieces);
    let mut alone = Vec::new();
    for (run, done) in runs.iter().zip(done) {
        let (of_run, behind) = bytes.split_at(length(run));
        let (members, others) = rest.split_at(run.pieces);
        (bytes, rest) = (behind, others);
        for piece in members {
            match piece_of(of_run, run, piece) {
                Some(bytes) if done => each(*piece, Some(bytes)),
                _ if run.pieces > 1 => alone.push(*piece),
                _ => each(*piece, None),
            }
        }
    }
    // One page that is not mapped must not cost its neighbours.
    for pieces in alone.chunks(RUNS) {
        let runs: Vec<Run> = pieces.iter().map(|piece| Run { start: piece.at, end: piece.end().unwrap_or(piece.at), pieces: 1 }).collect();
        let done = fill(memory, &runs, buffer)?;
        let mut bytes = buffer.as_slice();
        for ((piece, run), done) in pieces.iter().zip(&runs).zip(done) {
            let (own, behind) = bytes.split_at(length(run));
            bytes = behind;
            each(*piece, done.then_some(own));
        }
    }
    Ok(())
}

/// Reads the runs into the buffer, one behind the other. For each whether it could be read.
fn fill(memory: &dyn Memory, runs: &[Run], buffer: &mut Vec<u8>) -> Result<Vec<bool>, MemoryError> {
    buffer.resize(runs.iter().map(length).sum(), 0);
    let mut reads = Vec::with_capacity(runs.len());
    let mut rest = buffer.as_mut_slice();
    for run in runs {
        let (out, behind) = rest.split_at_mut(length(run));
        rest = behind;
        reads.push(Read { at: RuntimeAddress(run.start), out, done: false });
    }
    memory.read_many(&mut reads)?;
    Ok(reads.iter().map(|read| read.done).collect())
}

/// At most [`BUFFER`].
fn length(run: &Run) -> usize {
    usize::try_from(run.end.saturating_sub(run.start)).unwrap_or_default()
}

fn piece_of<'a>(bytes: &'a [u8], run: &Run, piece: &Piece) -> Option<&'a [u8]> {
    let start = usize::try_from(piece.at.checked_sub(run.start)?).ok()?;
    bytes.get(start..)?.get(..usize::try_from(piece.length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Sparse, *};

    /// Wanted: (address, length); expected: whether each, in the order of addresses, is read.
    fn check(mapped: &[(u64, u64)], wanted: &[(u64, u32)], expected: &[bool]) {
        let memory = Sparse::counting(mapped);
        let mut pieces: Vec<Piece> =
            wanted.iter().enumerate().map(|(name, (at, length))| Piece { at: *at, length: *length, name }).collect();
        let mut found = Vec::new();
        gather(&memory, &mut pieces, &mut Vec::new(), &mut |piece, bytes| {
            if let Some(bytes) = bytes {
                assert_eq!(bytes.len(), piece.length as usize);
                assert!(bytes.iter().zip(piece.at..).all(|(byte, at)| *byte == Sparse::byte(at)), "{piece:?}");
            }
            found.push((piece.at, piece.name, bytes.is_some()));
        })
        .unwrap();
        found.sort_unstable();
        assert_eq!(found.iter().map(|(.., read)| *read).collect::<Vec<_>>(), expected, "{wanted:?}");
    }

    #[test]
    fn pieces() {
        let all: &[(u64, u64)] = &[(0x1000, 0x40_0000)];
        check(all, &[], &[]);
        check(all, &[(0x1000, 8)], &[true]);
        check(all, &[(0x3000, 400), (0x1000, 400), (0x1200, 400), (0x1000, 400)], &[true; 4]);
        check(all, &[(0x1000, 100_000), (0x1010, 8), (0x30_0000, 8)], &[true; 3]);
        check(all, &[(0x1000, 2 << 20), (0x2000, 8)], &[false, true]);
        check(all, &[(u64::MAX - 3, 8), (0x2000, 8)], &[true, false]);
        check(&[(0x1000, 0x1800), (0x2000, 0x3000)], &[(0x17f0, 16), (0x1800, 16), (0x2000, 16)], &[true, false, true]);
        check(&[], &[(0x1000, 8), (0x1008, 8)], &[false; 2]);
        let many: Vec<(u64, u32)> = (0..5000).map(|n| (0x1000 + n * 800, 400)).collect();
        check(all, &many, &vec![true; 5000]);
    }
}
