//! bpf(2), for the commands that aya 0.14 does not make. Input: a command and its attributes. Output: what the kernel returns.
#![expect(unsafe_code, reason = "a system call")]

use std::io;

use aya_obj::generated::{bpf_attr, bpf_cmd};

/// Makes the call.
///
/// # Safety
/// `attr` is initialised as `command` wants it, and what it points to is as large as it says and outlives the call.
pub(super) unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: attr is a whole bpf_attr; the rest is the caller's word.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as libc::c_int, attr, size_of::<bpf_attr>()) };
    let result = i32::try_from(result).map_err(io::Error::other)?;
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
