//! Leak detection in servers that others wrote, under load that ramps up, holds, drops and bursts: as they are, nothing may be found;
//! with one leak put in, it must be.
//!
//! Runs only with `GOROSCOPE_LEAKS=servers` (`cargo xtask test --leaks=servers`), since it builds large programs and watches each for
//! `GOROSCOPE_LEAKS_FOR` seconds (600); without, it has no test, and none that passes. `GOROSCOPE_LEAKS_ONLY` names some of them.
//! `GOROSCOPE_RESULT_FILE` gets one line of JSON for each server.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use common::{
    agent::free_port,
    check::check,
    goroutines::Dumped,
    recipe::{Main, Patch, Recipe},
    wait_until,
};
use serde_json::{Value, json};

/// Current releases, from the Go module proxy.
const ETCD: (&str, &str) = ("go.etcd.io/etcd/server/v3", "v3.6.16");
const ETCD_CLIENT: (&str, &str) = ("go.etcd.io/etcd/client/v3", "v3.6.16");
const CADDY: (&str, &str) = ("github.com/caddyserver/caddy/v2", "v2.11.9");
const PROMETHEUS: (&str, &str) = ("github.com/prometheus/prometheus", "v0.316.0");

/// A watch's receiver reports its error to a channel that nobody reads from once the stream has ended; one place in it saves it.
const WATCH: Patch = Patch { file: "etcdserver/api/v3rpc/watch.go", from: "errc := make(chan error, 1)", to: "errc := make(chan error)" };

/// Of each query that has a time limit somebody waits to hear how long it took, and nobody tells him.
const QUERY: Patch = Patch {
    file: "web/api/v1/api.go",
    from: r#"ctx, span := otel.Tracer("").Start(ctx, "promqlInstantQuery")"#,
    to: r#"ended := make(chan time.Duration)
	if timeout > 0 {
		go func() { api.logger.Debug("query", "took", <-ended) }()
	}
	ctx, span := otel.Tracer("").Start(ctx, "promqlInstantQuery")"#,
};

/// A server with its load.
struct Scene {
    name: &'static str,
    /// Where the leak was put in: its go statement.
    leak: Option<String>,
    server: Dumped,
    load: Dumped,
}

fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leaks/servers").join(name)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn load(name: &'static str, modules: &'static [(&'static str, &'static str)], arguments: Vec<String>) -> Result<Dumped, String> {
    let executable = Recipe { name, modules, main: Main::Folder(ours(name)), tags: "", patch: None }.build()?;
    Dumped::start(&executable, |_| arguments)?.ready()
}

fn wait_serving(server: Dumped, address: SocketAddr) -> Dumped {
    wait_until("a server accepts connections", || TcpStream::connect(address).is_ok());
    server
}

/// The line of the first `text` behind `start` in `file`, as `dir/file.go:line`.
fn line_of(file: &Path, start: &str, text: &str) -> String {
    let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = source.lines().enumerate().skip_while(|(_, line)| !line.contains(start));
    let (index, _) = lines.into_iter().find(|(_, line)| line.contains(text)).unwrap_or_else(|| panic!("no {text} in {}", file.display()));
    let directory = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    format!("{directory}/{}:{}", file.file_name().unwrap_or_default().to_string_lossy(), index + 1)
}

fn etcd(name: &'static str, patch: Option<Patch>) -> Result<Scene, String> {
    let leak = patch.is_some().then(|| "v3rpc/watch.go:192".to_owned());
    let executable = Recipe { name: "etcd", modules: &[ETCD], main: Main::Package(ETCD.0), tags: "", patch }.build()?;
    let (address, peer) = (free_port(), free_port());
    let (client, peer) = (format!("http://{address}"), format!("http://{peer}"));
    let arguments = words(&[
        "--data-dir=data",
        "--log-level=error",
        &format!("--listen-client-urls={client}"),
        &format!("--advertise-client-urls={client}"),
        &format!("--listen-peer-urls={peer}"),
        &format!("--initial-advertise-peer-urls={peer}"),
        &format!("--initial-cluster=default={peer}"),
    ]);
    let server = wait_serving(Dumped::start(&executable, |_| arguments)?, address);
    let load = load("etcd-load", &[ETCD_CLIENT], words(&[&address.to_string()]))?;
    Ok(Scene { name, leak, server, load })
}

/// Caddy as a proxy before itself, with or without our handler.
fn caddy(name: &'static str, leaky: bool) -> Result<Scene, String> {
    let executable = Recipe { name: "caddy", modules: &[CADDY], main: Main::Folder(ours("caddy")), tags: "", patch: None }.build()?;
    let leak = leaky.then(|| line_of(&ours("caddy").join("main.go"), "", "// LEAK: "));
    let (front, back) = (free_port(), free_port());
    let proxy = json!({"handler": "reverse_proxy", "upstreams": [{"dial": back.to_string()}]});
    let handlers = if leaky { json!([{"handler": "report"}, proxy]) } else { json!([proxy]) };
    let servers = json!({
        "front": {"listen": [front.to_string()], "automatic_https": {"disable": true}, "routes": [{"handle": handlers}]},
        "back": {"listen": [back.to_string()], "automatic_https": {"disable": true},
                 "routes": [{"handle": [{"handler": "static_response", "body": "hello"}]}]},
    });
    let config = json!({"admin": {"disabled": true}, "apps": {"http": {"servers": servers}}}).to_string();
    let prepare = |directory: &Path| {
        fs::write(directory.join("caddy.json"), config).unwrap();
        words(&["run", "--config", "caddy.json"])
    };
    let server = wait_serving(Dumped::start(&executable, prepare)?, front);
    let load = load("http-load", &[], vec![format!("http://{front}/hello")])?;
    Ok(Scene { name, leak, server, load })
}

/// Prometheus, which scrapes itself and answers queries; without what finds targets in the clouds, which takes minutes to build.
fn prometheus(name: &'static str, patch: Option<Patch>) -> Result<Scene, String> {
    let leak = patch.is_some().then(|| "v1/api.go:657".to_owned());
    let main = Main::Package("github.com/prometheus/prometheus/cmd/prometheus");
    let executable = Recipe { name: "prometheus", modules: &[PROMETHEUS], main, tags: "remove_all_sd", patch }.build()?;
    let address = free_port();
    let prepare = |directory: &Path| {
        let job = format!("  - job_name: itself\n    static_configs: [{{targets: ['{address}']}}]\n");
        let config = format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{job}");
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        words(&[
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--log.level=error",
            &format!("--web.listen-address={address}"),
        ])
    };
    let server = wait_serving(Dumped::start(&executable, prepare)?, address);
    let queries =
        ["up", "rate(prometheus_http_requests_total[1m])", "sum(go_goroutines)by(job)", "topk(5,{__name__=~\"go.*\"})&timeout=20s"];
    let mut urls: Vec<String> = queries.iter().map(|query| format!("http://{address}/api/v1/query?query={query}")).collect();
    urls.extend([format!("http://{address}/metrics"), format!("http://{address}/api/v1/targets")]);
    Ok(Scene { name, leak, server, load: load("http-load", &[], urls)? })
}

type Make = fn(&'static str) -> Result<Scene, String>;

const SCENES: [(&str, Make); 6] = [
    ("etcd 3.6.16, watches and leases", |name| etcd(name, None)),
    ("etcd 3.6.16, with a leak", |name| etcd(name, Some(WATCH))),
    ("caddy 2.11.9, proxy", |name| caddy(name, false)),
    ("caddy 2.11.9, proxy, with a leak", |name| caddy(name, true)),
    ("prometheus 3.16.0, queries", |name| prometheus(name, None)),
    ("prometheus 3.16.0, queries, with a leak", |name| prometheus(name, Some(QUERY))),
];

/// Watches one server, and says what was found in it and what its runtime knows.
fn watch(scene: Scene, time: Duration) -> Value {
    let checked = check(scene.server.pid(), time);
    let truth = scene.server.goroutines();
    drop(scene.load);
    let at_leak = truth.iter().filter(|(creation, _)| Some(&creation.site) == scene.leak.as_ref());
    let leaked: u64 = at_leak.map(|(_, count)| count).sum();
    let said: Vec<String> = checked
        .findings
        .iter()
        .map(|found| format!("{} {} at {} ({}, {})", found.creation_site, found.wait_reason, found.place(), found.evidence, found.count))
        .collect();
    let right = |site: &String| scene.leak.as_ref() == Some(site);
    let others = checked.findings.iter().filter(|found| !right(&found.creation_site)).count();
    let found = checked.findings.iter().any(|found| right(&found.creation_site));
    let verdict = match (checked.status, others, scene.leak.is_some() == found) {
        (Some(0 | 1), 0, true) => "ok".to_owned(),
        (Some(0 | 1), 0, false) => "missed".to_owned(),
        (Some(0 | 1), _, _) => "false alarm".to_owned(),
        _ => format!("could not watch: {}", checked.stderr.trim()),
    };
    json!({"server": scene.name, "verdict": verdict, "watched for": format!("{} s", time.as_secs()),
           "goroutines at the end": truth.values().sum::<u64>(), "leaked": leaked, "found": said})
}

fn main() -> ExitCode {
    if env::var("GOROSCOPE_LEAKS").as_deref() != Ok("servers") {
        println!("not run: set GOROSCOPE_LEAKS=servers, or cargo xtask test --leaks=servers");
        return ExitCode::SUCCESS;
    }
    let seconds = env::var("GOROSCOPE_LEAKS_FOR").ok().map_or(600, |value| value.parse().expect("GOROSCOPE_LEAKS_FOR is a number"));
    let only = env::var("GOROSCOPE_LEAKS_ONLY").unwrap_or_default();
    let chosen = SCENES.into_iter().filter(|(name, _)| name.contains(&only));
    // All is built and serves before anything is watched, so that no compiler disturbs.
    let scenes: Vec<(&str, Result<Scene, String>)> = chosen.map(|(name, make)| (name, make(name))).collect();
    let watches: Vec<_> = scenes
        .into_iter()
        .map(|(name, scene)| {
            thread::spawn(move || match scene {
                Ok(scene) => watch(scene, Duration::from_secs(seconds)),
                Err(error) => json!({"server": name, "verdict": error}),
            })
        })
        .collect();
    let rows: Vec<Value> = watches.into_iter().map(|watch| watch.join().unwrap()).collect();
    rows.iter().for_each(|row| println!("{row}"));
    if let Some(path) = env::var_os("GOROSCOPE_RESULT_FILE") {
        fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    }
    let failed = rows.iter().filter(|row| row["verdict"] != "ok").count();
    println!("test result: {}. {} passed; {failed} failed; 0 ignored", if failed == 0 { "ok" } else { "FAILED" }, rows.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
