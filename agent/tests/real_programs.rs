//! Programs that nobody here wrote: found, analysed, attached and counted under load, and scraped by one of them.
//!
//! Runs only with `GOROSCOPE_REAL` set (`cargo xtask test --real` does), because it builds large programs for minutes; without,
//! it has no test, and none that passes. Debian's programs are those below `GOROSCOPE_DEBS`, unpacked (`dpkg -x`) under their
//! packages' names. `GOROSCOPE_RESULT_FILE` gets one line of JSON for each program.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    any::Any,
    env,
    ffi::OsString,
    fs,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
};

use common::{
    agent::{Agent, free_port},
    build::{Form, build_module},
    http,
    metrics::Scrape,
    target::Counts,
    wait_for, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Current releases, built from the Go module proxy.
const ETCD: (&str, &str) = ("go.etcd.io/etcd/server/v3", "v3.6.16");
const CADDY: (&str, &str) = ("github.com/caddyserver/caddy/v2/cmd/caddy", "v2.11.9");

/// How many requests are a load.
const REQUESTS: usize = 300;

/// One of them, running in a directory of its own. Killed when dropped.
struct Program {
    name: String,
    form: &'static str,
    address: SocketAddr,
    load: Load,
    child: Child,
    directory: TempDir,
}

#[derive(Clone, Copy)]
enum Load {
    /// GET this path.
    Get(&'static str),
    /// Put keys by the JSON gateway of etcd.
    PutKeys,
    /// Ask by containerd's own client.
    Ctr,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(
        name: &str,
        form: &'static str,
        executable: &Path,
        load: Load,
        arguments: impl FnOnce(SocketAddr, &Path) -> Vec<OsString>,
    ) -> Self {
        let (directory, address) = (TempDir::new().unwrap(), free_port());
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new(executable);
        command.args(arguments(address, directory.path())).current_dir(directory.path()).stdin(Stdio::null());
        command.env("HOME", directory.path()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {}: {error}", executable.display()));
        Self { name: name.to_owned(), form, address, load, child, directory }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Waits until it serves.
    fn wait_serving(&mut self) {
        wait_until(&format!("{} serves", self.name), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("{} has ended with {status}: {log}", self.name);
            }
            match self.load {
                Load::Get(path) => http::get(self.address, path, None).is_ok_and(|response| response.status == 200),
                Load::PutKeys => self.request(0),
                Load::Ctr => self.socket().exists() && self.request(0),
            }
        });
    }

    fn request(&self, index: usize) -> bool {
        match self.load {
            Load::Get(path) => http::get(self.address, path, None).is_ok_and(|response| response.status == 200),
            Load::PutKeys => {
                let key = format!("k{index:03}"); // base64, whatever it means
                http::post(self.address, "/v3/kv/put", &json!({"key": key, "value": key}).to_string())
                    .is_ok_and(|answer| answer.status == 200)
            }
            Load::Ctr => {
                let mut ctr = Command::new(debian("containerd", "ctr"));
                ctr.arg("--address").arg(self.socket()).args(["namespaces", "ls"]).stdout(Stdio::null()).stderr(Stdio::null());
                ctr.status().is_ok_and(|status| status.success())
            }
        }
    }

    fn requests(&self) -> usize {
        if matches!(self.load, Load::Ctr) { REQUESTS / 10 } else { REQUESTS }
    }
}

/// A program of an unpacked Debian package.
fn debian(package: &str, program: &str) -> PathBuf {
    let packages =
        env::var_os("GOROSCOPE_DEBS").expect("GOROSCOPE_DEBS names the directory of unpacked packages; remedy: cargo xtask test --real");
    PathBuf::from(packages).join(package).join("usr/bin").join(program)
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

fn etcd(name: &str, form: &'static str, executable: &Path) -> Program {
    Program::start(name, form, executable, Load::PutKeys, |address, directory| {
        let (peer, client) = (format!("http://{}", free_port()), format!("http://{address}"));
        let data = directory.join("data");
        let data = data.to_str().unwrap();
        let cluster = format!("default={peer}");
        let mut arguments = words(&["--data-dir", data, "--listen-client-urls", &client, "--advertise-client-urls", &client]);
        arguments.extend(words(&["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer, "--initial-cluster", &cluster]));
        arguments
    })
}

fn caddy(form: &'static str, executable: &Path) -> Program {
    let name = format!("caddy {}", CADDY.1);
    Program::start(&name, form, executable, Load::Get("/"), |address, directory| {
        let site = format!("http://{address} {{\n\tlog\n\thandle /metrics {{\n\t\tmetrics\n\t}}\n\trespond hello\n}}\n");
        fs::write(directory.join("Caddyfile"), format!("{{\n\tadmin off\n}}\n{site}")).unwrap();
        words(&["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
    })
}

/// Prometheus, which scrapes the agent, the node exporter and itself.
fn prometheus(agent: SocketAddr, exporter: SocketAddr) -> Program {
    Program::start("prometheus (Debian)", "stripped", &debian("prometheus", "prometheus"), Load::Get("/metrics"), |address, directory| {
        let job = |name: &str, target: SocketAddr| format!("  - job_name: {name}\n    static_configs: [{{targets: ['{target}']}}]\n");
        let jobs = [job("goroscope", agent), job("node", exporter), job("prometheus", address)].concat();
        let config = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}");
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        words(&["--config.file=prometheus.yml", "--storage.tsdb.path=data", &format!("--web.listen-address={address}")])
    })
}

fn containerd() -> Program {
    Program::start("containerd (Debian)", "stripped", &debian("containerd", "containerd"), Load::Ctr, |_, directory| {
        let at = |name: &str| directory.join(name).display().to_string();
        let config =
            format!("version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n", at("root"), at("state"));
        fs::write(directory.join("config.toml"), config).unwrap();
        words(&["--config", &at("config.toml"), "--address", &at("socket")])
    })
}

fn node_exporter() -> Program {
    let executable = debian("prometheus-node-exporter", "prometheus-node-exporter");
    Program::start("node exporter (Debian)", "stripped", &executable, Load::Get("/metrics"), |address, _| {
        words(&[&format!("--web.listen-address={address}")])
    })
}

fn start_all() -> Vec<Program> {
    let module = |(package, release): (&str, &str), form| build_module(package, release, form).unwrap_or_else(|error| panic!("{error}"));
    let current = format!("etcd {}", ETCD.1);
    vec![
        node_exporter(),
        containerd(),
        etcd("etcd (Debian)", "stripped", &debian("etcd-server", "etcd")),
        etcd(&current, "plain", &module(ETCD, Form::Plain)),
        etcd(&current, "-s -w", &module(ETCD, Form::Stripped)),
        caddy("plain", &module(CADDY, Form::Plain)),
        caddy("-s -w", &module(CADDY, Form::Stripped)),
    ]
}

/// One program: attached whole by an agent that found it by itself, and counted under load. What is told of it in the results.
fn check(agent: &Agent, program: &Program) -> Value {
    let pid = program.pid();
    let process = wait_for("it is found", || agent.process(pid).filter(|process| process.is_attached() || process.is_refused()));
    assert!(process.is_attached() && process.refusals().is_empty(), "not attached whole: {}", process.0);
    let version = process.0["go_version"].as_str().unwrap_or_default().to_owned();
    assert!(version.contains("1."), "no Go version: {}", process.0);

    let before = agent.counts(pid);
    for index in 0..program.requests() {
        assert!(program.request(index), "request {index} failed");
    }
    let after = agent.counts(pid);
    let risen = |name: &str| {
        let of = |counts: &Counts| counts.totals.iter().filter(|(found, _)| found.starts_with(name)).map(|(_, count)| count).sum::<u64>();
        of(&after) - of(&before)
    };
    // Each of these programs starts a goroutine for each connection that it accepts.
    let (starts, exits, writes, timers) = (risen("goroutine_starts"), risen("goroutine_exits"), risen("map_writes"), risen("timer_starts"));
    assert!(starts >= program.requests() as u64 && exits > 0, "{} requests, {starts} goroutines, {exits} ends", program.requests());
    assert!(writes > 0, "not one map write");
    for (family, total) in [("goroutine", "goroutine_starts"), ("map", "map_writes"), ("timer", "timer_starts")] {
        let total: u64 = after.totals.iter().filter(|(name, _)| name.starts_with(total)).map(|(_, count)| count).sum();
        assert_eq!(after.sites[family].values().sum::<u64>(), total, "sites of {family}");
    }
    json!({"program": program.name, "form": program.form, "go": version, "verdict": "ok", "requests": program.requests(),
           "goroutine starts": starts, "map writes": writes, "timer starts": timers})
}

/// What the program says of itself in its own `/metrics`, and what the agent says of it.
const OWN: [(&str, &str); 4] = [
    ("go_goroutines", "go_goroutine_count"),
    ("go_memstats_alloc_bytes_total", "go_memory_allocated_bytes_total"),
    ("go_gc_duration_seconds_count", "go_memory_gc_cycles_total"),
    ("go_threads", "goroscope_threads"),
];

/// Connections that are opened between the program's two words, so that its goroutines become more than what its own page takes.
const CONNECTIONS: usize = 64;

/// The agent's figures lie between what the program itself says before and after; none where it says nothing.
fn check_own_word(agent: &Agent, program: &Program) -> Option<Value> {
    let page = || http::get(program.address, "/metrics", None).ok().filter(|page| page.status == 200).map(|page| Scrape::parse(&page.body));
    let own = |scrape: &Scrape, name: &str| scrape.select(name, &[]).next().map(|sample| sample.value);
    let before = page()?;
    own(&before, "go_goroutines")?;
    let connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(program.address).unwrap()).collect();
    let pid = program.pid().to_string();
    // A server has a goroutine for each only when it has accepted them all.
    let ours = wait_for("the program has accepted the connections", || {
        let scrape = agent.scrape_anew();
        let now = scrape.select("go_goroutine_count", &[("pid", &pid)]).next()?.value;
        (now >= own(&before, "go_goroutines")? + CONNECTIONS as f64 / 2.0).then_some(scrape)
    });
    let after = page()?;
    drop(connections);
    let mut row = json!({"program": format!("{}: its own word", program.name), "form": program.form, "verdict": "ok"});
    for (theirs, name) in OWN {
        let value = ours.select(name, &[("pid", &pid)]).next().unwrap_or_else(|| panic!("no {name}")).value;
        let (Some(low), Some(high)) = (own(&before, theirs), own(&after, theirs)) else { continue };
        assert!(low <= value && value <= high, "{theirs} was {low}, then {high}; {name} is {value}");
        row[name] = json!(format!("{low} <= {value} <= {high}"));
    }
    Some(row)
}

/// Prometheus has scraped the agent, and finds every program in what it got.
fn check_scraped(prometheus: &Program, programs: &[Program]) {
    let query = |query: &str| {
        let response = http::get(prometheus.address, &format!("/api/v1/query?query={query}"), None).unwrap();
        serde_json::from_str::<Value>(&response.body).unwrap()["data"]["result"].as_array().cloned().unwrap_or_default()
    };
    wait_until("Prometheus scrapes the agent and itself", || query("up==1").len() == 3);
    wait_until("Prometheus knows every program", || {
        let series = query("goroscope_goroutine_starts_total");
        let has = |program: &Program| series.iter().any(|s| s["metric"]["pid"] == json!(program.pid().to_string()));
        programs.iter().all(has) && has(prometheus)
    });
}

/// promtool has nothing to say of the metrics.
fn check_promtool(agent: &Agent) {
    let mut promtool = Command::new(debian("prometheus", "promtool"));
    let child = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("promtool");
    child.stdin.take().unwrap().write_all(agent.get("/metrics").body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    // The semantic conventions chose this name; it is the one remark that is allowed.
    let allowed = r#"go_goroutine_count non-histogram and non-summary metrics should not have "_count" suffix"#;
    let text = String::from_utf8_lossy(&text).into_owned();
    let remarks: Vec<&str> = text.lines().filter(|line| *line != allowed).collect();
    assert!(remarks.is_empty(), "promtool check metrics: {remarks:?}");
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Runs one check; a failure is a row of the results too.
fn row(name: &str, form: &str, check: impl FnOnce() -> Value) -> Value {
    let failed = |panic: Box<dyn Any + Send>| json!({"program": name, "form": form, "verdict": message(&*panic)});
    let row = catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(failed);
    println!("{row}");
    row
}

fn main() -> ExitCode {
    if env::var_os("GOROSCOPE_REAL").is_none_or(|value| value.is_empty()) {
        println!("not run: set GOROSCOPE_REAL, or cargo xtask test --real");
        return ExitCode::SUCCESS;
    }
    let mut programs = start_all();
    programs.iter_mut().for_each(Program::wait_serving);
    let agent = Agent::start(&["--exact", "--per-process"]);
    let mut prometheus = prometheus(agent.address, programs[0].address);
    prometheus.wait_serving();

    let mut rows: Vec<Value> = programs.iter().chain([&prometheus]).map(|p| row(&p.name, p.form, || check(&agent, p))).collect();
    for program in programs.iter().chain([&prometheus]).filter(|program| !matches!(program.load, Load::Ctr)) {
        let mut said = true;
        let checked = row(&format!("{}: its own word", program.name), program.form, || {
            check_own_word(&agent, program).unwrap_or_else(|| {
                said = false;
                json!({"program": program.name, "verdict": "it has no go_goroutines"})
            })
        });
        rows.extend(said.then_some(checked));
    }
    let ok = |name: &str| json!({"program": name, "verdict": "ok"});
    rows.push(row("scraped by prometheus", "", || {
        check_scraped(&prometheus, &programs);
        ok("scraped by prometheus")
    }));
    rows.push(row("promtool check metrics", "", || {
        check_promtool(&agent);
        ok("promtool check metrics")
    }));
    agent.stop();

    if let Some(path) = env::var_os("GOROSCOPE_RESULT_FILE") {
        fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    }
    let failed = rows.iter().filter(|row| row["verdict"] != "ok").count();
    println!("test result: {}. {} passed; {failed} failed; 0 ignored", if failed == 0 { "ok" } else { "FAILED" }, rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
