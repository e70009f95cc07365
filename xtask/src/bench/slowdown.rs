//! What the agent at its defaults takes from a process that runs for long: two equal processes work side by side, each on a processor of
//! its own, and the agent watches now the one, now the other. What the machine does to both of them falls out of the comparison.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::agent::{Agent, modes};
use super::cost::Load;
use super::lab::{Lab, table};
use super::numbers::{median, percent, time};
use super::target::{Guard, Sample, Target, pinned};
use super::{Section, Verdict};
use crate::step;

/// From the agent's start: until the families that are busy are found so, and have had their first windows.
const SETTLE: Duration = Duration::from_secs(10);

/// What is compared: as long as a family's windows are apart.
const BLOCK: Duration = Duration::from_secs(5);

/// Blocks of a turn with the agent, and as many without it before.
const BLOCKS: usize = 6;

/// Turns of each load: as many for the one process as for the other.
const TURNS: usize = 4;

/// One of two equal processes, with who sends it requests.
struct Side {
    target: Target,
    _client: Option<Guard>,
    last: Sample,
}

/// What both did in one block of time.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// CPU time of an operation of the first, as a multiple of that of the second.
    ratio: f64,
    /// CPU time and wall clock of an operation, of both on average, ns.
    cost: f64,
    pace: f64,
}

/// Blocks of a load, by which of the two the agent watched then, or would watch next.
#[derive(Debug, Default)]
struct Blocks {
    without: [Vec<Block>; 2],
    with: [Vec<Block>; 2],
    /// Families and the share of time that they were counted, as last seen.
    modes: BTreeMap<String, f64>,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let cpus = thread::available_parallelism()?.get();
    ensure!(cpus >= 2, "two processors are needed to compare two processes\n  remedy: another machine");
    let (turns, blocks) = (lab.rounds(TURNS / 2) * 2, lab.rounds(BLOCKS));
    let mut text = format!(
        "Two equal processes work all the time, each on a processor of its own with whoever sends it requests; in {turns} turns the \
         agent watches the one and the other, for {blocks} blocks of {} s in its steady state. Slowdown: CPU time of an operation in \
         the process that is watched against the other's, by the median of the blocks. Nothing against nothing: the same of as many \
         blocks between the turns, without the agent: how far the machine lets this be told. Of a core: the slowdown times how often \
         the operation is done. Counted: for which share of the time the probes are on. A family with no more than 2,000 events a \
         second is counted one by one, whatever else its process does: where that is little, as for a request each 5 ms, the slowdown \
         is a large share of something small.\n\n",
        BLOCK.as_secs()
    );
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for load in Load::ALL {
        let found = lab.undisturbed(|| measure(lab, load, turns, blocks))?;
        let (slowdown, nothing) = (slower(&found.with), slower(&found.without));
        step::note(&format!("{}: {}, nothing against nothing {}", load.name(), percent(slowdown), percent(nothing)));
        let bare = |part: fn(&Block) -> f64| median(&found.without.iter().flatten().map(part).collect::<Vec<_>>());
        let (cost, pace) = (bare(|block| block.cost), bare(|block| block.pace));
        let counted = found.modes.iter().map(|(family, share)| format!("{family} {:.2} %", share * 100.0)).collect::<Vec<_>>().join(", ");
        rows.push(vec![load.name().to_owned(), time(cost), percent(slowdown), percent(nothing), percent(slowdown * cost / pace), counted]);
        verdicts.push(Verdict::new(format!("{}: <= 1 % at defaults", load.name()), percent(slowdown), slowdown <= 0.01));
    }
    text.push_str(&table(
        &["target", "bare CPU per operation", "slowdown, CPU", "nothing against nothing", "of a core", "counted, of the time"],
        &rows,
    ));
    Ok(Section { text, verdicts })
}

/// How much slower the one is while it is watched than while the other is.
fn slower([first, second]: &[Vec<Block>; 2]) -> f64 {
    let ratio = |blocks: &[Block]| median(&blocks.iter().map(|block| block.ratio).collect::<Vec<_>>());
    (ratio(first) / ratio(second)).sqrt() - 1.0
}

fn measure(lab: &Lab, load: Load, turns: usize, blocks: usize) -> Result<Blocks> {
    let mut sides = [Side::start(lab, load, 0)?, Side::start(lab, load, 1)?];
    // Caches fill, heaps find their size.
    thread::sleep(Duration::from_secs(2));
    let mut found = Blocks::default();
    for turn in 0..turns {
        let watched = turn % 2;
        let without = compare(&mut sides, blocks);
        let pid = sides.get(watched).map(|side| side.target.pid()).context("there are two")?;
        let agent = Agent::start(lab, &["--pid", &pid.to_string()])?;
        agent.attached(pid)?;
        thread::sleep(SETTLE);
        let with = compare(&mut sides, blocks);
        found.modes = modes(&agent.process(pid)?);
        agent.stop()?;
        thread::sleep(Duration::from_secs(1));
        for (all, new) in [(&mut found.without, without), (&mut found.with, with)] {
            all.get_mut(watched).context("there are two")?.extend(new);
        }
    }
    Ok(found)
}

/// So many blocks of time from now on.
fn compare(sides: &mut [Side; 2], blocks: usize) -> Vec<Block> {
    sides.iter_mut().for_each(|side| side.last = side.target.now());
    let block = |_| {
        thread::sleep(BLOCK);
        let [(first, first_pace), (second, second_pace)] = sides.each_mut().map(Side::since_last);
        Block { ratio: first / second, cost: f64::midpoint(first, second), pace: f64::midpoint(first_pace, second_pace) }
    };
    (0..blocks).map(block).collect()
}

impl Side {
    /// Starts a process that works on processor `cpu` only.
    fn start(lab: &Lab, load: Load, cpu: usize) -> Result<Self> {
        let mut target = load.start_on(lab, cpu)?;
        let client = match load.client(lab, &target.word, Duration::from_secs(3600)) {
            None => {
                target.go()?;
                None
            }
            Some(client) => {
                let arguments = client.get_args().map(|argument| argument.to_string_lossy().into_owned());
                let pinned = pinned(cpu, &client.get_program().to_string_lossy(), arguments);
                Some(Guard::spawn("taskset".as_ref(), |command| {
                    command.args(pinned).stdout(Stdio::null());
                })?)
            }
        };
        let last = target.now();
        Ok(Self { target, _client: client, last })
    }

    /// CPU time and wall clock of an operation since this was last asked.
    fn since_last(&mut self) -> (f64, f64) {
        let now = self.target.now();
        let found = (now.cost_since(&self.last), now.pace_since(&self.last));
        self.last = now;
        found
    }
}
