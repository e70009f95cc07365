//! The kernel side against the verifier of the kernel at hand. Needs root.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use goroscope_abi::{KINDS, Kind};
use goroscope_gobin::{GoBinary, Prologue};

use super::*;
use crate::model::{Probe, Slot, testing};

#[test]
fn every_program_passes_the_verifier() {
    let mut tracer = load().unwrap();
    assert_eq!(tracer.losses, Vec::<String>::new());
    assert!(tracer.switch.is_multi());

    // A process that execs is told, with the life that it is in.
    let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut exec = None;
    for _ in 0..50 {
        tracer.records.wait(Duration::from_millis(100), |record| match record {
            Record::Exec(key) if key.tgid == child.id() => exec = Some(key),
            _ => {}
        });
        if exec.is_some() {
            break;
        }
    }
    let key = exec.expect("no exec record");
    assert_eq!(tracer.maps.exec_ns(child.id()), key.exec_ns);
    assert!(tracer.maps.register(key, Slot(1), 0).unwrap());
    assert!(!tracer.maps.register(ProcessKey { exec_ns: 1, ..key }, Slot(1), 0).unwrap());

    // A registered process that ends is told too.
    drop(child.stdin.take());
    child.wait().unwrap();
    let mut ended = false;
    for _ in 0..50 {
        tracer.records.wait(Duration::from_millis(100), |record| ended |= record == Record::Exit(key));
        if ended {
            break;
        }
    }
    assert!(ended, "no exit record");
    tracer.maps.forget(&key, &[]);
    assert_eq!(tracer.maps.exec_ns(child.id()), 0);
}

#[test]
fn perf_programs_pass_the_verifier() {
    let ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    let switch = Switch::new(ebpf, None).unwrap();
    assert!(!switch.is_multi());
}

/// A probe at the branch of the stack check of each function.
fn probes(binary: &GoBinary) -> Vec<Probe> {
    let kinds = [
        ("runtime.newproc1", Kind::GoroutineStart),
        ("runtime.mapassign_faststr", Kind::MapAssignFaststr),
        ("time.newTimer", Kind::TimerStart),
        ("time.stopTimer", Kind::TimerStop),
        ("time.Sleep", Kind::Sleep),
    ];
    let probe = |(name, kind): (&str, Kind)| {
        let function = binary.find(name).unwrap();
        let Prologue::StackCheck(check) = &function.prologue else { panic!("{name} has no stack check") };
        let branch = u64::from(check.branch);
        Probe {
            kind,
            function: name.to_owned(),
            offset: function.file_offset.checked_add(branch).unwrap(),
            address: function.entry.checked_add(branch).unwrap(),
            bytes: Vec::new(),
            instruction: "jbe",
        }
    };
    kinds.map(probe).to_vec()
}

/// Attaches probes to the file of a Go program to its file, runs it, and returns what was counted of it: by kind, and by site.
fn counted(multi: bool) -> ([u64; KINDS], u64) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    testing::executable("plain", &file);
    let executable = testing::open(&file);
    let probes = probes(&executable.binary);

    let mut ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    let program = multi.then(|| multi::load(OBJECT, &ebpf).unwrap());
    let maps = Maps::new(&mut ebpf).unwrap();
    let mut switch = Switch::new(ebpf, program).unwrap();
    maps.describe(Slot(1), &goroscope_abi::Executable { gate: u32::MAX, ..Default::default() }).unwrap();
    let link = switch.attach(&executable.file, Slot(1), &probes).unwrap();
    let mut child = Command::new(&file).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    child.wait().unwrap();
    drop(link);

    let key = maps.processes_with_hits().into_iter().find(|key| key.tgid == child.id()).expect("no hits");
    let hits = maps.hits(&key).unwrap();
    let sited = maps.sites().remove(&key).unwrap_or_default().iter().map(|site| site.hits).sum::<u64>();
    assert_eq!(hits.slot, multi.then_some(Slot(1)), "only multi links tell the executable");
    (hits.by_kind, sited + hits.unsited.iter().sum::<u64>())
}

#[test]
fn perf_links_count_what_multi_links_count() {
    let (multi, perf) = (counted(true), counted(false));
    let with_site = |hits: &[u64; KINDS]| Kind::ALL.iter().filter(|kind| kind.has_site()).map(|kind| hits[*kind as usize]).sum::<u64>();
    for (how, (hits, sited)) in [("multi", multi), ("perf", perf)] {
        assert!(hits[Kind::GoroutineStart as usize] > 3, "{how}: {hits:?}");
        assert_eq!(with_site(&hits), sited, "{how}: the total is the sum over sites and what has none");
    }
    // What the program itself does; goroutines and map writes are the runtime's and the library's too.
    for kind in [Kind::TimerStart, Kind::TimerStop, Kind::Sleep] {
        assert_eq!((multi.0[kind as usize], perf.0[kind as usize]), (1, 1), "{kind:?}");
    }
    assert!(multi.0[Kind::MapAssignFaststr as usize] >= 2);
}
