//! From exec to attached and to the first counted event; attaching and detaching one executable.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::agent::{Agent, families};
use super::cost::Load;
use super::lab::{Lab, table};
use super::numbers::{percentile, spread, time};
use super::target::Target;
use super::{Section, Verdict};
use crate::step::{self, output};

/// From one exec to the next.
const GAP: Duration = Duration::from_millis(150);

/// How new processes find the agent.
#[derive(Clone, Copy, Debug)]
enum Case {
    Distinct,
    Same,
}

/// Latencies of one case, ns: exec until the agent says attached, and until the first event that was counted.
#[derive(Default)]
struct Latencies {
    attached: Vec<f64>,
    counted: Vec<f64>,
    /// Processes whose every event was counted.
    whole: usize,
    /// Processes not attached at the end.
    missed: usize,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let count = lab.rounds(100).max(10);
    let mut text = format!(
        "{count} Go processes, one each {} ms, each of which writes a map once a millisecond from its first instruction and notes when. \
         The agent runs at its defaults. Exec is the time before the process is made; the first counted event is the first write after \
         those that the agent did not count. Distinct: every process has an executable of its own, with its own inode and build id; \
         same: all have one.\n\n",
        GAP.as_millis()
    );
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for case in [Case::Distinct, Case::Same] {
        let latencies = lab.undisturbed(|| start_many(lab, case, count));
        let Latencies { attached, counted, whole, missed } = latencies.with_context(|| format!("{case:?}"))?;
        let show = |values: &[f64], percent| time(percentile(values, percent));
        for (what, values) in [("attached, as the agent says", &attached), ("first counted event", &counted)] {
            let name = format!("{case:?}").to_lowercase();
            rows.push(vec![name, what.to_owned(), show(values, 50), show(values, 99), show(values, 100)]);
        }
        let worst = percentile(&counted, 100);
        let found = format!(
            "p99 {}, at most {}; {missed} missed; {whole} of {count} counted from their first write",
            show(&counted, 99),
            time(worst)
        );
        verdicts.push(Verdict::new(format!("{case:?}: counted within 2 s of exec"), found, worst <= 2e9 && missed == 0));
    }
    text.push_str(&table(&["executables", "from exec to", "p50", "p99", "longest"], &rows));
    text.push('\n');
    text.push_str(&switching(lab)?);
    Ok(Section { text, verdicts })
}

fn start_many(lab: &Lab, case: Case, count: usize) -> Result<Latencies> {
    let executables = copies(lab, if matches!(case, Case::Distinct) { count } else { 1 })?;
    let agent = Agent::start(lab, &[])?;
    let mut running = vec![];
    for i in 0..count {
        let exe = executables.get(i % executables.len()).context("no executable")?;
        let exec = SystemTime::now();
        running.push((exec, Target::start(exe, &["beat", "2s"])?));
        thread::sleep(GAP);
    }
    let mut found = Latencies::default();
    let mut ended = vec![];
    for (exec, target) in running {
        let line = target.line(Duration::from_secs(30))?;
        let times = line.strip_prefix("done ").context("no times")?;
        let times: Vec<f64> = times.split(' ').filter_map(|time| time.parse().ok()).collect();
        ended.push((nanos(exec), target, times));
    }
    thread::sleep(Duration::from_secs(1));
    let processes = agent.processes()?;
    for (exec, target, times) in &ended {
        let process = processes.iter().find(|process| process.get("pid").and_then(Value::as_u64) == Some(target.pid().into()));
        let Some(process) = process.filter(|process| families(process) > 0) else {
            found.missed += 1;
            continue;
        };
        if let Some(at) = process.get("attached_at").and_then(Value::as_str) {
            found.attached.push(unix(at)? - exec);
        }
        let counted = process.pointer("/counters/map_writes_fast64/value").and_then(Value::as_u64).context("no count of map writes")?;
        let missed = times.len().checked_sub(usize::try_from(counted)?).context("more was counted than there was")?;
        found.whole += usize::from(missed == 0);
        match times.get(missed) {
            Some(first) => found.counted.push(first - exec),
            None => found.missed += 1,
        }
    }
    agent.stop()?;
    Ok(found)
}

/// Copies of our Go executable that differ in their build ids.
pub(super) fn copies(lab: &Lab, count: usize) -> Result<Vec<PathBuf>> {
    let (exe, dir) = (lab.program("work"), lab.dir.join("copies"));
    fs::create_dir_all(&dir)?;
    let bytes = fs::read(&exe)?;
    let inspection = lab.inspect(&exe)?;
    let id = inspection.pointer("/executable/go_build_id").and_then(Value::as_str).context("no build id")?;
    let id = id.as_bytes().get(..16).context("a short build id")?;
    let places: Vec<usize> = bytes.windows(id.len()).enumerate().filter(|(_, window)| *window == id).map(|(at, _)| at).collect();
    ensure!(!places.is_empty(), "the build id is not in the file");
    let mut paths = vec![];
    for i in 0..count {
        let mut copy = bytes.clone();
        for &place in &places {
            copy.get_mut(place..place + 16).context("no build id")?.copy_from_slice(format!("goroscopebench{i:02x}").as_bytes());
        }
        let path = dir.join(format!("work{i}"));
        // A new file: the old one may still run, and a link is attached to its inode.
        let _ = fs::remove_file(&path);
        fs::write(&path, copy)?;
        output(Command::new("chmod").arg("755").arg(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

fn nanos(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e9
}

/// RFC 3339 with milliseconds, as Unix time, ns.
fn unix(text: &str) -> Result<f64> {
    let seconds = output(Command::new("date").args(["-u", "+%s.%N", "-d", text]))?;
    Ok(seconds.trim().parse::<f64>()? * 1e9)
}

/// How long attaching and detaching take, by the agent's own log of the windows of a busy executable.
fn switching(lab: &Lab) -> Result<String> {
    let mut target = Load::Map.start(lab, Duration::ZERO)?;
    let agent = Agent::start(lab, &["--log-level", "info,goroscope::observer=debug", "--pid", &target.pid().to_string()])?;
    target.go()?;
    agent.attached(target.pid())?;
    thread::sleep(lab.length(60));
    let log = agent.log();
    agent.stop()?;
    let part = |line: &str, key: &str| duration(line.split_once(&format!("{key}: "))?.1);
    let windows: Vec<(f64, f64)> = log.lines().filter_map(|line| Some((part(line, "length")?, part(line, "exposure")?))).collect();
    ensure!(!windows.is_empty(), "the agent logged no window:\n{log}");
    let lengths: Vec<f64> = windows.iter().map(|window| window.0).collect();
    let switching: Vec<f64> = windows.iter().map(|(length, exposure)| exposure - length).collect();
    step::note(&format!("{} windows", windows.len()));
    Ok(format!(
        "Windows of a busy map loop ({} of them, the agent's own log): open for {}, attaching and detaching together {}.\n",
        windows.len(),
        spread(&lengths, time),
        spread(&switching, time)
    ))
}

/// Rust's debug form of a duration, ns.
fn duration(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let scale = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)].into_iter().find(|(name, _)| unit.starts_with(name))?.1;
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [("5.5ms }", Some(5.5e6)), ("12µs,", Some(12e3)), ("1.5s }", Some(1.5e9)), ("x", None)] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
