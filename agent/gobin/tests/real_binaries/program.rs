//! What the program says about its own stack.

use std::process::Command;

use goroscope_gobin::{Arch, Frame, Function, GoBinary, Pc, Prologue, VirtualAddress};

use crate::toolchain::Executable;

/// What `tests/program` prints.
#[derive(Default)]
struct Said {
    version: String,
    map: u64,
    pcs: Vec<u64>,
    frames: Vec<(String, String, u32)>,
}

fn run(executable: &Executable) -> Said {
    let output = Command::new(&executable.path).output().expect("running the program");
    assert!(output.status.success(), "{:?}: {}", executable.path, String::from_utf8_lossy(&output.stderr));
    let mut said = Said::default();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["version", version] => version.clone_into(&mut said.version),
            ["map", start] => said.map = u64::from_str_radix(start, 16).unwrap(),
            ["pc", pc] => said.pcs.push(u64::from_str_radix(pc.trim_start_matches("0x"), 16).unwrap()),
            ["frame", function, file, line] => said.frames.push((function.into(), file.into(), line.parse().unwrap())),
            _ => {}
        }
    }
    said
}

/// `runtime.Callers` gives one address for each frame: of an inlined frame that of the call in the frame around it. So the innermost
/// frame of address i is frame i, and those behind it follow as long as they are inlined.
pub(crate) fn check_frames(executable: &Executable, binary: &GoBinary, release: &str) {
    let said = run(executable);
    assert_eq!(said.version, format!("go{release}"));
    let bias = if binary.linkage.position_independent { said.map - binary.base().0 } else { 0 };
    assert!(said.frames.len() >= 8 && said.frames.len() == said.pcs.len(), "{:?}", said.frames);
    let mut inlined = 0;
    for (index, pc) in said.pcs.iter().enumerate() {
        let frames = binary.frames(executable, Pc::ReturnAddress(VirtualAddress(pc - bias))).unwrap();
        let expected = &said.frames[index..index + frames.len()];
        assert_eq!(frames.iter().map(printed).collect::<Vec<_>>(), expected, "go{release} pc {index} {:?}", executable.path);
        inlined += frames.iter().filter(|frame| frame.inlined).count();
    }
    binary.functions.iter().for_each(|function| check_frame_size(executable, binary, function));
    assert!(inlined >= 3, "go{release}: the program has no inlined frames");
}

/// Nothing is on the stack up to the check; then the caller's frame pointer, or the whole frame.
fn check_frame_size(executable: &Executable, binary: &GoBinary, function: &Function) {
    let size = |offset: u32| binary.symbolizer().frame_size(executable, Pc::Exact(function.entry.checked_add(u64::from(offset)).unwrap()));
    let Prologue::StackCheck(check) = function.prologue else { return };
    assert_eq!((size(0).unwrap(), size(check.after).unwrap()), (0, 0), "{}", function.name);
    let behind = size(check.after + if binary.arch == Arch::Arm64 { 4 } else { 1 }).unwrap();
    match (binary.arch, check.after_is_push_rbp) {
        (Arch::Amd64, true) => assert_eq!(behind, 8, "{}", function.name),
        // `sub rsp,N` is longer than a byte; `sub x20,sp,N` of a large frame moves nothing yet.
        (Arch::Amd64, false) => assert_eq!(behind, 0, "{}", function.name),
        (Arch::Arm64, _) => assert!(behind % 16 == 0 && behind < 256, "{}: {behind}", function.name),
    }
}

/// The runtime prints type arguments as `[...]`.
fn printed(frame: &Frame) -> (String, String, u32) {
    let name = frame.function.replace("[go.shape.int]", "[...]").replace("[go.shape.int_0]", "[...]");
    (name, frame.file.clone(), frame.line)
}

/// Without running: the entries of functions symbolize to themselves.
pub(crate) fn check_lines(executable: &Executable, binary: &GoBinary) {
    for function in &binary.functions {
        let frames = binary.frames(executable, Pc::Exact(function.entry)).unwrap();
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(frame.function, function.name);
        assert!(frame.file.ends_with(".go") && frame.line > 0, "{frame:?}");
        check_frame_size(executable, binary, function);
    }
}
