//! With real executables: which files share what, and what is remembered.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};

use goroscope_abi::{Family, Kind};
use goroscope_gobin::{FileOffset, VirtualAddress};

use super::*;
use crate::{
    analysis::{Sameness, same_file, verify},
    model::{Probe, testing},
};

thread_local! {
    static ANALYSES: Cell<usize> = const { Cell::new(0) };
}

fn counted(source: &dyn Source, limits: &Limits) -> Result<GoBinary, goroscope_gobin::Refusal> {
    ANALYSES.set(ANALYSES.get() + 1);
    goroscope_gobin::analyse(source, limits)
}

fn analyses() -> usize {
    ANALYSES.get()
}

struct Host {
    directory: tempfile::TempDir,
    analyser: Analyser,
}

impl Host {
    fn new(settings: Settings) -> Self {
        ANALYSES.set(0);
        Self { directory: tempfile::tempdir().unwrap(), analyser: Analyser::with(settings, counted) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What becomes of a new file with these bytes.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<Arc<Executable>, Refusal> {
        fs::write(self.path(name), bytes).unwrap();
        self.open(&self.path(name))
    }

    fn open(&mut self, path: &Path) -> Result<Arc<Executable>, Refusal> {
        self.analyser.analyse(File::open(path).unwrap())
    }
}

/// The program with one byte changed at a place of the file.
fn patched(offset: u64) -> Vec<u8> {
    let mut bytes = testing::bytes("plain");
    bytes[usize::try_from(offset).unwrap()] ^= 0x20;
    bytes
}

#[test]
fn one_inode_is_one_executable() {
    let mut host = Host::new(Settings::default());
    let first = host.write("a", &testing::bytes("plain")).unwrap();
    let path = host.path("a");
    assert!(Arc::ptr_eq(&first, &host.open(&path).unwrap()));
    let link = host.path("link");
    fs::hard_link(&path, &link).unwrap();
    // A link changes ctime, which is the price for noticing changes: another look, the same bytes, the same file.
    let again = host.open(&link).unwrap();
    assert!(Arc::ptr_eq(&first.binary, &again.binary));
    assert_eq!(same_file(&first, &again), Sameness::Same);
    assert_eq!(analyses(), 1);
}

#[test]
fn copies_share_their_analysis() {
    let mut host = Host::new(Settings::default());
    let first = host.write("a", &testing::bytes("plain")).unwrap();
    let copy = host.write("b", &testing::bytes("plain")).unwrap();
    assert!(!first.id.build_id.is_empty());
    assert!(Arc::ptr_eq(&first.binary, &copy.binary));
    assert_eq!((first.id == copy.id, same_file(&first, &copy), analyses()), (true, Sameness::Different, 1));
    // Nobody runs it any more: the file is closed, the analysis is still known.
    let inode = copy.inode;
    drop((first, copy));
    let third = host.open(&host.path("b")).unwrap();
    assert_eq!((third.inode, analyses()), (inode, 1));
}

#[test]
fn forged_build_ids_do_not_share() {
    let mut host = Host::new(Settings::default());
    let honest = host.write("honest", &testing::bytes("plain")).unwrap();
    let newproc = honest.binary.find("runtime.newproc1").unwrap().file_offset;
    // The same build id and size over other code.
    let forged = host.write("forged", &patched(newproc.0)).unwrap();
    assert_eq!((&forged.id.build_id, forged.id.size), (&honest.id.build_id, honest.id.size));
    assert_ne!(forged.id.digest, honest.id.digest);
    assert!(!Arc::ptr_eq(&honest.binary, &forged.binary));
    assert_ne!(forged.binary.find("runtime.newproc1"), honest.binary.find("runtime.newproc1"));
    let longer = host.write("longer", &[testing::bytes("plain"), vec![0]].concat()).unwrap();
    assert!(!Arc::ptr_eq(&honest.binary, &longer.binary));
    assert_eq!(analyses(), 3);
    // A difference in what analysis does not look at is none to it, and does not mislead it.
    let unread = honest.binary.find("runtime.mapassign").unwrap().file_offset.0 + 200;
    let elsewhere = host.write("elsewhere", &patched(unread)).unwrap();
    assert!(Arc::ptr_eq(&honest.binary, &elsewhere.binary));
}

#[test]
fn empty_build_ids_do_not_share() {
    let mut host = Host::new(Settings::default());
    let first = host.write("a", &testing::bytes("nobuildid")).unwrap();
    let copy = host.write("b", &testing::bytes("nobuildid")).unwrap();
    assert!(!Arc::ptr_eq(&first.binary, &copy.binary));
    assert_eq!((first.id.build_id.as_str(), analyses()), ("", 2));
    assert!(Arc::ptr_eq(&first, &host.open(&host.path("a")).unwrap()), "one inode is one executable even so");
}

#[test]
fn refusals_are_remembered_if_the_bytes_are_to_blame() {
    let mut host = Host::new(Settings::default());
    let refused = host.write("script", b"#!/bin/true").unwrap_err();
    assert_eq!((refused.subject, refused.reason), (Subject::All, "not_elf"));
    assert_eq!(host.open(&host.path("script")).unwrap_err(), refused);
    assert_eq!(analyses(), 1);
    // A change of the file is noticed.
    assert!(host.write("script", &testing::bytes("plain")).is_ok());
    // That a read failed may be the disk's fault: not for ever.
    let truncated = host.write("truncated", &testing::bytes("plain")[..200_000]).unwrap_err();
    assert!(!truncated.detail.is_empty(), "{truncated}");
    let other = host.open(&std::env::current_exe().unwrap()).unwrap_err();
    assert_eq!((other.subject, other.reason), (Subject::All, "not_go"));
}

#[test]
fn not_files() {
    let mut host = Host::new(Settings { timeout: Duration::ZERO, ..Settings::default() });
    assert_eq!(host.open(Path::new("/dev/null")).unwrap_err().reason, "not_a_file");
    assert_eq!(host.open(Path::new("/")).unwrap_err().reason, "not_a_file");
    let executable = testing::bytes("plain");
    assert_eq!(host.write("a", &executable).unwrap_err().reason, "analysis_timeout");
    host.analyser.settings.timeout = Duration::from_secs(60);
    assert!(host.open(&host.path("a")).is_ok(), "slowness is not remembered");
}

#[test]
fn facts_that_came_too_late_are_missing_from_nothing() {
    fn until_stopped(source: &dyn Source, limits: &Limits) -> Result<GoBinary, goroscope_gobin::Refusal> {
        let found = goroscope_gobin::analyse(source, limits);
        while source.read_exact_at(FileOffset(0), &mut [0]).is_ok() {
            // wait: what runs out is time
            std::thread::sleep(Duration::from_millis(1));
        }
        found
    }
    let mut host = Host::new(Settings { timeout: Duration::from_secs(2), ..Settings::default() });
    host.analyser.analyse = until_stopped;
    assert_eq!(host.write("a", &testing::bytes("plain")).unwrap_err().reason, "analysis_timeout");
    host.analyser.analyse = counted;
    host.analyser.settings.timeout = Duration::from_secs(60);
    assert!(host.open(&host.path("a")).is_ok(), "slowness is not remembered");
}

#[test]
fn memory_is_bounded() {
    let mut host = Host::new(Settings { inodes: 3, contents: 2, ..Settings::default() });
    let mut bytes = testing::bytes("plain");
    for number in 0..5 {
        bytes.push(0);
        host.write(&number.to_string(), &bytes).unwrap();
        host.write(&format!("not Go {number}"), b"not Go").unwrap_err();
    }
    assert_eq!(analyses(), 10);
    assert_eq!((host.analyser.by_inode.len(), host.analyser.by_content.len()), (3, 2));
}

#[test]
fn one_inode_under_two_devices_may_be_the_same() {
    let mut host = Host::new(Settings::default());
    let path = host.path("file");
    testing::executable("plain", &path);
    let real = host.open(&path).unwrap();
    let seen = |dev, ino, digest| Executable {
        id: ExecutableId { digest, ..real.id.clone() },
        inode: Inode { dev, ino, ..real.inode },
        file: File::open(&path).unwrap(),
        binary: Arc::clone(&real.binary),
    };
    let (dev, ino, digest) = (real.inode.dev, real.inode.ino, real.id.digest);
    for (other, expected) in [
        (seen(dev, ino, digest), Sameness::Same),
        (seen(dev + 1, ino, digest), Sameness::Maybe),
        (seen(dev + 1, ino, [0; 32]), Sameness::Different),
        (seen(dev + 1, ino + 1, digest), Sameness::Different),
        (seen(dev, ino + 1, digest), Sameness::Different),
    ] {
        assert_eq!(same_file(&real, &other), expected);
        assert_eq!(same_file(&other, &real), expected);
    }
}

#[test]
fn sites_are_verified_in_the_file() {
    let mut host = Host::new(Settings::default());
    let executable = host.write("a", &testing::bytes("plain")).unwrap();
    let function = executable.binary.find("runtime.mapassign_faststr").unwrap();
    let probe = |offset, bytes: &[u8]| Probe {
        kind: Kind::MapAssignFaststr,
        function: function.name.clone(),
        offset,
        address: VirtualAddress(0),
        bytes: bytes.to_owned(),
        instruction: "push rbp",
    };
    let reason =
        |offset, bytes: &[u8]| verify(&executable, &probe(offset, bytes)).map_err(|refusal| (refusal.subject.family(), refusal.reason));
    let (site, family) = (function.file_offset, Some(Family::Map));
    assert_eq!(reason(site, &function.code), Ok(()));
    assert_eq!(reason(site, &function.code[1..]), Err((family, "bytes_differ")));
    assert_eq!(reason(site, b""), Err((family, "bytes_differ")));
    assert_eq!(reason(FileOffset(u64::MAX / 4), b"\x55"), Err((family, "read_failed")));
    // Not the memory of what was there once, but the file of now.
    fs::write(host.path("a"), patched(site.0)).unwrap();
    assert_eq!(reason(site, &function.code), Err((family, "bytes_differ")));
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let mut host = Host::new(Settings::default());
    let good = testing::bytes("plain");
    let mut check = |name: &str, bytes: &[u8], expected: &[&str]| {
        let refused = host.write(name, bytes).unwrap_err();
        assert!(expected.contains(&refused.reason), "{name}: {refused}");
        assert_eq!(refused.subject, Subject::All);
    };
    check("empty", b"", &["not_elf", "truncated"]);
    check("magic only", b"\x7fELF", &["not_elf", "truncated"]);
    check("header only", &good[..64], &["truncated", "corrupt_elf", "read_failed"]);
    for half in [good.len() / 2, good.len() / 4, 5000] {
        let expected = ["truncated", "corrupt_elf", "read_failed", "not_go", "no_pclntab", "corrupt_pclntab"];
        check(&format!("first {half} bytes"), &good[..half], &expected);
    }
    let version = String::from_utf8(good.windows(5).find(|bytes| bytes.starts_with(b"go1.2")).unwrap().to_vec()).unwrap();
    let future = replace(&good, version.as_bytes(), b"go1.9");
    check("from the future", &future, &["unsupported_go_version"]);
    let mut foreign = good.clone();
    foreign[18] = 0xf3; // RISC-V
    check("foreign", &foreign, &["foreign_arch"]);
    // Not Go, though it has bytes that Go's tables begin with.
    let mut lookalike = fs::read("/bin/sh").unwrap();
    lookalike.extend(b"\xff Go buildinf:\x08\x02\xf1\xff\xff\xff\0\0\x01\x08");
    check("lookalike", &lookalike, &["not_go"]);
}

#[test]
fn gigantic_files_cost_nothing() {
    let mut host = Host::new(Settings::default());
    let path = host.path("sparse");
    fs::write(&path, &testing::bytes("plain")[..64]).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let refused = host.open(&path).unwrap_err();
    assert!(!["analysis_timeout", "read_failed"].contains(&refused.reason), "{refused}");
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Bytes changed at random (always in the same way) must not make anything panic, hang, or end in a probe that is not there.
#[test]
fn corrupted_executables_do_no_harm() {
    let mut host = Host::new(Settings { timeout: Duration::from_secs(60), ..Settings::default() });
    let good = testing::bytes("plain");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut analysed = 0;
    for round in 0..60 {
        let mut bytes = good.clone();
        // Half of the rounds hit the headers, where a byte means much.
        let range = if round % 2 == 0 { 4096 } else { bytes.len() };
        for _ in 0..1 + next(20) {
            let at = next(range);
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        let Ok(executable) = host.write("corrupt", &bytes) else { continue };
        analysed += 1;
        let symbolizer = &executable.binary.symbolizer();
        for function in &executable.binary.functions {
            let _any = symbolizer.frames(&*executable, goroscope_gobin::Pc::ReturnAddress(VirtualAddress(function.entry.0 + 20)));
            let at = usize::try_from(function.file_offset.0).unwrap();
            assert_eq!(bytes[at..at + function.code.len()], function.code);
        }
    }
    assert!((5..60).contains(&analysed), "{analysed} of 60 were not refused");
}
