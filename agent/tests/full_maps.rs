//! Full maps and a full ring buffer: what does not fit is counted, totals hold, the agent goes on and recovers.
//!
//! The maps are made small by `--map-entries`; they are filled by real programs.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use common::{
    agent::{Agent, SITES},
    alone,
    build::{Form, NEWEST, build},
    exact::{assert_exact, work},
    target::{Counts, Target},
    wait_until,
};
use rustix::process::Signal;

fn program() -> PathBuf {
    build("exact", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"))
}

/// An exact agent of these processes, with a small map.
fn agent(targets: &[&Target], entries: &str) -> Agent {
    let pids: Vec<String> = targets.iter().map(|target| target.pid.to_string()).collect();
    let mut arguments = vec!["--exact", "--per-process", "--map-entries", entries];
    pids.iter().for_each(|pid| arguments.extend(["--pid", pid]));
    Agent::start(&arguments)
}

fn lost(agent: &Agent, reason: &str) -> u64 {
    agent.scrape().sum("goroscope_agent_events_lost_total", &[("reason", reason)]).expect("every reason has a series")
}

fn used(agent: &Agent, map: &str) -> u64 {
    agent.scrape().sum("goroscope_agent_bpf_map_entries", &[("map", map)]).expect("every map has a series")
}

/// Sites of the package main that have a name, over all families.
fn named(counts: &Counts) -> usize {
    counts.sites.values().flat_map(BTreeMap::keys).filter(|site| site.starts_with("main.")).count()
}

/// Of every family with sites the total is the sum of all, `other` included.
fn assert_sums(agent: &Agent, target: &Target) {
    let pid = target.pid.to_string();
    let scrape = agent.scrape();
    for (_, by_site, key) in SITES {
        let total = scrape.sum(&by_site.replace("_by_site", ""), &[("pid", &pid)]);
        assert_eq!(Some(scrape.by(by_site, &[("pid", &pid)], key).values().sum()), total, "{by_site}");
    }
}

#[test]
fn sites_that_do_not_fit_are_in_other() {
    let _alone = alone();
    let [mut first, mut second] = [(); 2].map(|()| Target::spawn(&program(), &[]));
    let agent = agent(&[&first, &second], "sites=4");
    assert_exact(&[&agent], &mut first, 1);
    assert!(lost(&agent, "sites_full") > 0);
    assert_sums(&agent, &first);
    assert!(named(&agent.counts(first.pid)) <= 4);
    // The other has totals, and no site.
    assert_exact(&[&agent], &mut second, 2);
    assert_sums(&agent, &second);
    assert_eq!(named(&agent.counts(second.pid)), 0);
    // There is room when the first has ended.
    first.finish();
    wait_until("the sites are freed", || used(&agent, "SITES") == 0);
    assert_exact(&[&agent], &mut second, 3);
    assert_sums(&agent, &second);
    assert!(named(&agent.counts(second.pid)) > 0);
    agent.stop();
}

#[test]
fn a_process_without_room_for_its_counters_is_a_loss_that_is_told() {
    let _alone = alone();
    let [mut first, mut second] = [(); 2].map(|()| Target::spawn(&program(), &[]));
    let agent = agent(&[&first, &second], "counters=1");
    assert_exact(&[&agent], &mut first, 1);
    assert_eq!(lost(&agent, "counters_full"), 0);
    let (risen, own) = work(&[&agent], &mut second, 2);
    // What memory tells needs no room; every single hit is told as lost.
    let by_memory = |name: &String| name.starts_with("goroutine_");
    for (name, risen) in &risen[0] {
        assert_eq!(*risen, if by_memory(name) { own.totals[name] } else { 0 }, "{name}");
    }
    assert!(lost(&agent, "counters_full") >= own.events(), "{} of {}", lost(&agent, "counters_full"), own.events());
    assert_exact(&[&agent], &mut first, 3);
    first.finish();
    wait_until("the counters are freed", || used(&agent, "COUNTERS") == 0);
    let before = lost(&agent, "counters_full");
    assert_exact(&[&agent], &mut second, 4);
    assert_eq!(lost(&agent, "counters_full"), before);
    agent.stop();
}

#[test]
fn a_full_ring_buffer_hides_no_process() {
    let _alone = alone();
    let mut first = Target::spawn(&program(), &[]);
    // Of every process: new ones are to be found.
    let agent = Agent::start(&["--exact", "--per-process", "--map-entries", "records=1"]);
    agent.wait_attached(first.pid, "exact");
    // It reads nothing now; a page has room for about a hundred records.
    agent.signal(Signal::STOP);
    for _ in 0..300 {
        assert!(Command::new("/bin/true").status().unwrap().success());
    }
    let mut late = Target::spawn(&program(), &[]);
    agent.signal(Signal::CONT);
    agent.wait_attached(late.pid, "exact");
    assert!(lost(&agent, "records_full") > 0);
    assert_exact(&[&agent], &mut first, 1);
    assert_exact(&[&agent], &mut late, 2);
    // It hears of new ones again.
    let mut last = Target::spawn(&program(), &[]);
    agent.wait_attached(last.pid, "exact");
    assert_exact(&[&agent], &mut last, 3);
    agent.stop();
}

/// Programs that sleep. Killed when dropped.
struct Sleepers(Vec<Child>);

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn more_processes_than_there_is_room_for_are_a_loss_that_is_told() {
    const ROOM: usize = 64;
    let _alone = alone();
    let mut first = Target::spawn(&program(), &[]);
    let agent = Agent::start(&["--exact", "--per-process", "--map-entries", &format!("processes={ROOM}")]);
    agent.wait_attached(first.pid, "exact");
    let sleep = |_| Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let sleepers = Sleepers((0..2 * ROOM).map(sleep).collect());
    wait_until("losses are told", || lost(&agent, "processes_full") > 0);
    assert_exact(&[&agent], &mut first, 1);
    // The kernel side frees the entry of a process that nobody observes when that ends, which has been waited for.
    drop(sleepers);
    let mut late = Target::spawn(&program(), &[]);
    agent.wait_attached(late.pid, "exact");
    assert_exact(&[&agent], &mut late, 2);
    agent.stop();
}
