//! The memory of another process, read by `process_vm_readv`. Input noun: a pid. Output noun: bytes. Must not know what they mean.
//!
//! A pid names a process only while that lives: who holds this checks that the process is still the one that was meant, after reading.

#![expect(unsafe_code, reason = "process_vm_readv has no safe wrapper in a well-kept crate")]

use std::{fs::File, io, iter, ops::Range, os::unix::fs::FileExt as _};

use crate::model::{Memory, MemoryError, Read, RuntimeAddress};

/// `IOV_MAX`: ranges in one system call.
const RANGES: usize = 1024;
/// Bits of an entry of /proc/PID/pagemap: present, swapped out.
const PRESENT: u64 = 3 << 62;
/// Entries of pagemap that are read at once.
const ENTRIES: u64 = 32 << 10;
/// More than the address space of a process has.
const PAGES_MAX: u64 = 1 << 36;

/// The memory of one process.
#[derive(Debug)]
pub struct ProcessMemory {
    pid: i32,
    page: u64,
}

impl ProcessMemory {
    /// Of the process with this pid.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        Self { pid: pid.cast_signed(), page: rustix::param::page_size() as u64 }
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
        let map = File::open(format!("/proc/{}/pagemap", self.pid)).map_err(|failed| error(&failed))?;
        let (mut page, end) = (range.start.0 / self.page, range.end.0.div_ceil(self.page).min(PAGES_MAX));
        let mut found: Vec<Range<RuntimeAddress>> = Vec::new();
        let mut bytes = vec![0; usize::try_from(8 * ENTRIES.min(end.saturating_sub(page))).unwrap_or(0)];
        while page < end {
            let wanted = usize::try_from(8 * ENTRIES.min(end - page)).unwrap_or(0);
            let Some(buffer) = bytes.get_mut(..wanted) else { break };
            let read = map.read_at(buffer, page * 8).map_err(|failed| error(&failed))?;
            let entries = buffer.get(..read).unwrap_or_default().as_chunks::<8>().0;
            if entries.is_empty() {
                break;
            }
            for (entry, page) in entries.iter().zip(page..) {
                if u64::from_le_bytes(*entry) & PRESENT == 0 {
                    continue;
                }
                let start = RuntimeAddress(page * self.page).max(range.start);
                let stop = RuntimeAddress((page + 1) * self.page).min(range.end);
                match found.last_mut() {
                    Some(last) if last.end == start => last.end = stop,
                    _ => found.extend(iter::once(start..stop)),
                }
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
