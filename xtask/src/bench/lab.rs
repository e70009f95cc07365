//! What every benchmark uses: the agent, bpftrace and targets as running programs that end with their owner, and how fast a target is.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::paths::{root, target};
use crate::step::{output, warn};
use crate::{go, result};

/// The families of every plan: all of them are on before anything is measured.
const FAMILIES: usize = 3;

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

/// A child that is killed when its owner ends, and when this process does, however that is.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts `program`; setpriv makes the kernel end it with us.
    pub(super) fn spawn(program: &Path, set: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
        set(&mut command);
        let child = command.spawn().with_context(|| format!("cannot start {} with setpriv (util-linux)", program.display()))?;
        Ok(Self(child))
    }

    /// Its process id: setpriv becomes the program.
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal by name, each second until it ends: bpftrace 0.17 overlooks one that comes at the wrong moment.
    fn end_by(&mut self, signal: &str) -> Result<()> {
        for _ in 0..60 {
            output(Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.pid())]))?;
            for _ in 0..50 {
                if self.0.try_wait()?.is_some() {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        bail!("process {} does not end by {signal}", self.pid())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How far a target was at some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Wall clock and CPU time, ns; operations done; goroutines ever started, -1 when its Go does not tell.
    pub(super) wall: f64,
    pub(super) cpu: f64,
    pub(super) operations: f64,
    pub(super) goroutines: f64,
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(|word| word.parse::<f64>().ok());
        let mut next = || words.next().flatten();
        Some(Self { wall: next()?, cpu: next()?, operations: next()?, goroutines: next()? })
    }

    /// CPU time of one operation since `earlier`, ns.
    pub(super) fn cost_since(&self, earlier: &Self) -> f64 {
        (self.cpu - earlier.cpu) / (self.operations - earlier.operations).max(1.0)
    }

    /// Wall clock of one operation since `earlier`, ns.
    pub(super) fn pace_since(&self, earlier: &Self) -> f64 {
        (self.wall - earlier.wall) / (self.operations - earlier.operations).max(1.0)
    }
}

/// A Go program of ours.
pub(super) struct Target {
    guard: Guard,
    lines: Receiver<String>,
    /// What it said behind `ready`.
    pub(super) word: String,
    last: Sample,
}

impl Target {
    /// Starts it and waits until it is ready, if it says so at all (`mode` other than `beat`).
    pub(super) fn start(exe: &Path, arguments: &[&str]) -> Result<Self> {
        let mut guard = Guard::spawn(exe, |command| {
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        })?;
        let out = guard.0.stdout.take().context("no pipe")?;
        let (sender, lines) = channel();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut target = Self { guard, lines, word: String::new(), last: Sample::default() };
        if arguments.first() != Some(&"beat") {
            let line = target.line(Duration::from_secs(20))?;
            target.word = line.strip_prefix("ready").with_context(|| format!("{line} where `ready` is expected"))?.trim().to_owned();
            target.last = Sample::parse(&target.word).unwrap_or_default();
        }
        Ok(target)
    }

    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Its next line.
    pub(super) fn line(&self, patience: Duration) -> Result<String> {
        self.lines.recv_timeout(patience).context("a target is silent")
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> Result<()> {
        let input = self.guard.0.stdin.as_mut().context("no pipe")?;
        Ok(input.write_all(b"\n")?)
    }

    /// Its latest sample, at most 100 ms old where it is not slowed down much.
    pub(super) fn now(&mut self) -> Sample {
        while let Ok(line) = self.lines.try_recv() {
            self.last = Sample::parse(line.trim_start_matches("done ")).unwrap_or(self.last);
        }
        self.last
    }

    /// Samples from the last that was asked for, and over the next `length`.
    pub(super) fn watch(&mut self, length: Duration) -> Result<Vec<Sample>> {
        let end = Instant::now() + length;
        let mut samples = vec![self.last];
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => samples.extend(Sample::parse(line.trim_start_matches("done "))),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("a target ended early"),
            }
        }
        self.last = samples.last().copied().unwrap_or(self.last);
        Ok(samples)
    }

    /// Waits until it is done, and how far it was then.
    pub(super) fn done(&mut self, patience: Duration) -> Result<Sample> {
        loop {
            if let Some(rest) = self.line(patience)?.strip_prefix("done ") {
                return Sample::parse(rest).context("not a sample");
            }
        }
    }
}

/// `goroscope run`.
pub(super) struct Agent {
    guard: Guard,
    address: SocketAddr,
    log: PathBuf,
}

impl Agent {
    /// Starts it and waits until it is ready: what runs is attached or refused.
    pub(super) fn start(lab: &Lab, arguments: &[&str]) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = lab.dir.join("agent.log");
        let file = fs::File::create(&log)?;
        let guard = Guard::spawn(&lab.agent, |command| {
            command.args(["run", "--listen", &address.to_string()]).args(arguments).stdout(Stdio::null()).stderr(file);
        })?;
        let agent = Self { guard, address, log };
        wait_until("the agent is ready", || agent.get("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))
            .with_context(|| agent.tail())?;
        Ok(agent)
    }

    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// What it said to standard error.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of that.
    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    /// A page of it, with its head.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `/debug/processes`, by pid.
    pub(super) fn processes(&self) -> Result<Vec<Value>> {
        let answer = self.get("/debug/processes")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
        ensure!(head.starts_with("HTTP/1.1 200") && !head.to_ascii_lowercase().contains("chunked"), "/debug/processes: {head}");
        match serde_json::from_str(body)? {
            Value::Array(list) => Ok(list),
            other => bail!("/debug/processes: {other}"),
        }
    }

    /// One process of it.
    pub(super) fn process(&self, pid: u32) -> Result<Value> {
        let list = self.processes()?;
        let found = list.into_iter().find(|process| process.get("pid").and_then(Value::as_u64) == Some(pid.into()));
        found.with_context(|| format!("process {pid} is not seen"))
    }

    /// Waits until every family of a process is on.
    pub(super) fn attached(&self, pid: u32) -> Result<()> {
        let mut last = String::new();
        let attached = || {
            let process = self.process(pid);
            last = process.as_ref().map_or_else(|error| format!("{error:#}"), Value::to_string);
            process.is_ok_and(|process| families(&process) == FAMILIES)
        };
        let done = wait_until("the target is attached", attached);
        done.with_context(|| format!("last seen: {last}; the agent's log ends:\n{}", self.tail()))
    }

    /// The counters of a process.
    pub(super) fn counters(&self, pid: u32) -> Result<Counters> {
        // A report younger than 100 ms is served again.
        thread::sleep(Duration::from_millis(300));
        Ok(Counters(self.process(pid)?))
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(mut self) -> Result<()> {
        self.guard.end_by("TERM")
    }
}

/// How many families of a process are counted.
pub(super) fn families(process: &Value) -> usize {
    process.get("families").and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// What the agent says of one process.
pub(super) struct Counters(Value);

impl Counters {
    /// `value`, `low` or `high` of a counter.
    pub(super) fn get(&self, counter: &str, what: &str) -> Result<f64> {
        let number = self.0.pointer(&format!("/counters/{counter}/{what}")).and_then(Value::as_f64);
        number.with_context(|| format!("no counter {counter}"))
    }

    /// All events.
    pub(super) fn sum(&self) -> f64 {
        let counters = self.0.get("counters").and_then(Value::as_object).into_iter().flatten();
        counters.filter_map(|(_, counter)| counter.get("value")?.as_f64()).sum()
    }
}

/// bpftrace at the entries of functions.
pub(super) struct Bpftrace {
    guard: Guard,
    log: PathBuf,
    functions: Vec<String>,
}

impl Bpftrace {
    /// Attaches to the functions that the agent's plan for `exe` names, and waits until every breakpoint is in process `pid`.
    pub(super) fn start(lab: &Lab, exe: &Path, pid: u32) -> Result<Self> {
        let inspection = lab.inspect(exe)?;
        let mut functions: Vec<String> = list(&inspection, "/probes").iter().map(|probe| text(probe, "function").to_owned()).collect();
        functions.sort();
        functions.dedup();
        ensure!(!functions.is_empty(), "no probe in {}", exe.display());
        let entries: Vec<u64> = list(&inspection, "/executable/functions")
            .iter()
            .filter(|function| functions.iter().any(|name| name == text(function, "name")))
            .filter_map(address)
            .collect();
        ensure!(entries.len() == functions.len(), "inspect names {} functions and {} entries", functions.len(), entries.len());
        let probe = |(i, function): (usize, &String)| format!("uprobe:{}:\"{function}\" {{ @f{i} = count(); }}", exe.display());
        let program = functions.iter().enumerate().map(probe).collect::<Vec<_>>().join("\n");
        let log = lab.dir.join("bpftrace.log");
        let file = fs::File::create(&log)?;
        let bpftrace = crate::paths::on_path("bpftrace").context("no bpftrace")?;
        let guard = Guard::spawn(&bpftrace, |command| {
            command.args(["-e", &program]).stdout(file.try_clone().map_or(Stdio::null(), Stdio::from)).stderr(file);
        })?;
        let this = Self { guard, log, functions };
        wait_until("bpftrace is attached", || entries.iter().all(|entry| breakpoint(pid, *entry)))
            .with_context(|| fs::read_to_string(&this.log).unwrap_or_default())?;
        Ok(this)
    }

    /// Ends it: hits by function.
    pub(super) fn stop(mut self) -> Result<Vec<(String, f64)>> {
        self.guard.end_by("INT")?;
        let said = fs::read_to_string(&self.log)?;
        let count = |i: usize| {
            let key = format!("@f{i}: ");
            said.lines().find_map(|line| line.strip_prefix(&key)?.trim().parse::<f64>().ok()).unwrap_or(0.0)
        };
        Ok(self.functions.iter().enumerate().map(|(i, function)| (function.clone(), count(i))).collect())
    }
}

/// A list in what `inspect` says.
pub(super) fn list<'a>(inspection: &'a Value, pointer: &str) -> &'a [Value] {
    inspection.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
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
