//! Export by OTLP to a receiver that nobody here wrote: Prometheus 3, which must then know what `/metrics` says.
//!
//! Prometheus is the file that `GOROSCOPE_PROMETHEUS` names (`cargo xtask test` does); Debian's takes no OTLP.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use common::{
    agent::{Agent, free_port},
    alone,
    build::{Form, NEWEST, build},
    http,
    metrics::Scrape,
    target::Target,
    wait_for, wait_until,
};
use serde_json::Value;
use tempfile::TempDir;

/// A receiver. Killed when dropped; its data stays for the next.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(address: SocketAddr, directory: &Path) -> Self {
        let executable = env::var_os("GOROSCOPE_PROMETHEUS").expect("GOROSCOPE_PROMETHEUS names a Prometheus 3: cargo xtask test otlp");
        fs::write(directory.join("prometheus.yml"), "global: {scrape_interval: 1h}\n").unwrap();
        let log = fs::File::create(directory.join("log")).unwrap();
        let mut command = Command::new(executable);
        command.current_dir(directory).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-otlp-receiver"]);
        command.arg(format!("--web.listen-address={address}"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let prometheus = Self { child, address };
        wait_until("Prometheus is ready", || http::get(address, "/-/ready", None).is_ok_and(|response| response.status == 200));
        prometheus
    }

    /// What `job` has now: labels without the two that every series has, and values.
    fn series(&self, job: &str) -> Series {
        let path = format!("/api/v1/query?query=%7Bjob%3D%22{job}%22%7D");
        let response = http::get(self.address, &path, None).unwrap();
        assert_eq!(response.status, 200, "{}", response.body);
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        let found = answer["data"]["result"].as_array().unwrap().iter().map(|series| {
            let labels = series["metric"].as_object().unwrap().iter();
            let labels = labels.filter(|(name, _)| !["job", "instance"].contains(&name.as_str()));
            let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
            (labels, series["value"][1].as_str().unwrap().parse().unwrap())
        });
        found.collect()
    }
}

/// Values by labels, the name among them.
type Series = BTreeMap<BTreeMap<String, String>, f64>;

/// What `/metrics` says of the one process, without the labels that name it: those are attributes of the Resource.
fn said(scrape: &Scrape) -> Series {
    let samples = scrape.0.iter().filter(|sample| sample.labels.contains_key("process"));
    // What an info says is in target_info. Refusals are there when there are some.
    let samples = samples.filter(|sample| !sample.name.ends_with("_info"));
    let series = samples.map(|sample| {
        let labels = sample.labels.iter().filter(|(name, _)| !["process", "pid", "container", "unit"].contains(&name.as_str()));
        let mut labels: BTreeMap<_, _> = labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        labels.insert("__name__".to_owned(), sample.name.clone());
        (labels, sample.value)
    });
    series.collect()
}

/// What changes by itself while nothing happens: what the runtime does on its own, and when it was read.
fn is_still(labels: &BTreeMap<String, String>) -> bool {
    let name = labels["__name__"].as_str();
    [
        "goroscope_map_",
        "goroscope_timer_",
        "goroscope_sleeps_",
        "goroscope_goroutine",
        "go_goroutine_count",
        "go_config_",
        "go_processor_limit",
    ]
    .iter()
    .any(|still| name.starts_with(still))
}

fn counted(agent: &Agent, name: &str, reason: &str) -> u64 {
    let labels = [("reason", reason)];
    agent.scrape().sum(name, if reason.is_empty() { &[] } else { &labels }).unwrap_or_else(|| panic!("{name} is there"))
}

fn lines(agent: &Agent, text: &str) -> usize {
    agent.log().lines().filter(|line| line.contains(text)).count()
}

#[test]
fn prometheus_knows_by_otlp_what_metrics_says_and_is_missed_while_it_is_away() {
    const FAILURES: &str = "goroscope_agent_otlp_export_failures_total";
    const EXPORTS: &str = "goroscope_agent_otlp_exports_total";
    let _alone = alone();
    let (receiver, directory) = (free_port(), TempDir::new().unwrap());
    let mut target = Target::spawn(&build("exact", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}")), &[]);
    let pid = target.pid.to_string();
    let endpoint = format!("--otlp-endpoint=http://{receiver}/api/v1/otlp");
    let agent = Agent::start(&["--exact", "--per-process", "--pid", &pid, &endpoint, "--otlp-interval=300ms"]);
    target.go(1);

    // Nobody is there: counted, said once.
    wait_until("failures are counted", || counted(&agent, FAILURES, "unreachable") >= 2);
    assert_eq!((lines(&agent, "did not take an export"), counted(&agent, EXPORTS, "")), (1, 0), "{}", agent.log());

    let prometheus = Prometheus::start(receiver, directory.path());
    wait_until("it recovers alone", || counted(&agent, EXPORTS, "") > 0);
    assert_eq!(lines(&agent, "takes exports again"), 1, "{}", agent.log());
    let wrong = |found: &Series, said: &Series| {
        let wrong = said.iter().filter(|(labels, value)| found.get(labels).is_none_or(|found| is_still(labels) && found != *value));
        wrong.map(|(labels, value)| (labels.clone(), *value)).collect::<Series>()
    };
    let mut last = Series::new();
    let held = wait_for_equal(&mut last, || {
        let (found, said) = (prometheus.series("exact"), said(&agent.scrape()));
        assert!(said.len() > 50 && said.keys().any(is_still), "{said:?}");
        wrong(&found, &said)
    });
    assert!(held, "Prometheus does not know, or knows otherwise: {last:#?}");
    let info = prometheus.series("exact");
    let info = info.keys().find(|labels| labels["__name__"] == "target_info").expect("attributes of the Resource");
    for (name, value) in [("process_pid", pid.as_str()), ("process_runtime_name", "go"), ("process_executable_name", "exact")] {
        assert_eq!(info.get(name).map(String::as_str), Some(value), "{info:?}");
    }
    assert!(info["process_runtime_version"].starts_with("go1.") && info.contains_key("host_name"), "{info:?}");
    assert!(prometheus.series("goroscope").keys().any(|labels| labels["__name__"] == EXPORTS), "the agent tells of itself, too");

    // It goes, and comes back: the same again.
    drop(prometheus);
    let before = counted(&agent, FAILURES, "unreachable");
    wait_until("failures are counted again", || counted(&agent, FAILURES, "unreachable") > before);
    target.go(2);
    let taken = counted(&agent, EXPORTS, "");
    let prometheus = Prometheus::start(receiver, directory.path());
    wait_until("it recovers alone again", || counted(&agent, EXPORTS, "") > taken);
    assert_eq!(lines(&agent, "did not take an export"), 2, "{}", agent.log());
    let held = wait_for_equal(&mut last, || wrong(&prometheus.series("exact"), &said(&agent.scrape())));
    assert!(held, "what happened meanwhile is not there: {last:#?}");
    agent.stop();
}

/// Whether `wrong` becomes empty; `last` is what it was last.
fn wait_for_equal(last: &mut Series, mut wrong: impl FnMut() -> Series) -> bool {
    let start = std::time::Instant::now();
    wait_for("a comparison", || {
        *last = wrong();
        (last.is_empty() || start.elapsed() > common::DEADLINE / 2).then_some(last.is_empty())
    })
}
