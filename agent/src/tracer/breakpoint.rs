//! Whether a breakpoint is in place in a process: one instruction of its text, read through /proc/PID/mem.

use std::{fs::File, os::unix::fs::FileExt as _};

/// What the kernel writes over a probed instruction.
#[cfg(target_arch = "x86_64")]
const BREAKPOINT: [u8; 1] = [0xcc];
#[cfg(target_arch = "aarch64")]
const BREAKPOINT: [u8; 4] = [0xa0, 0x00, 0x20, 0xd4];

/// Whether the text of process `pid` holds a breakpoint at runtime address `address`. False if it cannot be read.
#[must_use]
pub fn breakpoint(pid: u32, address: u64) -> bool {
    let mut text = BREAKPOINT.map(|_| 0);
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_exact_at(&mut text, address));
    read.is_ok() && text == BREAKPOINT
}
