//! Rows: what is counted stays counted when something goes: the agent, its release, the API server, the pods.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::super::lab::Life;
use super::super::wait::{pause, until};
use super::super::{daemon, images, kubectl, up};
use super::manifests::SHOP;
use super::names::Between;
use super::scene::{RELEASE, Scene, agent_address, agent_pid, family, names, ours, own, until_shown};
use crate::demo::agent::get;
use crate::step::seconds;

/// `config.interval` of the chart: how old what the agent reads may be.
const INTERVAL: f64 = 5.0;

/// Longest time that a scraper may find nothing: the chart's scrape interval.
const SCRAPE: Duration = Duration::from_secs(30);

/// How long series of a pod that is gone may stay.
const FORGET: u64 = 300;

/// The agents that run on this host: by what they execute, as the API server hears of a new one late.
fn agents() -> Result<Vec<u32>> {
    let ids = std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(ids.filter(|id| std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == Path::new("/goroscope"))).collect())
}

pub(super) fn restart(_: &mut Scene) -> Result<String> {
    let pid = agent_pid()?;
    let totals = || ours("leaky", "goroscope_goroutine_starts_total", |_| true);
    let total = totals()?;
    let before = own("leaky", "app_starts_total")?;
    let start = Instant::now();
    if let Some(life) = Life::of(pid) {
        daemon::signal(life, Signal::KILL);
    }
    until("a new agent", 120, || Ok(agents()?.into_iter().find(|&new| new != pid)))?;
    let away = start.elapsed();
    let unwatched = own("leaky", "app_starts_total")? - before;
    let site = |series: &super::page::Series| series.label("created_by") == super::names::SITE;
    let starts = || ours("leaky", "goroscope_goroutine_starts_by_site_total", site);
    until("counts of the new agent", 120, || Ok((starts()? > 0.0).then_some(())))?;
    pause(Duration::from_secs(10))?;
    // What happened before the question must be in the answer.
    let happened = own("leaky", "app_starts_total")? - before;
    let watched = start.elapsed().saturating_sub(away).as_secs_f64();
    let missed = (happened - unwatched - starts()?).max(0.0);
    let lost = missed / (happened - unwatched).max(1.0) * watched;
    let kept = totals()? - total;
    until_shown("leaky", 60)?;
    if kept < happened {
        bail!("the pods' totals grew by {kept}, while {happened} goroutines were started");
    }
    if lost > INTERVAL {
        bail!("{missed} of {} goroutine starts since the new agent's own were not counted by site: {lost:.1} s", happened - unwatched);
    }
    Ok(format!(
        "killed; started again by the kubelet after {}, when {unwatched} goroutines had been started; of the {} after it, {missed} are not \
         counted by site: {lost:.1} s, of at most {INTERVAL} s; totals lost nothing",
        seconds(away),
        happened - unwatched
    ))
}

/// The longest time without series of the leaking pods while something happens.
fn longest_gap(act: impl FnOnce() -> Result<()> + Send) -> Result<Duration> {
    let leaky = names("leaky")?;
    let all_there = || {
        let shown: BTreeSet<String> =
            family("go_goroutine_count").unwrap_or_default().iter().map(|series| series.label("pod").to_owned()).collect();
        leaky.is_subset(&shown)
    };
    std::thread::scope(|scope| {
        let acting = scope.spawn(act);
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        let mut tail = None;
        loop {
            if all_there() {
                last = Instant::now();
            }
            longest = longest.max(last.elapsed());
            if acting.is_finished() {
                // Until it is there again.
                let end = *tail.get_or_insert_with(Instant::now);
                if (last > end) || end.elapsed() > SCRAPE * 2 {
                    break;
                }
            }
            pause(Duration::from_millis(200))?;
        }
        acting.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        Ok(longest)
    })
}

pub(super) fn upgrade(scene: &mut Scene) -> Result<String> {
    images::tag(crate::image::NAME, "localhost/goroscope:next")?;
    let words = scene.installation(&["image.tag=next", "config.interval=2s"]);
    let up = longest_gap(|| kubectl::helm(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(drop))?;
    let back = longest_gap(|| kubectl::helm(&["rollback", RELEASE, "--namespace", RELEASE, "--wait", "--timeout", "90s"]).map(drop))?;
    if up.max(back) > SCRAPE {
        bail!("{} and {} without series", seconds(up), seconds(back));
    }
    Ok(format!("longest time without series: upgrade {}, rollback {}", seconds(up), seconds(back)))
}

pub(super) fn away(_: &mut Scene) -> Result<String> {
    let pid = agent_pid()?;
    let (metrics, health) = (agent_address(9640)?, agent_address(9641)?);
    let begun = Between::begin("leaky")?;
    daemon::stop(&["apiserver"]);
    let start = Instant::now();
    // No question goes to the API server meanwhile: what the pods are was asked before.
    pause(Duration::from_secs(110))?;
    let text = get(metrics, "/metrics")?;
    let shown =
        super::page::parse(&text).iter().filter(|series| series.name == "go_goroutine_count" && series.label("namespace") == SHOP).count();
    let ready = get(health, "/readyz").unwrap_or_else(|error| format!("{error:#}"));
    pause(Duration::from_secs(10))?;
    up::start_apiserver()?;
    let out = seconds(start.elapsed());
    until("the API server", 90, || kubectl::run(&["get", "--raw", "/readyz"]).map(Some))?;
    kubectl::run(&["wait", "--for=condition=Ready", "node/lab", "--timeout=90s"])?;
    let counted = begun.end()?;
    if shown != 6 {
        bail!("{shown} series of pods while the API server was away, not 6");
    }
    if agent_pid()? != pid {
        bail!("the agent was restarted");
    }
    until("the agent's watch", 90, || {
        Ok(family("goroscope_agent_k8s_connected")?.first().is_some_and(|series| series.value == 1.0).then_some(()))
    })?;
    let told = ready.lines().find(|line| line.to_lowercase().contains("api server")).unwrap_or("nothing").trim().to_owned();
    if told == "nothing" {
        bail!("/readyz did not tell: {ready}");
    }
    Ok(format!("away for {out}: {counted}; 6 pods named; /readyz: \u{201c}{told}\u{201d}; the same agent"))
}

pub(super) fn gone(_: &mut Scene) -> Result<String> {
    let mut old = names("leaky")?;
    kubectl::run(&["-n", SHOP, "rollout", "restart", "deployment/leaky"])?;
    if let Some(victim) = names("innocent")?.into_iter().next() {
        kubectl::run(&["-n", SHOP, "delete", "pod", &victim, "--wait=false"])?;
        old.insert(victim);
    }
    kubectl::run(&["-n", SHOP, "rollout", "status", "deployment/leaky", "--timeout=90s"])?;
    until("the old pods' end", 60, || {
        let left = kubectl::get(&["pods", "-n", SHOP])?;
        let items = left.get("items").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
        Ok((!items.iter().any(|pod| old.contains(super::scene::text(pod, "/metadata/name")))).then_some(()))
    })?;
    let start = Instant::now();
    let shown = || -> Result<usize> { Ok(super::scene::series()?.iter().filter(|series| old.contains(series.label("pod"))).count()) };
    let at_first = shown()?;
    until("the old pods' series to go", FORGET + 10, || Ok((shown()? == 0).then_some(())))?;
    let took = seconds(start.elapsed());
    until_shown("leaky", 30)?;
    Ok(format!("{} pods: {at_first} series when they were gone, none {took} later; the new pods have theirs", old.len()))
}
