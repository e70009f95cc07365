//! `goroscope check` as a command: it ends when it is told to, when the process ends, and when it cannot watch; it keeps up; it needs one
//! capability only. What it finds is the matter of `leaks.rs`.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    agent::command,
    build::{Form, NEWEST, build, sources},
    check::Found,
    target::Target,
    wait_for, wait_until,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a command may take to end, as issue 5 has it.
const PROMPT: Duration = Duration::from_secs(2);
/// A machine that stands still for a second proves nothing: so often it is tried.
const TRIES: usize = 3;

/// A watch under way, and where its report goes.
struct Check {
    child: Child,
    directory: TempDir,
}

impl Check {
    fn start(pid: u32, time: &str) -> Self {
        Self::start_by(command(&[]), pid, time)
    }

    /// With a command that ends in the binary.
    fn start_by(mut binary: Command, pid: u32, time: &str) -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        binary.args(["check", "--pid", &pid.to_string(), "--for", time, "--report"]).arg(directory.path().join("report.json"));
        let child = binary.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        Self { child, directory }
    }

    fn report(&self) -> PathBuf {
        self.directory.path().join("report.json")
    }

    /// Waits until signals no longer kill it.
    fn wait_until_it_listens(&self) {
        let mask = (1 << (2 - 1)) | (1 << (15 - 1));
        wait_until("check handles its signals", || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).unwrap();
            u64::from_str_radix(caught, 16).unwrap() & mask == mask
        });
    }

    /// Waits for its end: status, what is in the report, and whether anything lies beside it.
    fn end(mut self) -> (Option<i32>, Option<Vec<Found>>) {
        let status = wait_for("check ends", || self.child.try_wait().unwrap());
        let names: Vec<String> =
            fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name == "report.json"), "left behind: {names:?}");
        let text = fs::read_to_string(self.report()).ok();
        (status.code(), text.map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))))
    }

    /// Sends a signal and waits for the end: the same, and how long that took.
    fn stop(self, signal: Signal) -> (Duration, Option<i32>, Option<Vec<Found>>) {
        let sent = Instant::now();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let (status, report) = self.end();
        (sent.elapsed(), status, report)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> PathBuf {
    build(name, NEWEST, Form::Plain).unwrap()
}

/// Watches a target, sends the signal after a while, and wants the end at once.
fn check_prompt(target: &Target, signal: Signal, watched: Duration) -> (Option<i32>, Option<Vec<Found>>) {
    let mut took = vec![];
    for _ in 0..TRIES {
        let check = Check::start(target.pid, "10m");
        check.wait_until_it_listens();
        // wait: it is to be in the middle of its work, wherever that is
        std::thread::sleep(watched);
        let (time, status, report) = check.stop(signal);
        if time <= PROMPT {
            return (status, report);
        }
        took.push(time);
    }
    panic!("{signal:?}: took {took:?}");
}

#[test]
fn a_signal_ends_it_at_once() {
    let target = Target::spawn(&program("leak"), &[]);
    for (signal, watched) in [(Signal::INT, 0), (Signal::INT, 700), (Signal::TERM, 0), (Signal::TERM, 1900)] {
        let (status, report) = check_prompt(&target, signal, Duration::from_millis(watched));
        // Whether it has found the leak by then is a matter of luck; what it says must fit.
        let found = report.expect("a report").len();
        assert_eq!(status, Some(i32::from(found > 0)), "{signal:?} after {watched} ms");
    }
}

#[test]
fn it_ends_in_time_beside_a_hundred_thousand_goroutines_a_second() {
    let mut target = Target::spawn(&program("hasty"), &["100000"]);
    let check = Check::start(target.pid, "20s");
    let (status, report) = check.end();
    let rate: u64 = target.go_text(0).parse().unwrap();
    let source = fs::read_to_string(sources("hasty").join("main.go")).unwrap();
    let line = source.lines().position(|line| line.ends_with("// LEAK")).unwrap() + 1;
    let sites: Vec<String> = report.expect("a report").into_iter().map(|found| found.creation_site).collect();
    // How soon it is found depends on the machine; nothing else may be.
    assert!(sites.iter().all(|site| *site == format!("hasty/main.go:{line}")), "{sites:?} at {rate} goroutines a second");
    assert_eq!(status, Some(i32::from(!sites.is_empty())));
    // Slow machines start fewer; a tenth of it is still much.
    assert!(rate > 10_000, "{rate} goroutines a second");
    check_prompt(&target, Signal::TERM, Duration::from_secs(3));
}

#[test]
fn what_is_known_is_written_when_the_process_ends() {
    let target = Target::spawn(&program("leak"), &[]);
    let check = Check::start(target.pid, "10m");
    // wait: a leak takes time
    std::thread::sleep(Duration::from_secs(20));
    target.finish();
    let (status, report) = check.end();
    let report = report.expect("a report");
    assert_eq!(status, Some(i32::from(!report.is_empty())), "{report:?}");
    assert!(report.iter().all(|found| found.kind == "goroutine_leak" && found.creation_site.starts_with("leak/main.go:")), "{report:?}");
}

#[test]
fn nothing_found_is_an_empty_list() {
    let target = Target::spawn(&program("eager"), &[]);
    let (status, report) = Check::start(target.pid, "3s").end();
    assert_eq!((status, report.map(|report| report.len())), (Some(0), Some(0)));
    target.finish();
}

#[test]
fn what_cannot_be_watched_is_status_2() {
    let check = |pid: u32, report: &Path| {
        let mut command = command(&["check", "--for", "1s", "--pid", &pid.to_string(), "--report"]);
        command.arg(report).output().unwrap()
    };
    let directory = TempDir::new().unwrap();
    let report = directory.path().join("report.json");
    let mut no_go = Command::new("sleep").arg("600").spawn().unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let target = Target::spawn(&program("leak"), &[]);
    for (pid, report, why) in [
        (no_go.id(), report.as_path(), "not Go"),
        (ended.id(), report.as_path(), "ended"),
        (target.pid, Path::new("/nowhere/report.json"), "no directory"),
    ] {
        let output = check(pid, report);
        assert_eq!(output.status.code(), Some(2), "{why}");
        assert!(!output.stderr.is_empty() && !report.exists(), "{why}");
    }
    no_go.kill().unwrap();
    no_go.wait().unwrap();
}

/// As another user, with one capability and no other to be had: the kernel would refuse every bpf(2).
#[test]
fn one_capability_is_enough() {
    let target = Target::spawn(&program("leak"), &[]);
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = directory.path().join("goroscope");
    fs::copy(env!("CARGO_BIN_EXE_goroscope"), &binary).unwrap();
    let with = |capability: &str| {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]);
        setpriv.args([format!("--inh-caps={capability}"), format!("--ambient-caps={capability}"), format!("--bounding-set={capability}")]);
        setpriv.arg(&binary).env_clear();
        setpriv
    };
    let (status, report) = Check::start_by(with("-all,+sys_ptrace"), target.pid, "20s").end();
    let report = report.expect("a report");
    assert_eq!(status, Some(1), "{report:?}");
    assert!(report.iter().all(|found| found.creation_site.starts_with("leak/main.go:")), "{report:?}");
    // Without it there is nothing to see: were it otherwise, the first half would prove nothing.
    let (status, report) = Check::start_by(with("-all"), target.pid, "2s").end();
    assert_eq!((status, report.is_none()), (Some(2), true));
}
