//! amd64: stack checks, returns, RIP-relative references and calls with such an address, by a full decoder.
//!
//! The forms of the check (`cmd/internal/obj/x86/obj6.go`, `stacksplit`), by frame size:
//! `cmp rsp,[r14+N]; jbe`, `lea r12,[rsp-F]; cmp r12,[r14+N]; jbe` and `mov r12,rsp; sub r12,F; jb; cmp r12,[r14+N]; jbe`.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, InstructionInfoOptions, Mnemonic, OpAccess, OpKind,
    Register,
};

use super::{Branch, Call, Prologue, StackGuard, check};
use crate::VirtualAddress;

pub(super) fn classify(code: &[u8], length: u64) -> Prologue {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let first = decoder.decode();
    if first.is_invalid() {
        return Prologue::Unknown { why: "undecodable" };
    }
    if let Some(guard) = compare(&first, Register::RSP) {
        return branch(&mut decoder, guard, code, length);
    }
    let large = first.mnemonic() == Mnemonic::Lea && first.op0_register() == Register::R12 && first.memory_base() == Register::RSP;
    let huge = first.code() == Code::Mov_r64_rm64 || first.code() == Code::Mov_rm64_r64;
    let huge = huge && first.op0_register() == Register::R12 && first.op1_register() == Register::RSP;
    if !large && !huge {
        return no_check(first, decoder);
    }
    if huge && !subtract_and_branch(&mut decoder) {
        return Prologue::Unknown { why: "huge_frame_check" };
    }
    match compare(&decoder.decode(), Register::R12) {
        Some(guard) => branch(&mut decoder, guard, code, length),
        None => Prologue::Unknown { why: "no_compare_with_guard" },
    }
}

/// `cmp left,[r14+16|24]`: offsets of `stackguard0` and `stackguard1` in `runtime.g`.
fn compare(instruction: &Instruction, left: Register) -> Option<StackGuard> {
    let matches = instruction.code() == Code::Cmp_r64_rm64
        && instruction.op0_register() == left
        && instruction.op1_kind() == OpKind::Memory
        && instruction.memory_base() == Register::R14
        && instruction.memory_index() == Register::None
        && !instruction.has_segment_prefix();
    match (matches, instruction.memory_displacement64()) {
        (true, 16) => Some(StackGuard::G0),
        (true, 24) => Some(StackGuard::System),
        _ => None,
    }
}

/// `sub r12,F; jb`: the frame is larger than the stack pointer may be.
fn subtract_and_branch(decoder: &mut Decoder<'_>) -> bool {
    let subtract = decoder.decode();
    let jump = decoder.decode();
    subtract.mnemonic() == Mnemonic::Sub && subtract.op0_register() == Register::R12 && jump.mnemonic() == Mnemonic::Jb
}

fn branch(decoder: &mut Decoder<'_>, guard: StackGuard, code: &[u8], length: u64) -> Prologue {
    let jump = decoder.decode();
    // The forms that the kernel emulates; one with a prefix is none of them.
    let plain = matches!((jump.code(), jump.len()), (Code::Jbe_rel8_64, 2) | (Code::Jbe_rel32_64, 6));
    let (true, Ok(offset), Ok(size)) = (plain, u32::try_from(jump.ip()), u32::try_from(jump.len())) else {
        return Prologue::Unknown { why: "no_branch_after_compare" };
    };
    // A decoder that reaches the end of the bytes at hand says "invalid" as well.
    if decoder.decode().is_invalid() {
        return Prologue::Unknown { why: "undecodable" };
    }
    let after_is_push_rbp = usize::try_from(offset + size).ok().and_then(|after| code.get(after)) == Some(&0x55);
    check(guard, Branch { offset, length: size, target: jump.near_branch_target() }, after_is_push_rbp, length)
}

/// A check further down would mean that we misread the start.
fn no_check(first: Instruction, mut decoder: Decoder<'_>) -> Prologue {
    let mut instruction = first;
    loop {
        let guarded = compare(&instruction, Register::RSP).or_else(|| compare(&instruction, Register::R12));
        if guarded.is_some() {
            return Prologue::Unknown { why: "check_not_at_entry" };
        }
        if !decoder.can_decode() || instruction.is_invalid() {
            return Prologue::NoSplit;
        }
        instruction = decoder.decode();
    }
}

pub(super) fn return_sites(code: &[u8]) -> Vec<u32> {
    decode(code, 0)
        .filter(|instruction| matches!(instruction.mnemonic(), Mnemonic::Ret | Mnemonic::Retf))
        .filter_map(|instruction| u32::try_from(instruction.ip()).ok())
        .collect()
}

pub(super) fn references(code: &[u8], address: VirtualAddress) -> Vec<VirtualAddress> {
    decode(code, address.0)
        .filter(Instruction::is_ip_rel_memory_operand)
        .map(|instruction| VirtualAddress(instruction.ip_rel_memory_address()))
        .collect()
}

/// Without following the control flow, but for what cannot be passed: RAX is what was put into it last.
pub(super) fn calls(code: &[u8], address: VirtualAddress) -> Vec<Call> {
    let mut factory = InstructionInfoFactory::new();
    let mut first = None;
    let mut found = Vec::new();
    for instruction in decode(code, address.0) {
        let lea = instruction.code() == Code::Lea_r64_m && instruction.op0_register() == Register::RAX;
        if lea && instruction.is_ip_rel_memory_operand() {
            first = Some(VirtualAddress(instruction.ip_rel_memory_address()));
        } else if instruction.flow_control() == FlowControl::Call || leaves(&instruction) {
            if let Some(argument) = first.take()
                && instruction.code() == Code::Call_rel32_64
            {
                found.push(Call { callee: VirtualAddress(instruction.near_branch_target()), argument });
            }
        } else if first.is_some() && writes_rax(&mut factory, &instruction) {
            first = None;
        }
    }
    found
}

/// What follows in the code does not follow in time.
fn leaves(instruction: &Instruction) -> bool {
    use FlowControl::{Exception, IndirectBranch, IndirectCall, Return, UnconditionalBranch};
    matches!(instruction.flow_control(), UnconditionalBranch | IndirectBranch | IndirectCall | Return | Exception)
}

fn writes_rax(factory: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    let registers = factory.info_options(instruction, InstructionInfoOptions::NO_MEMORY_USAGE).used_registers();
    registers.iter().any(|used| {
        let writes = matches!(used.access(), OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite);
        writes && used.register().full_register() == Register::RAX
    })
}

/// Every instruction; the decoder steps over a byte that begins none.
fn decode(code: &[u8], ip: u64) -> impl Iterator<Item = Instruction> {
    let mut decoder = Decoder::with_ip(64, code, ip, DecoderOptions::NONE);
    std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()))
}
