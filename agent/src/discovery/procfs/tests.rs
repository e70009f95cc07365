//! A directory made to look like /proc, and the real one for this very process.

use std::{os::unix::fs::symlink, time::Duration};

use rustix::io::Errno;

use super::*;

struct Fixture {
    directory: tempfile::TempDir,
    root: ProcRoot,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("stat"), "cpu 1 2\nbtime 1700000000\n").unwrap();
        fs::write(directory.path().join("program"), "bytes").unwrap();
        for other in ["self-like", "0", "01", "+5", "99999999999", "sys"] {
            fs::create_dir(directory.path().join(other)).unwrap();
        }
        let root = ProcRoot::new(directory.path());
        Self { directory, root }
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn process(&self, pid: u32, state: char, threads: u32, start: u64) {
        self.write(&format!("{pid}/stat"), stat_line(pid, state, 0x0040_0000, threads, start));
        self.write(&format!("{pid}/cgroup"), "0::/system.slice/a.service\n");
        symlink(self.directory.path().join("program"), self.directory.path().join(format!("{pid}/exe"))).unwrap();
    }
}

fn stat_line(pid: u32, state: char, flags: u64, threads: u32, start: u64) -> String {
    stat_line_at(pid, state, flags, threads, start, 0x5000)
}

fn stat_line_at(pid: u32, state: char, flags: u64, threads: u32, start: u64, start_code: u64) -> String {
    format!("{pid} (a) b) {state} 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 {threads} 0 {start} 1 1 1 {start_code} 1\n")
}

#[test]
fn scan_lists_what_runs() {
    let fixture = Fixture::new();
    fixture.process(30, 'S', 1, 300);
    fixture.process(4, 'R', 2, 40);
    fixture.process(5, 'Z', 1, 50);
    fixture.process(6, 'Z', 2, 60);
    fixture.write("6/task/6/stat", stat_line(6, 'Z', 0, 2, 60));
    fixture.write("6/task/7/stat", stat_line(7, 'S', 0, 2, 61));
    fixture.write("8/stat", stat_line(8, 'I', 0x0020_0040, 1, 2));
    fixture.write("9/cgroup", "");
    let listed = |pid, start_ticks| Listed { pid, start_ticks };
    let expected = Scan { processes: vec![listed(4, 40), listed(6, 60), listed(30, 300)], kernel_threads: 1, zombies: 1, unreadable: 1 };
    assert_eq!(fixture.root.scan().unwrap(), expected);
    assert!(ProcRoot::new(fixture.directory.path().join("none")).scan().is_err());
}

#[test]
fn life_of_processes() {
    let fixture = Fixture::new();
    fixture.process(1, 'S', 1, 10);
    fixture.process(2, 'Z', 1, 20);
    fixture.write("2/task/2/stat", stat_line(2, 'Z', 0, 1, 20));
    fixture.process(3, 'Z', 3, 30);
    fixture.write("3/task/3/stat", stat_line(3, 'Z', 0, 3, 30));
    fixture.write("3/task/33/stat", stat_line(33, 'S', 0, 3, 31));
    fixture.process(4, 'Z', 2, 40);
    fixture.write("4/task/4/stat", stat_line(4, 'Z', 0, 2, 40));
    fixture.write("4/task/44/stat", stat_line(44, 'X', 0, 2, 41));
    fixture.write("5/stat", "junk");
    for (pid, start_ticks, expected) in [
        (1, 10, Life::Alive),
        (1, 11, Life::Exited),
        (2, 20, Life::Exited),
        (3, 30, Life::Alive),
        (4, 40, Life::Exited),
        (77, 1, Life::Exited),
    ] {
        assert_eq!(fixture.root.life(Listed { pid, start_ticks }).unwrap(), expected, "pid {pid}");
    }
    assert!(matches!(fixture.root.life(Listed { pid: 5, start_ticks: 1 }), Err(ProcError::Malformed { what: "stat" })));
}

#[test]
fn observe_gathers_one_image() {
    let fixture = Fixture::new();
    fixture.process(7, 'S', 1, 150);
    let process = fixture.root.observe(7).unwrap();
    assert_eq!(process.exe, fixture.directory.path().join("program"));
    assert_eq!(process.text, RuntimeAddress(0x5000));
    assert_eq!(process.started_at, SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_001_500));
    assert_eq!(process.cgroup, "0::/system.slice/a.service\n");
    assert_eq!(std::io::read_to_string(process.file).unwrap(), "bytes");
}

#[test]
fn observe_says_why_not() {
    let fixture = Fixture::new();
    let reason = |pid| fixture.root.observe(pid).unwrap_err().reason();
    assert_eq!(reason(1), "gone");
    fixture.process(2, 'Z', 1, 1);
    assert_eq!(reason(2), "gone");
    fixture.process(3, 'S', 1, 1);
    for (start_code, why) in [(0, "changing"), (1, "not_permitted")] {
        fixture.write("3/stat", stat_line_at(3, 'S', 0, 1, 1, start_code));
        assert_eq!(reason(3), why);
    }
    fixture.write("3/stat", "3 (a) S 1 1");
    assert_eq!(reason(3), "malformed_proc");
    fixture.write("3/stat", vec![b'0'; 5000]);
    assert_eq!(reason(3), "oversized_proc");
    fixture.process(4, 'S', 1, 1);
    fs::remove_file(fixture.directory.path().join("4/exe")).unwrap();
    assert_eq!(reason(4), "gone");
    // A hostile cgroup path costs the names, not the process.
    fixture.process(5, 'S', 1, 1);
    fixture.write("5/cgroup", vec![b'x'; 70 << 10]);
    assert_eq!(fixture.root.observe(5).unwrap().cgroup, "");
    assert!(matches!(fixture.root.cgroup(5), Err(ProcError::TooLarge { limit: CGROUP_LIMIT, .. })));
}

/// A process that execs again and again is seen as one program or the other, never as a mixture.
#[test]
fn observe_never_mixes_images() {
    let root = ProcRoot::default();
    let script = "exec cat";
    for _ in 0..20 {
        let mut shell = std::process::Command::new("sh");
        let mut child = shell.args(["-c", "exec sh -c \"$0\"", script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let result = root.observe(child.id());
        drop(child.stdin.take());
        child.kill().unwrap();
        child.wait().unwrap();
        match result {
            Ok(process) => {
                let opened = process.file.metadata().unwrap();
                let named = fs::metadata(&process.exe).unwrap();
                assert_eq!((opened.dev(), opened.ino()), (named.dev(), named.ino()));
            }
            Err(error) => assert_eq!(error.reason(), "changing"),
        }
    }
}

#[test]
fn errors_by_errno() {
    for (errno, reason) in [
        (Errno::NOENT, "gone"),
        (Errno::SRCH, "gone"),
        (Errno::ACCESS, "not_permitted"),
        (Errno::PERM, "not_permitted"),
        (Errno::IO, "read_failed"),
    ] {
        assert_eq!(ProcError::of(1, "exe", errno.into()).reason(), reason);
    }
}

#[test]
fn the_real_thing() {
    let root = ProcRoot::default();
    let pid = std::process::id();
    let process = root.observe(pid).unwrap();
    assert_eq!(process.exe, std::env::current_exe().unwrap());
    let age = SystemTime::now().duration_since(process.started_at).unwrap_or_default();
    assert!(age < Duration::from_secs(3600), "{age:?}");
    let me = Listed { pid, start_ticks: process.start_ticks };
    assert!(me.age().abs_diff(age) < Duration::from_secs(2), "{:?} and {age:?}", me.age());
    assert!(root.scan().unwrap().processes.contains(&me));
    assert_eq!(root.life(me).unwrap(), Life::Alive);
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let child_pid = child.id();
    child.wait().unwrap();
    assert_eq!(root.life(Listed { pid: child_pid, start_ticks: 0 }).unwrap(), Life::Exited);
}
