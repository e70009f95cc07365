//! Where in a function the probe goes. Input noun: [`Function`]. Output noun: [`Probe`]. Must not know families.

use goroscope_abi::Kind;
use goroscope_gobin::{Arch, Function, Prologue, StackCheck};

use super::Fault;
use crate::model::Probe;

/// Bytes at the site that are verified again at attach.
const VERIFIED: usize = 8;

/// The probe for a function.
pub(super) fn probe(function: &Function, arch: Arch, kind: Kind) -> Result<Probe, Fault> {
    let fault = |reason, what: &str| Err(Fault { reason, detail: format!("{} {what}: {:02x?}", function.name, function.code) });
    let check = match function.prologue {
        Prologue::StackCheck(check) => check,
        Prologue::NoSplit => return fault("no_stack_check", "has no stack check"),
        Prologue::Unknown { why } => return fault("unknown_prologue", why),
    };
    let (instruction, offset) = choose(check, arch);
    let code = usize::try_from(offset).ok().and_then(|offset| function.code.get(offset..)).unwrap_or_default();
    if !is(instruction, code) {
        return fault("unknown_prologue", &format!("has no {instruction} at +{offset}"));
    }
    // A probe outside of its function is nobody's: offsets are foreign numbers here.
    let place = (function.file_offset.checked_add(offset.into()), function.entry.checked_add(offset.into()));
    let (Some(offset), Some(address)) = place else { return fault("unknown_prologue", "lies at the end of the address space") };
    let bytes = code.get(..VERIFIED).unwrap_or(code).to_vec();
    Ok(Probe { kind, function: function.name.clone(), offset, address, bytes, instruction })
}

const PUSH_RBP: &str = "push rbp";
const JBE: &str = "jbe";
const B_LS: &str = "b.ls";

/// The instruction to put the probe on, and how far from the entry it is.
fn choose(check: StackCheck, arch: Arch) -> (&'static str, u32) {
    match arch {
        Arch::Amd64 if check.after_is_push_rbp => (PUSH_RBP, check.after),
        Arch::Amd64 => (JBE, check.branch),
        Arch::Arm64 => (B_LS, check.branch),
    }
}

/// Whether the code begins with that instruction. It was disassembled already; a probe on any other one could crash the target.
fn is(instruction: &str, code: &[u8]) -> bool {
    match (instruction, code) {
        (PUSH_RBP, [0x55, ..]) | (JBE, [0x76, _, ..] | [0x0f, 0x86, _, _, _, _, ..]) => true,
        // 0101 0100, 19 bits of distance, 0, condition 1001.
        (B_LS, [first, _, _, 0x54, ..]) => first & 0x1f == 0x09,
        _ => false,
    }
}
