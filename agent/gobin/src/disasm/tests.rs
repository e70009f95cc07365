//! Prologues as the Go versions make them, and what is none: one row each.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn describe(prologue: Prologue) -> String {
    match prologue {
        Prologue::NoSplit => "nosplit".into(),
        Prologue::Unknown { why } => why.into(),
        Prologue::StackCheck(check) => {
            let push = if check.after_is_push_rbp { " push" } else { "" };
            format!("{:?} branch {}+{} after {}{push}", check.guard, check.branch, check.branch_len, check.after)
        }
    }
}

#[test]
fn amd64_prologues() {
    let check = |hex: &str, expected: &str| assert_eq!(describe(classify(&bytes(hex), 300, Arch::Amd64)), expected, "{hex}");
    check("493b6610 7640 55 4889e5", "G0 branch 4+2 after 6 push");
    check("493b6610 0f8680000000 55 4889e5", "G0 branch 4+6 after 10 push");
    check("493b6610 7640 4883ec18", "G0 branch 4+2 after 6");
    check("493b6618 7640 55", "System branch 4+2 after 6 push");
    check("4c8d6424c8 4d3b6610 7640 55", "G0 branch 9+2 after 11 push");
    check("4c8da42478ffffff 4d3b6610 0f8680000000 55", "G0 branch 12+6 after 18 push");
    // mov r12,rsp; sub r12,0x10000; jb; cmp; jbe
    check("4989e4 4981ec00000100 0f8280000000 4d3b6610 0f8680000000 55", "G0 branch 20+6 after 26 push");
    check("55 4889e5 90", "nosplit");
    check("4883ec18 90", "nosplit");
    check("c3", "nosplit");
    check("90 493b6610 7640 55", "check_not_at_entry");
    check("493b6610 7740 55", "no_branch_after_compare");
    check("493b6610 667640 55", "no_branch_after_compare");
    check("493b6610 76fa 55", "branch_leaves_function");
    check("493b6610 0f8600100000 55", "branch_leaves_function");
    check("493b6610 7640", "undecodable");
    check("493b6620 7640 55", "nosplit");
    check("4c8d6424c8 4d3b6e10 7640 55", "no_compare_with_guard");
    check("4989e4 90", "huge_frame_check");
    check("06", "undecodable");
    check("", "undecodable");
}

#[test]
fn arm64_prologues() {
    let check = |code: &[u32], expected: &str| assert_eq!(describe(classify(&words(code), 300, Arch::Arm64)), expected, "{code:x?}");
    let (g0, g1, ls, push) = (0xf940_0b90, 0xf940_0f90, 0x5400_0089, 0xf81e_0ffe);
    check(&[g0, 0xeb30_63ff, ls, push], "G0 branch 8+4 after 12");
    check(&[g1, 0xeb30_63ff, ls, push], "System branch 8+4 after 12");
    check(&[g0, 0xd102_03f1, 0xeb10_023f, ls, push], "G0 branch 12+4 after 16");
    // movz x27,#..; subs x17,sp,x27; b.lo; cmp x17,x16; b.ls
    check(&[g0, 0xd290_001b, 0xeb3b_63f1, 0x5400_00a3, 0xeb10_023f, ls, push], "G0 branch 20+4 after 24");
    check(&[push, 0xf81f_83fd], "nosplit");
    check(&[push, g0, 0xeb30_63ff, ls], "check_not_at_entry");
    check(&[g0, 0xeb30_63ff, 0x5400_0088, push], "no_branch_after_compare");
    check(&[g0, 0xeb30_63ff, ls], "no_branch_after_compare");
    check(&[g0, 0xeb30_63ff, 0x54ff_ffe9, push], "branch_leaves_function");
    check(&[g0, 0xeb30_63ff, 0x547f_ffe9, push], "branch_leaves_function");
    check(&[g0, push], "no_compare_with_guard");
    check(&[], "undecodable");
}

#[test]
fn returns() {
    let check = |code: &[u8], arch, expected: &[u32]| assert_eq!(return_sites(code, arch), expected, "{code:x?}");
    // The c3 inside of an immediate is none.
    check(&bytes("55 b8c3000000 5d c3 0f0b c3"), Arch::Amd64, &[7, 10]);
    check(&bytes("0606 c3"), Arch::Amd64, &[2]);
    check(&words(&[0xd65f_03c0, 0xd503_201f, 0xd65f_03c0]), Arch::Arm64, &[0, 8]);
    check(&[0xc0, 0x03], Arch::Arm64, &[]);
}

#[test]
fn data_references() {
    let check = |code: &[u8], arch, expected: &[u64]| {
        let found: Vec<u64> = references(code, VirtualAddress(0x1000), arch).iter().map(|address| address.0).collect();
        assert_eq!(found, expected, "{code:x?}");
    };
    // mov rax,[rip+0x10]
    check(&bytes("488b0510000000"), Arch::Amd64, &[0x1017]);
    // adrp x0,+2 pages; add x0,x0,#0x18; ldp x1,x2,[x0]; ldr x3,[x0,#8]
    check(&words(&[0xd000_0000, 0x9100_6000, 0xa940_0801, 0xf940_0403]), Arch::Arm64, &[0x3018, 0x3018, 0x3020, 0x3020]);
}

#[test]
fn calls_on_variables() {
    let check = |code: &[u8], arch, expected: &[(u64, u64)]| {
        let found = calls(code, VirtualAddress(0x1000), arch);
        let found: Vec<_> = found.iter().map(|call| (call.callee.0, call.argument.0)).collect();
        assert_eq!(found, expected, "{code:x?}");
    };
    // lea rax,[rip+0x10]; mov ebx,1; call +0
    check(&bytes("488d0510000000 bb01000000 e800000000"), Arch::Amd64, &[(0x1011, 0x1017)]);
    // What the address was overwritten with, or what is behind a return or another call, does not count.
    check(&bytes("488d0510000000 31c0 e800000000"), Arch::Amd64, &[]);
    check(&bytes("488d0510000000 c3 e800000000"), Arch::Amd64, &[]);
    check(&bytes("488d0510000000 e800000000 e800000000"), Arch::Amd64, &[(0x100c, 0x1017)]);
    check(&bytes("488d0510000000 ffd3 e800000000"), Arch::Amd64, &[]);
    let (adrp, add, bl, ret) = (0xd000_0000, 0x9100_6000, 0x97ff_ffff, 0xd65f_03c0);
    check(&words(&[adrp, add, bl]), Arch::Arm64, &[(0x1004, 0x3018)]);
    // A page alone is no address; mov w0,#1; ldr x0,[x1]; ret
    check(&words(&[adrp, bl]), Arch::Arm64, &[]);
    check(&words(&[adrp, add, 0x5280_0020, bl]), Arch::Arm64, &[]);
    check(&words(&[adrp, add, 0xf940_0020, bl]), Arch::Arm64, &[]);
    check(&words(&[adrp, add, ret, bl]), Arch::Arm64, &[]);
    // str x0,[x1] and ccmp leave X0 alone.
    check(&words(&[adrp, add, 0xf900_0020, 0xfa40_0820, bl]), Arch::Arm64, &[(0x100c, 0x3018)]);
}
