//! arm64: arguments in R0, R1, R2...; g in R28; the return address in the link register.

use aya_ebpf::programs::ProbeContext;

const CARRY: u64 = 1 << 29;
const ZERO: u64 = 1 << 30;

/// Whether the `b.ls` of the stack check falls through: carry set and zero clear.
#[inline(always)]
pub(crate) fn passed_stack_check(ctx: &ProbeContext) -> bool {
    // SAFETY: the context holds the registers of the hit.
    unsafe { (*ctx.regs).pstate & (CARRY | ZERO) == CARRY }
}

/// The address of the probed instruction.
#[inline(always)]
pub(crate) fn instruction(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).pc }
}

/// Where the probed function returns to. Read before its frame exists: the link register.
#[inline(always)]
pub(crate) fn return_address(ctx: &ProbeContext) -> Option<u64> {
    // SAFETY: as above.
    Some(unsafe { (*ctx.regs).regs[30] })
}

/// The frame pointer of the caller of the probed function.
#[inline(always)]
pub(crate) fn caller_frame(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).regs[29] }
}

/// Second argument of an ABIInternal function.
#[inline(always)]
pub(crate) fn argument_1(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).regs[1] }
}

/// Third argument of an ABIInternal function.
#[inline(always)]
pub(crate) fn argument_2(ctx: &ProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { (*ctx.regs).regs[2] }
}
