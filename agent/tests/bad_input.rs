//! Executables that lie, are cut short, or only look like Go: a refusal that is typed and counted, or right numbers; the agent goes on.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{
    agent::Agent,
    alone,
    build::{Form, NEWEST, build},
    elf,
    exact::assert_exact,
    target::Target,
    wait_for,
};
use tempfile::TempDir;

/// A C program with the words of a Go executable, and lies behind each; with `SECTIONS` also under a Go executable's headings.
const IMPOSTOR: &str = r#"
#include <stdio.h>
#include <unistd.h>
#ifdef SECTIONS
#define UNDER(name) __attribute__((section(name)))
#else
#define UNDER(name)
#endif
UNDER(".go.buildinfo") __attribute__((aligned(16), used)) unsigned char buildinfo[64] = "\xff Go buildinf:\x08\x02................\x08go1.22.5\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
UNDER(".gopclntab") __attribute__((aligned(8), used)) unsigned long long pclntab[10] = {
    0x08010000fffffff1ull, 0x7fffffffffffffffull, 0xffffffffull, 0, 0x7ffffffffffffff0ull, 8, 0xffffffffffffffffull, 1, 0x10ull,
};
int main(void) {
    char line[64];
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (read(0, line, sizeof line) > 0) {}
    return buildinfo[0] == 0 && pclntab[0] == 0;
}
"#;

fn impostor(directory: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let (source, executable) = (directory.join("impostor.c"), directory.join(name));
    fs::write(&source, IMPOSTOR).unwrap();
    let output = Command::new("cc")
        .args(flags)
        .arg("-o")
        .args([&executable, &source])
        .output()
        .expect("a C compiler; remedy: apt-get install gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    executable
}

/// Executables made of good ones, by name.
fn make_doubtful(directory: &Path) {
    let at = |name: &str| directory.join(name);
    let program = |name: &str| build(name, NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
    let (exact, eager) = (program("exact"), program("eager"));
    elf::copy(&exact, &at("from-the-future"), |bytes| {
        let version = format!("go{NEWEST}");
        assert!(elf::replace(bytes, version.as_bytes(), b"go1.99.3") > 1);
    });
    elf::copy(&eager, &at("broken-sleep"), |bytes| elf::break_function(bytes, "time.Sleep", 24));
    elf::copy(&exact, &at("cut-short"), elf::truncate_to_segments);
    elf::copy(&exact, &at("lying-sections"), |bytes| elf::lie_in_section_headers(bytes));
    elf::grow(&exact, &at("gigantic"), 64 << 30);
    elf::append(&exact, &at("long-tail"), &b"\xff Go buildinf:\x08\x02\xf1\xff\xff\xff\x00\x00\x01\x08".repeat(1000));
    elf::copy(&exact, &at("sound"), |_| ());
}

/// Not counted, and said so: absent, not 0.
fn assert_refused(agent: &Agent, name: &str, pid: u32) {
    let process = wait_for(&format!("{name} is refused"), || agent.process(pid).filter(|process| !process.is_attached()));
    assert!(process.is_refused() && process.refusals().iter().all(|(_, reason)| !reason.is_empty()), "{}", process.0);
    assert!(!process.refusals().is_empty(), "{}", process.0);
    let scrape = agent.scrape();
    let refusals = scrape.sum("goroscope_agent_refusals", &[("process", name)]);
    assert!(refusals.is_some_and(|count| count > 0), "the refusal of {name} is not counted");
    assert_eq!(scrape.sum("goroscope_goroutine_starts_total", &[("process", name)]), None, "{name}");
}

/// One function that is not what a compiler emits: its family is absent, with the reason; the others are counted.
fn assert_without_timers(agent: &Agent, name: &str, pid: u32) {
    let process = agent.wait_attached(pid, name);
    assert!(process.refusals().iter().any(|(family, reason)| family == "timer" && !reason.is_empty()), "{}", process.0);
    let scrape = agent.scrape();
    for (series, is_there) in [
        ("goroscope_sleeps_total", false),
        ("goroscope_timer_starts_total", false),
        ("goroscope_goroutine_starts_total", true),
        ("goroscope_map_clears_total", true),
    ] {
        assert_eq!(scrape.sum(series, &[("process", name)]).is_some(), is_there, "{series}");
    }
}

#[test]
fn bad_executables_are_counted_refusals_and_the_agent_goes_on() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    make_doubtful(directory.path());
    let lookalike = Target::spawn(&impostor(directory.path(), "lookalike", &[]), &[]);
    let impostor = Target::spawn(&impostor(directory.path(), "impostor", &["-DSECTIONS"]), &[]);
    let spawn = |name: &str| Target::spawn(&directory.path().join(name), &[]);
    let (future, broken) = (spawn("from-the-future"), spawn("broken-sleep"));
    let mut doubtful = ["cut-short", "lying-sections", "gigantic", "long-tail"].map(spawn);
    let mut sound = spawn("sound");
    let agent = Agent::start(&["--exact", "--per-process"]);

    assert_refused(&agent, "impostor", impostor.pid);
    assert_refused(&agent, "from-the-future", future.pid);
    // Some bytes alone do not make it a Go program: it may be left out, but never taken for one.
    assert!(agent.process(lookalike.pid).is_none_or(|process| process.is_refused()));
    assert_without_timers(&agent, "broken-sleep", broken.pid);
    // Either is honest: counted right, or not counted and said so.
    for target in &mut doubtful {
        let process = wait_for("a decision", || agent.process(target.pid).filter(|process| process.is_attached() || process.is_refused()));
        if process.is_refused() {
            assert!(!process.refusals().is_empty(), "{}", process.0);
        } else {
            assert_exact(&[&agent], target, 5);
        }
    }
    assert_exact(&[&agent], &mut sound, 6);
    agent.stop();
}
