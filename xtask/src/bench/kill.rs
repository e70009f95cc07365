//! kill -9 of an exact agent: how long the target goes on paying.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cost::Load;
use super::lab::{Agent, Lab, Sample, table};
use super::numbers::{median, time};
use super::{Section, Verdict};
use crate::step;

/// Full speed: an operation costs less than this times what it cost before.
const FULL_SPEED: f64 = 1.5;

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let text = format!(
        "A target at work under `goroscope run --exact`, which is killed with SIGKILL. CPU time of an operation, in samples of 100 ms; \
         full speed is the end of the first sample after which an operation costs less than {FULL_SPEED} times what it did before the \
         agent, for good.\n\n"
    );
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for load in [Load::Map, Load::Spawn] {
        let mut latest = 0.0_f64;
        for round in 0..lab.rounds(3) {
            lab.quiet();
            let row = once(lab, load).with_context(|| load.name())?;
            step::note(&format!("{} {round}: {row:?}", load.name()));
            let [before, during, after, full] = row;
            latest = latest.max(full);
            rows.push(vec![load.name().to_owned(), time(before), time(during), time(after), format!("{:.0} ms", full / 1e6)]);
        }
        verdicts.push(Verdict::new(
            format!("{}: full speed within a second of kill -9", load.name()),
            format!("{:.0} ms at most", latest / 1e6),
            latest <= 1e9,
        ));
    }
    Ok(Section { text: text + &table(&["target", "before", "under the agent", "after", "full speed after"], &rows), verdicts })
}

/// CPU time of an operation before, during and after, and the time from the kill to full speed; all ns.
fn once(lab: &Lab, load: Load) -> Result<[f64; 4]> {
    let mut target = load.start(lab, Duration::ZERO)?;
    target.go()?;
    target.watch(Duration::from_secs(1))?;
    let before = median(&costs(&target.watch(lab.length(4))?));
    let pid = target.pid().to_string();
    let agent = Agent::start(lab, &["--exact", "--pid", &pid])?;
    agent.attached(target.pid())?;
    thread::sleep(Duration::from_millis(500));
    target.now();
    let during = median(&costs(&target.watch(lab.length(4))?));
    let killed = target.now();
    // SIGKILL; what dropping waits for is that the kernel has taken the agent's links away.
    drop(agent);
    let samples = target.watch(Duration::from_secs(4))?;
    let slow = samples.windows(2).rev().find_map(|pair| match pair {
        [from, to] if to.cost_since(from) > before * FULL_SPEED => Some(to.wall),
        _ => None,
    });
    let last = samples.len().saturating_sub(15);
    let after = median(&costs(samples.get(last..).unwrap_or_default()));
    Ok([before, during, after, slow.map_or(0.0, |wall| wall - killed.wall)])
}

/// CPU time of an operation in each sample.
fn costs(samples: &[Sample]) -> Vec<f64> {
    let cost = |pair: &[Sample]| if let [from, to] = pair { to.cost_since(from) } else { 0.0 };
    samples.windows(2).map(cost).collect()
}
