//! What is needed, and what it means when it is missing. Input nouns: [`Host`], [`Features`]. Output noun: [`Check`]s. Must not
//! know where they were found out.

use serde::Serialize;

use super::host::{Host, Memlock};
use crate::model::Features;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// Something is slower, or seen later.
    Degraded,
    /// Something is not collected at all.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What is therefore not collected.
    pub(super) lost: Option<&'static str>,
    /// How to mend it.
    pub(super) remedy: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), lost: None, remedy: None }
    }

    fn bad(name: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { state, ..Self::ok(name, found) }
    }

    fn loses(self, lost: &'static str) -> Self {
        Self { lost: Some(lost), ..self }
    }

    fn mend(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

const PROBED: &str = "what probes count: map writes, timers, creations by site; goroutines are read from memory all the same";
const AS_ROOT: &str = "run as root, or give the three capabilities: `setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep goroscope`, systemd's \
AmbientCapabilities=, or securityContext.capabilities.add of the container";

// Numbers of linux/capability.h.
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Every check, those that others depend on first.
pub(super) fn checks(host: &Host, features: &Features) -> Vec<Check> {
    let mut checks = vec![kernel(host)];
    checks.extend(capabilities(host, features));
    checks.extend([pid_namespace(features), processes(host)]);
    checks.extend(kernel_features(features));
    checks.extend([memlock(host), lockdown(host), seccomp(host), settings(host), btf(host)]);
    checks
}

/// The first two numbers of a release like `6.12.43+deb13-cloud-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn is_before(host: &Host, release: (u32, u32)) -> bool {
    version(&host.kernel).is_some_and(|version| version < release)
}

fn kernel(host: &Host) -> Check {
    let found = format!("Linux {} on {}", host.kernel, std::env::consts::ARCH);
    if is_before(host, (5, 10)) {
        // Whether it works all the same (distributions port features back) is told by the features.
        return Check::bad("kernel", State::Degraded, format!("{found}: older than 5.10, which is not tested")).mend("use a newer kernel");
    }
    Check::ok("kernel", found)
}

fn has(host: &Host, capability: u32) -> bool {
    // Unknown is no reason to blame: the features tell.
    host.capabilities.is_none_or(|set| set >> capability & 1 == 1)
}

fn capabilities(host: &Host, features: &Features) -> Vec<Check> {
    let admin = has(host, SYS_ADMIN);
    let check = |name, capability: u32, implied: bool, lost| match (has(host, capability), implied) {
        (true, _) => Check::ok(name, "effective"),
        (false, true) => Check::ok(name, "implied by CAP_SYS_ADMIN"),
        (false, false) => Check::bad(name, State::Missing, "not effective").loses(lost).mend(AS_ROOT),
    };
    let mut checks = vec![
        check("CAP_BPF", BPF, admin, PROBED),
        check("CAP_PERFMON", PERFMON, admin, PROBED),
        check("CAP_SYS_PTRACE", SYS_PTRACE, false, "processes of other users: their executables cannot be opened"),
    ];
    // Without the others nothing can be said of this one.
    let others = has(host, BPF) && has(host, PERFMON);
    checks.push(match (admin, !others || features.uprobe_multi.is_ok() || features.perf_uprobe.is_ok()) {
        (true, _) => Check::ok("CAP_SYS_ADMIN", "effective, though not needed"),
        (false, true) => Check::ok("CAP_SYS_ADMIN", "not effective, which is fine"),
        (false, false) => Check::bad("CAP_SYS_ADMIN", State::Degraded, "not effective")
            .mend("kernels before 6.6 with the fix of CVE-2025-38466 want it for uprobes: add it, or use Linux 6.6 or later"),
    });
    checks
}

fn pid_namespace(features: &Features) -> Check {
    let name = "pid namespace";
    match features.pids_of_host {
        Some(true) => Check::ok(name, "the host's"),
        Some(false) => Check::bad(name, State::Missing, "one of its own: other processes have other pids here, or are not seen")
            .loses("everything outside of this pid namespace, and all that probes count")
            .mend("run it on the host, or with hostPID: true (Kubernetes), --pid=host (Docker, podman)"),
        None => Check::bad(name, State::Degraded, "unknown: /proc/self/ns/pid cannot be read").mend("mount /proc"),
    }
}

fn processes(host: &Host) -> Check {
    let (name, reach) = ("other processes", &host.processes);
    let found = format!("{} of {} executables can be opened", reach.readable, reach.readable + reach.denied.len());
    let Some(first) = reach.denied.first() else { return Check::ok(name, found) };
    // One's own can always be opened.
    let state = if reach.readable > 1 { State::Degraded } else { State::Missing };
    let check =
        Check::bad(name, state, format!("{found}, not that of pid {first}")).loses("the processes whose executables cannot be opened");
    check.mend(if has(host, SYS_PTRACE) {
        "a security module (AppArmor, SELinux, Yama) or a user namespace protects them: run unconfined, or with type spc_t; or take them as lost"
    } else {
        "CAP_SYS_PTRACE"
    })
}

fn kernel_features(features: &Features) -> Vec<Check> {
    let row = |name, feature: &Result<(), String>, bad: Check| match feature {
        Ok(()) => Check::ok(name, "works"),
        Err(error) => Check { name, found: error.clone(), ..bad },
    };
    let missing = |lost| Check::bad("", State::Missing, "").loses(lost);
    let degraded = || Check::bad("", State::Degraded, "");
    let uprobes = |other: &Result<(), String>, alone: Check| if other.is_ok() { alone } else { missing(PROBED).mend(AS_ROOT) };
    let multi = degraded().mend("Linux 6.6 or later: until then perf links, of which each takes some 100 ms to detach");
    vec![
        row("BPF ring buffer", &features.ring_buffer, missing(PROBED).mend("Linux 5.8 or later, and the capabilities above")),
        row("uprobe_multi links", &features.uprobe_multi, uprobes(&features.perf_uprobe, multi)),
        // What is not needed is no fault.
        row("perf uprobes", &features.perf_uprobe, uprobes(&features.uprobe_multi, Check::ok("", ""))),
        row(
            "raw tracepoints",
            &features.raw_tracepoint,
            missing("processes that live shorter than the time between two scans of /proc").mend("CAP_PERFMON"),
        ),
        row(
            "attach cookies",
            &features.attach_cookie,
            degraded().mend("Linux 6.6 or later, where multi links carry them: until then a process that ends before it was looked at is counted under no name"),
        ),
        row("memory of processes", &features.read_memory, missing("what memory tells: live goroutines, sites, waits, collector and scheduler; the probes count all the same").mend("CAP_SYS_PTRACE")),
    ]
}

fn memlock(host: &Host) -> Check {
    let name = "locked memory";
    match host.memlock {
        Memlock::Unlimited => Check::ok(name, "unlimited"),
        Memlock::Bytes(bytes) if !is_before(host, (5, 11)) => {
            Check::ok(name, format!("{bytes} bytes, which does not matter from Linux 5.11 on"))
        }
        Memlock::Bytes(bytes) if has(host, SYS_RESOURCE) => Check::ok(name, format!("{bytes} bytes, which the agent may raise")),
        Memlock::Bytes(bytes) => Check::bad(name, State::Missing, format!("{bytes} bytes"))
            .loses(PROBED)
            .mend("CAP_SYS_RESOURCE, `ulimit -l unlimited`, or systemd's LimitMEMLOCK=infinity"),
    }
}

fn lockdown(host: &Host) -> Check {
    let name = "kernel lockdown";
    match host.lockdown.as_deref() {
        None => Check::ok(name, "not there"),
        Some("confidentiality") => Check::bad(name, State::Degraded, "confidentiality: may forbid tracing, see the features above")
            .mend("boot with lockdown=integrity or without"),
        Some(mode) => Check::ok(name, mode),
    }
}

fn seccomp(host: &Host) -> Check {
    match host.seccomp {
        Some(true) => Check::ok("system call filter", "there is one; if a feature above is missing it may be to blame"),
        Some(false) => Check::ok("system call filter", "none"),
        None => Check::ok("system call filter", "unknown"),
    }
}

fn settings(host: &Host) -> Check {
    let show = |value: Option<i64>| value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
    let container = if host.container { "; in a container" } else { "" };
    let (paranoid, unprivileged) = (show(host.perf_event_paranoid), show(host.unprivileged_bpf_disabled));
    let found = format!("perf_event_paranoid {paranoid}, unprivileged_bpf_disabled {unprivileged}: capabilities override both{container}");
    Check::ok("settings", found)
}

fn btf(host: &Host) -> Check {
    Check::ok("kernel types (BTF)", if host.btf { "there" } else { "not there, and not needed" })
}

#[cfg(test)]
mod tests;
