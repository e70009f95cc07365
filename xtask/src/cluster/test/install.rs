//! Rows: the chart is installed, may what it says and no more, and goes without a trace.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::super::wait::until;
use super::super::{images, kubectl};
use super::manifests::{SHOP, shop};
use super::scene::{RELEASE, Scene, agent_pid, names, pods, text};
use crate::step::{output, seconds};

/// BPF (39), PERFMON (38) and SYS_PTRACE (19).
const THREE: u64 = 1 << 39 | 1 << 38 | 1 << 19;

pub(super) fn install(scene: &mut Scene) -> Result<String> {
    images::import_archive(&scene.image.file)?;
    let start = Instant::now();
    scene.install(&[])?;
    let took = seconds(start.elapsed());
    let size = fs::metadata(&scene.image.file)?.len();
    let version = output(Command::new(&scene.image.program).arg("--version"))?;
    Ok(format!("ready {took} after `helm install`; {}; image of {} KB, {}", version.trim(), size / 1000, scene.image.digest))
}

pub(super) fn capabilities(_: &mut Scene) -> Result<String> {
    let pid = agent_pid()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let fields: BTreeMap<&str, &str> =
        status.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.trim())).collect();
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        let value = u64::from_str_radix(field(set), 16).context("a capability set")?;
        if value != THREE {
            bail!("{set} is {value:#x}, not {THREE:#x}");
        }
    }
    for (name, expected) in [("CapInh", "0000000000000000"), ("CapAmb", "0000000000000000"), ("NoNewPrivs", "1"), ("Seccomp", "2")] {
        let value = field(name);
        // The runtime may keep the inheritable set as the bounding one; it gives nothing without a file's own.
        if value != expected && !(name == "CapInh" && u64::from_str_radix(value, 16).is_ok_and(|set| set & !THREE == 0)) {
            bail!("{name} is {value}, not {expected}");
        }
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mounts"))?;
    let root = mounts.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.nth(1) == Some("/")).then(|| words.nth(1).unwrap_or_default().to_owned())
    });
    if !root.is_some_and(|options| options.split(',').any(|option| option == "ro")) {
        bail!("its root is writable");
    }
    Ok(format!("CapEff {}, Seccomp 2, NoNewPrivs 1, read-only root", field("CapEff")))
}

pub(super) fn helm_test(_: &mut Scene) -> Result<String> {
    let said = kubectl::helm(&["test", RELEASE, "--namespace", RELEASE, "--timeout", "60s"])?;
    let phase = said.lines().filter_map(|line| line.trim().strip_prefix("Phase:")).map(str::trim).next_back();
    if phase != Some("Succeeded") {
        bail!("helm test says {phase:?}");
    }
    Ok("`goroscope doctor` in a pod of its own succeeded".to_owned())
}

pub(super) fn deploy(_: &mut Scene) -> Result<String> {
    kubectl::apply(&shop())?;
    for app in ["leaky", "innocent"] {
        kubectl::run(&["-n", SHOP, "rollout", "status", &format!("deployment/{app}"), "--timeout=60s"])?;
    }
    Ok(format!("{} and {} pods, user 1000", names("leaky")?.len(), names("innocent")?.len()))
}

/// Kinds that belong to no release, or that end by themselves.
const NOT_OURS: [&str; 3] = ["events", "events.events.k8s.io", "endpointslices.discovery.k8s.io"];

pub(super) fn uninstall(_: &mut Scene) -> Result<String> {
    let pid = agent_pid()?;
    kubectl::helm(&["uninstall", RELEASE, "--namespace", RELEASE, "--wait", "--timeout", "60s"])?;
    until("the agent's end", 60, || Ok((pods(RELEASE, "app.kubernetes.io/component=agent")?.is_empty() && !running(pid)).then_some(())))?;
    let kinds = kubectl::run(&["api-resources", "--verbs=list", "-o", "name"])?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !NOT_OURS.contains(kind)).collect();
    // The hook's pod is not waited for, and what an owner's end removes comes a moment later.
    let left = until("everything of the release to be gone", 60, || {
        let selector = format!("app.kubernetes.io/instance={RELEASE}");
        let left = kubectl::run(&["get", &kinds.join(","), "-A", "-l", &selector, "--ignore-not-found", "-o", "name"])?;
        if left.trim().is_empty() {
            Ok(Some(kinds.len()))
        } else {
            bail!("left: {}", left.split_whitespace().collect::<Vec<_>>().join(", "))
        }
    })?;
    let broken = |app: &str| -> Result<bool> {
        Ok(pods(SHOP, &format!("app={app}"))?
            .iter()
            .any(|pod| pod.pointer("/status/containerStatuses/0/restartCount").and_then(serde_json::Value::as_u64) != Some(0)))
    };
    if broken("leaky")? || broken("innocent")? {
        bail!("an observed pod was restarted");
    }
    let phases = pods(SHOP, "app=leaky")?.iter().map(|pod| text(pod, "/status/phase").to_owned()).collect::<Vec<_>>().join(", ");
    Ok(format!("none of {left} kinds has an object of the release; no process; observed pods: {phases}, 0 restarts"))
}

fn running(pid: u32) -> bool {
    super::super::lab::Life::of(pid).is_some()
}
