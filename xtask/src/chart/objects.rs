//! What the chart may never render, whatever the values: a privileged agent, host paths, rights that nobody asked for.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::scenarios::Scenario;
use super::{copies, scratch};
use crate::monitoring::{DASHBOARDS, RULES, yaml};
use crate::paths::root;
use crate::step::output;
use crate::table::{Problems, verdict};

/// Without `probes` only the last.
const CAPABILITIES: [&str; 3] = ["BPF", "PERFMON", "SYS_PTRACE"];
/// Where `compat` asks for them.
const COMPAT: [&str; 3] = ["SYS_ADMIN", "SYS_RESOURCE", "DAC_READ_SEARCH"];
/// Resources and verbs of the agent's role.
const RIGHTS: [(&str, &[&str]); 4] =
    [("pods", &["get", "list", "watch"]), ("events", &["create"]), ("tokenreviews", &["create"]), ("subjectaccessreviews", &["create"])];
/// Of a ConfigMap; Kubernetes takes no larger one.
const BYTES_MAX: usize = 1 << 20;
/// The scenario whose rules are the files, unchanged.
const UNCHANGED: &str = "rules";

/// The agent's container.
///
/// # Errors
/// There is none.
pub(super) fn container(objects: &[Value]) -> Result<&Value> {
    let pod = of_kind(objects, "DaemonSet").find_map(|object| object.pointer("/spec/template/spec/containers/0"));
    pod.context("no DaemonSet has a container")
}

/// # Errors
/// What is against the rules.
pub(super) fn judge(scenario: &Scenario) -> Result<()> {
    let objects = scenario.objects()?;
    let mut problems = vec![];
    let pods = of_kind(&objects, "DaemonSet").filter_map(|object| object.pointer("/spec/template/spec"));
    let tests = of_kind(&objects, "Pod").filter_map(|object| object.get("spec"));
    for pod in pods.chain(tests) {
        of_pod(pod, &mut problems);
    }
    for rule in of_kind(&objects, "ClusterRole").filter_map(|role| role.get("rules")?.as_array()).flatten() {
        of_role(rule, &mut problems);
    }
    for map in of_kind(&objects, "ConfigMap") {
        of_dashboard(map, &mut problems);
    }
    verdict(problems)
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object.get("kind").is_some_and(|found| found == kind))
}

fn of_pod(pod: &Value, problems: &mut Problems) {
    let mut must = |holds: bool, what: &str| {
        if !holds {
            problems.push(what.to_owned());
        }
    };
    for host in ["hostNetwork", "hostIPC"] {
        must(pod.get(host).is_none_or(|value| value == false), &format!("{host} is set"));
    }
    let volumes = pod.get("volumes").and_then(Value::as_array).into_iter().flatten();
    must(volumes.filter(|volume| volume.get("hostPath").is_some()).count() == 0, "a hostPath");
    let Some(container) = pod.pointer("/containers/0") else { return must(false, "no container") };
    let context = |pointer: &str| container.pointer(&format!("/securityContext/{pointer}"));
    for (field, value) in [("privileged", false), ("allowPrivilegeEscalation", false), ("readOnlyRootFilesystem", true)] {
        must(context(field).is_some_and(|found| found == value), &format!("{field} is not {value}"));
    }
    must(context("seccompProfile/type").is_some_and(|found| found == "RuntimeDefault"), "seccomp is off");
    must(context("capabilities/drop").is_some_and(|dropped| *dropped == serde_json::json!(["ALL"])), "not all capabilities are dropped");
    let added: Vec<&str> = context("capabilities/add").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    must(added.contains(&"SYS_PTRACE") && added.contains(&"BPF") == added.contains(&"PERFMON"), "one of the three capabilities lacks");
    must(added.iter().all(|added| CAPABILITIES.contains(added) || COMPAT.contains(added)), "a capability that nobody needs");
}

fn of_role(rule: &Value, problems: &mut Problems) {
    let words =
        |key: &str| -> Vec<&str> { rule.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect() };
    let (resources, verbs) = (words("resources"), words("verbs"));
    let allowed = |resource: &&str| RIGHTS.iter().any(|(known, may)| known == resource && verbs.iter().all(|verb| may.contains(verb)));
    let urls = words("nonResourceURLs");
    let readers = urls == ["/metrics"] && verbs == ["get"];
    if !(readers || (!resources.is_empty() && resources.iter().all(allowed))) {
        problems.push(format!("a role may {verbs:?} {resources:?} {urls:?}"));
    }
}

fn of_dashboard(map: &Value, problems: &mut Problems) {
    let data = map.get("data").and_then(Value::as_object).into_iter().flatten();
    for (name, text) in data.filter_map(|(name, text)| Some((name.strip_prefix("goroscope-")?, text.as_str()?))) {
        let original = fs::read_to_string(root().join(DASHBOARDS).join(name)).unwrap_or_default();
        if text.trim_end() != original.trim_end() {
            problems.push(format!("the dashboard {name} is not the one of {DASHBOARDS}"));
        }
        if text.len() >= BYTES_MAX {
            problems.push(format!("the dashboard {name} has {} bytes", text.len()));
        }
    }
}

/// The rules of a PrometheusRule, where the scenario has one, judged by promtool; none that is not in deploy/.
///
/// # Errors
/// What promtool says; or that the rules are others than deploy/'s although nothing was changed.
pub(super) fn rules(scenario: &Scenario, promtool: &Path) -> Result<()> {
    let objects = scenario.objects()?;
    let Some(spec) = of_kind(&objects, "PrometheusRule").find_map(|rule| rule.get("spec")) else { return Ok(()) };
    let file = scratch()?.join(format!("{}-rules.yaml", scenario.name));
    // JSON is YAML.
    fs::write(&file, spec.to_string())?;
    output(Command::new(promtool).args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(&file))?;
    if scenario.name == UNCHANGED {
        let groups = spec.get("groups").and_then(Value::as_array).context("a PrometheusRule has groups")?;
        let mut originals = vec![];
        for file in copies::rule_files()? {
            let original: Value = yaml(&file)?;
            originals.extend(original.get("groups").and_then(Value::as_array).cloned().unwrap_or_default());
        }
        if groups.len() != originals.len() || !originals.iter().all(|group| groups.contains(group)) {
            bail!("the rules are not those of {RULES}: {}", file.display());
        }
    }
    Ok(())
}
