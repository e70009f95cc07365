//! arm64: the addresses of data that code makes, by fixed instruction words.
//!
//! Input noun: bytes of one function. Output nouns: addresses, [`Call`]s. Must not know what lies there. `adrp` puts a page into a
//! register, a later instruction adds the offset in it. The control flow is not followed: a register holds what was put into it last.

use super::{Call, aarch64::words};
use crate::VirtualAddress;

/// Addresses that are made or used, in the order of the code.
pub(super) fn references(code: &[u8], address: VirtualAddress) -> Vec<VirtualAddress> {
    let mut found = Vec::new();
    let mut registers = Registers::default();
    for (word, pc) in words(code).zip(places(address)) {
        found.extend(registers.step(word, pc).into_iter().flatten().map(VirtualAddress));
    }
    found
}

/// Direct calls with a known X0.
pub(super) fn calls(code: &[u8], address: VirtualAddress) -> Vec<Call> {
    let mut found = Vec::new();
    let mut registers = Registers::default();
    for (word, pc) in words(code).zip(places(address)) {
        if word & 0xfc00_0000 == 0x9400_0000
            && let Some(Some(Known::Address(argument))) = registers.0.first()
        {
            let words = i64::from((word << 6).cast_signed() >> 6);
            found.push(Call { callee: VirtualAddress(pc.wrapping_add_signed(words << 2)), argument: VirtualAddress(*argument) });
        }
        registers.step(word, pc);
        // What follows a `b`, `br` or `ret` in the code does not follow in time. Pages are kept: they do not depend on the path.
        if (word & 0xfc00_0000 == 0x1400_0000 || word & 0xff9f_fc1f == 0xd61f_0000)
            && let Some(first) = registers.0.first_mut()
        {
            *first = None;
        }
    }
    found
}

fn places(address: VirtualAddress) -> impl Iterator<Item = u64> {
    (0..).map(move |index: u64| address.0.wrapping_add(index.wrapping_mul(4)))
}

#[derive(Clone, Copy, Debug)]
enum Known {
    /// From `adrp`: an offset is to come.
    Page(u64),
    /// A whole address.
    Address(u64),
}

/// What the registers hold, where that is known. Number 31 is the stack pointer or zero.
#[derive(Default)]
struct Registers([Option<Known>; 31]);

impl Registers {
    /// Takes in one instruction at `pc`; returns the addresses that it makes or uses.
    fn step(&mut self, word: u32, pc: u64) -> [Option<u64>; 2] {
        let (target, base) = (field(word, 0), self.get(field(word, 5)));
        let base = base.map(|(Known::Page(value) | Known::Address(value))| value);
        if word & 0x9f00_0000 == 0x9000_0000 {
            self.set(target, Some(Known::Page(page_address(word, pc))));
            return [None; 2];
        }
        if let (Some(base), true) = (base, is_add(word)) {
            let address = base.wrapping_add(u64::from(word >> 10 & 0xfff));
            // An `ldp` may follow with it as base, or a call with it as argument.
            self.set(target, Some(Known::Address(address)));
            return [Some(address), None];
        }
        let used = match (base, access(word)) {
            (Some(base), Some((offset, second))) => {
                let address = base.wrapping_add(offset);
                [Some(address), second.map(|distance| address.wrapping_add(distance))]
            }
            _ => [None; 2],
        };
        if word & 0xfc00_0000 == 0x9400_0000 || word & 0xffff_fc1f == 0xd63f_0000 {
            // Go saves no register across a call.
            self.0 = Default::default();
        } else {
            written(word).into_iter().flatten().for_each(|register| self.set(register, None));
        }
        used
    }

    fn get(&self, register: usize) -> Option<Known> {
        self.0.get(register).copied().flatten()
    }

    fn set(&mut self, register: usize, value: Option<Known>) {
        if let Some(slot) = self.0.get_mut(register) {
            *slot = value;
        }
    }
}

/// The five bits of a register number.
fn field(word: u32, bit: u32) -> usize {
    usize::try_from(word >> bit & 0x1f).unwrap_or_default()
}

/// The page that an `adrp` names: 21 signed bits, in pages from its own.
fn page_address(word: u32, pc: u64) -> u64 {
    let immediate = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    let pages = i64::from((immediate << 11).cast_signed() >> 11);
    (pc & !0xfff).wrapping_add_signed(pages << 12)
}

fn is_add(word: u32) -> bool {
    word & 0xffc0_0000 == 0x9100_0000
}

/// The unsigned offset of a load or store, and for a pair the distance of its second half.
fn access(word: u32) -> Option<(u64, Option<u64>)> {
    if word & 0x3f00_0000 == 0x3900_0000 {
        // `ldr`, `str` and their narrow forms: the size is the unit of the offset.
        let size = word >> 30;
        Some((u64::from(word >> 10 & 0xfff) << size, None))
    } else if word & 0x7f80_0000 == 0x2900_0000 && word >> 21 & 1 == 0 {
        // `ldp`, `stp` without update of the base, of 32 or 64 bits, forward.
        let size = if word >> 31 == 1 { 8 } else { 4 };
        Some((u64::from(word >> 15 & 0x3f) * size, Some(size)))
    } else {
        None
    }
}

/// The general registers that an instruction other than a call writes, as far as it can hide that one held an address.
fn written(word: u32) -> [Option<usize>; 2] {
    let (rd, rn) = (Some(field(word, 0)), Some(field(word, 5)));
    match word >> 25 & 0xf {
        // Immediate data processing, and register data processing but for conditional compares, whose low bits are flags.
        0b1000 | 0b1001 => [rd, None],
        0b0101 | 0b1101 if word & 0x3fe0_0000 == 0x3a40_0000 => [None; 2],
        0b0101 | 0b1101 => [rd, None],
        // Between floating-point and general registers.
        0b0111 | 0b1111 if word & 0x5f20_fc00 == 0x1e20_0000 => [rd, None],
        // Loads and stores of general registers.
        0b0100 | 0b1100 => loaded(word, rd, rn),
        _ => [None; 2],
    }
}

fn loaded(word: u32, rt: Option<usize>, rn: Option<usize>) -> [Option<usize>; 2] {
    let is_load = word >> 22 & 1 == 1;
    match word >> 27 & 7 {
        // Exclusive and ordered accesses; a store exclusive writes its status.
        0b001 => [rt.filter(|_| is_load), Some(field(word, 16))],
        0b011 => [rt, None],
        0b101 if is_load => [rt, Some(field(word, 10))],
        // An update of the base.
        0b101 if word >> 23 & 1 == 1 => [rn, None],
        0b111 => {
            let stores = word >> 22 & 3 == 0;
            let atomic = word >> 24 & 1 == 0 && word >> 21 & 1 == 1 && word >> 10 & 3 == 0;
            let updates = word >> 24 & 1 == 0 && word >> 21 & 1 == 0 && word >> 10 & 1 == 1;
            [rt.filter(|_| !stores || atomic), rn.filter(|_| updates)]
        }
        _ => [None; 2],
    }
}
