//! The kernel side against the verifier of the kernel at hand. Needs root.

use std::{
    collections::BTreeMap,
    os::fd::AsFd as _,
    process::{Command, Stdio},
    time::Duration,
};

use aya::maps::{PerCpuHashMap, PerCpuValues};
use goroscope_abi::{Kind, SiteKey};
use goroscope_gobin::{GoBinary, Prologue};

use super::*;
use crate::model::{Probe, Slot, testing};

#[test]
fn every_program_passes_the_verifier() {
    let mut tracer = load(&[]).unwrap();
    assert_eq!(tracer.losses, Vec::<String>::new());
    assert!(tracer.switch.as_ref().unwrap().is_multi());

    // A process that execs is told, with the life that it is in.
    let mut child = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut exec = None;
    for _ in 0..50 {
        tracer.records.as_mut().unwrap().wait(Duration::from_millis(100), |record| match record {
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
        tracer
            .records
            .as_mut()
            .unwrap()
            .wait(Duration::from_millis(100), |record| ended |= matches!(record, Record::Exit { process, .. } if process == key));
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

/// Attaches probes to the file of a Go program and runs it as often as asked: the maps, and the pids.
fn observed(loader: &mut EbpfLoader<'_>, multi: bool, runs: usize) -> (Maps, Vec<u32>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("program");
    testing::executable("plain", &file);
    let executable = testing::open(&file);

    let mut ebpf = loader.load(OBJECT).unwrap();
    let program = multi.then(|| multi::load(OBJECT, &ebpf).unwrap());
    let maps = Maps::new(&mut ebpf).unwrap();
    let mut switch = Switch::new(ebpf, program).unwrap();
    maps.describe(Slot(1), &goroscope_abi::Executable { gate: u32::MAX, ..Default::default() }).unwrap();
    let link = switch.attach(&executable.file, Slot(1), &probes(&executable.binary)).unwrap();
    let run = |_| {
        let mut child = Command::new(&file).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    let pids = (0..runs).map(run).collect();
    drop(link);
    (maps, pids)
}

/// What was counted of a process: by kind, and under its sites or none.
fn counts(maps: &Maps, pid: u32) -> (Hits, u64) {
    let key = maps.processes_with_hits().into_iter().find(|key| key.tgid == pid).expect("no hits");
    let hits = maps.hits(&key).unwrap();
    let sited = maps.sites(|_| true).remove(&key).unwrap_or_default().iter().map(|site| site.hits).sum::<u64>();
    let unsited = hits.unsited.iter().sum::<u64>();
    (hits, sited + unsited)
}

/// Hits of the kinds that have sites.
fn with_site(hits: &Hits) -> u64 {
    Kind::ALL.iter().filter(|kind| kind.has_site()).map(|kind| hits.by_kind[*kind as usize]).sum()
}

#[test]
fn perf_links_count_what_multi_links_count() {
    for multi in [true, false] {
        let (maps, pids) = observed(&mut EbpfLoader::new(), multi, 1);
        let (hits, sited) = counts(&maps, pids[0]);
        assert_eq!(hits.slot, multi.then_some(Slot(1)), "only multi links tell the executable");
        assert_eq!(with_site(&hits), sited, "multi {multi}: the total is the sum over sites and what has none");
        assert!(hits.by_kind[Kind::GoroutineStart as usize] > 3 && hits.by_kind[Kind::MapAssignFaststr as usize] >= 2);
        // What the program itself does; goroutines and map writes are the runtime's and the library's too.
        for kind in [Kind::TimerStart, Kind::TimerStop, Kind::Sleep] {
            assert_eq!(hits.by_kind[kind as usize], 1, "multi {multi}: {kind:?}");
        }
    }
}

#[test]
fn a_full_map_is_a_counted_loss() {
    let (maps, pids) = observed(EbpfLoader::new().map_max_entries("SITES", 1), true, 1);
    let (hits, sited) = counts(&maps, pids[0]);
    let lost = maps.drops()["sites_full"];
    assert!(lost > 0 && hits.unsited.iter().sum::<u64>() == lost, "{lost} of {hits:?}");
    assert_eq!(with_site(&hits), sited, "no hit is lost from the total");

    let (maps, pids) = observed(EbpfLoader::new().map_max_entries("COUNTERS", 1), true, 2);
    assert!(counts(&maps, pids[0]).1 > 0);
    assert!(maps.drops()["counters_full"] > 0 && maps.processes_with_hits().iter().all(|key| key.tgid != pids[1]));
}

#[test]
fn sites_are_read_and_freed_in_few_calls_each_once() {
    let mut ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    let Some(aya::maps::Map::PerCpuHashMap(data)) = ebpf.map("SITES") else { panic!("SITES is no per-CPU hash map") };
    let descriptor = data.fd().as_fd().try_clone_to_owned().unwrap();
    let mut map = PerCpuHashMap::<_, SiteKey, u64>::try_from(ebpf.take_map("SITES").unwrap()).unwrap();
    let cpus = aya::util::nr_cpus().unwrap();
    let mut expected = BTreeMap::new();
    assert_eq!(batch::sums(&descriptor, cpus, |_| true).unwrap(), (vec![], 0), "an empty map");
    for pc in 0..3_000 {
        let key = SiteKey { process: ProcessKey { exec_ns: 7, ..Default::default() }, pc, ..Default::default() };
        map.insert(key, PerCpuValues::try_from(vec![pc; cpus]).unwrap(), 0).unwrap();
        expected.insert(key, pc * cpus as u64);
    }
    let read = |wanted: fn(&SiteKey) -> bool| {
        let (entries, held) = batch::sums(&descriptor, cpus, wanted).unwrap();
        let found = entries.len();
        let entries: BTreeMap<SiteKey, u64> = entries.into_iter().collect();
        assert_eq!(found, entries.len(), "each once");
        (entries, held)
    };
    assert_eq!(read(|_| true), (expected.clone(), 3_000));
    // Every third, and one that is not there.
    let absent = SiteKey { pc: 3_000, ..Default::default() };
    let gone: Vec<SiteKey> = expected.keys().copied().filter(|key| key.pc % 3 == 0).chain([absent]).collect();
    for _ in 0..2 {
        batch::remove(&descriptor, &gone).unwrap();
        expected.retain(|key, _| key.pc % 3 != 0);
        assert_eq!(read(|_| true), (expected.clone(), 2_000));
    }
    expected.retain(|key, _| key.pc % 3 == 1);
    assert_eq!(read(|key| key.pc % 3 == 1), (expected, 2_000));
}
