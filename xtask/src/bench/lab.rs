//! What every benchmark uses: the programs, the machine in words, how long to measure, and what `inspect` says of an executable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::paths::{root, target};
use crate::step::{output, warn};
use crate::{go, result};

/// The place where benchmarks run: programs built, results of one run beside each other.
pub(super) struct Lab {
    /// A short run.
    pub(super) quick: bool,
    /// Executables and logs.
    pub(super) dir: PathBuf,
    /// The agent that is measured.
    pub(super) agent: PathBuf,
}

impl Lab {
    /// Builds the target programs.
    pub(super) fn new(quick: bool, agent: PathBuf) -> Result<Self> {
        ensure!(fs::read("/proc/self/status").is_ok(), "no /proc");
        ensure!(output(Command::new("id").arg("-u"))?.trim() == "0", "probes need root\n  remedy: run this as root");
        let lab = Self { quick, dir: target().join("bench"), agent };
        fs::create_dir_all(&lab.dir)?;
        for program in ["work", "serve", "load", "heap", "leaky"] {
            let source = root().join("agent/benches/targets").join(program);
            let mut build = go::command(None)?;
            build.current_dir(&source).arg("build").arg("-o").arg(lab.program(program)).args(go::sources(&source)?);
            output(&mut build)?;
        }
        Ok(lab)
    }

    /// An executable of ours.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// How long something is measured: `full`, or a tenth in a short run.
    pub(super) fn length(&self, full: u64) -> Duration {
        if self.quick { Duration::from_secs(full.div_ceil(10).max(2)) } else { Duration::from_secs(full) }
    }

    /// How often.
    pub(super) fn rounds(&self, full: usize) -> usize {
        if self.quick { 1 } else { full }
    }

    /// The machine in words.
    pub(super) fn machine(&self) -> String {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("a CPU", |(_, name)| name);
        let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        let guest = if cpuinfo.contains(" hypervisor") { "a virtual machine with " } else { "" };
        let go = go::host().ok().and_then(|go| go::version_of(&go)).unwrap_or_default();
        let load = read("/proc/loadavg");
        let kernel = read("/proc/sys/kernel/osrelease");
        let load = load.split(' ').next().unwrap_or_default();
        format!("{guest}{cpus} x {model}, Linux {}, Go {go}, load {load} at the end", kernel.trim())
    }

    /// Measures while nobody else probes programs: again when somebody did at the end, and with a warning when it does not help.
    pub(super) fn undisturbed<T>(&self, measure: impl Fn() -> Result<T>) -> Result<T> {
        let tries = if self.quick { 1 } else { 4 };
        for _ in 1..tries {
            let deadline = Instant::now() + Duration::from_secs(60);
            while stranger() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(200));
            }
            let measured = measure()?;
            if !stranger() {
                return Ok(measured);
            }
        }
        if stranger() {
            warn("another agent or bpftrace runs beside this: the number is not to be trusted");
        }
        measure()
    }

    /// `goroscope inspect --json` of an executable.
    pub(super) fn inspect(&self, exe: &Path) -> Result<Value> {
        Ok(serde_json::from_str(&output(Command::new(&self.agent).args(["inspect", "--json"]).arg(exe))?)?)
    }
}

/// Whether there is another observer that could probe our targets. None of ours runs when this is asked; an agent that was given pids
/// watches only these.
fn stranger() -> bool {
    let observes = |dir: PathBuf| {
        let read = |file| fs::read_to_string(dir.join(file)).unwrap_or_default();
        let name = read("comm");
        name.trim() == "bpftrace"
            || (name.trim() == "goroscope" && read("cmdline").contains("\0run\0") && !read("cmdline").contains("--pid"))
    };
    fs::read_dir("/proc").is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| observes(entry.path()))))
}

/// A list in what `inspect` says.
pub(super) fn list<'a>(inspection: &'a Value, pointer: &str) -> &'a [Value] {
    inspection.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text in it, or nothing.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The address of a function or probe, of which `inspect` says it in hexadecimal.
pub(super) fn address(place: &Value) -> Option<u64> {
    u64::from_str_radix(text(place, "address").trim_start_matches("0x"), 16).ok()
}

/// Whether a breakpoint is at an address of a process (x86-64).
pub(super) fn breakpoint(pid: u32, address: u64) -> bool {
    use std::os::unix::fs::FileExt as _;
    let mut byte = [0];
    let read = fs::File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_exact_at(&mut byte, address));
    read.is_ok() && byte == [0xcc]
}

/// Polls until `done`, for a minute.
pub(super) fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        ensure!(Instant::now() < deadline, "waited a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A table for a section.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    format!("{}\n", result::table(head, rows))
}
