//! What each command does without a right: it ends with the status that `--help` promises and names the capability, or goes on with the
//! half that it may.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use common::{
    agent::{self, Agent, with_rights},
    alone,
    build::{Form, NEWEST, build},
    target::Target,
    wait_for,
};
use tempfile::TempDir;

const NONE: &str = "-all";
const MEMORY: &str = "-all,+sys_ptrace";
const KERNEL: &str = "-all,+bpf,+perfmon";

fn target(name: &str) -> Target {
    Target::spawn(&build(name, NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}")), &[])
}

/// Runs a command that must end with `status` and, where that is no success, say `words`.
fn check(command: &mut Command, status: i32, words: &[&str]) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{command:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{command:?} does not say {word}: {said}");
    }
    output
}

#[test]
fn goroutines_need_one_capability() {
    let target = target("leak");
    let directory = TempDir::new().unwrap();
    let pid = target.pid.to_string();
    for rights in [NONE, KERNEL] {
        for form in [&["goroutines", &pid][..], &["goroutines", &pid, "--json"], &["goroutines", &pid, "--for", "10ms"]] {
            let output = check(with_rights(&directory, rights).args(form), 4, &["CAP_SYS_PTRACE", &pid]);
            assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
    let output = check(with_rights(&directory, MEMORY).args(["goroutines", &pid]), 0, &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("leak/main.go:"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn inspect_needs_one_capability_for_processes_of_others() {
    let target = target("leak");
    let directory = TempDir::new().unwrap();
    let pid = target.pid.to_string();
    for rights in [NONE, KERNEL] {
        let output = check(with_rights(&directory, rights).args(["inspect", &pid]), 4, &["CAP_SYS_PTRACE", &pid]);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    check(with_rights(&directory, MEMORY).args(["inspect", &pid]), 0, &[]);
    // Others' rights are not what these lack.
    check(with_rights(&directory, NONE).args(["inspect", "/nowhere"]), 1, &["/nowhere"]);
}

#[test]
fn check_needs_one_capability() {
    let target = target("leak");
    let directory = TempDir::new().unwrap();
    let reports = TempDir::new().unwrap();
    fs::set_permissions(reports.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let report = reports.path().join("report.json");
    let pid = target.pid.to_string();
    let watch = |rights: &str| {
        let mut command = with_rights(&directory, rights);
        command.args(["check", "--for", "20s", "--pid", &pid, "--report"]).arg(&report);
        command
    };
    for rights in [NONE, KERNEL] {
        check(&mut watch(rights), 2, &["CAP_SYS_PTRACE", &pid]);
        assert!(!report.exists(), "nothing was seen, so nothing is told");
    }
    check(&mut watch(MEMORY), 1, &[]);
    let text = fs::read_to_string(&report).unwrap();
    assert!(text.contains("leak/main.go:"), "{text}");
}

#[test]
fn check_writes_what_it_knows_when_the_process_may_be_read_no_longer() {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let executable = directory.path().join("leak");
    fs::copy(build("leak", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}")), &executable).unwrap();
    // As nobody, whose processes may read each other.
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", executable.to_str().unwrap(), "12s"];
    let target = Target::spawn(Path::new("setpriv"), &nobody);
    let mut watch = with_rights(&directory, NONE);
    watch.args(["check", "--for", "10m", "--pid", &target.pid.to_string(), "--report", "-"]);
    let output = check(&mut watch, 1, &["may be more", "not permitted"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("leak/main.go:"), "{text}");
}

#[test]
fn with_neither_half_run_ends_and_names_what_lacks() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    for rights in [NONE, "-all,+perfmon", "-all,+net_admin"] {
        let address = agent::free_port().to_string();
        let mut command = with_rights(&directory, rights);
        check(command.args(["run", "--listen", &address]), 4, &["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"]);
    }
}

#[test]
fn without_the_right_to_read_memory_the_other_half_says_so() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let agent = Agent::spawn(with_rights(&directory, KERNEL), &[]);
    let ready = agent.get("/readyz");
    assert!(ready.status == 200 && ready.body.contains("CAP_SYS_PTRACE is missing"), "{}", ready.body);
    agent.stop();
}

#[test]
fn in_a_pid_namespace_of_its_own_nothing_is_counted_wrongly() {
    let _alone = alone();
    let executable = build("leak", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
    let command = agent::command(&[]);
    let mut inside = Command::new("unshare");
    inside.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", "sleep 1000 | \"$0\" >&2 & exec \"$@\""]);
    inside.arg(&executable).arg(command.get_program()).stdin(Stdio::null());
    command.get_envs().for_each(|(name, value)| {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    });
    let agent = Agent::spawn(inside, &[]);
    let scrape = wait_for("its memory is read", || {
        Some(agent.scrape()).filter(|scrape| scrape.sum("go_goroutine_count", &[("process", "leak")]).is_some())
    });
    for counted in ["goroscope_map_writes_total", "goroscope_timer_fires_total", "goroscope_goroutine_starts_by_site_total"] {
        assert_eq!(scrape.sum(counted, &[("process", "leak")]), None, "absent, not 0");
    }
    let ready = agent.get("/readyz");
    assert!(ready.status == 200 && ready.body.contains("pid namespace"), "{}", ready.body);
}

#[test]
fn memory_is_read_without_a_kernel_side() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let mut target = target("exact");
    let pid = target.pid.to_string();
    let agent = Agent::spawn(with_rights(&directory, MEMORY), &["--per-process", "--pid", &pid]);
    let process = agent.wait_attached(target.pid, "exact");
    let refused = ["goroutine", "map", "timer"].map(|family| (family.to_owned(), "no_kernel_side".to_owned()));
    assert_eq!(process.refusals(), refused);
    let starts = || agent.scrape_anew().sum("goroscope_goroutine_starts_total", &[("pid", &pid)]).unwrap();
    let before = starts();
    let own = target.go(5);
    assert_eq!(starts() - before, own.totals["goroutine_starts"], "creations are exact all the same");
    let scrape = agent.scrape();
    assert!(scrape.sum("go_goroutine_count", &[("pid", &pid)]).is_some());
    assert_eq!(scrape.sum("goroscope_map_writes_total", &[("pid", &pid)]), None, "absent, not 0");
    assert_eq!(scrape.sum("goroscope_goroutine_starts_by_site_total", &[("pid", &pid)]), None);
    let ready = agent.get("/readyz");
    assert!(ready.status == 200 && ready.body.contains("lost: not permitted to use BPF"), "{}", ready.body);
    agent.stop();
}
