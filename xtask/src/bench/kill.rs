//! kill -9 of an exact agent: how long the target goes on paying.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::agent::Agent;
use super::cost::Load;
use super::lab::{Lab, address, breakpoint, list, table};
use super::numbers::{median, time};
use super::target::Sample;
use super::{Section, Verdict};
use crate::step;

/// Full speed: an operation costs no more than this times what it cost before.
const FULL_SPEED: f64 = 1.25;
/// Samples whose median is the speed at a time: one of them may be slow for what the machine does.
const SAMPLES: usize = 5;

/// One kill, ns: CPU time of an operation before, during and after; from the kill to the last breakpoint gone, and to full speed. And which
/// share of the samples was slow before the agent came, and when it was gone.
#[derive(Debug)]
struct Kill {
    before: f64,
    during: f64,
    after: f64,
    clean: f64,
    full: f64,
    slow_before: f64,
    slow_after: f64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let text = format!(
        "A map write loop under `goroscope run --exact`, which is killed with SIGKILL. CPU time of a write, in samples of 100 ms. Full \
         speed is there from the first {SAMPLES} samples on whose median is at most {FULL_SPEED} times what a write cost before the \
         agent; the time is the end of the last single one, up to there, that was slower. Slow ones before the agent came, and after full \
         speed, are the machine's. Breakpoints are looked for in the target's memory.\n\n"
    );
    let mut kills = vec![];
    for _ in 0..lab.rounds(5) {
        let kill = lab.undisturbed(|| once(lab))?;
        step::note(&format!("{kill:?}"));
        kills.push(kill);
    }
    let row = |kill: &Kill| {
        let times = [kill.before, kill.during, kill.after, kill.clean, kill.full].map(time);
        times.into_iter().chain([kill.slow_before, kill.slow_after].map(|share| format!("{:.0} %", share * 100.0))).collect()
    };
    let rows: Vec<Vec<String>> = kills.iter().map(row).collect();
    let head = [
        "a write before",
        "under the agent",
        "after",
        "last breakpoint gone after",
        "full speed after",
        "slow samples before",
        "slow samples after",
    ];
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
    let bare = costs(&target.watch(lab.length(4))?);
    let before = median(&bare);
    let is_slow = |cost: &&f64| **cost > before * FULL_SPEED;
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
    let found = costs(&samples);
    let Some(window) = found.windows(SAMPLES).position(|window| median(window) <= before * FULL_SPEED) else {
        bail!("the target is slow for four seconds after the kill: {found:?} ns each, {before} ns before the agent")
    };
    let (until, rest) = found.split_at(window + SAMPLES);
    let slow = until.iter().rposition(|cost| is_slow(&cost)).and_then(|slow| samples.get(slow + 1));
    Ok(Kill {
        before,
        during,
        after: median(rest),
        clean,
        full: slow.map_or(0.0, |slow| slow.wall - killed.wall),
        slow_before: share(bare.iter().filter(is_slow).count(), bare.len()),
        slow_after: share(rest.iter().filter(is_slow).count(), rest.len()),
    })
}

/// CPU time of an operation in each sample.
fn costs(samples: &[Sample]) -> Vec<f64> {
    let cost = |pair: &[Sample]| if let [from, to] = pair { to.cost_since(from) } else { 0.0 };
    samples.windows(2).map(cost).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
