//! Processes that come and go faster than anybody can look at them: counted whole, under their sites, and nothing of them stays.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use common::{
    agent::{Agent, SITES},
    alone,
    build::{Form, NEWEST, build},
    metrics::Scrape,
    target::{Counts, Target},
    wait_equal, wait_until,
};
use tempfile::TempDir;

fn program(name: &str) -> PathBuf {
    build(name, NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"))
}

/// A program that does all its work at once, under a name and so a label set of its own; and one process of it that stays.
struct Work {
    _directory: TempDir,
    file: PathBuf,
    name: String,
    lasting: Target,
    /// What each process of it does under its own functions, by family.
    of_each: BTreeMap<String, u64>,
}

impl Work {
    fn start(name: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let name = format!("{name}-{}", std::process::id());
        let file = directory.path().join(&name);
        fs::copy(program("eager"), &file).unwrap();
        let lasting = Target::spawn(&file, &[]);
        let sites = Counts::parse(&lasting.first).sites;
        assert_eq!(sites.len(), SITES.len(), "{}", lasting.first);
        let of_each = sites.into_iter().map(|(family, sites)| (family, sites.values().sum())).collect();
        Self { _directory: directory, file, name, lasting, of_each }
    }

    /// Runs it as often, from beginning to end.
    fn run(file: &Path, times: u64) {
        for _ in 0..times {
            let output = Command::new(file).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{}", output.status);
        }
    }

    /// What is under its own functions, by family; and that each total is the sum over all sites.
    fn counted(&self, scrape: &Scrape) -> BTreeMap<String, u64> {
        let labels = [("process", self.name.as_str())];
        let of_family = |(family, by_site, key): &(&str, &str, &str)| {
            let sites = scrape.by(by_site, &labels, key);
            let total = scrape.sum(&by_site.replace("_by_site", ""), &labels);
            // Totals of goroutines are what memory says, and what ended before it was read.
            if *family != "goroutine" {
                assert_eq!(total, Some(sites.values().sum()), "{by_site}");
            }
            ((*family).to_owned(), sites.iter().filter(|(site, _)| site.starts_with("main.")).map(|(_, count)| count).sum())
        };
        SITES.iter().map(of_family).collect()
    }

    /// Waits until so many more processes than at `before` are in the counts.
    fn wait_counted(&self, agent: &Agent, before: &BTreeMap<String, u64>, lives: u64) {
        let expected = before.iter().map(|(family, count)| (family.clone(), count + lives * self.of_each[family])).collect();
        wait_equal("the last counts of ended processes are in", &expected, || self.counted(&agent.scrape()));
    }
}

fn lost(agent: &Agent) -> u64 {
    agent.scrape_anew().sum("goroscope_agent_events_lost_total", &[]).expect("every reason has a series")
}

/// Waits until the kernel side has counters of processes that are there only: each has one entry, if it was hit. Other programs of the
/// machine may be among them.
fn wait_freed(agent: &Agent) {
    wait_until("nothing is left of those that have ended", || {
        let scrape = agent.scrape();
        let held = scrape.sum("goroscope_agent_bpf_map_entries", &[("map", "COUNTERS")]).expect("every map has a series");
        held <= scrape.sum("goroscope_agent_processes", &[("state", "attached")]).expect("attached ones are counted")
    });
}

#[test]
fn what_has_ended_does_not_wait_until_somebody_has_looked_at_it() {
    const ROUNDS: u64 = 5;
    const LIVES: u64 = 40;
    let _alone = alone();
    let work = Work::start("unseen");
    // Room for the processes of one round, but not of all.
    let agent = Agent::start(&["--exact", "--map-entries", "sites=4096"]);
    agent.wait_attached(work.lasting.pid, &work.name);
    let before = work.counted(&agent.scrape());
    let holder = agent.hold("finder");
    for round in 1..=ROUNDS {
        Work::run(&work.file, LIVES);
        work.wait_counted(&agent, &before, round * LIVES);
    }
    let late = Target::spawn(&work.file, &[]);
    holder.finish();
    // What is said of the others by now changes nothing.
    agent.wait_attached(late.pid, &work.name);
    work.wait_counted(&agent, &before, ROUNDS * LIVES + 1);
    assert_eq!(lost(&agent), 0);
    late.finish();
    wait_freed(&agent);
    work.wait_counted(&agent, &before, ROUNDS * LIVES + 1);
    agent.stop();
}

#[test]
fn many_at_once_leave_nothing_but_their_counts() {
    const SPAWNERS: u64 = 4;
    const LIVES: u64 = 100;
    let _alone = alone();
    let work = Work::start("churning");
    let agent = Agent::start(&["--exact"]);
    agent.wait_attached(work.lasting.pid, &work.name);
    let before = work.counted(&agent.scrape());
    let residents: Vec<Target> = thread::scope(|scope| {
        let spawners: Vec<_> = (0..SPAWNERS).map(|_| scope.spawn(|| Work::run(&work.file, LIVES))).collect();
        let residents = (0..SPAWNERS).map(|_| Target::spawn(&work.file, &[])).collect();
        spawners.into_iter().for_each(|spawner| spawner.join().unwrap());
        residents
    });
    for resident in &residents {
        agent.wait_attached(resident.pid, &work.name);
    }
    work.wait_counted(&agent, &before, SPAWNERS * (LIVES + 1));
    assert_eq!(lost(&agent), 0);
    residents.into_iter().for_each(Target::finish);
    wait_freed(&agent);
    work.wait_counted(&agent, &before, SPAWNERS * (LIVES + 1));
    agent.stop();
}
