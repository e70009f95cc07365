//! Reads a whole per-CPU hash map, or frees many entries, in a few bpf(2) calls (Linux 5.6), where aya 0.14 makes one or two for each.
//!
//! Input: the descriptor of map `SITES`. Output: its entries, each once, summed over CPUs. Must not know what a site is for.
#![expect(unsafe_code, reason = "a bpf(2) command that aya 0.14 does not make")]

use std::{io, mem, os::fd::AsRawFd as _, os::fd::OwnedFd};

use aya_obj::generated::{bpf_attr, bpf_cmd};
use goroscope_abi::SiteKey;

use super::sys::bpf;

/// Entries of one call, at first: 32 KiB of keys, and 8 KiB of values for each CPU.
const ENTRIES: usize = 1024;

/// More in one bucket of the kernel's table is not believed.
const ENTRIES_MAX: usize = 64 << 10;

/// The entries of the map that are `wanted`, with the sums of their values over `cpus` possible CPUs; and how many entries there are.
///
/// Goes bucket by bucket, so what others insert or remove meanwhile shows no entry twice.
///
/// # Errors
/// The kernel's word. A kernel before 5.6 does not know the command: `EINVAL`.
pub(super) fn sums(map: &OwnedFd, cpus: usize, wanted: impl Fn(&SiteKey) -> bool) -> io::Result<(Vec<(SiteKey, u64)>, u64)> {
    let (mut found, mut held) = (Vec::new(), 0_u64);
    let mut room = ENTRIES;
    let mut place = None;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    loop {
        keys.resize(room, SiteKey::default());
        values.resize(room.saturating_mul(cpus), 0_u64);
        let mut next = 0_u64;
        let (count, over) = match lookup(map, place.as_ref(), &mut next, &mut keys, &mut values) {
            Ok(count) => (count, false),
            Err((error, count)) => match error.raw_os_error() {
                // The last bucket has been read.
                Some(libc::ENOENT) => (count, true),
                // A bucket is larger than the room.
                Some(libc::ENOSPC) if room < ENTRIES_MAX => {
                    room = room.saturating_mul(2);
                    continue;
                }
                _ => return Err(error),
            },
        };
        let entries = keys.iter().zip(values.chunks_exact(cpus)).take(count);
        found.extend(entries.filter(|(key, _)| wanted(key)).map(|(key, values)| (*key, values.iter().sum())));
        held = held.saturating_add(count as u64);
        if over {
            return Ok((found, held));
        }
        place = Some(next);
    }
}

/// One call: how many entries there are in `keys` and `values`, which are as long as each other (times CPUs), and in `next` where to
/// go on. They are there also with an error.
fn lookup(
    map: &OwnedFd,
    place: Option<&u64>,
    next: &mut u64,
    keys: &mut [SiteKey],
    values: &mut [u64],
) -> Result<usize, (io::Error, usize)> {
    // SAFETY: bpf_attr is a union of plain integers, for which zero is valid.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: the arm of the union that BPF_MAP_LOOKUP_BATCH reads and writes; all of it is zero.
    let batch = unsafe { &mut attr.batch };
    batch.in_batch = place.map_or(0, |place| std::ptr::from_ref(place) as u64);
    batch.out_batch = std::ptr::from_mut(next) as u64;
    batch.keys = keys.as_mut_ptr() as u64;
    batch.values = values.as_mut_ptr() as u64;
    batch.count = u32::try_from(keys.len()).map_err(|error| (io::Error::other(error), 0))?;
    batch.map_fd = map.as_raw_fd().cast_unsigned();
    // SAFETY: keys and values have room for as many entries as count says, place and next for the four bytes of a hash map's place;
    // all of them outlive the call.
    let done = unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut attr) };
    // SAFETY: the same arm, in which the kernel has written the count.
    let count = unsafe { attr.batch.count };
    let count = usize::try_from(count).unwrap_or(0).min(keys.len());
    done.map(|_| count).map_err(|error| (error, count))
}

/// Frees these entries; those that are not there are passed over.
///
/// # Errors
/// The kernel's word, with what is left to do. A kernel before 5.6 does not know the command: `EINVAL`.
pub(super) fn remove<'a>(map: &OwnedFd, mut keys: &'a [SiteKey]) -> Result<(), (io::Error, &'a [SiteKey])> {
    while !keys.is_empty() {
        // SAFETY: bpf_attr is a union of plain integers, for which zero is valid.
        let mut attr: bpf_attr = unsafe { mem::zeroed() };
        // SAFETY: the arm of the union that BPF_MAP_DELETE_BATCH reads and writes; all of it is zero.
        let batch = unsafe { &mut attr.batch };
        batch.keys = keys.as_ptr() as u64;
        batch.count = u32::try_from(keys.len()).map_err(|error| (io::Error::other(error), keys))?;
        batch.map_fd = map.as_raw_fd().cast_unsigned();
        // SAFETY: there are as many keys as count says, and they outlive the call, which only reads them.
        let Err(error) = (unsafe { bpf(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut attr) }) else { return Ok(()) };
        if error.raw_os_error() != Some(libc::ENOENT) {
            return Err((error, keys));
        }
        // SAFETY: the same arm, in which the kernel has written how many it had freed when it met one that is not there.
        let freed = usize::try_from(unsafe { attr.batch.count }).unwrap_or(usize::MAX);
        keys = keys.get(freed.saturating_add(1)..).unwrap_or_default();
    }
    Ok(())
}
