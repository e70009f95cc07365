//! Where the cluster is: folders, addresses, and the two namespaces that it lives in. In: nothing. Out: paths, and commands that run
//! inside. Must not know what runs there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::programs;
use crate::paths::cache;
use crate::step::output;

/// The node's name.
pub(super) const NODE: &str = "lab";
/// Our end of the link to the node.
pub(super) const HOST_IP: &str = "10.200.0.1";
/// The node: API server :6443, kubelet :10250, DNS :53.
pub(super) const NODE_IP: &str = "10.200.0.2";
/// Addresses of pods.
pub(super) const PODS: &str = "10.32.0.0/24";
/// Addresses of Services.
pub(super) const SERVICES: &str = "10.96.0.0/24";
/// Where pods find the API server.
pub(super) const API_SERVICE_IP: &str = "10.96.0.1";
/// The link's name on this host.
pub(super) const LINK: &str = "goroscope0";

/// Everything of the cluster but its programs; gone after `down`, but for the logs.
pub(super) fn base() -> PathBuf {
    cache().join("cluster")
}

/// Certificates and keys.
pub(super) fn pki() -> PathBuf {
    base().join("pki")
}

/// Configuration of the daemons, and kubeconfigs.
pub(super) fn etc() -> PathBuf {
    base().join("etc")
}

/// One file for each daemon: its process id and when it started.
pub(super) fn pids() -> PathBuf {
    base().join("pids")
}

/// What the daemons said in the last run.
pub(super) fn logs() -> PathBuf {
    base().join("log")
}

/// What the node sees as /run, /var/lib and /var/log: every path there is a real node's default.
pub(super) fn data() -> PathBuf {
    base().join("node")
}

/// The administrator's kubeconfig.
pub(super) fn kubeconfig() -> PathBuf {
    etc().join("admin.conf")
}

/// A process, told from a later one of the same id by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) pid: u32,
    start: u64,
}

impl Life {
    /// The process that now has the id; nothing if none has, or one that has ended and is not yet buried.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let (state, start) = stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, start })
    }

    pub(super) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Notes it down as the daemon `name`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn keep(self, name: &str) -> Result<()> {
        fs::write(pids().join(name), format!("{} {}", self.pid, self.start)).context("cannot write a pid file")
    }

    /// The daemon `name`, if it was started and runs.
    pub(super) fn kept(name: &str) -> Option<Self> {
        let text = fs::read_to_string(pids().join(name)).ok()?;
        let (pid, start) = text.trim().split_once(' ')?;
        let life = Self { pid: pid.parse().ok()?, start: start.parse().ok()? };
        life.is_alive().then_some(life)
    }
}

/// State and start time (in clock ticks since boot) from /proc/PID/stat.
fn stat(text: &str) -> Option<(char, u64)> {
    // The name before may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// A command in the node's network and mount namespaces, which the anchor holds. (`ip netns exec` would hide the cgroups.)
///
/// # Errors
/// The cluster is not up.
pub(super) fn inside(program: &str) -> Result<Command> {
    let anchor = Life::kept("anchor").context("the cluster is not up\n  remedy: cargo xtask cluster up")?;
    let mut command = Command::new("nsenter");
    command.args(["--target", &anchor.pid.to_string(), "--mount", "--net", "--", program]).env("PATH", programs::path()?);
    Ok(command)
}

/// [`inside`], run to its end.
///
/// # Errors
/// It fails, with what it said.
pub(super) fn run_inside(words: &[&str]) -> Result<String> {
    let (program, arguments) = words.split_first().context("nothing to run")?;
    output(inside(program)?.args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let line = |name: &str| format!("7 ({name}) S 1 7 7 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 9876 0 0");
        for name in ["sleep", "a) b (c", "x y"] {
            assert_eq!(stat(&line(name)), Some(('S', 9876)), "{name}");
        }
        assert_eq!(stat("7 (x) S 1"), None);
    }
}
