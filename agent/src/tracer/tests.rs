//! The kernel side against the verifier of the kernel at hand. Needs root.

use std::{process::Command, time::Duration};

use super::*;

#[test]
fn every_program_passes_the_verifier() {
    let mut tracer = load().unwrap();
    assert_eq!(tracer.losses, Vec::<String>::new());
    assert!(tracer.switch.is_multi());

    // A process that execs is told, with the life that it is in.
    let mut child = Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
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
    assert!(tracer.maps.register(key, crate::model::Slot(1), 0).unwrap());
    assert!(!tracer.maps.register(ProcessKey { exec_ns: 1, ..key }, crate::model::Slot(1), 0).unwrap());

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
