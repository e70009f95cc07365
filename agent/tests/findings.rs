//! Leaks that `goroscope run` finds by itself: named in metrics, JSON and log, and gone with their process.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::fs;

use common::{
    agent::Agent,
    build::{Form, NEWEST, build},
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
        let expected = [("kind", "goroutine_leak"), ("created_by", "main.leak"), ("site", "leak/main.go:13")];
        for (label, value) in expected {
            assert_eq!(found.labels[label], value, "Go {version}: {found:?}");
        }
        assert!(agent.get("/debug/findings").body.contains(r#""blocking_function":"main.leak.func1""#));
        assert!(agent.log().contains("goroutines leak"), "it is said once");
        let kept: Vec<_> = fs::read_dir(agent.snapshots()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = &kept[..] else { panic!("one snapshot is kept: {kept:?}") };
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert!(text("findings.json").contains("leak/main.go:13") && text("goroutines.json").contains("main.leak.func1"));
        assert_eq!(fs::read(folder.join("stacks.pb.gz")).unwrap()[..2], [0x1f, 0x8b], "gzip");
        target.finish();
        wait_until("findings go with their process", || agent.scrape().sum("goroscope_findings", &[]).is_none());
    }
}
