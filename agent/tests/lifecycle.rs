//! The agent's life beside the lives of its targets: signals, restarts, replicas, replaced files.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use common::{
    agent::{self, Agent, SITES},
    alone,
    build::{Form, NEWEST, build},
    exact::assert_exact,
    metrics::Scrape,
    target::{Counts, Target},
    text::altered_bytes,
    wait_equal, wait_for, wait_until,
};
use rustix::process::Signal;
use tempfile::TempDir;

/// An agent that finds processes by itself, and counts all events of each.
const FINDING: [&str; 2] = ["--exact", "--per-process"];

fn program(name: &str) -> PathBuf {
    build(name, NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"))
}

/// A copy of a program under a name of its own, so that its label set is its own too.
fn named(directory: &TempDir, program_name: &str, name: &str) -> PathBuf {
    let copy = directory.path().join(name);
    fs::copy(program(program_name), &copy).unwrap();
    copy
}

/// The sites that an `eager` program has in any scrape that counts all of it.
fn eager_sites(target: &Target) -> BTreeMap<String, BTreeMap<String, u64>> {
    let sites = Counts::parse(&target.first).sites;
    assert_eq!(sites.len(), 3, "{}", target.first);
    sites
}

/// The sites of functions of package main among counts.
fn main_sites(counts: &Counts) -> BTreeMap<String, BTreeMap<String, u64>> {
    let ours =
        |sites: &BTreeMap<String, u64>| sites.iter().filter(|(name, _)| name.starts_with("main.")).map(|(n, c)| (n.clone(), *c)).collect();
    counts.sites.iter().map(|(family, sites)| (family.clone(), ours(sites))).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An overlay mount, as a container's root is. Unmounted when dropped.
struct Overlay(PathBuf);

impl Overlay {
    fn new(directory: &Path, name: &str, lower: &Path) -> Self {
        let [upper, work, merged] = ["upper", "work", "merged"].map(|part| directory.join(format!("{name}-{part}")));
        [&upper, &work, &merged].into_iter().for_each(|part| fs::create_dir(part).unwrap());
        let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let output = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        Self(merged)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn one_inode_under_two_overlays_is_attached_once_and_counted_once() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let lower = directory.path().join("lower");
    fs::create_dir(&lower).unwrap();
    fs::copy(program("exact"), lower.join("layered")).unwrap();
    let mounts = ["one", "other"].map(|name| Overlay::new(directory.path(), name, &lower));
    let files = mounts.each_ref().map(|mount| mount.0.join("layered"));
    let [one, other] = files.each_ref().map(|file| fs::metadata(file).unwrap());
    assert_eq!(one.ino(), other.ino(), "one real inode");
    assert_ne!(one.dev(), other.dev(), "under two devices");

    let mut targets = files.each_ref().map(|file| Target::spawn(file, &[]));
    let agent = Agent::exact(&targets.each_ref().map(|target| target.pid));
    assert_eq!(agent.scrape().sum("goroscope_agent_executables", &[]), Some(1));
    for (seed, target) in targets.iter_mut().enumerate() {
        assert_exact(&[&agent], target, seed as u64);
    }
}

#[test]
fn sigterm_drains_and_ends_with_success() {
    let _alone = alone();
    let target = Target::spawn(&program("exact"), &[]);
    let agent = Agent::exact(&[target.pid]);
    assert!(altered_bytes(target.pid, &target.executable) > 0);
    agent.stop();
    wait_until("no breakpoint is left", || altered_bytes(target.pid, &target.executable) == 0);
}

#[test]
fn sigusr1_attaches_anew_and_keeps_the_counters() {
    let mut target = Target::spawn(&program("exact"), &[]);
    let agent = Agent::exact(&[target.pid]);
    assert_exact(&[&agent], &mut target, 1);
    for round in 0..3 {
        let (counted, attached) = (agent.counts(target.pid), agent.process(target.pid).unwrap().attached_at());
        agent.signal(Signal::USR1);
        wait_until("the probes are attached anew", || {
            assert_eq!(agent.get("/livez").status, 200);
            agent.process(target.pid).is_some_and(|process| process.is_attached() && process.attached_at() != attached)
        });
        assert_eq!(agent.counts(target.pid), counted, "a quiet target's counters stay, round {round}");
        assert_exact(&[&agent], &mut target, 2 + round);
    }
    agent.stop();
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let _alone = alone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = agent::command(&["run", "--listen", &address]).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code != 0 && code != 101), "{}", output.status);
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[test]
fn a_configuration_is_checked_without_running() {
    let directory = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let check = |text: String| {
        let file = directory.path().join("goroscope.yaml");
        fs::write(&file, text).unwrap();
        agent::command(&["run", "--check-config", "--config", file.to_str().unwrap()]).output().unwrap()
    };
    let good = check(format!("listen: {}\nexclude: [a]\n", taken.local_addr().unwrap()));
    assert!(good.status.success(), "it does not listen: {}", stderr(&good));
    let bad = check("listne: 127.0.0.1:1\ninterval: soon\n".to_owned());
    assert_eq!(bad.status.code(), Some(2), "{}", stderr(&bad));
    assert!(stderr(&bad).contains("listne") && stderr(&bad).contains("interval"), "{}", stderr(&bad));
}

#[test]
fn three_capabilities_suffice_for_processes_of_other_users() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let pie = build("exact", NEWEST, Form::Pie).unwrap_or_else(|error| panic!("{error}"));
    let mut targets = [Target::spawn(&program("exact"), &[]), Target::spawn(&pie, &[])];

    let command = agent::with_rights(&directory, "-all,+bpf,+perfmon,+sys_ptrace");
    let pids = targets.each_ref().map(|target| target.pid.to_string());
    let agent = Agent::spawn(command, &["--exact", "--per-process", "--pid", &pids[0], "--pid", &pids[1]]);
    for (seed, target) in targets.iter_mut().enumerate() {
        assert_exact(&[&agent], target, 70 + seed as u64);
        let sites = agent.process(target.pid).unwrap().sites("map");
        assert!(sites.iter().any(|(function, ..)| function == "main.writeString"), "the load bias is wrong: {sites:?}");
    }
}

#[test]
fn replicas_and_a_copy_are_counted_each() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let (file, copy) = (named(&directory, "exact", "replicated"), directory.path().join("below").join("replicated"));
    fs::create_dir(copy.parent().unwrap()).unwrap();
    fs::copy(&file, &copy).unwrap();
    let mut targets = [&file, &file, &copy].map(|file| Target::spawn(file, &[]));
    let pids = targets.iter().map(|target| target.pid).collect::<Vec<_>>();
    let each = Agent::exact(&pids);
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let together = Agent::start(&["--exact", "--pid", &pids[0], "--pid", &pids[1], "--pid", &pids[2]]);
    let sum = || agent::counts(&together.scrape_anew(), &[("process", "replicated")]).unwrap();

    let (before, sum_before) = (targets.each_ref().map(|target| each.counts(target.pid)), sum());
    // All at once: their events must not be mixed up.
    for (index, target) in targets.iter_mut().enumerate() {
        target.send(&format!("go {}", 100 + index));
    }
    let own = targets.each_ref().map(|target| Counts::parse(&target.line()));
    let (after, sum_after) = (targets.each_ref().map(|target| each.counts(target.pid)), sum());
    assert!(own.iter().all(|own| !own.ambiguous), "the machine is too busy for this test");
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for ((before, after), own) in before.iter().zip(&after).zip(&own) {
        assert_eq!(after.risen_since(before), own.totals);
        for (name, count) in &own.totals {
            *expected.entry(name.clone()).or_default() += count;
        }
    }
    assert_eq!(sum_after.risen_since(&sum_before), expected, "processes of one name are summed");
}

#[test]
fn a_new_process_of_an_attached_file_is_counted_from_its_first_instruction() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "eager", "again");
    let first = Target::spawn(&file, &[]);
    let agent = Agent::start(&FINDING);
    agent.wait_attached(first.pid, "again");
    for _ in 0..3 {
        let next = Target::spawn(&file, &[]);
        agent.wait_attached(next.pid, "again");
        assert_eq!(main_sites(&agent.counts(next.pid)), eager_sites(&next));
    }
}

#[test]
fn short_lives_are_counted_whole_and_leave_nothing() {
    let _alone = alone();
    const LIVES: u64 = 60;
    let directory = TempDir::new().unwrap();
    // Summed by name: no other run of this test may have the same one.
    let called = format!("fleeting-{}", std::process::id());
    let file = named(&directory, "eager", &called);
    let lasting = Target::spawn(&file, &[]);
    let agent = Agent::start(&["--exact"]);
    agent.wait_attached(lasting.pid, &called);
    let counted = |scrape: &Scrape| {
        SITES.map(|(_, name, key)| {
            scrape
                .by(name, &[("process", &called)], key)
                .into_iter()
                .filter(|(site, _)| site.starts_with("main."))
                .map(|(_, count)| count)
                .sum::<u64>()
        })
    };
    let before = counted(&agent.scrape());
    for _ in 0..LIVES {
        let output = Command::new(&file).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", output.status);
    }
    let of_each: Vec<u64> = SITES.iter().map(|(family, ..)| eager_sites(&lasting)[*family].values().sum()).collect();
    let expected: Vec<u64> = before.iter().zip(&of_each).map(|(before, each)| before + LIVES * each).collect();
    wait_equal("the last counts of ended processes are in", &expected, || counted(&agent.scrape()).to_vec());
    // A process that came while all that went on is found too.
    let late = Target::spawn(&file, &[]);
    agent.wait_attached(late.pid, &called);
}

#[test]
fn a_deleted_and_a_replaced_executable_are_observed() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let (deleted, replaced) = (named(&directory, "exact", "deleted"), named(&directory, "exact", "replaced"));
    let mut targets = [Target::spawn(&deleted, &[]), Target::spawn(&replaced, &[])];
    fs::remove_file(&deleted).unwrap();
    // Another Go version's build takes the place of the file that runs.
    let other = build("exact", "1.22.12", Form::Stripped).unwrap_or_else(|error| panic!("{error}"));
    let staged = directory.path().join("staged");
    fs::copy(&other, &staged).and_then(|_| fs::rename(&staged, &replaced)).unwrap();
    let mut new = Target::spawn(&replaced, &[]);

    let agent = Agent::exact(&[targets[0].pid, targets[1].pid, new.pid]);
    for (index, target) in targets.iter_mut().chain([&mut new]).enumerate() {
        assert_exact(&[&agent], target, 40 + index as u64);
    }
    let version = |pid| agent.process(pid).unwrap().0["go_version"].as_str().unwrap_or_default().to_owned();
    assert!(version(targets[1].pid).contains(NEWEST) && version(new.pid).contains("1.22.12"), "both are taken for one");
}

#[test]
fn a_process_that_executes_another_program_is_observed_anew() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let (first, second) = (named(&directory, "eager", "before-exec"), named(&directory, "exact", "after-exec"));
    let mut target = Target::spawn(&first, &[]);
    let agent = Agent::start(&FINDING);
    agent.wait_attached(target.pid, "before-exec");
    target.send(&format!("exec {}", second.display()));
    target.ready();
    agent.wait_attached(target.pid, "after-exec");
    let pid = target.pid.to_string();
    let counts = || agent::counts(&agent.scrape_anew(), &[("pid", &pid), ("process", "after-exec")]).unwrap();
    let (before, own) = (counts(), target.go(77));
    assert!(!own.ambiguous, "the machine is too busy for this test");
    assert_eq!(counts().risen_since(&before), own.totals);
}

#[test]
fn two_agents_at_once_are_both_exact() {
    let _alone = alone();
    let mut target = Target::spawn(&program("exact"), &[]);
    let (one, two) = (Agent::exact(&[target.pid]), Agent::exact(&[target.pid]));
    assert_exact(&[&one, &two], &mut target, 8);
    one.kill();
    assert_exact(&[&two], &mut target, 9);
    two.stop();
    wait_until("no breakpoint is left", || altered_bytes(target.pid, &target.executable) == 0);
}

#[test]
fn an_excluded_process_is_left_alone() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let (left, taken) = (named(&directory, "exact", "left-alone"), named(&directory, "exact", "taken-in"));
    let (left, taken) = (Target::spawn(&left, &[]), Target::spawn(&taken, &[]));
    let agent = Agent::start(&["--exact", "--exclude", "left-*"]);
    agent.wait_attached(taken.pid, "taken-in");
    assert!(agent.process(left.pid).is_none_or(|process| !process.is_attached()));
    wait_until("nobody probes it, another agent on this host neither", || altered_bytes(left.pid, &left.executable) == 0);
}

#[test]
fn a_pid_that_was_asked_for_and_is_not_watched_is_told_with_the_reason() {
    let _alone = alone();
    let target = Target::spawn(&program("idle"), &[]);
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    // No pid is as large: PID_MAX_LIMIT is 2^22.
    let pids = [target.pid, sleeper.id(), i32::MAX.unsigned_abs()];
    let arguments: Vec<String> = pids.iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]).collect();
    let agent = Agent::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let line = |pid: u32, why: &str| format!("process {pid} of --pid is not watched: {why}");
    let (sleeping, nobody) = (line(pids[1], "it is no Go program, or excluded"), line(pids[2], "there is no such process"));
    let (ready, log) = (agent.get("/readyz").body, agent.log());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(ready, format!("ready\nlost: {sleeping}\nlost: {nobody}\n"));
    assert!(log.contains(&sleeping) && log.contains(&nobody), "{log}");
    drop(target);
    let gone = line(pids[0], "there is no such process");
    wait_until("the end of the process is told", || agent.get("/readyz").body.contains(&gone));
}

#[test]
fn what_memory_knows_is_shown_exactly_while_probes_estimate() {
    let _alone = alone();
    let target = Target::spawn(&program("hasty"), &["20000"]);
    let pid = target.pid.to_string();
    let agent = Agent::start(&["--per-process", "--pid", &pid]);
    let shown = wait_for("its goroutines are counted in windows, and its memory is read", || {
        let sampled = |process: &agent::Process| process.modes().get("goroutine").is_some_and(|mode| mode == "sampled");
        agent.process(target.pid).filter(|process| sampled(process) && process.0["runtime"].is_object())
    });
    for (counter, own) in [("goroutine_starts", "created"), ("goroutine_exits", "ended")] {
        let (count, known) = (&shown.0["counters"][counter], &shown.0["runtime"][own]);
        assert_eq!([&count["value"], &count["low"], &count["high"]], [known; 3], "{counter}: {count}");
    }
}

#[test]
fn the_kernel_side_says_what_it_does_when_it_is_asked_to() {
    let _alone = alone();
    let target = Target::spawn(&program("exact"), &[]);
    let pid = target.pid.to_string();
    for (level, speaks) in [("debug", true), ("info", false)] {
        let agent = Agent::start(&["--pid", &pid, "--log-level", level]);
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let line = format!("exec {}", child.id());
        assert!(child.wait().unwrap().success());
        if speaks {
            wait_until("the kernel side's line is in the log", || agent.log().contains(&line));
            agent.stop();
        } else {
            agent.signal(Signal::TERM);
            let mut agent = agent;
            assert!(agent.wait().success());
            assert!(!agent.log().contains(&line), "{}", agent.log());
        }
    }
}
