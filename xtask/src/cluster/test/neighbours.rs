//! Rows: the cluster's own Go programs are seen, with the counts that they have themselves; and they do not notice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::kubectl;
use super::super::lab::{Life, NODE, pids, run_inside};
use super::super::wait::pause;
use super::page;
use super::scene::{Scene, agent_pid, family, text};

/// Programs, and how each is asked for its own page of metrics.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("etcd", &["curl", "-sf", "http://127.0.0.1:2379/metrics"]),
    ("kube-apiserver", &["get", "--raw", "/metrics"]),
    ("kubelet", &["get", "--raw", "/api/v1/nodes/lab/proxy/metrics"]),
    ("containerd", &["curl", "-sf", "http://127.0.0.1:1338/v1/metrics"]),
    ("coredns", &["curl", "-sf", "http://10.200.0.2:9153/metrics"]),
];

/// Daemons, whose lives are noted down.
const DAEMONS: [&str; 8] = ["etcd", "containerd", "apiserver", "controller-manager", "scheduler", "kubelet", "proxy", "dns"];

/// Times that each is compared: their counts change all the time.
const TIMES: usize = 3;

/// How far ours may be from all of its own: answering the question takes goroutines.
fn room(own: f64) -> f64 {
    (own * 0.05).max(10.0)
}

fn own(question: &[&str]) -> Result<f64> {
    let text = if question.first() == Some(&"curl") { run_inside(question)? } else { kubectl::run(question)? };
    page::parse(&text).iter().find(|series| series.name == "go_goroutines").map(|series| series.value).context("no go_goroutines")
}

pub(super) fn seen(_: &mut Scene) -> Result<String> {
    let mut figures = vec![];
    let mut wrong = vec![];
    for (program, question) in PROGRAMS {
        let mut rows = vec![];
        for _ in 0..TIMES {
            let before = own(question).with_context(|| program.to_owned())?;
            // As old as one interval.
            pause(Duration::from_secs(2))?;
            let of_program = family("go_goroutine_count")?;
            // Host processes have no pod; another of that name on this host is another unit's.
            let ours: Vec<f64> = of_program
                .iter()
                .filter(|series| series.label("process") == program && series.label("pod").is_empty())
                .map(|series| series.value)
                .collect();
            rows.push((before, ours.first().copied().with_context(|| format!("{program} has no series"))?, own(question)?));
        }
        let low = rows.iter().map(|row| row.0.min(row.2)).fold(f64::MAX, f64::min);
        let high = rows.iter().map(|row| row.0.max(row.2)).fold(0.0, f64::max);
        let (least, most) = (rows.iter().map(|row| row.1).fold(f64::MAX, f64::min), rows.iter().map(|row| row.1).fold(0.0, f64::max));
        figures.push(format!("{program} {least} to {most}, itself {low} to {high}"));
        if least < low - room(low) || most > high + room(high) {
            wrong.push(program);
        }
    }
    let figures = figures.join("; ");
    if wrong.is_empty() { Ok(figures) } else { bail!("{}: {figures}", wrong.join(", ")) }
}

/// How long the agent's use is measured.
const QUIET: Duration = Duration::from_secs(60);

/// Programs of the node, by what they are called.
const NODE_PROGRAMS: [&str; 9] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "containerd",
    "containerd-shim-runc-v2",
    "coredns",
];

/// CPU time of a process until now, s.
fn used(pid: u32) -> Result<f64> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = line.rsplit_once(')').context("a name in parentheses")?.1;
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u32>().ok()).sum();
    Ok(f64::from(ticks) / rustix::param::clock_ticks_per_second() as f64)
}

pub(super) fn cost(_: &mut Scene) -> Result<String> {
    let pid = agent_pid()?;
    let (before, start) = (used(pid)?, Instant::now());
    pause(QUIET)?;
    let share = (used(pid)? - before) / start.elapsed().as_secs_f64();
    let counted = family("go_goroutine_count")?;
    let (in_pods, outside): (Vec<_>, Vec<_>) = counted.iter().partition(|series| !series.label("pod").is_empty());
    let (of_node, others): (Vec<_>, Vec<_>) = outside.into_iter().partition(|series| NODE_PROGRAMS.contains(&series.label("process")));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has memory")?.trim();
    Ok(format!(
        "{:.1} % of a core in a minute, {memory} resident, scraped each 5 s; Go programs: {} of the node, {} in pods, {} others on this \
         machine at its end; told, not judged",
        share * 100.0,
        of_node.len(),
        in_pods.len(),
        others.len()
    ))
}

/// Each daemon's life, as it is now.
///
/// # Errors
/// One does not run.
pub(super) fn lives() -> Result<BTreeMap<&'static str, Life>> {
    DAEMONS
        .into_iter()
        .map(|name| Ok((name, Life::kept(name).with_context(|| format!("{name} does not run: see {}", pids().display()))?)))
        .collect()
}

pub(super) fn unharmed(_: &mut Scene) -> Result<String> {
    lives()?;
    let node = kubectl::get(&["node", NODE])?;
    let conditions = node.pointer("/status/conditions").and_then(serde_json::Value::as_array).context("a node has conditions")?;
    let bad: Vec<&str> = conditions
        .iter()
        .filter(|condition| (text(condition, "/type") == "Ready") != (text(condition, "/status") == "True"))
        .map(|condition| text(condition, "/type"))
        .collect();
    if !bad.is_empty() {
        bail!("the node's conditions: {}", bad.join(", "));
    }
    Ok(format!("{} daemons run as at the start, or as the row that stopped one started it; the node is Ready", DAEMONS.len()))
}
