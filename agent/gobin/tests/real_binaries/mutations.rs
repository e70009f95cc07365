//! Real executables with random damage where it matters: no panic, bounded reads.

use std::cell::Cell;
use std::fs;
use std::panic::catch_unwind;

use goroscope_gobin::{FileOffset, Limits, Pc, ReadError, Source, analyse};
use tempfile::TempDir;

use crate::toolchain::{Form, build};

#[test]
fn damage_does_not_panic() {
    let directory = TempDir::new().unwrap();
    for (release, goarch, form) in
        [("1.26.6", "amd64", Form::Stripped), ("1.26.6", "arm64", Form::PieStripped), ("1.24.11", "amd64", Form::ExternalPieNoSections)]
    {
        let mut bytes = fs::read(&build(directory.path(), release, goarch, form).path).unwrap();
        let regions = regions(&bytes);
        for seed in 1..=350u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let length = bytes.len();
            // One file in ten is cut as well.
            let end = if random.below(10) == 0 { random.below(length) } else { length };
            let undo: Vec<(usize, Vec<u8>)> = (0..=random.below(3)).map(|_| damage(&mut bytes, &regions, &mut random)).collect();
            let result = catch_unwind(|| explore(&bytes[..end]));
            assert!(result.is_ok(), "{release} {goarch} {form:?} seed {seed} panics");
            for (at, old) in undo.into_iter().rev() {
                bytes[at..at + old.len()].copy_from_slice(&old);
            }
        }
    }
}

/// Starts and lengths of what the analysis believes: headers, build info, pclntab and its tables, moduledata.
fn regions(bytes: &[u8]) -> Vec<(usize, usize)> {
    let quantum = if bytes[18] == 62 { 1 } else { 4 };
    let pclntab = memchr::memmem::find(bytes, &[0xf1, 0xff, 0xff, 0xff, 0, 0, quantum, 8]).unwrap();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let part = |index: usize| pclntab + usize::try_from(word(pclntab + 24 + 8 * index)).unwrap();
    let functions = usize::try_from(word(pclntab + 8)).unwrap();
    let mut regions =
        vec![(0, 0x400), (pclntab, 72), (part(1), 400), (part(4), 4000), (part(5), functions * 8), (part(5) + functions * 8, 8000)];
    // moduledata is where a pointer to the names of pclntab follows one to pclntab: 16 bytes that repeat nowhere else.
    let names = word(pclntab + 32);
    let moduledata = (0..bytes.len() - 400).step_by(8).find(|at| word(*at) != 0 && word(*at + 8) == word(*at).wrapping_add(names));
    regions.extend(moduledata.map(|at| (at, 352)));
    regions.extend(memchr::memmem::find(bytes, b"\xff Go buildinf:").map(|at| (at, 200)));
    if word(0x28) != 0 {
        regions.push((usize::try_from(word(0x28)).unwrap(), 64 * usize::from(bytes[0x3c])));
    }
    regions
}

/// Changes up to eight bytes; returns what was there.
fn damage(bytes: &mut [u8], regions: &[(usize, usize)], random: &mut Random) -> (usize, Vec<u8>) {
    const VALUES: [u64; 8] = [0, 1, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX.unsigned_abs(), u64::MAX];
    let (start, length) = regions[random.below(regions.len())];
    let at = start + random.below(length);
    let size = [1, 1, 2, 4, 8][random.below(5)].min(bytes.len() - at);
    let old = bytes[at..at + size].to_vec();
    let value = if random.below(2) == 0 { VALUES[random.below(VALUES.len())] } else { random.next() };
    bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    (at, old)
}

/// Every table is read a few times at most, whatever the file says.
fn explore(bytes: &[u8]) {
    let counted = Counted { bytes, read: Cell::new(0) };
    let binary = analyse(&counted, &Limits::default());
    assert!(counted.read.get() <= 16 * bytes.len() as u64 + 4096, "{} bytes read of {}", counted.read.get(), bytes.len());
    let Ok(binary) = binary else { return };
    assert!(binary.library_ranges.len() <= 64);
    for function in &binary.functions {
        for offset in [0, 40, 200] {
            if let Some(pc) = function.entry.checked_add(offset) {
                let _ = binary.frames(&counted, Pc::Exact(pc));
            }
        }
        let _ = binary.references(&counted, function);
    }
}

struct Counted<'a> {
    bytes: &'a [u8],
    read: Cell<u64>,
}

impl Source for Counted<'_> {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        self.read.set(self.read.get() + out.len() as u64);
        self.bytes.read_exact_at(offset, out)
    }
}

/// xorshift64*: the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }
}
