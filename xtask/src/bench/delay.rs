//! How soon a leak is found.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::agent::Agent;
use super::lab::{Lab, table};
use super::numbers::time;
use super::target::Target;
use super::{Section, Verdict};

/// From one leak to the next, ms.
const PERIODS: [u64; 5] = [10, 50, 100, 1000, 5000];
/// A leak that is not found by then is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// What becomes of those that leak: nobody has the channel that they wait on, a global list has it, or they wake up each second.
const KINDS: [&str; 3] = ["lost", "kept", "loops"];

/// How soon `goroscope run` has a Finding, against the rate of the leak.
pub(super) fn run(lab: &Lab) -> Result<Section> {
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for period in if lab.quick { PERIODS.get(2..3).unwrap_or_default() } else { PERIODS.as_slice() } {
        let mut row = vec![format!("{} ms", period)];
        let found: Vec<Result<Found>> = thread::scope(|scope| {
            let measures: Vec<_> = KINDS.iter().map(|kind| scope.spawn(|| measure(lab, *period, kind))).collect();
            measures.into_iter().map(|measure| measure.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for (kind, found) in KINDS.iter().zip(found) {
            let found = found?;
            if *period <= if *kind == "lost" { 1000 } else { 50 } {
                let met = found.as_ref().is_some_and(|(after, _)| *after <= 60e9);
                let expected = format!("a leak every {period} ms, {kind}, is found within a minute");
                verdicts.push(Verdict::new(expected, found.as_ref().map_or("never".into(), |(after, _)| time(*after)), met));
            }
            row.push(found.map_or("not found".into(), |(after, evidence)| format!("{} ({evidence})", time(after))));
        }
        rows.push(row);
    }
    let text = "From the first leak to the Finding in `/debug/findings` of `goroscope run` at its defaults, which has watched the process from \
                before; three processes and agents at once. Nobody has the channel that they wait on, a global list has it, or they loop and \
                sleep. What is twenty or more a second is to be told within a minute; what nobody has, also one a second.\n\n";
    let head = ["a leak every", "nobody has it", "a global has it", "they loop"];
    Ok(Section { text: text.to_owned() + &table(&head, &rows), verdicts })
}

/// How long it took, ns, and the evidence; none: it was not found.
type Found = Option<(f64, String)>;

/// Of one kind of leak, one each so many ms.
fn measure(lab: &Lab, period: u64, kind: &str) -> Result<Found> {
    let mut target = Target::start(&lab.program("leaky"), &[&period.to_string(), kind])?;
    let agent = Agent::start(lab, &["--pid", &target.pid().to_string()])?;
    target.go()?;
    let found = first_finding(&agent, Instant::now())?;
    agent.stop()?;
    Ok(found)
}

/// The first of all findings.
fn first_finding(agent: &Agent, start: Instant) -> Result<Found> {
    while start.elapsed() < PATIENCE {
        let answer = agent.get("/debug/findings")?;
        if let Some((_, rest)) = answer.split_once("\"evidence\":") {
            #[expect(clippy::cast_precision_loss, reason = "minutes in ns fit")]
            let after = start.elapsed().as_nanos() as f64;
            return Ok(Some((after, rest.split('"').nth(1).unwrap_or_default().to_owned())));
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(None)
}
