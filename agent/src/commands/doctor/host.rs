//! What this host and this process are like. Input noun: /proc and /sys. Output noun: [`Host`]. Must not know what is needed.

use std::{fs, io::Read as _, path::Path};

use crate::{
    attribution::{Owner, owner},
    discovery::{ProcError, ProcRoot},
};

/// Bytes of a file of the kernel's that are looked at.
const LIMIT: u64 = 64 << 10;

/// What this host and this process are like. `None`: it could not be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// As `uname -r` says.
    pub(super) kernel: String,
    pub(super) btf: bool,
    /// Bit set of `CapEff`.
    pub(super) capabilities: Option<u64>,
    pub(super) perf_event_paranoid: Option<i64>,
    pub(super) unprivileged_bpf_disabled: Option<i64>,
    /// A filter on system calls.
    pub(super) seccomp: Option<bool>,
    /// `none`, `integrity`, `confidentiality`.
    pub(super) lockdown: Option<String>,
    pub(super) memlock: Memlock,
    pub(super) container: bool,
    pub(super) processes: Reach,
}

/// `RLIMIT_MEMLOCK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Memlock {
    #[default]
    Unlimited,
    Bytes(u64),
}

/// How many processes' executables can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) readable: usize,
    /// Which cannot, by pid.
    pub(super) denied: Vec<u32>,
}

impl Host {
    pub(super) fn look(proc: &ProcRoot) -> Self {
        let status = read("/proc/self/status");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let number = |path: &str| read(path).trim().parse().ok();
        Self {
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            capabilities: field("CapEff").and_then(|bits| u64::from_str_radix(bits, 16).ok()),
            perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
            unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
            seccomp: field("Seccomp").map(|mode| mode != "0"),
            lockdown: lockdown(&read("/sys/kernel/security/lockdown")),
            memlock: memlock(&read("/proc/self/limits")),
            container: matches!(owner(&proc.cgroup(std::process::id()).unwrap_or_default()), Owner::Container(_)),
            processes: reach(proc),
        }
    }
}

/// Opens every executable, as the agent would.
fn reach(proc: &ProcRoot) -> Reach {
    let mut reach = Reach::default();
    for process in proc.scan().unwrap_or_default().processes {
        match proc.open_exe(process.pid) {
            Ok(_) => reach.readable += 1,
            Err(ProcError::NotPermitted { .. }) => reach.denied.push(process.pid),
            Err(_) => {}
        }
    }
    reach
}

fn read(path: &str) -> String {
    let mut text = String::new();
    // What cannot be read is not known, which the parsers of an empty text say.
    let _unknown = fs::File::open(path).map(|file| file.take(LIMIT).read_to_string(&mut text));
    text
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn lockdown(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

/// The soft limit in the line `Max locked memory  8388608  8388608  bytes`.
fn memlock(limits: &str) -> Memlock {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()).and_then(|soft| soft.parse().ok());
    soft.map_or(Memlock::Unlimited, Memlock::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(lockdown("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(lockdown(""), None);
        assert_eq!(memlock("Max locked memory         8388608              8388608              bytes \n"), Memlock::Bytes(8_388_608));
        assert_eq!(memlock("Max cpu time unlimited\nMax locked memory         unlimited unlimited bytes\n"), Memlock::Unlimited);
    }

    #[test]
    fn this_host() {
        let host = Host::look(&ProcRoot::default());
        assert!(host.kernel.contains('.') && host.capabilities.is_some());
        assert!(host.processes.readable > 0, "at least our own");
    }
}
