//! The only writer of the ring buffer, and the only counter of drops.

use core::arch::asm;

use goroscope_abi::{Drop, Record};

use crate::maps::{DROPS_BY_KIND, RECORDS};

/// Hands a record to the agent; a full buffer is a counted drop.
#[inline(always)]
pub(crate) fn record(record: Record) {
    match RECORDS.reserve::<Record>(0) {
        Some(mut entry) => {
            entry.write(record);
            entry.submit(0);
        }
        None => lost(Drop::RecordsFull),
    }
}

/// Counts a drop.
#[inline(always)]
pub(crate) fn lost(what: Drop) {
    if let Some(slot) = DROPS_BY_KIND.get_ptr_mut(what as u32) {
        add_one(slot);
    }
}

/// Adds one to the slot of a kind or family in a per-CPU array.
#[inline(always)]
pub(crate) fn add_one_of<const N: usize>(slots: *mut [u64; N], number: u32) -> *mut u64 {
    let mut index = number as usize;
    // The compiler knows that a number is below N and would drop the comparison that the verifier wants to see.
    // SAFETY: changes nothing, as there are fewer than 16 kinds.
    unsafe { asm!("{index} &= 15", index = inout(reg) index) };
    let slot = if index < N {
        // SAFETY: below the array's length.
        unsafe { slots.cast::<u64>().add(index) }
    } else {
        slots.cast::<u64>()
    };
    add_one(slot);
    slot
}

/// Adds one to a per-CPU slot. Atomic, because a uprobe's program may be preempted by another one on the same CPU.
#[inline(always)]
pub(crate) fn add_one(slot: *mut u64) {
    // core has no atomic arithmetic for this target, so the instruction itself (BPF_XADD, every kernel).
    // SAFETY: the pointer is a live, aligned u64 of a map value.
    unsafe { asm!("lock *(u64 *)({slot} + 0) += {one}", slot = in(reg) slot, one = in(reg) 1u64) };
}
