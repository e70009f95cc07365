//! What the cluster touches of this machine: the link to it, routes, sysctls that the kubelet sets, and cgroups. In: nothing. Out: all
//! of it made, and all of it taken away again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::daemon;
use super::lab::{HOST_IP, LINK, Life, NODE_IP, PODS, SERVICES, base, data, inside, pids, run_inside};
use super::wait::until;
use crate::step::output;

/// What the kubelet sets on the whole machine.
const SYSCTLS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Where hierarchies of cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The cgroup of all pods.
const TOP: &str = "kubepods";

fn saved() -> PathBuf {
    base().join("sysctls")
}

/// Notes the sysctls down as they are.
///
/// # Errors
/// One cannot be read.
pub(super) fn save_sysctls() -> Result<()> {
    let line = |key: &&str| Ok(format!("{key} {}", fs::read_to_string(Path::new("/proc/sys").join(key))?));
    let lines: Vec<String> = SYSCTLS.iter().map(line).collect::<Result<_>>()?;
    fs::write(saved(), lines.concat()).context("cannot note sysctls down")
}

/// Sets them as they were.
///
/// # Errors
/// One cannot be written.
pub(super) fn restore_sysctls() -> Result<()> {
    for line in fs::read_to_string(saved()).unwrap_or_default().lines() {
        let Some((key, value)) = line.split_once(' ') else { continue };
        let file = Path::new("/proc/sys").join(key);
        if fs::read_to_string(&file)?.trim() != value {
            fs::write(&file, value).with_context(|| format!("cannot set {key} back to {value}"))?;
        }
    }
    let _ = fs::remove_file(saved());
    Ok(())
}

/// The two namespaces and what is mounted in them. They last as long as one sleeping process, the anchor.
///
/// # Errors
/// Something of it is not allowed here.
pub(super) fn enter(hides_v1: bool) -> Result<()> {
    let mut anchor = Command::new("unshare");
    anchor.args(["--mount", "--net", "--propagation", "private", "sleep", "infinity"]);
    let life = daemon::spawn("anchor", &anchor)?;
    life.keep("anchor")?;
    let own = fs::read_link("/proc/self/ns/net")?;
    until("the node's namespaces", 10, || {
        let theirs = fs::read_link(format!("/proc/{}/ns/net", life.pid))?;
        let name = fs::read_to_string(format!("/proc/{}/comm", life.pid))?;
        Ok((theirs != own && name.trim() == "sleep").then_some(()))
    })?;
    fs::write(pids().join("mount-namespace"), fs::read_link(format!("/proc/{}/ns/mnt", life.pid))?.to_string_lossy().as_bytes())?;
    // What the kubelet mounts must reach containers.
    run_inside(&["mount", "--make-rshared", "/"])?;
    for (part, place) in [("run", "/run"), ("var-lib", "/var/lib"), ("var-log", "/var/log")] {
        fs::create_dir_all(data().join(part))?;
        output(inside("mount")?.arg("--bind").arg(data().join(part)).arg(place))?;
    }
    if hides_v1 {
        run_inside(&["umount", "--lazy", "--recursive", CGROUPS])?;
        run_inside(&["mount", "-t", "cgroup2", "cgroup2", CGROUPS])?;
    }
    connect(life)
}

/// The link between this host and the node, and the ways to pods and Services.
fn connect(anchor: Life) -> Result<()> {
    let ip = |words: &str| output(Command::new("ip").args(words.split_whitespace()));
    ip(&format!("link add {LINK} type veth peer name eth0 netns {}", anchor.pid))?;
    ip(&format!("addr add {HOST_IP}/24 dev {LINK}"))?;
    ip(&format!("link set {LINK} up"))?;
    for words in
        ["link set lo up", &format!("addr add {NODE_IP}/24 dev eth0"), "link set eth0 up", &format!("route add default via {HOST_IP}")]
    {
        output(inside("ip")?.args(words.split_whitespace()))?;
    }
    ip(&format!("route add {PODS} via {NODE_IP}"))?;
    ip(&format!("route add {SERVICES} via {NODE_IP}"))?;
    run_inside(&["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]).map(drop)
}

/// Takes the link away; its routes go with it.
pub(super) fn disconnect() {
    if Path::new("/sys/class/net").join(LINK).exists() {
        let _ = output(Command::new("ip").args(["link", "del", LINK]));
    }
}

/// Folders of cgroups that a kubelet has made on this machine: a test's imitation has not both of these.
pub(super) fn cgroups() -> Vec<PathBuf> {
    let below = fs::read_dir(CGROUPS).into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = std::iter::once(PathBuf::from(CGROUPS)).chain(below);
    roots.map(|root| root.join(TOP)).filter(|top| ["burstable", "besteffort"].iter().all(|class| top.join(class).is_dir())).collect()
}

/// Removes them, children before parents.
pub(super) fn remove_cgroups() {
    for top in cgroups() {
        let _ = output(Command::new("find").arg(&top).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"]));
    }
}

/// Processes of the node and its pods: in the node's mount namespace, or in its cgroups.
pub(super) fn processes() -> Vec<Life> {
    let Ok(namespace) = fs::read_to_string(pids().join("mount-namespace")) else { return vec![] };
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/ns/mnt")).is_ok_and(|own| own.to_string_lossy() == namespace)
            || fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.lines().any(is_of_a_pod))
    };
    ids.filter(is_ours).filter_map(Life::of).collect()
}

/// Whether a line of /proc/PID/cgroup is that of a real pod: one with a whole uid.
fn is_of_a_pod(line: &str) -> bool {
    line.contains(":/kubepods/") && line.split('/').any(|part| part.strip_prefix("pod").is_some_and(|uid| uid.len() == UID))
}

/// Characters of a uid.
const UID: usize = 36;

/// Whether this machine's cgroup v2 has no controllers, as they all belong to v1.
pub(super) fn v2_is_bare() -> bool {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    !controllers.split_whitespace().any(|name| name == "memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_have_uids() {
        for (line, expected) in [
            ("4:memory:/kubepods/burstable/poddef00b2c-2517-4798-8da0-f44aa7b1183c/18", true),
            ("0::/kubepods/pod529bf9a1-d394-4d4d-a82a-20b76ad99cce", true),
            ("0::/kubepods/podd1/62", false),
            ("0::/other/pod529bf9a1-d394-4d4d-a82a-20b76ad99cce", false),
            ("0::/", false),
        ] {
            assert_eq!(is_of_a_pod(line), expected, "{line}");
        }
    }
}
