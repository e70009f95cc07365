//! A running agent.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    build::{Form, NEWEST, build},
    http::{self, Response},
    metrics::{Labels, Scrape},
    target::{Counts, TOTALS, Target},
    wait_for, wait_until,
};

/// `goroscope run`, on a port of its own. Killed when dropped; what it wrote to stderr is shown when the test fails.
pub struct Agent {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    directory: TempDir,
}

/// A command of the binary under test, deaf to the test run's own environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goroscope"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("GOROSCOPE_") {
            command.env_remove(name);
        }
    }
    // The tests may run in a pod: that is not the cluster that they mean.
    command.env("GOROSCOPE_KUBERNETES", "false");
    command
}

/// The binary as nobody, with some capabilities and no other to be had; it lies in `directory`, which nobody may enter.
pub fn with_rights(directory: &TempDir, rights: &str) -> Command {
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = directory.path().join("goroscope");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_goroscope"), &binary).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps", rights, "--ambient-caps", rights, "--bounding-set", rights]).arg(&binary);
    command.stdin(Stdio::null()).env_clear().env("GOROSCOPE_KUBERNETES", "false");
    command
}

/// A port that nobody listens on.
pub fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap()
}

impl Agent {
    /// Starts `goroscope run --listen ... ARGUMENTS` and waits until it is ready: every process there at start-up is attached or refused.
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(&[]), arguments)
    }

    /// The same, with a command that ends in the binary, such as one that takes rights away first.
    pub fn spawn(binary: Command, arguments: &[&str]) -> Self {
        let mut agent = Self::launch_by(binary, arguments);
        let address = agent.address;
        wait_until("the agent is ready", || {
            if let Some(status) = agent.child.try_wait().unwrap() {
                panic!("the agent has ended: {status}");
            }
            http::get(address, "/readyz", None).is_ok_and(|response| response.status == 200)
        });
        agent
    }

    /// Starts one and does not wait for anything.
    pub fn launch(arguments: &[&str]) -> Self {
        Self::launch_by(command(&[]), arguments)
    }

    fn launch_by(mut binary: Command, arguments: &[&str]) -> Self {
        let address = free_port();
        let directory = TempDir::new().unwrap();
        let stderr = File::create(directory.path().join("stderr")).unwrap();
        let snapshots = directory.path().join("snapshots");
        binary.args(["run", "--listen", &address.to_string(), "--interval", "200ms", "--snapshot-dir"]).arg(&snapshots).args(arguments);
        let child = binary.stdout(stderr.try_clone().unwrap()).stderr(stderr).spawn().unwrap();
        Self { address, child, directory }
    }

    /// An exact agent that watches these processes only, each under its own label set.
    pub fn exact(pids: &[u32]) -> Self {
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        let mut arguments = vec!["--exact", "--per-process"];
        for pid in &pids {
            arguments.extend(["--pid", pid]);
        }
        Self::start(&arguments)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.directory.path().join("snapshots")
    }

    /// Keeps its thread of this name from running until the [`Target`] ends.
    pub fn hold(&self, name: &str) -> Target {
        let mut threads = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().map(|entry| entry.unwrap());
        let found = threads.find(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim() == name));
        let thread = found.expect("a thread of that name").file_name();
        let holder = build("holder", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
        Target::spawn(&holder, &[thread.to_str().expect("a number")])
    }

    /// What it wrote to stderr up to now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// GET a page of it.
    pub fn get(&self, path: &str) -> Response {
        http::get(self.address, path, None).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Scrapes `/metrics`.
    pub fn scrape(&self) -> Scrape {
        let response = self.get("/metrics");
        assert_eq!(response.status, 200, "/metrics: {}", response.body);
        Scrape::parse(&response.body)
    }

    /// Scrapes until every process's memory was read after this call: what comes from there is as old as the last reading.
    pub fn scrape_anew(&self) -> Scrape {
        let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        wait_for("memory is read", || {
            let scrape = self.scrape();
            let is_new = scrape.select("goroscope_last_read_timestamp_seconds", &[]).all(|sample| sample.value > asked);
            is_new.then_some(scrape)
        })
    }

    /// What `/debug/processes` says of a process, when it says something.
    pub fn process(&self, pid: u32) -> Option<Process> {
        let response = self.get("/debug/processes");
        assert_eq!(response.status, 200, "/debug/processes: {}", response.body);
        let list: Value =
            serde_json::from_str(&response.body).unwrap_or_else(|error| panic!("/debug/processes ({error}): {}", response.body));
        let found = list.as_array().expect("a list").iter().find(|process| process["pid"].as_u64() == Some(pid.into()));
        found.map(|process| Process(process.clone()))
    }

    /// Waits until a process that runs `exe` is attached under this pid, whole.
    pub fn wait_attached(&self, pid: u32, exe: &str) -> Process {
        wait_for(&format!("{exe} ({pid}) is attached"), || {
            self.process(pid).filter(|process| process.is_attached() && process.exe().contains(exe))
        })
    }

    /// Every counter of one process, under the names that target programs use, and its sites.
    ///
    /// # Panics
    /// When a counter has no series: it is not counted, which no test of counts accepts.
    pub fn counts(&self, pid: u32) -> Counts {
        let pid = pid.to_string();
        counts(&self.scrape_anew(), &[("pid", &pid)]).unwrap_or_else(|missing| panic!("process {pid} has no {missing}"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the agent ends", || self.child.try_wait().unwrap())
    }

    /// SIGTERM: it must end with success.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "SIGTERM ended the agent with {status}");
    }

    /// kill -9, as the kernel's out-of-memory killer would.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait().signal(), Some(Signal::KILL.as_raw()));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(80).collect();
            eprintln!("--- stderr of the agent, its last lines ---");
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every counter of one label set.
///
/// # Errors
/// The first counter that has no series.
pub fn counts(scrape: &Scrape, labels: &Labels<'_>) -> Result<Counts, String> {
    let mut counts = Counts::default();
    for total in TOTALS {
        let value = match total.split_once('.') {
            Some((name, variant)) => scrape.sum(&format!("goroscope_{name}_total"), &[labels, &[("variant", variant)]].concat()),
            None => scrape.sum(&format!("goroscope_{total}_total"), labels),
        };
        counts.totals.insert(total.to_owned(), value.ok_or(total)?);
    }
    for (family, name, key) in SITES {
        let mut sites: BTreeMap<String, u64> = BTreeMap::new();
        for (function, count) in scrape.by(name, labels, key) {
            // An instantiated generic function: its type arguments are not what is compared.
            let function = function.split('[').next().unwrap_or_default().to_owned();
            *sites.entry(function).or_default() += count;
        }
        counts.sites.insert(family.to_owned(), sites);
    }
    Ok(counts)
}

/// The site families: family, metric, label.
pub const SITES: [(&str, &str, &str); 3] = [
    ("goroutine", "goroscope_goroutine_starts_by_site_total", "created_by"),
    ("map", "goroscope_map_writes_by_site_total", "written_by"),
    ("timer", "goroscope_timer_starts_by_site_total", "started_by"),
];

/// One entry of `/debug/processes`.
#[derive(Clone, Debug)]
pub struct Process(pub Value);

impl Process {
    /// Whether at least one family of it is counted.
    pub fn is_attached(&self) -> bool {
        self.0["state"] == "attached"
    }

    /// Whether nothing of it is.
    pub fn is_refused(&self) -> bool {
        self.0["state"] == "refused"
    }

    /// Since when, as the agent writes it.
    pub fn attached_at(&self) -> String {
        self.0["attached_at"].to_string()
    }

    /// The executable as the process names it.
    pub fn exe(&self) -> &str {
        self.0["exe"].as_str().unwrap_or_default()
    }

    /// (family, reason) of what is not counted.
    pub fn refusals(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.0["refusals"].as_array().into_iter().flatten().map(|refusal| (text(&refusal["family"]), text(&refusal["reason"]))).collect()
    }

    /// (function, file, line) of the sites of a family.
    pub fn sites(&self, family: &str) -> Vec<(String, PathBuf, usize)> {
        let sites = self.0["sites"].as_array().into_iter().flatten().filter(|site| site["family"] == family);
        let line = |value: &Value| usize::try_from(value.as_u64().unwrap_or_default()).unwrap_or_default();
        sites
            .map(|s| {
                (s["function"].as_str().unwrap_or_default().to_owned(), s["file"].as_str().unwrap_or_default().into(), line(&s["line"]))
            })
            .collect()
    }

    /// `exact` or `sampled`, by family.
    pub fn modes(&self) -> BTreeMap<String, String> {
        let families = self.0["families"].as_object().into_iter().flatten();
        families.map(|(family, value)| (family.clone(), value["mode"].as_str().unwrap_or_default().to_owned())).collect()
    }
}
