//! amd64: arguments in RAX, RBX, RCX...; g in R14; the return address on the stack.

use aya_ebpf::programs::ProbeContext;

use super::word;

/// Carry or zero flag: `jbe` is taken.
const BELOW_OR_EQUAL: u64 = 0x41;

/// Whether the stack check lets the function begin. At `jbe`: whether it falls through. At the `push` behind it the
/// flags are still those of the check's `cmp`, so the same test holds.
#[inline(always)]
pub(crate) fn passed_stack_check(ctx: &ProbeContext) -> bool {
    // SAFETY: the context holds the registers of the hit.
    unsafe { (*ctx.regs).eflags & BELOW_OR_EQUAL == 0 }
}

/// The address of the probed instruction.
#[inline(always)]
pub(crate) fn instruction(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).rip }
}

/// Where the probed function returns to. Read before its frame exists: at the top of the stack.
#[inline(always)]
pub(crate) fn return_address(ctx: &ProbeContext) -> Option<u64> {
    // SAFETY: as above.
    word(unsafe { (*ctx.regs).rsp })
}

/// The frame pointer of the caller of the probed function.
#[inline(always)]
pub(crate) fn caller_frame(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).rbp }
}

/// Second argument of an ABIInternal function.
#[inline(always)]
pub(crate) fn argument_1(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).rbx }
}

/// Third argument of an ABIInternal function.
#[inline(always)]
pub(crate) fn argument_2(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).rcx }
}
