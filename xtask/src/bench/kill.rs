//! kill -9 of an exact agent: how long the target goes on paying.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::agent::Agent;
use super::cost::Load;
use super::lab::{Lab, address, breakpoint, list, table};
use super::numbers::{median, time};
use super::target::Sample;
use super::{Section, Verdict};
use crate::step;

/// Full speed: an operation costs less than this times what it cost before.
const FULL_SPEED: f64 = 1.5;

/// One kill, ns: CPU time of an operation before, during and after; from the kill to the last breakpoint gone, and to full speed.
#[derive(Debug)]
struct Kill {
    before: f64,
    during: f64,
    after: f64,
    clean: f64,
    full: f64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let text = format!(
        "A map write loop under `goroscope run --exact`, which is killed with SIGKILL. CPU time of a write, in samples of 100 ms; full \
         speed is the end of the last sample in which a write costs more than {FULL_SPEED} times what it did before the agent. \
         Breakpoints are looked for in the target's memory.\n\n"
    );
    let mut kills = vec![];
    for _ in 0..lab.rounds(5) {
        let kill = lab.undisturbed(|| once(lab))?;
        step::note(&format!("{kill:?}"));
        kills.push(kill);
    }
    let row = |kill: &Kill| [kill.before, kill.during, kill.after, kill.clean, kill.full].map(time).to_vec();
    let rows: Vec<Vec<String>> = kills.iter().map(row).collect();
    let head = ["a write before", "under the agent", "after", "last breakpoint gone after", "full speed after"];
    let slowest = kills.iter().map(|kill| kill.full.max(kill.clean)).fold(0.0, f64::max);
    let verdict = Verdict::new("full speed within a second of kill -9", format!("{} at most", time(slowest)), slowest <= 1e9);
    Ok(Section { text: text + &table(&head, &rows), verdicts: vec![verdict] })
}

fn once(lab: &Lab) -> Result<Kill> {
    let probes: Vec<u64> = list(&lab.inspect(&lab.program("work"))?, "/probes").iter().filter_map(address).collect();
    let mut target = Load::Map.start(lab, Duration::ZERO)?;
    let pid = target.pid();
    target.go()?;
    target.watch(Duration::from_secs(1))?;
    let before = median(&costs(&target.watch(lab.length(4))?));
    let agent = Agent::start(lab, &["--exact", "--pid", &pid.to_string()])?;
    agent.attached(pid)?;
    thread::sleep(Duration::from_millis(500));
    target.now();
    let during = median(&costs(&target.watch(lab.length(4))?));
    ensure!(probes.iter().any(|probe| breakpoint(pid, *probe)), "no breakpoint in the target");
    let (killed, start) = (target.now(), Instant::now());
    // SIGKILL.
    drop(agent);
    while probes.iter().any(|probe| breakpoint(pid, *probe)) {
        ensure!(start.elapsed() < Duration::from_secs(60), "breakpoints stay");
        thread::sleep(Duration::from_millis(1));
    }
    let clean = start.elapsed().as_secs_f64() * 1e9;
    let samples = target.watch(Duration::from_secs(4))?;
    let slow = samples.windows(2).rev().find_map(|pair| match pair {
        [from, to] if to.cost_since(from) > before * FULL_SPEED => Some(to.wall),
        _ => None,
    });
    let last = samples.len().saturating_sub(15);
    let after = median(&costs(samples.get(last..).unwrap_or_default()));
    Ok(Kill { before, during, after, clean, full: slow.map_or(0.0, |wall| wall - killed.wall) })
}

/// CPU time of an operation in each sample.
fn costs(samples: &[Sample]) -> Vec<f64> {
    let cost = |pair: &[Sample]| if let [from, to] = pair { to.cost_since(from) } else { 0.0 };
    samples.windows(2).map(cost).collect()
}
