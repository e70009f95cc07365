//! What the agent at its defaults takes from a process that runs for long: the same process, with and without it, in turns.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::agent::Agent;
use super::cost::Load;
use super::lab::{Lab, table};
use super::numbers::{median, percent, spread, time};
use super::target::{Guard, Sample, Target};
use super::{Section, Verdict};
use crate::step;

/// From the agent's start: what is told apart from the steady state.
const FIRST: Duration = Duration::from_secs(5);

/// What is left for the families that are busy to be found so, and for their first windows.
const SETTLE: Duration = Duration::from_secs(5);

/// One turn: how much more an operation cost than without the agent, as shares.
#[derive(Debug)]
struct Turn {
    first: f64,
    cpu: f64,
    wall: f64,
    /// What it took of one core, as a share of the time.
    core: f64,
    /// The same comparison with no agent in the second half: what the machine does by itself.
    nothing: f64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let seconds = lab.length(20).as_secs();
    let mut text = format!(
        "One process works all the time; in each of {} turns {seconds} s without the agent, {seconds} s without it again (how far two \
         equal times differ here), the agent's start with its first {} s, {seconds} s with it in its steady state, {seconds} s without \
         it. Slowdown: CPU time of an operation with the agent against the mean of before and after; median (smallest to largest). Of a \
         core: the same, times how often the operation is done. A family with no more than 2,000 events a second is counted one by one, \
         whatever else its process does: where that is little, as for a request each 5 ms, the slowdown is a large share of something \
         small.\n\n",
        lab.rounds(3),
        FIRST.as_secs()
    );
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for load in Load::ALL {
        let mut turns = vec![];
        let mut bare = vec![];
        for round in 0..lab.rounds(3) {
            let (turn, cost) = lab.undisturbed(|| turn(lab, load)).with_context(|| load.name())?;
            step::note(&format!("{} {round}: {turn:?}", load.name()));
            turns.push(turn);
            bare.push(cost);
        }
        let of = |part: fn(&Turn) -> f64| turns.iter().map(part).collect::<Vec<_>>();
        let (cpu, wall) = (of(|turn| turn.cpu), of(|turn| turn.wall));
        let wall_text = if load == Load::HttpFixed { "-".to_owned() } else { spread(&wall, percent) };
        rows.push(vec![
            load.name().to_owned(),
            time(median(&bare)),
            spread(&cpu, percent),
            wall_text,
            spread(&of(|turn| turn.core), percent),
            spread(&of(|turn| turn.first), percent),
            spread(&of(|turn| turn.nothing), percent),
        ]);
        verdicts.push(Verdict::new(format!("{}: <= 1 % at defaults", load.name()), percent(median(&cpu)), median(&cpu) <= 0.01));
    }
    let head = [
        "target",
        "bare CPU per operation",
        "slowdown, CPU",
        "slowdown, wall clock",
        "of a core",
        "first seconds, CPU",
        "nothing against nothing",
    ];
    text.push_str(&table(&head, &rows));
    Ok(Section { text, verdicts })
}

fn turn(lab: &Lab, load: Load) -> Result<(Turn, f64)> {
    let length = lab.length(20);
    let mut target = load.start(lab, Duration::ZERO)?;
    let client = load.client(lab, &target.word, Duration::from_secs(3600));
    let _client = match &client {
        None => {
            target.go()?;
            None
        }
        Some(client) => Some(Guard::spawn(client.get_program().as_ref(), |command| {
            command.args(client.get_args()).stdout(Stdio::null());
        })?),
    };
    // Caches fill, the heap finds its size.
    target.watch(Duration::from_secs(2))?;
    let ends = |samples: Vec<Sample>| Some((*samples.first()?, *samples.last()?));
    let phase = |target: &mut Target, length| ends(target.watch(length)?).context("no samples");
    let before = phase(&mut target, length)?;
    let again = phase(&mut target, length)?;
    let from = target.now();
    let agent = Agent::start(lab, &["--pid", &target.pid().to_string()])?;
    agent.attached(target.pid())?;
    let past = Duration::from_secs_f64((target.now().wall - from.wall) / 1e9);
    let (_, to) = phase(&mut target, FIRST.saturating_sub(past))?;
    thread::sleep(SETTLE);
    target.now();
    let with = phase(&mut target, length)?;
    agent.stop()?;
    thread::sleep(Duration::from_secs(1));
    target.now();
    let after = phase(&mut target, length)?;
    let cost = |(from, to): &(Sample, Sample)| to.cost_since(from);
    let pace = |(from, to): &(Sample, Sample)| to.pace_since(from);
    let bare = f64::midpoint(cost(&again), cost(&after));
    let turn = Turn {
        first: to.cost_since(&from) / bare - 1.0,
        cpu: cost(&with) / bare - 1.0,
        wall: pace(&with) / f64::midpoint(pace(&again), pace(&after)) - 1.0,
        core: (cost(&with) - bare) / pace(&with),
        nothing: cost(&again) / f64::midpoint(cost(&before), cost(&after)) - 1.0,
    };
    Ok((turn, bare))
}
