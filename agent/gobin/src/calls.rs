//! Direct calls of one function, anywhere in the code. Input: code, an address. Output noun: [`Call`]. Must not know what the function is
//! for.

use crate::{Arch, VirtualAddress, source::Words as _};

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where it returns to.
    pub returns_to: VirtualAddress,
    /// Its first argument, where that is a constant that is loaded right before the call.
    pub constant: Option<u64>,
}

/// Bytes in front of a call that tell its constant: neighbouring chunks of code overlap by as many, and a call.
pub(crate) const BEFORE: usize = 24;
/// What the linker puts in front of a call so that it does not cross a border of 32 bytes.
const PADDING: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// The calls of `target` in a chunk of code that lies at `address`; those that begin in the first `skip` bytes were seen already.
pub(crate) fn find(code: &[u8], address: u64, skip: usize, target: VirtualAddress, arch: Arch) -> Vec<Call> {
    match arch {
        Arch::Amd64 => amd64(code, address, skip, target),
        Arch::Arm64 => arm64(code, address, skip, target),
    }
}

fn amd64(code: &[u8], address: u64, skip: usize, target: VirtualAddress) -> Vec<Call> {
    const CALL: u8 = 0xe8;
    let rest = code.get(skip..).unwrap_or_default();
    let call = |at: usize| {
        let at = skip + at;
        let returns_to = address.wrapping_add(at as u64).wrapping_add(5);
        let distance = i64::from(code.i32(at + 1)?);
        let is_it = returns_to.wrapping_add_signed(distance) == target.0;
        let before = code.get(..at).unwrap_or_default();
        let padded = || PADDING.iter().filter_map(|padding| before.strip_suffix(*padding)).find_map(loaded);
        is_it.then(|| Call { returns_to: VirtualAddress(returns_to), constant: loaded(before).or_else(padded) })
    };
    memchr::memchr_iter(CALL, rest).filter_map(call).collect()
}

/// The constant that the last instruction loads into RAX: as 64, 32 (sign-extended) or 32 bits.
fn loaded(before: &[u8]) -> Option<u64> {
    let last = |length: usize| before.get(before.len().checked_sub(length)?..);
    if let Some([0x48, 0xb8, word @ ..]) = last(10) {
        return word.u64(0);
    }
    if let Some([0x48, 0xc7, 0xc0, word @ ..]) = last(7) {
        return word.i32(0).map(|word| i64::from(word).cast_unsigned());
    }
    match last(5) {
        Some([0xb8, word @ ..]) => word.u32(0).map(u64::from),
        _ => None,
    }
}

fn arm64(code: &[u8], address: u64, skip: usize, target: VirtualAddress) -> Vec<Call> {
    const LINK: u32 = 0b10_0101;
    let first = usize::try_from(address.wrapping_neg() % 4).unwrap_or(0);
    let call = |at: usize| {
        let word = code.u32(at).filter(|word| word >> 26 == LINK)?;
        // 26 bits of words, signed.
        let distance = i64::from((word << 6).cast_signed() >> 6) * 4;
        let at = address.wrapping_add(at as u64);
        (at.wrapping_add_signed(distance) == target.0).then(|| Call { returns_to: VirtualAddress(at.wrapping_add(4)), constant: None })
    };
    (first..code.len()).step_by(4).filter(|at| *at >= skip).filter_map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arch: Arch, code: &[u8], expected: &[(u64, Option<u64>)]) {
        let found: Vec<_> =
            find(code, 0x1000, 0, VirtualAddress(0x2000), arch).iter().map(|call| (call.returns_to.0, call.constant)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn calls() {
        let call = |at: i32| [&[0xe8][..], &(0x1000 - at - 5).to_le_bytes()].concat();
        check(Arch::Amd64, &call(0), &[(0x1005, None)]);
        check(Arch::Amd64, &[&[0xb8, 0, 0xe1, 0xf5, 5][..], &call(5)].concat(), &[(0x100a, Some(100_000_000))]);
        check(Arch::Amd64, &[&[0x48, 0xb8, 0, 0, 0, 0, 1, 0, 0, 0][..], &call(10)].concat(), &[(0x100f, Some(1 << 32))]);
        check(Arch::Amd64, &[&[0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff][..], &call(7)].concat(), &[(0x100c, Some(u64::MAX))]);
        check(Arch::Amd64, &[&[0xb8, 0, 0xe1, 0xf5, 5, 0x0f, 0x1f, 0][..], &call(8)].concat(), &[(0x100d, Some(100_000_000))]);
        check(Arch::Amd64, &call(1), &[]);
        check(Arch::Amd64, &[0xe8, 0, 0], &[]);
        let branch = 0x9400_0000_u32 | ((0x1000 - 4) / 4);
        check(Arch::Arm64, &[0x1f20_03d5_u32.to_be_bytes(), branch.to_le_bytes()].concat(), &[(0x1008, None)]);
        check(Arch::Arm64, &[0, 0, 0, 0x94, 0xff], &[]);
    }
}
