//! Rows: processes have the names of their pods, and their counts add up.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use super::super::kubectl;
use super::super::wait::{pause, until};
use super::manifests::{REPLICAS, SHOP, brief};
use super::scene::{Scene, family, names, ours, own, until_shown};

/// The function with the app's `go` statement for each request.
pub(super) const SITE: &str = "main.work.func1";

/// Starts by statement, counted by probes: from one moment to the next.
const STARTS: &str = "goroscope_goroutine_starts_by_site_total";

/// Goroutines that each brief pod starts.
const BRIEF: f64 = 1000.0;

/// How many goroutines the question for a count may itself add or end, in each pod.
const ASKING: f64 = 4.0;

pub(super) fn pod_names(_: &mut Scene) -> Result<String> {
    for app in ["leaky", "innocent"] {
        until_shown(app, 60)?;
        let found = family("go_goroutine_count")?;
        let names = names(app)?;
        let of_app: Vec<_> = found.iter().filter(|series| names.contains(series.label("pod"))).collect();
        if names.len() != REPLICAS || of_app.len() != REPLICAS {
            bail!("{app}: {} pods, {} series", names.len(), of_app.len());
        }
        if let Some(odd) = of_app.iter().find(|series| (series.label("namespace"), series.label("container")) != (SHOP, "web")) {
            bail!("labels are wrong: {:?}", odd.labels);
        }
    }
    let workloads: BTreeSet<String> = family("goroscope_process_info")?
        .iter()
        .filter(|series| series.label("namespace") == SHOP)
        .map(|series| format!("{} {}", series.label("workload_type"), series.label("workload")))
        .collect();
    if workloads != ["Deployment innocent", "Deployment leaky"].map(str::to_owned).into() {
        bail!("workloads are {workloads:?}");
    }
    Ok("6 series, one for each pod; workloads Deployment innocent, Deployment leaky".to_owned())
}

/// Between two moments the agent must have counted what the pods did: no less than they had done between the inner two, and no more
/// than between the outer two.
pub(super) struct Between {
    app: &'static str,
    own: (f64, f64),
    ours: f64,
}

impl Between {
    /// # Errors
    /// Somebody does not answer.
    pub(super) fn begin(app: &'static str) -> Result<Self> {
        // What a site had before it got its name stays in `other`.
        until(&format!("the name of {app}'s statement in every pod"), 60, || {
            let (wanted, all) = (names(app)?, family(STARTS)?);
            let named = all.iter().filter(|series| series.label("created_by") == SITE && wanted.contains(series.label("pod"))).count();
            Ok((named == wanted.len()).then_some(()))
        })?;
        let before = own(app, "app_starts_total")?;
        let ours = starts(app)?;
        Ok(Self { app, own: (before, own(app, "app_starts_total")?), ours })
    }

    /// What was counted since, beside what happened.
    ///
    /// # Errors
    /// Something was not counted, or twice; or somebody does not answer.
    pub(super) fn end(&self) -> Result<String> {
        let before = own(self.app, "app_starts_total")?;
        let ours = starts(self.app)? - self.ours;
        let after = own(self.app, "app_starts_total")?;
        let (least, most) = (before - self.own.1, after - self.own.0);
        if ours < least || ours > most {
            bail!("{}: {ours} goroutines counted; {least} to {most} were started", self.app);
        }
        Ok(format!("{}: {ours} goroutines counted, {least} to {most} started by the pods' own account", self.app))
    }
}

fn starts(app: &str) -> Result<f64> {
    ours(app, STARTS, |series| series.label("created_by") == SITE)
}

pub(super) fn sums(_: &mut Scene) -> Result<String> {
    let begun = [Between::begin("leaky")?, Between::begin("innocent")?];
    pause(Duration::from_secs(20))?;
    let mut figures = vec![];
    for between in &begun {
        figures.push(between.end()?);
    }
    for app in ["leaky", "innocent"] {
        // Counts are at most one interval old, and the leaking ones grow.
        let before = own(app, "app_goroutines")?;
        pause(Duration::from_secs(6))?;
        let seen = ours(app, "go_goroutine_count", |_| true)?;
        let after = own(app, "app_goroutines")?;
        let room = ASKING * names(app)?.len() as f64;
        if seen < before.min(after) - room || seen > before.max(after) + room {
            bail!("{app}: {seen} goroutines seen; {before}, then {after} by their own account");
        }
        figures.push(format!("{app}: {seen} goroutines live, {before} and {after} by their own account"));
    }
    Ok(figures.join("; "))
}

pub(super) fn short_life(_: &mut Scene) -> Result<String> {
    kubectl::apply(&brief("brief"))?;
    until("the brief pod's end", 60, || {
        Ok((kubectl::get(&["pod", "-n", SHOP, "brief"])?.pointer("/status/phase") == Some(&"Succeeded".into())).then_some(()))
    })?;
    // By name or in `other`: nobody may have asked for the name in time.
    let counted = until("the brief pod's counts", 45, || {
        let of_pod: Vec<_> = family(STARTS)?.into_iter().filter(|series| series.label("pod") == "brief").collect();
        Ok((!of_pod.is_empty()).then_some(of_pod))
    })?;
    if let Some(odd) = counted.iter().find(|series| (series.label("namespace"), series.label("container")) != (SHOP, "job")) {
        bail!("labels are wrong: {:?}", odd.labels);
    }
    let count: f64 = counted.iter().map(|series| series.value).sum();
    // The runtime starts a few of its own.
    if !(BRIEF..BRIEF + 10.0).contains(&count) {
        bail!("{count} goroutine starts, of {BRIEF} and a few of the runtime's");
    }
    Ok(format!("{count} goroutine starts ({BRIEF} and the runtime's own) of a pod that lived for 2 s, as {SHOP}/brief, container job"))
}
