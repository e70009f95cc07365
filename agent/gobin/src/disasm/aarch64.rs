//! arm64: stack checks and returns, by fixed instruction words.
//!
//! The forms of the check (`cmd/internal/obj/arm64/obj7.go`, `stacksplit`), by frame size: `ldr x16,[x28,N]`, then
//! `cmp sp,x16; b.ls` or `sub x17,sp,F; cmp x17,x16; b.ls` or `mov x27,F; subs x17,sp,x27; b.lo; cmp x17,x16; b.ls`.

use super::{Branch, Prologue, StackGuard, check};
use crate::source::Words;

/// `ldr x16,[x28,16]`: `g.stackguard0`.
const LOAD_GUARD0: u32 = 0xf940_0b90;
/// `ldr x16,[x28,24]`: `g.stackguard1`.
const LOAD_GUARD1: u32 = 0xf940_0f90;
/// `cmp sp,x16`.
const COMPARE_SP: u32 = 0xeb30_63ff;
/// `cmp x17,x16`.
const COMPARE_X17: u32 = 0xeb10_023f;
/// Conditions of `b.cond`.
const LO: u32 = 3;
const LS: u32 = 9;
/// `ret`, by way of x30.
const RETURN: u32 = 0xd65f_03c0;

pub(super) fn classify(code: &[u8], length: u64) -> Prologue {
    let words: Vec<u32> = words(code).collect();
    let guard = match words.first() {
        Some(&LOAD_GUARD0) => StackGuard::G0,
        Some(&LOAD_GUARD1) => StackGuard::System,
        Some(_) => return no_check(&words),
        None => return Prologue::Unknown { why: "undecodable" },
    };
    // Between load and compare the stack pointer after the call is computed into x17, in at most five instructions.
    for (index, word) in words.iter().enumerate().skip(1) {
        match *word {
            COMPARE_SP if index == 1 => return branch(&words, index + 1, guard, length),
            COMPARE_X17 if index > 1 => return branch(&words, index + 1, guard, length),
            word if index <= 5 && computes_frame_end(word) => {}
            _ => break,
        }
    }
    Prologue::Unknown { why: "no_compare_with_guard" }
}

fn branch(words: &[u32], index: usize, guard: StackGuard, length: u64) -> Prologue {
    let (Some(LS), Some(target), true) =
        (words.get(index).and_then(|word| condition(*word)), target(words, index), words.len() > index + 1)
    else {
        return Prologue::Unknown { why: "no_branch_after_compare" };
    };
    let Ok(offset) = u32::try_from(index * 4) else { return Prologue::Unknown { why: "no_branch_after_compare" } };
    check(guard, Branch { offset, length: 4, target }, false, length)
}

/// The condition of a `b.cond`.
fn condition(word: u32) -> Option<u32> {
    (word & 0xff00_0010 == 0x5400_0000).then_some(word & 0xf)
}

/// Where the `b.cond` at `index` leads, in bytes from the entry; 19 signed bits of words.
fn target(words: &[u32], index: usize) -> Option<u64> {
    let word = words.get(index)?;
    let distance = (word << 8).cast_signed() >> 13;
    u64::try_from(index).ok()?.checked_add_signed(i64::from(distance))?.checked_mul(4)
}

/// An instruction that takes part in `x17 = sp - frame`: `sub(s) x17,sp|x17,#imm`, `subs x17,sp,x27`, `mov x27,#imm` in its
/// forms, and the `b.lo` for a frame larger than the stack pointer.
fn computes_frame_end(word: u32) -> bool {
    let subtract_immediate = word & 0xdf80_0000 == 0xd100_0000 && word & 0x1f == 17 && matches!(word >> 5 & 0x1f, 17 | 31);
    let subtract_register = word & 0xdfe0_0000 == 0xcb20_0000 && word & 0x1f == 17 && word >> 5 & 0x1f == 31;
    let wide_move = matches!(word & 0xff80_0000, 0xd280_0000 | 0x9280_0000 | 0xf280_0000) && word & 0x1f == 27;
    let bitmask_move = word & 0xff80_03e0 == 0xb200_03e0 && word & 0x1f == 27;
    subtract_immediate || subtract_register || wide_move || bitmask_move || condition(word) == Some(LO)
}

/// A check further down would mean that we misread the start.
fn no_check(words: &[u32]) -> Prologue {
    if words.iter().any(|word| matches!(*word, COMPARE_SP | COMPARE_X17)) {
        return Prologue::Unknown { why: "check_not_at_entry" };
    }
    Prologue::NoSplit
}

pub(super) fn return_sites(code: &[u8]) -> Vec<u32> {
    let sites = words(code).enumerate().filter(|(_, word)| *word == RETURN);
    sites.filter_map(|(index, _)| u32::try_from(index * 4).ok()).collect()
}

pub(super) fn words(code: &[u8]) -> impl Iterator<Item = u32> {
    code.chunks_exact(4).filter_map(|word| word.u32(0))
}
