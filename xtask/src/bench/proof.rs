//! What a proof takes: time, memory of the agent, and how late a ticker of the target is meanwhile. And how soon a leak is found.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::lab::{Agent, Lab, Target, table};
use super::numbers::{median, mib, spread, time};
use super::{Section, Verdict};
use crate::paths::{root, target};
use crate::setup::cargo;
use crate::step::output;

/// Sizes of heaps, MB.
const SIZES: [u64; 3] = [10, 1000, 8000];
const SMALL: [u64; 2] = [10, 100];
/// The ticker's lateness is taken over so many seconds without a proof.
const QUIET: u64 = 10;

/// What one heap came to.
struct Measured {
    took: Vec<f64>,
    read: u64,
    refused: Option<String>,
    peak: u64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let prover = prover()?;
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for size in if lab.quick { SMALL.as_slice() } else { SIZES.as_slice() } {
        // A third more for what the collector of the target takes while it is filled.
        let available = available()?;
        if size * 1_000_000 * 4 / 3 > available {
            let lacks = format!("not measured: {} of memory are free", mib(available));
            rows.push(vec![format!("{size} MB"), lacks, String::new(), String::new(), String::new(), String::new()]);
            continue;
        }
        let mut target = Target::start(&lab.program("heap"), &[&size.to_string()])?;
        lateness(&mut target)?;
        thread::sleep(lab.length(QUIET));
        let before = lateness(&mut target)?;
        let found = prove(&prover, target.pid(), lab.rounds(10).max(3))?;
        let meanwhile = lateness(&mut target)?;
        if *size == 1000 {
            let took = median(&found.took);
            verdicts.push(Verdict::new("1 GB: <= 1 s", time(took), took <= 1e9 && found.refused.is_none()));
            verdicts.push(Verdict::new("1 GB: <= 64 MB of the agent's memory", mib(found.peak), found.peak <= 64_000_000));
        }
        rows.push(vec![
            format!("{size} MB"),
            found.refused.unwrap_or_else(|| spread(&found.took, time)),
            mib(found.read),
            mib(found.peak),
            before.map(time).join(", "),
            meanwhile.map(time).join(", "),
        ]);
    }
    let text = "A heap of linked nodes of 64 bytes, each with 128 bytes that hold no pointer. The ticker is one of a millisecond; how late it \
                is: median, 99th percentile and the most, for 10 s without and then with a proof every 500 ms, which is 100 times more often than \
                the agent would. Memory is what the process of the prover takes at most, beyond what it had before the first proof.\n\n";
    let head = ["heap", "one proof takes", "reads", "memory", "ticks late, without", "and with proofs"];
    Ok(Section { text: text.to_owned() + &table(&head, &rows), verdicts })
}

/// Builds the program that does nothing but prove.
fn prover() -> Result<std::path::PathBuf> {
    let mut build = cargo();
    build.current_dir(root()).args(["build", "--release", "--locked", "--package", "goroscope", "--example", "prove"]);
    output(&mut build)?;
    Ok(target().join("release/examples/prove"))
}

fn prove(prover: &std::path::Path, pid: u32, times: usize) -> Result<Measured> {
    let said = output(Command::new(prover).args([pid.to_string(), times.to_string()]))?;
    let mut measured = Measured { took: vec![], read: 0, refused: None, peak: 0 };
    for line in said.lines() {
        let line: Value = serde_json::from_str(line)?;
        measured.took.extend(line.get("ns").and_then(Value::as_f64));
        let number = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0);
        (measured.read, measured.peak) = (measured.read.max(number("bytes")), measured.peak.max(number("peak")));
        measured.refused = line.get("refused").and_then(Value::as_str).map(|why| format!("refused: {why}")).or(measured.refused);
    }
    Ok(measured)
}

/// Median, 99th percentile and the most since the last time, ns.
fn lateness(target: &mut Target) -> Result<[f64; 3]> {
    target.go()?;
    let line = target.line(Duration::from_secs(60))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().ok().with_context(|| format!("{line} where three numbers are expected"))
}

/// `MemAvailable`, bytes.
fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("no MemAvailable")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// From one leak to the next, ms.
const PERIODS: [u64; 4] = [10, 100, 1000, 5000];
/// A leak that is not found by then is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// How soon `goroscope run` has a Finding, against the rate of the leak.
pub(super) fn delay(lab: &Lab) -> Result<Section> {
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for period in if lab.quick { PERIODS.get(1..2).unwrap_or_default() } else { PERIODS.as_slice() } {
        let mut row = vec![format!("{} ms", period)];
        for kind in ["lost", "kept"] {
            let mut target = Target::start(&lab.program("leaky"), &[&period.to_string(), kind])?;
            let agent = Agent::start(lab, &["--pid", &target.pid().to_string()])?;
            target.go()?;
            let found = first_finding(&agent, Instant::now())?;
            agent.stop()?;
            if kind == "lost" && *period <= 1000 {
                let met = found.as_ref().is_some_and(|(after, _)| *after <= 60e9);
                let expected = format!("a leak every {period} ms is found within a minute");
                verdicts.push(Verdict::new(expected, found.as_ref().map_or("never".into(), |(after, _)| time(*after)), met));
            }
            row.push(found.map_or("not found".into(), |(after, evidence)| format!("{} ({evidence})", time(after))));
        }
        rows.push(row);
    }
    let text = "From the first leak to the Finding in `/debug/findings` of `goroscope run` at its defaults, which has watched the process from \
                before. Nobody has the channel that they wait on, or a global list has it.\n\n";
    Ok(Section { text: text.to_owned() + &table(&["a leak every", "nobody has it", "a global has it"], &rows), verdicts })
}

/// How long it took, ns, and the evidence.
fn first_finding(agent: &Agent, start: Instant) -> Result<Option<(f64, String)>> {
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
