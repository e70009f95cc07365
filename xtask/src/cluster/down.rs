//! `down`: nothing of the cluster is left, also after a crash of any part of it. In: what `up` noted down. Out: the machine as it was.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use super::lab::{Life, base, data, etc, pids, pki};
use super::{daemon, kubectl, machine};
use crate::step::{note, seconds};

/// Daemons in the order in which they are stopped: who uses before who is used.
const ORDER: [&[&str]; 3] = [&["dns", "proxy", "kubelet", "scheduler", "controller-manager"], &["apiserver", "containerd"], &["etcd"]];

/// Stops the cluster; does nothing if none is up.
///
/// # Errors
/// Something is left: what, is in the error.
pub(super) fn run() -> Result<()> {
    if !pids().exists() {
        note("no cluster is up");
        return Ok(());
    }
    let since = Instant::now();
    // The kubelet knows best how to take pods down: cgroups, namespaces, mounts.
    if Life::kept("apiserver").is_some() && Life::kept("kubelet").is_some() {
        for kind in ["deployments,daemonsets,statefulsets,jobs", "pods"] {
            let _ = kubectl::run(&["delete", kind, "--all", "--all-namespaces", "--grace-period=1", "--timeout=40s"]);
        }
    }
    for names in ORDER {
        daemon::stop(names);
    }
    kill_the_rest();
    daemon::stop(&["anchor"]);
    machine::disconnect();
    machine::remove_cgroups();
    machine::restore_sysctls()?;
    let left = machine::processes();
    let cgroups = machine::cgroups();
    for dir in [data(), etc(), pki()] {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
    }
    if !left.is_empty() || !cgroups.is_empty() {
        let ids: Vec<u32> = left.iter().map(|life| life.pid).collect();
        bail!("something of the cluster is left: processes {ids:?}, cgroups {cgroups:?}\n  remedy: cargo xtask cluster down, once more");
    }
    fs::remove_dir_all(pids())?;
    note(&format!("the cluster is down after {}; its logs are in {}", seconds(since.elapsed()), base().join("log").display()));
    Ok(())
}

/// Shims outlive containerd by design, and pods a crash of the kubelet.
fn kill_the_rest() {
    let anchor = Life::kept("anchor");
    for _ in 0..20 {
        let left: Vec<Life> = machine::processes().into_iter().filter(|life| Some(*life) != anchor).collect();
        if left.is_empty() {
            return;
        }
        for life in left {
            daemon::signal(life, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(200));
    }
}
