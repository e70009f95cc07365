//! Leaks that `goroscope run` finds by itself: named in metrics, JSON and log, and gone with their process.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    agent::Agent,
    build::{Form, NEWEST, build, build_directory},
    cgroup::Bounded,
    target::Target,
    wait_for, wait_until,
};

#[test]
fn a_leaking_go_statement_is_named_and_forgotten_with_its_process() {
    // One old and one new version, stripped.
    for version in ["1.19.13", NEWEST] {
        let executable = build("leak", version, Form::Stripped).unwrap_or_else(|error| panic!("{error}"));
        let target = Target::spawn(&executable, &[]);
        let pid = target.pid.to_string();
        let agent = Agent::start(&["--per-process", "--pid", &pid]);
        // Two proofs are needed; before them it may be known by weaker evidence.
        let proven = [("pid", pid.as_str()), ("evidence", "proven")];
        let found = wait_for("the leak is proven", || agent.scrape().select("goroscope_findings", &proven).next().cloned());
        let expected = [("kind", "goroutine_leak"), ("created_by", "main.leak"), ("site", "leak/main.go:15")];
        for (label, value) in expected {
            assert_eq!(found.labels[label], value, "Go {version}: {found:?}");
        }
        assert!(agent.get("/debug/findings").body.contains(r#""blocking_function":"main.leak.func1""#));
        assert!(agent.log().contains("goroutines leak"), "it is said once");
        let kept: Vec<_> = fs::read_dir(agent.snapshots()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = &kept[..] else { panic!("one snapshot is kept: {kept:?}") };
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert!(text("findings.json").contains("leak/main.go:15") && text("goroutines.json").contains("main.leak.func1"));
        assert_eq!(fs::read(folder.join("stacks.pb.gz")).unwrap()[..2], [0x1f, 0x8b], "gzip");
        target.finish();
        wait_until("findings go with their process", || agent.scrape().sum("goroscope_findings", &[]).is_none());
    }
}

#[test]
fn leaks_that_cannot_be_looked_for_are_told() {
    let target = Target::spawn(&build("vast", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}")), &[]);
    let agent = Agent::start(&["--pid", &target.pid.to_string()]);
    let missed = [("reason", "heap_too_large")];
    wait_until("it is counted", || agent.scrape().sum("goroscope_agent_leak_looks_failed_total", &missed).is_some_and(|count| count > 0));
    assert!(agent.log().contains("bytes of heap can hold pointers"), "it is said why");
}

#[test]
fn what_leaks_fast_within_the_process_is_told_within_a_minute() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/targets/leaky");
    let executable = build_directory(&sources, NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
    // A global list has what they wait for; they only sleep.
    let mut targets = ["kept", "loops"].map(|kind| (kind, Target::spawn(&executable, &["20", kind])));
    let pids: Vec<String> = targets.iter().map(|(_, target)| target.pid.to_string()).collect();
    let agent = Agent::start(&["--per-process", "--pid", &pids[0], "--pid", &pids[1]]);
    targets.iter_mut().for_each(|(_, target)| target.send("leak"));
    let start = Instant::now();
    for ((kind, target), (evidence, line)) in targets.iter().zip([("stuck", "leaky/main.go:30"), ("live", "leaky/main.go:21")]) {
        let pid = target.pid.to_string();
        let found = wait_for("the leak is found", || agent.scrape().select("goroscope_findings", &[("pid", &pid)]).next().cloned());
        assert_eq!((found.labels["evidence"].as_str(), found.labels["site"].as_str()), (evidence, line), "{kind}: {found:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "{kind} after {:?}", start.elapsed());
    }
}

#[test]
fn a_leak_that_ends_its_process_is_known_in_the_next() {
    const SIGKILL: i32 = 9;
    let executable = build("outgrows", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
    let program = executable.display().to_string();
    // Some 16 seconds until the kernel ends it.
    let limit = 160_u64 << 20;
    let cgroup = Bounded::new(limit);
    let start = || -> Child {
        let mut shell = Command::new("/bin/sh");
        shell.args(cgroup.arguments(&program)).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    };
    // Of all that runs on the machine only what begins with the same letter.
    let agent = Agent::start(&["--exclude", "[!o]*"]);
    for lives in 0..2_u64 {
        let started = Command::new("date").args(["-u", "+%FT%T"]).output().unwrap().stdout;
        let mut process = start();
        let leak = wait_for("the leak is found", || {
            let found: serde_json::Value = serde_json::from_str(&agent.get("/debug/findings").body).unwrap();
            let of_process = found.as_array()?.iter().find(|entry| entry["pid"] == process.id())?;
            let leak = of_process["findings"].as_array()?.iter().find(|leak| leak["memory_limit"].is_object())?;
            Some(leak.clone())
        });
        assert_eq!((&leak["restarts"], &leak["creation_site"]), (&lives.into(), &"outgrows/main.go:13".into()), "{leak}");
        let before = leak["since"].as_str().unwrap() < String::from_utf8(started).unwrap().trim();
        assert_eq!(before, lives > 0, "it is there since the first: {leak}");
        assert_eq!((&leak["memory_limit"]["limit"], &leak["memory_limit"]["limit_bytes"]), (&"cgroup".into(), &limit.into()), "{leak}");
        assert_eq!(process.wait().unwrap().signal(), Some(SIGKILL), "its memory ends");
        wait_until("its end is known", || !agent.get("/debug/findings").body.contains(&format!(r#""pid":{},"#, process.id())));
    }
}
