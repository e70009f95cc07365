//! What a proof costs is bounded: it populates no page of the target, and does not begin on a heap that is larger than was agreed.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{fs::File, os::unix::fs::FileExt as _};

use common::{
    build::{Form, NEWEST, build},
    proving::Proving,
    target::Target,
};
use goroscope::reach::{Limits, NoProof};

const PAGE: u64 = 4096;
/// `/proc/PID/pagemap`: present, or swapped out.
const THERE: u64 = 3 << 62;

/// Pages of a range that are there.
fn present(pid: u32, start: u64, bytes: u64) -> usize {
    let pagemap = File::open(format!("/proc/{pid}/pagemap")).unwrap();
    let first = start.div_ceil(PAGE);
    let pages = (start + bytes) / PAGE - first;
    let mut entries = vec![0; usize::try_from(pages * 8).unwrap()];
    pagemap.read_exact_at(&mut entries, first * 8).unwrap();
    entries.as_chunks().0.iter().filter(|entry| u64::from_le_bytes(**entry) & THERE != 0).count()
}

/// A target with so much memory that it has never touched, once mapped and once in its heap; where, and how many bytes.
fn untouched(mib: &str) -> (Target, [u64; 3]) {
    let target = Target::spawn(&build("untouched", NEWEST, Form::Plain).unwrap(), &[mib]);
    let numbers: Vec<u64> = target.first.split(' ').map(|word| word.parse().unwrap()).collect();
    let numbers = numbers.try_into().unwrap();
    (target, numbers)
}

#[test]
fn no_page_is_populated() {
    let (target, [mapping, heap, bytes]) = untouched("256");
    let count = || (present(target.pid, mapping, bytes), present(target.pid, heap, bytes));
    let before = count();
    assert!(before.0 + before.1 < 64, "the target has touched it itself: {before:?} pages");
    let mut proving = Proving::new(target.pid, Limits::default());
    for _ in 0..3 {
        let proof = proving.prove().unwrap();
        assert!(proof.waiters.values().any(|waiter| waiter.unreachable), "the leak is seen: {proof:?}");
        assert!(proof.bytes_read < 32 << 20, "{} bytes read", proof.bytes_read);
    }
    assert_eq!(count(), before);
}

#[test]
fn a_heap_that_is_too_large_is_refused() {
    let (target, [.., bytes]) = untouched("64");
    let limits = Limits { heap: 32 << 20, ..Limits::default() };
    let refusal = Proving::new(target.pid, limits).prove().unwrap_err();
    assert!(matches!(refusal, NoProof::HeapTooLarge { bytes: found, limit } if found >= bytes && limit == limits.heap), "{refusal}");
    assert_eq!(refusal.reason(), "heap_too_large");
}
