//! Go's calling convention at a probe point: registers, return address, frame pointer, "passed the stack check".

#[cfg(bpf_target_arch = "aarch64")]
mod aarch64;
#[cfg(bpf_target_arch = "x86_64")]
mod x86_64;

#[cfg(bpf_target_arch = "aarch64")]
pub(crate) use aarch64::*;
use aya_ebpf::helpers::bpf_probe_read_user;
#[cfg(bpf_target_arch = "x86_64")]
pub(crate) use x86_64::*;

/// Reads one word of the target's memory. Never faults a page in: the stack of a running goroutine is present.
#[inline(always)]
pub(crate) fn word(address: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(address as *const u64) }.ok()
}
