//! Data rows over functions made by hand; code as Go's compilers write it.

use goroscope_gobin::{FileOffset, Prologue, StackCheck, StackGuard, VirtualAddress, classify};

use super::*;

/// `cmp rsp,[r14+16]; jbe; push rbp; mov rbp,rsp`: Go 1.21 and later.
const PUSH: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x2c, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x30];
/// The same with a near jump.
const PUSH_NEAR: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0x2c, 1, 0, 0, 0x55, 0x48, 0x89, 0xe5];
/// `cmp; jbe; sub rsp`: Go 1.19 and 1.20.
const SUB: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x76, 0x2c, 0x48, 0x83, 0xec, 0x30, 0x48, 0x89, 0x6c, 0x24];
/// `ldr x16,[x28,16]; cmp sp,x16; b.ls; str x30,[sp,#-80]!`.
const ARM: &[u8] = &[0x90, 0x0b, 0x40, 0xf9, 0xff, 0x63, 0x30, 0xeb, 0x09, 0x07, 0, 0x54, 0xfe, 0x0f, 0x1b, 0xf8];
/// `sub rsp`: NOSPLIT.
const NOSPLIT: &[u8] = &[0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0x6c, 0x24, 0x10];

/// `cmp` with the guard, then `jne`: a check, but none that Go writes.
const ODD: &[u8] = &[0x49, 0x3b, 0x66, 0x10, 0x75, 0x2c, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x30];

const ALWAYS: [&str; 3] = ["runtime.newproc1", "runtime.goexit0", "runtime.mapassign"];
const OTHERS: [&str; 14] = [
    "runtime.mapassign_fast32",
    "runtime.mapassign_fast64",
    "runtime.mapassign_fast64ptr",
    "runtime.mapassign_faststr",
    "runtime.mapdelete",
    "runtime.mapdelete_fast32",
    "runtime.mapdelete_fast64",
    "runtime.mapdelete_faststr",
    "runtime.mapclear",
    "time.stopTimer",
    "time.resetTimer",
    "time.Sleep",
    "time.sendTime",
    "time.goFunc",
];

/// A function of 1,000 bytes: `number` says where.
fn function(name: &str, number: u64, code: &[u8], arch: Arch) -> Function {
    let entry = VirtualAddress(0x40_1000 + number * 1000);
    let prologue = classify(code, 1000, arch);
    let end = VirtualAddress(entry.0 + 1000);
    Function { name: name.to_owned(), entry, end, file_offset: FileOffset(0x1000 + number * 1000), prologue, code: code.to_owned() }
}

fn functions(names: &[&str], code: &[u8], arch: Arch) -> Vec<Function> {
    (0..).zip(names).map(|(number, name)| function(name, number, code, arch)).collect()
}

fn amd64(functions: &[Function]) -> ProbePlan {
    on(Some(Arch::Amd64), Facts { arch: Arch::Amd64, functions, ambiguous: &[] })
}

/// `kind function instruction@offset`, a line for each.
fn probes(plan: &ProbePlan) -> Vec<String> {
    let line = |probe: &Probe| format!("{:?} {} {}@{:#x}", probe.kind, probe.function, probe.instruction, probe.offset);
    plan.probes.iter().map(line).collect()
}

fn refusals(plan: &ProbePlan) -> Vec<(Option<Family>, &'static str)> {
    plan.refusals.iter().map(|refusal| (refusal.subject.family(), refusal.reason)).collect()
}

#[test]
fn sites() {
    let check = |code: &[u8], arch, expected: Result<(&str, u64, &[u8]), &str>| {
        let found = site::probe(&function("f", 0, code, arch), arch, goroscope_abi::Kind::MapClear);
        match (found, expected) {
            (Ok(probe), Ok((instruction, offset, bytes))) => {
                assert_eq!((probe.instruction, probe.bytes.as_slice()), (instruction, bytes));
                assert_eq!((probe.offset, probe.address), (FileOffset(0x1000 + offset), VirtualAddress(0x40_1000 + offset)));
            }
            (found, expected) => assert_eq!(found.map(|probe| probe.offset).map_err(|fault| fault.reason), Err(expected.unwrap_err())),
        }
    };
    check(PUSH, Arch::Amd64, Ok(("push rbp", 6, &PUSH[6..14])));
    check(PUSH_NEAR, Arch::Amd64, Ok(("push rbp", 10, &PUSH_NEAR[10..])));
    check(SUB, Arch::Amd64, Ok(("jbe", 4, &SUB[4..12])));
    check(ARM, Arch::Arm64, Ok(("b.ls", 8, &ARM[8..16])));
    check(NOSPLIT, Arch::Amd64, Err("no_stack_check"));
    check(ODD, Arch::Amd64, Err("unknown_prologue"));
    check(&[0xcc; 14], Arch::Amd64, Err("no_stack_check"));
}

#[test]
fn facts_that_do_not_fit_the_code_are_refused() {
    let check = StackCheck { guard: StackGuard::G0, branch: 4, branch_len: 2, after: 6, after_is_push_rbp: true };
    for (code, arch, check, at_end) in [
        (SUB, Arch::Amd64, check, false),
        (PUSH, Arch::Amd64, StackCheck { after_is_push_rbp: false, branch: 5, ..check }, false),
        (PUSH, Arch::Arm64, check, false),
        (ARM, Arch::Arm64, StackCheck { branch: 4, ..check }, false),
        (&PUSH[..6], Arch::Amd64, check, false),
        (&SUB[..5], Arch::Amd64, StackCheck { after_is_push_rbp: false, ..check }, false),
        (PUSH, Arch::Amd64, StackCheck { after: u32::MAX, ..check }, false),
        (PUSH, Arch::Amd64, check, true),
    ] {
        let mut function = function("f", 0, code, arch);
        function.prologue = Prologue::StackCheck(check);
        if at_end {
            function.file_offset = FileOffset(u64::MAX);
        }
        assert_eq!(site::probe(&function, arch, goroscope_abi::Kind::MapClear).unwrap_err().reason, "unknown_prologue", "{check:?}");
    }
}

#[test]
fn everything() {
    let names = [ALWAYS.as_slice(), &OTHERS, &["time.newTimer", "runtime.gdestroy", "runtime.mapassign_fast32ptr"]].concat();
    let plan = amd64(&functions(&names, PUSH, Arch::Amd64));
    assert_eq!((plan.families.as_slice(), plan.refusals.as_slice()), (Family::ALL.as_slice(), [].as_slice()));
    // All but goexit0, whose work gdestroy does.
    assert_eq!(plan.probes.len(), names.len() - 1);
    let lines = probes(&plan);
    assert_eq!(lines[0], "GoroutineStart runtime.newproc1 push rbp@0x1006");
    assert_eq!(lines[1], format!("GoroutineExit runtime.gdestroy push rbp@{:#x}", 0x1006 + 18_000));
    assert!(lines.contains(&"MapAssignFast64 runtime.mapassign_fast64ptr push rbp@0x238e".to_owned()), "{lines:#?}");
}

#[test]
fn least() {
    let plan = amd64(&functions(&ALWAYS, SUB, Arch::Amd64));
    let expected = [
        "GoroutineStart runtime.newproc1 jbe@0x1004",
        "GoroutineExit runtime.goexit0 jbe@0x13ec",
        "MapAssignGeneric runtime.mapassign jbe@0x17d4",
    ];
    assert_eq!(probes(&plan), expected);
    // Not contained is not called: counted, as 0.
    assert_eq!(plan.families, Family::ALL);
    let old = amd64(&functions(&[ALWAYS.as_slice(), &["time.startTimer"]].concat(), SUB, Arch::Amd64));
    assert_eq!(probes(&old)[3], "TimerStart time.startTimer jbe@0x1bbc");
}

#[test]
fn one_bad_function_refuses_its_family_only() {
    let (goroutine, map, timer) = (Some(Family::Goroutine), Some(Family::Map), Some(Family::Timer));
    let all: Vec<_> = [ALWAYS.as_slice(), &OTHERS].concat();
    for (name, code, expected) in [
        ("runtime.newproc1", NOSPLIT, (goroutine, "no_stack_check")),
        ("runtime.goexit0", ODD, (goroutine, "unknown_prologue")),
        ("runtime.mapdelete_fast64", NOSPLIT, (map, "no_stack_check")),
        ("time.goFunc", ODD, (timer, "unknown_prologue")),
    ] {
        let mut functions = functions(&all, PUSH, Arch::Amd64);
        let bad = functions.iter_mut().find(|function| function.name == name).unwrap();
        *bad = function(name, 99, code, Arch::Amd64);
        let plan = amd64(&functions);
        assert_eq!(refusals(&plan), [expected]);
        assert!(plan.refusals[0].detail.contains(name), "{}", plan.refusals[0]);
        assert!(!plan.families.contains(&expected.0.unwrap()) && plan.families.len() == 2);
        assert!(plan.probes.iter().all(|probe| Some(probe.kind.family()) != expected.0));
    }
}

#[test]
fn overlooked_and_ambiguous_functions_refuse() {
    let (goroutine, map, timer) = (Some(Family::Goroutine), Some(Family::Map), Some(Family::Timer));
    assert_eq!(refusals(&amd64(&[])), [(goroutine, "missing_function"), (map, "missing_function")]);
    let detail = &amd64(&[]).refusals[0].detail;
    assert!(detail.contains("runtime.newproc1") && detail.contains("runtime.gdestroy nor runtime.goexit0"), "{detail}");
    let functions = functions(&ALWAYS, PUSH, Arch::Amd64);
    for (name, family) in [("runtime.gdestroy", goroutine), ("runtime.mapclear", map), ("time.newTimer", timer)] {
        let ambiguous = [name.to_owned()];
        let plan = on(Some(Arch::Amd64), Facts { arch: Arch::Amd64, functions: &functions, ambiguous: &ambiguous });
        assert_eq!(refusals(&plan), [(family, "ambiguous_function")]);
    }
}

#[test]
fn foreign_architectures() {
    let functions = functions(&ALWAYS, ARM, Arch::Arm64);
    let facts = Facts { arch: Arch::Arm64, functions: &functions, ambiguous: &[] };
    for host in [Some(Arch::Amd64), None] {
        let plan = on(host, facts);
        assert_eq!((refusals(&plan), plan.families, plan.probes), (vec![(None, "foreign_arch")], vec![], vec![]));
    }
    let plan = on(Some(Arch::Arm64), facts);
    assert_eq!(probes(&plan)[0], "GoroutineStart runtime.newproc1 b.ls@0x1008");
    assert_eq!(plan.families, Family::ALL);
}
