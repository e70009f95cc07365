//! The live check: a real Prometheus scrapes a real agent that watches real Go programs; every panel shows something, alerts fire.
//!
//! Hours are too long to wait for: in rules and panels a 120th of each duration is taken, a minute at most.

mod prometheus;
mod shorten;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use self::prometheus::{Prometheus, Series};
use super::dashboard::{self, PanelQuery};
use super::expression::{self, legend_labels};
use super::rules::Rules;
use crate::demo::child::Child;
use crate::paths::{root, target};
use crate::setup;
use crate::{build, go, step};

/// How long everything may take to show: the longest durations of rules, one after another, twice.
const PATIENCE: Duration = Duration::from_secs(240);

/// Labels that only Kubernetes and systemd have.
const ELSEWHERE: [&str; 5] = ["namespace", "workload", "pod", "container", "unit"];

/// Series that the agent declares and does not export yet: what needs them cannot show anything.
const AWAITED: [&str; 0] = [];

/// An alert that must fire: name, severity, and labels that must be there.
type Fire = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const FIRE: [Fire; 7] = [
    ("GoroscopeGoroutineLeak", "warning", &[("process", "leaky"), ("created_by", "main.leak")]),
    ("GoroscopeGoroutineGrowth", "warning", &[("process", "leaky")]),
    ("GoroscopeGoroutineFastGrowth", "critical", &[("process", "leaky")]),
    ("GoroscopeGoroutineSiteGrowth", "warning", &[("process", "leaky"), ("created_by", "main.leak")]),
    ("GoroscopeGoroutinesHigh", "warning", &[("process", "crowd")]),
    ("GoroscopeGoroutinesHigh", "critical", &[("process", "crowd")]),
    ("GoroscopeGoroutinesHigh", "critical", &[("process", "leaky")]),
];

/// Whether an expectation may stay open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It may not.
    Must,
    /// It may: what it shows need not happen.
    May,
    /// It will: the agent does not export what it asks for.
    Awaits,
}

/// Something that must come true.
struct Expectation {
    what: String,
    query: String,
    /// Labels that every series must have.
    labels: Vec<String>,
    need: Need,
    /// What is wrong still; none when it has come true.
    wrong: Option<String>,
}

/// Everything that runs; it ends when this is dropped.
struct Stage {
    children: Vec<Child>,
    prometheus: Prometheus,
}

pub(super) fn run(yes: bool) -> Result<()> {
    ensure!(step::output(Command::new("id").arg("-u"))?.trim() == "0", "probes need root\n  remedy: run this as root");
    setup::ensure(yes, &[setup::Need::Build, setup::Need::Go, setup::Need::Monitoring])?;
    build::all(yes, build::Profile::Dev)?;
    let mut stage = Stage::set()?;
    let line = leak_line()?;
    let mut expectations = expectations(line)?;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && expectations.iter().any(|one| one.wrong.is_some() && one.need == Need::Must) {
        thread::sleep(Duration::from_secs(1));
        stage.children.iter_mut().try_for_each(Child::check)?;
        for expectation in expectations.iter_mut().filter(|expectation| expectation.wrong.is_some()) {
            expectation.wrong = expectation.ask(&stage.prometheus)?;
        }
    }
    let innocent = stage.accused()?;
    drop(stage);
    report(&expectations, &innocent, begin.elapsed())
}

fn report(expectations: &[Expectation], accused: &[String], took: Duration) -> Result<()> {
    let open = |need: Need| expectations.iter().filter(move |one| one.wrong.is_some() && one.need == need);
    open(Need::May).for_each(|one| step::note(&format!("nothing to show, which may be: {}", one.what)));
    open(Need::Awaits).for_each(|one| step::warn(&format!("the agent does not export this yet: {}", one.what)));
    let shown = expectations.iter().filter(|one| one.wrong.is_none()).count();
    let [failed, may, awaits] = [Need::Must, Need::May, Need::Awaits].map(|need| open(need).count());
    println!("{:<52} {shown:>9} of {:<3}  {}", "live: panels, variables and alerts", expectations.len(), verdict(failed == 0));
    println!("{:<52} {:>16}", "live: of these nothing to show", format!("{may} may, {awaits} will"));
    println!("{:<52} {:>16}  {}", "live: alerts that accuse nobody wrongly", accused.len(), verdict(accused.is_empty()));
    println!("{:<52} {:>16}", "live", step::seconds(took));
    let failed = open(Need::Must).map(|one| format!("{}: {}\n    {}", one.what, one.wrong.as_deref().unwrap_or_default(), one.query));
    let here = expectations.iter().filter(|one| one.need == Need::Awaits && one.wrong.is_none());
    let failed = failed.chain(here.map(|one| format!("{}: is here, so nothing in AWAITED may name it", one.what)));
    let accused = accused.iter().map(|alert| format!("{alert}: fires without a reason"));
    let failed: Vec<String> = failed.chain(accused).collect();
    if !failed.is_empty() {
        bail!("live: not everything is there\n  {}", failed.join("\n  "));
    }
    Ok(())
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "ok" } else { "FAILED" }
}

/// Where the load says that it leaks, as an alert names it.
fn leak_line() -> Result<String> {
    let source = fs::read_to_string(root().join("xtask/monitoring/load/main.go"))?;
    let line = source.lines().position(|line| line.contains("// LEAK")).context("the load has no line with LEAK")?;
    Ok(format!("load/main.go:{}", line + 1))
}

impl Stage {
    fn set() -> Result<Self> {
        let dir = target().join("monitoring/live");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let load = dir.join("leaky");
        let mut build = go::command(None)?;
        let source = root().join("xtask/monitoring/load");
        build.current_dir(&source).args(["build", "-o"]).arg(&load);
        step::run("build the load", &mut build, "mend what Go says above")?;
        fs::copy(&load, dir.join("crowd"))?;
        of_the_future(&load, &dir.join("future"))?;
        let [agent, prometheus] = [free()?, free()?];
        let listen = agent.to_string();
        let mut children = vec![Child::start(&load, &["leak"])?];
        for name in ["crowd", "future"] {
            children.push(Child::start(&dir.join(name), &["crowd"])?);
        }
        // This Prometheus takes no OTLP, so that there are failures to show.
        let receiver = format!("http://{prometheus}");
        let arguments = ["run", "--listen", &listen, "--interval", "1s", "--otlp-endpoint", &receiver, "--otlp-interval", "1s"];
        children.push(Child::start(&target().join("debug/goroscope"), &arguments)?);
        let prometheus = Prometheus::prepare(&dir, agent, prometheus, &Rules::read()?.files)?;
        children.push(Child::start(&prometheus.program(), &prometheus.arguments().iter().map(String::as_str).collect::<Vec<_>>())?);
        step::note(&format!("Prometheus at http://{}, agent at http://{agent}", prometheus.address()));
        Ok(Self { children, prometheus })
    }

    /// Alerts that fire and must not: about the agent, and about leaks and growth in our own programs that have none; others on this host may leak.
    fn accused(&self) -> Result<Vec<String>> {
        let agent =
            "ALERTS{alertstate=\"firing\", alertname=~\"Goroscope(Agent.+|EventsLost|SeriesLimitReached|CreationMismatch|ReadingStale)\"}";
        let crowd = "ALERTS{alertstate=\"firing\", alertname=~\"Goroscope.+(Leak|Growth)\", process=~\"crowd|future\"}";
        let fires = [self.prometheus.query(agent)?, self.prometheus.query(crowd)?].concat();
        let name = |labels: &BTreeMap<String, String>, label: &str| labels.get(label).cloned().unwrap_or_default();
        Ok(fires.iter().map(|Series { labels, .. }| format!("{} {}", name(labels, "alertname"), name(labels, "process"))).collect())
    }
}

/// A copy of a Go program that says to be of a version which nobody knows yet: it is refused.
fn of_the_future(program: &Path, copy: &Path) -> Result<()> {
    let known = go::version_of(&go::host()?).context("the host's Go has a version")?;
    let (known, future) = (format!("go{known}"), "go1.99");
    let mut bytes = fs::read(program)?;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(known.len()).position(|window| window == known.as_bytes())) {
        at += found;
        bytes.get_mut(at..at + future.len()).context("a version is longer than go1.99")?.copy_from_slice(future.as_bytes());
    }
    ensure!(at > 0, "{} does not say that it is of {known}", program.display());
    fs::copy(program, copy)?;
    fs::write(copy, bytes)?;
    Ok(())
}

/// An address of this host where nobody listens.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn expectations(line: String) -> Result<Vec<Expectation>> {
    let mut all = vec![];
    for dashboard in dashboard::read()? {
        all.extend(dashboard.queries().iter().map(of_panel));
        let variables = dashboard.variables().into_iter().filter(|(name, _)| !ELSEWHERE.contains(&name.as_str()));
        all.extend(variables.map(|(name, selector)| {
            Expectation::new(&format!("variable {name}"), &format!("group by ({name}) ({selector})"), vec![name], Need::Must)
        }));
    }
    for (alert, severity, labels) in FIRE {
        let matchers: String = labels.iter().map(|(label, value)| format!(", {label}=\"{value}\"")).collect();
        let site = if alert == "GoroscopeGoroutineLeak" { format!(", site=\"{line}\"") } else { String::new() };
        let query = format!("ALERTS{{alertstate=\"firing\", alertname=\"{alert}\", severity=\"{severity}\"{matchers}{site}}}");
        all.push(Expectation::new(&format!("alert {alert} ({severity})"), &query, vec![], Need::Must));
    }
    Ok(all)
}

fn of_panel(panel: &PanelQuery) -> Expectation {
    let what = format!("{}: {}", panel.dashboard, panel.panel);
    let labels = legend_labels(&panel.legend).into_iter().map(str::to_owned).chain(panel.columns.iter().cloned());
    let awaits = expression::series(&panel.expr).iter().any(|name| {
        let name = name.strip_prefix("process:").and_then(|name| name.split(':').next()).unwrap_or(name);
        AWAITED.contains(&name)
    });
    let need = match (awaits, panel.optional) {
        (true, _) => Need::Awaits,
        (false, true) => Need::May,
        (false, false) => Need::Must,
    };
    let labels = labels.filter(|label| !ELSEWHERE.contains(&label.as_str())).collect();
    Expectation::new(&what, &panel.expr, labels, need)
}

impl Expectation {
    fn new(what: &str, query: &str, labels: Vec<String>, need: Need) -> Self {
        Self { what: what.to_owned(), query: shorten::panel(query), labels, need, wrong: Some("not asked yet".to_owned()) }
    }

    /// What is wrong with the answer.
    fn ask(&self, prometheus: &Prometheus) -> Result<Option<String>> {
        let series = prometheus.query(&self.query)?;
        let labelled = |series: &&Series| self.labels.iter().all(|label| series.labels.contains_key(label));
        Ok(match series.first() {
            None => Some("no series".to_owned()),
            Some(_) if series.iter().any(|series| !series.value.is_finite()) => Some("a value is not finite".to_owned()),
            // One series at least: on a host some processes have no module, for instance.
            Some(first) if !series.iter().any(|series| labelled(&series)) => {
                Some(format!("of {} it has {}", self.labels.join(", "), first.labels.keys().cloned().collect::<Vec<_>>().join(", ")))
            }
            Some(_) => None,
        })
    }
}

/// A folder's path as a string; ours are UTF-8.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
