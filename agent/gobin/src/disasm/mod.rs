//! Machine code of Go functions: the stack check in front, the returns, the references to data.
//!
//! Input noun: bytes of one function. Output noun: [`Prologue`], offsets, addresses. Must not know where the bytes come from.

mod aarch64;
mod addresses;
mod x86_64;

use crate::{Arch, VirtualAddress};

/// How a function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prologue {
    /// With the check whether the stack is large enough.
    StackCheck(StackCheck),
    /// Without a check: `//go:nosplit`, or a leaf with a small frame.
    NoSplit,
    /// In a way that we do not know: do not probe.
    Unknown {
        /// What was unexpected, a metric label.
        why: &'static str,
    },
}

/// The check whether the stack is large enough. Offsets are bytes from the function's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackCheck {
    /// What the stack pointer is compared with.
    pub guard: StackGuard,
    /// The conditional branch to the code that grows the stack (`jbe`, `b.ls`): taken, the function starts over afterwards.
    pub branch: u32,
    /// Length of the branch, in bytes.
    pub branch_len: u32,
    /// The instruction behind the branch: reached once per call.
    pub after: u32,
    /// Whether that instruction is `push %rbp`, which the kernel emulates (amd64 since Go 1.21).
    pub after_is_push_rbp: bool,
}

/// The limit that a stack pointer is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackGuard {
    /// `g.stackguard0`, also set to ask for preemption.
    G0,
    /// `g.stackguard1`, in functions that run on the system stack: never taken in a healthy process.
    System,
}

/// Bytes of a function's start that [`classify`] needs: the longest check has 38.
pub const PROLOGUE_BYTES: usize = 64;

/// Classifies the beginning of a function of `length` bytes; `code` are its first bytes, [`PROLOGUE_BYTES`] if it has as many.
#[must_use]
pub fn classify(code: &[u8], length: u64, arch: Arch) -> Prologue {
    let code = code.get(..PROLOGUE_BYTES).unwrap_or(code);
    match arch {
        Arch::Amd64 => x86_64::classify(code, length),
        Arch::Arm64 => aarch64::classify(code, length),
    }
}

/// Offsets of the return instructions of one function, rising. There are at most as many as bytes.
#[must_use]
pub fn return_sites(code: &[u8], arch: Arch) -> Vec<u32> {
    match arch {
        Arch::Amd64 => x86_64::return_sites(code),
        Arch::Arm64 => aarch64::return_sites(code),
    }
}

/// Addresses of data that a function refers to, in the order of its code, with repetitions.
pub(crate) fn references(code: &[u8], address: VirtualAddress, arch: Arch) -> Vec<VirtualAddress> {
    match arch {
        Arch::Amd64 => x86_64::references(code, address),
        Arch::Arm64 => addresses::references(code, address),
    }
}

/// A call whose first argument is the address of a variable: a method on a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// What is called.
    pub(crate) callee: VirtualAddress,
    /// What RAX or X0 holds.
    pub(crate) argument: VirtualAddress,
}

/// The direct calls of a function whose first argument is an address that the function made itself, in the order of its code.
pub(crate) fn calls(code: &[u8], address: VirtualAddress, arch: Arch) -> Vec<Call> {
    match arch {
        Arch::Amd64 => x86_64::calls(code, address),
        Arch::Arm64 => addresses::calls(code, address),
    }
}

/// A check whose branch leads out of its own function is none.
fn check(guard: StackGuard, branch: Branch, after_is_push_rbp: bool, length: u64) -> Prologue {
    let after = branch.offset + branch.length;
    if branch.target <= u64::from(after) || branch.target >= length {
        return Prologue::Unknown { why: "branch_leaves_function" };
    }
    Prologue::StackCheck(StackCheck { guard, branch: branch.offset, branch_len: branch.length, after, after_is_push_rbp })
}

/// A conditional branch, in bytes from the function's entry.
#[derive(Clone, Copy, Debug)]
struct Branch {
    offset: u32,
    length: u32,
    target: u64,
}

#[cfg(test)]
mod tests;
