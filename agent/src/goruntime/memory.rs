//! The memory of another process, read by `process_vm_readv`. Input noun: a pid. Output noun: bytes. Must not know what they mean.
//!
//! A pid names a process only while that lives: who holds this checks that the process is still the one that was meant, after reading.

#![expect(unsafe_code, reason = "process_vm_readv has no safe wrapper in a well-kept crate")]

use std::{
    fs::{self, File},
    io, iter,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::model::{Memory, MemoryError, Read, RuntimeAddress};

/// `IOV_MAX`: ranges in one system call.
const RANGES: usize = 1024;
/// Bits of an entry of /proc/PID/pagemap: present, swapped out.
const PRESENT: u64 = 3 << 62;
/// Entries of pagemap that are read at once.
const ENTRIES: u64 = 32 << 10;
/// More than the address space of a process has.
const PAGES_MAX: u64 = 1 << 36;
/// Pages that move_pages is asked for at once.
const ASKED: usize = 4096;
/// How long it is believed that nothing is swapped out.
const UNSWAPPED: Duration = Duration::from_millis(50);

/// The memory of one process.
#[derive(Debug)]
pub struct ProcessMemory {
    pid: i32,
    page: u64,
    /// Set once pagemap could not be opened, with when nothing was found to be swapped out.
    hidden: Mutex<Option<Instant>>,
}

impl ProcessMemory {
    /// Of the process with this pid.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        Self { pid: pid.cast_signed(), page: rustix::param::page_size() as u64, hidden: Mutex::new(None) }
    }

    /// Fills the buffers in order; how many bytes were filled.
    fn vector(&self, reads: &mut [Read<'_>]) -> Result<usize, MemoryError> {
        let local: Vec<libc::iovec> =
            reads.iter_mut().map(|read| libc::iovec { iov_base: read.out.as_mut_ptr().cast(), iov_len: read.out.len() }).collect();
        let remote: Vec<libc::iovec> = reads
            .iter()
            .map(|read| {
                let base = usize::try_from(read.at.0).unwrap_or(usize::MAX);
                libc::iovec { iov_base: std::ptr::without_provenance_mut(base), iov_len: read.out.len() }
            })
            .collect();
        // SAFETY: each local iovec is a distinct buffer that lives and is borrowed mutably until the call returns; the remote ones are
        // addresses of another process, which the kernel checks.
        let filled =
            unsafe { libc::process_vm_readv(self.pid, local.as_ptr(), local.len() as u64, remote.as_ptr(), remote.len() as u64, 0) };
        usize::try_from(filled).map_err(|_| error(&io::Error::last_os_error()))
    }
}

impl ProcessMemory {
    /// Pages that are there, where pagemap is its owner's alone: mode 0400 asks for the same user or CAP_DAC_READ_SEARCH.
    ///
    /// move_pages tells it to who may trace the process. What has been swapped out looks to it as if it had never been: then there
    /// is no answer. Where a seccomp profile forbids it (that of containers does), everything counts as there: what was never touched
    /// reads as zeros, for which the kernel maps its one page of zeros, which nobody is charged for.
    fn present_hidden(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        self.unswapped()?;
        let (first, end) = (range.start.0 / self.page, range.end.0.div_ceil(self.page).min(PAGES_MAX));
        let mut found: Vec<Range<RuntimeAddress>> = Vec::new();
        let mut page = first;
        while page < end {
            let count = usize::try_from(end - page).unwrap_or(ASKED).min(ASKED);
            let addresses: Vec<u64> = (page..).take(count).map(|page| page * self.page).collect();
            let statuses = match self.statuses(&addresses) {
                Ok(statuses) => statuses,
                Err(failed) if matches!(failed.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS)) => return Ok(vec![range]),
                Err(failed) => return Err(error(&failed)),
            };
            for (start, _) in addresses.iter().zip(&statuses).filter(|(_, status)| **status >= 0) {
                extend(&mut found, *start, self.page, &range);
            }
            page += count as u64;
        }
        Ok(found)
    }

    /// The NUMA node of each page, or a negative error where there is none.
    fn statuses(&self, addresses: &[u64]) -> io::Result<Vec<libc::c_int>> {
        let mut statuses = vec![-libc::ENOENT; addresses.len()];
        let (pages, nodes) = (addresses.as_ptr(), std::ptr::null::<libc::c_int>());
        // SAFETY: without nodes the call moves nothing: it reads as many addresses, and writes as many statuses, as it is told.
        let done = unsafe { libc::syscall(libc::SYS_move_pages, self.pid, addresses.len(), pages, nodes, statuses.as_mut_ptr(), 0) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(statuses) }
    }

    /// That no page of the process is swapped out, as of a moment ago.
    fn unswapped(&self) -> Result<(), MemoryError> {
        let mut asked = self.hidden.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if asked.is_some_and(|asked| asked.elapsed() < UNSWAPPED) {
            return Ok(());
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(|failed| error(&failed))?;
        let swapped = status.lines().find_map(|line| line.strip_prefix("VmSwap:"));
        // A kernel without swap does not have the line.
        if swapped.is_some_and(|swapped| swapped.split_whitespace().next() != Some("0")) {
            return Err(MemoryError::NotPermitted);
        }
        *asked = Some(Instant::now());
        Ok(())
    }

    fn is_hidden(&self) -> bool {
        self.hidden.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }
}

/// Adds a page to ranges that are in order, as far as it is in `within`.
fn extend(found: &mut Vec<Range<RuntimeAddress>>, page: u64, size: u64, within: &Range<RuntimeAddress>) {
    let start = RuntimeAddress(page).max(within.start);
    let stop = RuntimeAddress(page + size).min(within.end);
    match found.last_mut() {
        Some(last) if last.end == start => last.end = stop,
        _ => found.extend(iter::once(start..stop)),
    }
}

impl Memory for ProcessMemory {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        let length = out.len();
        let filled = self.vector(&mut [Read { at, out, done: false }])?;
        if filled == length { Ok(()) } else { Err(MemoryError::NotMapped) }
    }

    fn read_many(&self, reads: &mut [Read<'_>]) -> Result<(), MemoryError> {
        for batch in reads.chunks_mut(RANGES) {
            let mut rest = batch;
            while !rest.is_empty() {
                let mut filled = match self.vector(rest) {
                    Ok(filled) => filled,
                    Err(MemoryError::NotMapped | MemoryError::Other(_)) => 0,
                    Err(error) => return Err(error),
                };
                let mut whole = 0;
                for read in rest.iter_mut() {
                    if filled < read.out.len() {
                        break;
                    }
                    filled -= read.out.len();
                    read.done = true;
                    whole += 1;
                }
                // The call stops at the first range that is not there: on with the next.
                let (_, tail) = rest.split_at_mut_checked(whole + 1).unwrap_or_default();
                rest = tail;
            }
        }
        Ok(())
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        if self.is_hidden() {
            return self.present_hidden(range);
        }
        let map = match File::open(format!("/proc/{}/pagemap", self.pid)) {
            Err(failed) if failed.kind() == io::ErrorKind::PermissionDenied => return self.present_hidden(range),
            opened => opened.map_err(|failed| error(&failed))?,
        };
        let (mut page, end) = (range.start.0 / self.page, range.end.0.div_ceil(self.page).min(PAGES_MAX));
        let mut found: Vec<Range<RuntimeAddress>> = Vec::new();
        let mut bytes = vec![0; usize::try_from(8 * ENTRIES.min(end.saturating_sub(page))).unwrap_or(0)];
        while page < end {
            let wanted = usize::try_from(8 * ENTRIES.min(end - page)).unwrap_or(0);
            let Some(buffer) = bytes.get_mut(..wanted) else { break };
            let read = map.read_at(buffer, page * 8).map_err(|failed| error(&failed))?;
            let entries = buffer.get(..read).unwrap_or_default().as_chunks::<8>().0;
            if entries.is_empty() {
                // No address space, or the end of it.
                return if page == range.start.0 / self.page { Err(MemoryError::Gone) } else { Ok(found) };
            }
            for (entry, page) in entries.iter().zip(page..) {
                if u64::from_le_bytes(*entry) & PRESENT == 0 {
                    continue;
                }
                extend(&mut found, page * self.page, self.page, &range);
            }
            page += entries.len() as u64;
        }
        Ok(found)
    }
}

fn error(error: &io::Error) -> MemoryError {
    match error.raw_os_error() {
        Some(libc::ESRCH | libc::ENOENT) => MemoryError::Gone,
        Some(libc::EPERM | libc::EACCES) => MemoryError::NotPermitted,
        Some(libc::EFAULT) => MemoryError::NotMapped,
        Some(errno) => MemoryError::Other(errno),
        None => MemoryError::Other(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ProcessMemory {
        ProcessMemory::new(std::process::id())
    }

    fn address<T>(of: &T) -> u64 {
        std::ptr::from_ref(of).addr() as u64
    }

    #[test]
    fn words_of_this_process() {
        let (long, short) = (0x1122_3344_5566_7788_u64, 0x99aa_bbcc_u32);
        let memory = own();
        assert_eq!(memory.u64(RuntimeAddress(address(&long))), Ok(long));
        assert_eq!(memory.u32(RuntimeAddress(address(&short))), Ok(short));
        assert_eq!(memory.u64(RuntimeAddress(0)), Err(MemoryError::NotMapped));
        assert_eq!(memory.u64(RuntimeAddress(u64::MAX)), Err(MemoryError::NotMapped));
        assert_eq!(ProcessMemory::new(u32::MAX >> 2).u64(RuntimeAddress(address(&long))), Err(MemoryError::Gone));
    }

    #[test]
    fn many_reads_with_holes() {
        let numbers: Vec<u64> = (0..3000).map(|n| n * 7).collect();
        let base = numbers.as_ptr().addr() as u64;
        let mut outs = vec![[0_u8; 8]; numbers.len()];
        let hole = |index: usize| index % 1000 == 5 || index == 1023 || index == 1024;
        let mut reads: Vec<Read<'_>> = outs
            .iter_mut()
            .enumerate()
            .map(|(index, out)| {
                let at = if hole(index) { 8 } else { base + 8 * index as u64 };
                Read { at: RuntimeAddress(at), out, done: false }
            })
            .collect();
        own().read_many(&mut reads).unwrap();
        for (index, read) in reads.iter().enumerate() {
            assert_eq!(read.done, !hole(index), "{index}");
            assert!(hole(index) || read.out == numbers[index].to_le_bytes(), "{index}");
        }
        assert_eq!(ProcessMemory::new(u32::MAX >> 2).read_many(&mut reads), Err(MemoryError::Gone));
        assert_eq!(own().read_many(&mut []), Ok(()));
    }

    #[test]
    fn untouched_pages_are_not_there() {
        let page = rustix::param::page_size();
        // Large enough that the allocator maps it anew: no page of it is there before it is written to.
        let mut bytes: Vec<u8> = Vec::with_capacity(64 << 20);
        let start = (bytes.as_ptr().addr() + page).next_multiple_of(page) as u64;
        let range = RuntimeAddress(start)..RuntimeAddress(start + (32 << 20));
        assert_eq!(own().present(range.clone()), Ok(vec![]));
        let touched = usize::try_from(start).unwrap() - bytes.as_ptr().addr() + 5 * page;
        bytes.spare_capacity_mut()[touched].write(1);
        let there = RuntimeAddress(start + 5 * page as u64)..RuntimeAddress(start + 6 * page as u64);
        // Huge pages would make more of it present than one: what was touched is there in any case.
        let present = own().present(range.clone()).unwrap();
        assert!(present.iter().any(|range| range.start <= there.start && there.end <= range.end), "{present:?}");
        let inside = RuntimeAddress(there.start.0 + 8)..RuntimeAddress(there.start.0 + 16);
        assert_eq!(own().present(inside.clone()), Ok(vec![inside.clone()]));
        // Without pagemap the same is told.
        assert_eq!(own().present_hidden(range), Ok(present));
        assert_eq!(own().present_hidden(inside.clone()), Ok(vec![inside]));
        assert_eq!(ProcessMemory::new(u32::MAX >> 2).present_hidden(there.clone()), Err(MemoryError::Gone));
        assert_eq!(ProcessMemory::new(u32::MAX >> 2).present(there), Err(MemoryError::Gone));
    }
}
