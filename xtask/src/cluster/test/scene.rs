//! What the rows work on: the agent in its pod, the observed pods, and what was started for a row. In: the cluster. Out: what they
//! say. Must not know what is expected.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::super::kubectl;
use super::super::wait::until;
use super::manifests::SHOP;
use super::page::{self, Series};
use crate::demo::agent::get;
use crate::demo::child::Child;
use crate::image::Built;
use crate::paths::root;

/// Release and namespace of the chart.
pub(super) const RELEASE: &str = "goroscope";

/// Everything that outlives a row.
pub(super) struct Scene {
    pub(super) image: Built,
    /// Programs beside the cluster: they end with the scene.
    pub(super) beside: Vec<Child>,
}

impl Scene {
    /// `helm upgrade --install` of the chart, with `more` of its values.
    ///
    /// # Errors
    /// Helm fails, or the pods do not get ready.
    pub(super) fn install(&self, more: &[&str]) -> Result<()> {
        let words = self.installation(more);
        kubectl::helm(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
    }

    /// The words of [`Self::install`].
    pub(super) fn installation(&self, more: &[&str]) -> Vec<String> {
        let chart = root().join("charts/goroscope").display().to_string();
        let install = ["upgrade", "--install", RELEASE, &chart, "--namespace", RELEASE, "--create-namespace", "--wait", "--timeout", "90s"];
        let values = more.iter().flat_map(|value| ["--set", value]);
        install.into_iter().chain(values).map(str::to_owned).collect()
    }
}

/// Pods of a namespace with a label, as the API server has them: those that are not on their way out.
///
/// # Errors
/// The API server does not answer.
pub(super) fn pods(namespace: &str, selector: &str) -> Result<Vec<Value>> {
    let list = kubectl::get(&["pods", "-n", namespace, "-l", selector])?;
    let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(items.into_iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()).collect())
}

/// A text in an object; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Names of the pods of a Deployment.
///
/// # Errors
/// The API server does not answer.
pub(super) fn names(app: &str) -> Result<BTreeSet<String>> {
    Ok(pods(SHOP, &format!("app={app}"))?.iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect())
}

/// The one pod of the agent that runs.
///
/// # Errors
/// There is none.
pub(super) fn agent_pod() -> Result<Value> {
    let pods = pods(RELEASE, "app.kubernetes.io/component=agent")?;
    pods.into_iter().find(|pod| text(pod, "/status/phase") == "Running").context("no pod of the agent runs")
}

/// Where the agent serves metrics (9640) and health (9641).
///
/// # Errors
/// No pod of the agent runs.
pub(super) fn agent_address(port: u16) -> Result<SocketAddr> {
    let pod = agent_pod()?;
    Ok(SocketAddr::new(text(&pod, "/status/podIP").parse().context("the agent's pod has no address yet")?, port))
}

/// All series of the agent.
///
/// # Errors
/// It does not answer.
pub(super) fn series() -> Result<Vec<Series>> {
    Ok(page::parse(&get(agent_address(9640)?, "/metrics")?))
}

/// All series of the agent, from when all of these pods were read after this question was asked: a page may hold what was read an
/// interval ago.
///
/// # Errors
/// It does not answer, or has nothing new for half a minute.
fn fresh(pods: &BTreeSet<String>) -> Result<Vec<Series>> {
    let asked = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    until("a page with what is read now", 30, || {
        let page = series()?;
        let is_read = |series: &&Series| series.name == "goroscope_last_read_timestamp_seconds" && series.value >= asked;
        let read =
            page.iter().filter(is_read).filter(|series| series.label("namespace") == SHOP && pods.contains(series.label("pod"))).count();
        Ok((read == pods.len()).then_some(page))
    })
}

/// Series of a family.
///
/// # Errors
/// The agent does not answer.
pub(super) fn family(name: &str) -> Result<Vec<Series>> {
    Ok(series()?.into_iter().filter(|series| series.name == name).collect())
}

/// What the pods of a Deployment say of themselves: the sum of a series of theirs.
///
/// # Errors
/// One of them does not answer.
pub(super) fn own(app: &str, series: &str) -> Result<f64> {
    let each = |pod: &Value| {
        let ip = text(pod, "/status/podIP").parse().context("a pod has no address yet")?;
        let page = page::parse(&get(SocketAddr::new(ip, 8080), "/metrics")?);
        page.iter().find(|found| found.name == series).map(|found| found.value).context("a pod does not say that")
    };
    pods(SHOP, &format!("app={app}"))?.iter().map(each).sum()
}

/// What the agent says of the pods of a Deployment: the sum of a family over them, where `keep` says so.
///
/// # Errors
/// The agent does not answer.
pub(super) fn ours(app: &str, name: &str, keep: impl Fn(&Series) -> bool) -> Result<f64> {
    let names = names(app)?;
    let ours = |series: &&Series| series.label("namespace") == SHOP && names.contains(series.label("pod")) && keep(series);
    Ok(fresh(&names)?.iter().filter(|series| series.name == name).filter(ours).map(|series| series.value).sum())
}

/// The agent's process on this host.
///
/// # Errors
/// It does not run.
pub(super) fn agent_pid() -> Result<u32> {
    let pod = agent_pod()?;
    let id = text(&pod, "/status/containerStatuses/0/containerID");
    let id = id.strip_prefix("containerd://").context("the agent's container has no id yet")?;
    let entries = std::fs::read_dir("/proc")?.flatten();
    let mut ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_it = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(id));
    ids.find(of_it).context("the agent's container has no process")
}

/// Waits until the agent shows all pods of a Deployment, by `go_goroutine_count`.
///
/// # Errors
/// It does not, within `seconds`.
pub(super) fn until_shown(app: &str, seconds: u64) -> Result<()> {
    until(&format!("series of all pods of {app}"), seconds, || {
        let wanted = names(app)?;
        let shown: BTreeSet<String> = family("go_goroutine_count")?
            .iter()
            .filter(|series| series.label("namespace") == SHOP)
            .map(|series| series.label("pod").to_owned())
            .collect();
        Ok((!wanted.is_empty() && wanted.is_subset(&shown)).then_some(()))
    })
}
