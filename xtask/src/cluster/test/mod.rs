//! `test`: what is told of the chart, row by row, in the cluster that is up. In: a cluster. Out: a table, and docs/cluster-test.md. A
//! row that failed does not keep the next ones from running.

mod delivery;
mod endurance;
mod install;
mod manifests;
mod names;
mod neighbours;
mod page;
mod scene;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::scene::Scene;
use super::{Cgroup, down, must_be_root, up};
use crate::arch::Arch;
use crate::setup::{self, Need};
use crate::{image, interrupted, result, step};

/// Installs the chart and tests everything that is told of it, in the cluster that is up.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the image that `cargo xtask image` has left; else it is built first.
    #[arg(long)]
    no_build: bool,
    /// As it was said to `up`: without what does not depend on cgroups, where it is version 2.
    #[arg(long, value_enum, default_value_t)]
    cgroup: Cgroup,
    /// Only rows whose text contains this, and the installation that they need.
    filter: Option<String>,
}

/// One row: what must be true, and how it is found out.
struct Row {
    claim: &'static str,
    /// Also where the node has cgroup v2 only.
    also_v2: bool,
    /// What other rows build upon: not left out by a filter.
    is_base: bool,
    check: fn(&mut Scene) -> Result<String>,
}

const fn row(claim: &'static str, also_v2: bool, check: fn(&mut Scene) -> Result<String>) -> Row {
    Row { claim, also_v2, is_base: false, check }
}

const fn base(claim: &'static str, check: fn(&mut Scene) -> Result<String>) -> Row {
    Row { claim, also_v2: true, is_base: true, check }
}

/// All of them, in their order: later ones use what earlier ones have started.
const ROWS: [Row; 18] = [
    base("Helm installs the chart; the image comes from containerd", install::install),
    base("two Deployments of three pods each run beside it", install::deploy),
    row("the agent's process has exactly three capabilities", true, install::capabilities),
    row("`helm test` succeeds", true, install::helm_test),
    row("series have the names of their pods", true, names::pod_names),
    row("counts add up over replicas of one image", true, names::sums),
    row("a pod that lives for 2 s is counted under its name", true, names::short_life),
    row("etcd, kube-apiserver, kubelet, containerd and CoreDNS are seen with their own counts", true, neighbours::seen),
    row("each leaking pod has a finding, and no innocent one", true, delivery::found),
    row("an Event on each leaking pod names the statement", true, delivery::event),
    row("the alert fires in Prometheus and reaches Alertmanager and a webhook", false, delivery::plain),
    row("what the agent uses for all of them", false, neighbours::cost),
    row("a killed agent loses at most one interval", false, endurance::restart),
    row("upgrade and rollback keep the data flowing", false, endurance::upgrade),
    row("an API server that is away for two minutes costs nothing", false, endurance::away),
    row("the alert fires through the Prometheus Operator", false, delivery::operator),
    row("no series of pods is left five minutes after a rollout and a deletion", false, endurance::gone),
    row("the cluster does not notice", true, neighbours::unharmed),
];

/// The last one, always.
const LAST: Row = base("`helm uninstall` leaves nothing", install::uninstall);

/// How a row ended.
enum Verdict {
    Ok(String),
    Failed(String),
    NotRun(String),
}

/// One line of the table.
struct Line {
    claim: &'static str,
    took: Duration,
    verdict: Verdict,
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let (verdict, figures) = match &self.verdict {
            Verdict::Ok(figures) => ("ok", figures),
            Verdict::Failed(why) => ("FAILED", why),
            Verdict::NotRun(why) => ("not run", why),
        };
        vec![self.claim.to_owned(), verdict.to_owned(), step::seconds(self.took), figures.replace('\n', " ")]
    }

    fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }
}

pub(super) fn run(args: &Args, yes: bool) -> Result<()> {
    interrupted::notice()?;
    let lines = rows(image_of(args.no_build, yes)?, args.cgroup, args.filter.as_deref())?;
    show(&lines);
    outcome(&lines)
}

/// `cargo xtask test --cluster`: up, all rows, down; with this machine's cgroups, then with version 2 only. Down also after a failure.
///
/// # Errors
/// A row failed, or the cluster did not come up or did not go.
pub(crate) fn everything(filter: Option<&str>, no_build: bool, yes: bool) -> Result<()> {
    must_be_root()?;
    setup::ensure(yes, &[Need::Go, Need::Cluster])?;
    interrupted::notice()?;
    let image = image_of(no_build, yes)?;
    let mut parts = vec![];
    for cgroup in [Cgroup::Host, Cgroup::V2] {
        if interrupted::is() {
            break;
        }
        let lines = once(cgroup, || rows(image.clone(), cgroup, filter))?;
        show(&lines);
        parts.push((cgroup, lines));
        // After each: the second may be interrupted.
        if filter.is_none() {
            write(&parts)?;
        }
    }
    parts.iter().try_for_each(|(_, lines)| outcome(lines))
}

/// The image of this tree, or the one that was built last.
fn image_of(no_build: bool, yes: bool) -> Result<image::Built> {
    let arch = Arch::host()?;
    if no_build { image::built(arch) } else { image::build(&[arch], image::NAME, yes) }
}

/// Up, `test`, down.
fn once(cgroup: Cgroup, test: impl FnOnce() -> Result<Vec<Line>>) -> Result<Vec<Line>> {
    let tested = up::run(cgroup).and_then(|()| test());
    let gone = down::run().context("the cluster did not go");
    let lines = tested?;
    gone?;
    Ok(lines)
}

fn rows(image: image::Built, cgroup: Cgroup, filter: Option<&str>) -> Result<Vec<Line>> {
    let mut scene = Scene { image, beside: vec![] };
    let wanted = |row: &&Row| row.is_base || filter.is_none_or(|filter| row.claim.contains(filter));
    let mut lines = vec![];
    for row in ROWS.iter().chain([&LAST]).filter(wanted) {
        step::note(row.claim);
        let start = Instant::now();
        let verdict = judge(row, cgroup, &mut scene);
        let stops = row.is_base && matches!(verdict, Verdict::Failed(_));
        let line = Line { claim: row.claim, took: start.elapsed(), verdict };
        eprintln!("   {}", line.cells().get(1..).unwrap_or_default().join("  "));
        lines.push(line);
        if stops {
            break;
        }
    }
    Ok(lines)
}

fn judge(row: &Row, cgroup: Cgroup, scene: &mut Scene) -> Verdict {
    if cgroup == Cgroup::V2 && !row.also_v2 {
        return Verdict::NotRun("does not depend on cgroups: see above".to_owned());
    }
    if interrupted::is() {
        return Verdict::NotRun("the run was interrupted before".to_owned());
    }
    match (row.check)(scene) {
        Ok(figures) => Verdict::Ok(figures),
        Err(_) if interrupted::is() => Verdict::NotRun("the run was interrupted here".to_owned()),
        Err(error) => Verdict::Failed(format!("{error:#}")),
    }
}

fn show(lines: &[Line]) {
    for line in lines {
        println!("{:<88} {}", line.claim, line.cells().get(1..3).unwrap_or_default().join("  "));
    }
}

fn outcome(lines: &[Line]) -> Result<()> {
    let failed: Vec<&str> = lines.iter().filter(|line| line.is_failed()).map(|line| line.claim).collect();
    if failed.is_empty() { Ok(()) } else { bail!("cluster: {} rows failed\n  {}", failed.len(), failed.join("\n  ")) }
}

fn write(parts: &[(Cgroup, Vec<Line>)]) -> Result<()> {
    let mut body = "# The chart in a real Kubernetes\n\nKubernetes 1.36.3 of one node, with etcd 3.6.16, containerd 2.3.7, runc, CoreDNS 1.15.0, Helm 4.3.1, \
                    Prometheus 3.15.0, Alertmanager and the Prometheus Operator 0.85.0, on this machine, installed and tested by one command. \
                    What was not run is said so.\n"
        .to_owned();
    for (cgroup, lines) in parts {
        let title = match cgroup {
            Cgroup::Host => "This machine's cgroups",
            Cgroup::V2 => "The same with cgroup v2 only",
        };
        let count = |is: fn(&Verdict) -> bool| lines.iter().filter(|line| is(&line.verdict)).count();
        let (ok, failed) = (count(|verdict| matches!(verdict, Verdict::Ok(_))), count(|verdict| matches!(verdict, Verdict::Failed(_))));
        let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
        let table = result::table(&["what", "verdict", "took", "figures"], &rows);
        body.push_str(&format!("\n## {title}\n\n{ok} ok, {failed} failed, {} not run.\n\n{table}", lines.len() - ok - failed));
    }
    if parts.len() == 1 {
        body.push_str("\n## The same with cgroup v2 only\n\nNot run in this run.\n");
    }
    let rooms = ["agent/src", "ebpf", "charts/goroscope/templates", "deploy/prometheus/rules", "xtask/src/cluster", "xtask/src/image"];
    result::write("docs/cluster-test.md", "cargo xtask test --cluster", &rooms, &body)
}
