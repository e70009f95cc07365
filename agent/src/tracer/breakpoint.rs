//! Whether a breakpoint is in place in a process: one instruction of its text, read as `ptrace` allows.
#![expect(unsafe_code, reason = "process_vm_readv(2), as /proc/PID/mem also wants the right of its owner")]

use std::io;

/// What the kernel writes over a probed instruction.
#[cfg(target_arch = "x86_64")]
const BREAKPOINT: [u8; 1] = [0xcc];
#[cfg(target_arch = "aarch64")]
const BREAKPOINT: [u8; 4] = [0xa0, 0x00, 0x20, 0xd4];

/// Whether the text of process `pid` holds a breakpoint at runtime address `address`. False if it cannot be read.
#[must_use]
pub fn breakpoint(pid: u32, address: u64) -> bool {
    let mut text = BREAKPOINT.map(|_| 0);
    read(pid, address, &mut text).is_ok() && text == BREAKPOINT
}

/// Reads memory of another process; all of `out` or an error.
pub(super) fn read(pid: u32, address: u64, out: &mut [u8]) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let local = libc::iovec { iov_base: out.as_mut_ptr().cast(), iov_len: out.len() };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).map_err(io::Error::other)?),
        iov_len: out.len(),
    };
    // SAFETY: `local` is `out`, which outlives the call; the kernel checks `remote`.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    match usize::try_from(read) {
        Ok(read) if read == out.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
