//! Memory and CPU of the agent: among idle processes, and when processes come and go.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::agent::{Agent, families};
use super::attach::copies;
use super::lab::{Lab, table, wait_until};
use super::numbers::mib;
use super::target::Target;
use super::{Section, Verdict};
use crate::step;

/// Executables that the idle processes have, and processes of each.
const EXECUTABLES: usize = 10;
const EACH: usize = 10;

/// exec a second, in the test of churn.
const CHURN: u64 = 1_000;

/// What a process uses.
#[derive(Clone, Copy, Debug)]
struct Usage {
    /// Resident set now and at most, and BPF maps, bytes.
    rss: u64,
    peak: u64,
    maps: u64,
    /// CPU time, s.
    cpu: f64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let mut text = String::new();
    let mut verdicts = vec![];
    idle(lab, &mut text, &mut verdicts).context("idle processes")?;
    churn(lab, &mut text, &mut verdicts).context("churn")?;
    Ok(Section { text, verdicts })
}

fn idle(lab: &Lab, text: &mut String, verdicts: &mut Vec<Verdict>) -> Result<()> {
    let executables = copies(lab, EXECUTABLES)?;
    let mut targets = vec![];
    for exe in executables.iter().flat_map(|exe| std::iter::repeat_n(exe, EACH)) {
        targets.push(Target::start(exe, &["idle"])?);
    }
    let start = Instant::now();
    let agent = Agent::start(lab, &[])?;
    let ready = start.elapsed();
    let attached = || agent.processes().is_ok_and(|all| targets.iter().all(|target| is_attached(&all, target.pid())));
    wait_until("all targets are attached", attached)?;
    thread::sleep(Duration::from_secs(2));
    let first = usage(agent.pid())?;
    let quiet = share(&agent, lab.length(60), |_| Ok(()))?;
    let scraped = share(&agent, lab.length(60), |agent| agent.get("/metrics").map(drop))?;
    let last = usage(agent.pid())?;
    agent.stop()?;
    *text += &format!(
        "{} idle Go processes of {EXECUTABLES} executables (10 goroutines with a ticker of a second each); the agent at its defaults was \
         ready {} after its start, for {:.2} s of CPU time.\n\n",
        EXECUTABLES * EACH,
        step::seconds(ready),
        first.cpu
    );
    let row = |what: &str, value: String| vec![what.to_owned(), value];
    *text += &table(
        &["the agent", "uses"],
        &[
            row("resident memory", mib(last.rss)),
            row("resident memory, peak", mib(last.peak)),
            row("BPF maps", mib(last.maps)),
            row("resident and maps together", mib(last.rss + last.maps)),
            row("CPU when nobody asks", format!("{:.2} % of a core", quiet * 100.0)),
            row("CPU with a scrape every 15 s", format!("{:.2} % of a core", scraped * 100.0)),
        ],
    );
    let all = last.rss + last.maps;
    verdicts.push(Verdict::new("100 idle processes: <= 40 MiB with maps", mib(all), all <= 40 << 20));
    verdicts.push(Verdict::new("100 idle processes, scraped: <= 1 % of a core", format!("{:.2} %", scraped * 100.0), scraped <= 0.01));
    Ok(())
}

fn churn(lab: &Lab, text: &mut String, verdicts: &mut Vec<Verdict>) -> Result<()> {
    let agent = Agent::start(lab, &[])?;
    thread::sleep(Duration::from_secs(2));
    let fresh = usage(agent.pid())?;
    // What is needed for as many as are there at once is kept for the next; what would grow with each of them grows as much each time.
    let length = lab.length(30);
    let rounds = (0..lab.rounds(3)).map(|_| round(lab, &agent, length)).collect::<Result<Vec<_>>>()?;
    let metrics = agent.get("/metrics")?;
    agent.stop()?;
    let seconds = length.as_secs();
    let rate = rounds.iter().map(|round| round.rate).fold(f64::INFINITY, f64::min);
    *text += &format!(
        "\nChurn: {rate:.0} exec/s of a Go program that ends at once ({CHURN} wanted), for {seconds} s, and again; a process that stays each \
         half second. Memory is read 80 s after each time, when those that stayed have ended, too.\n\n"
    );
    let row = |what: String, used: &Usage| vec![what, mib(used.rss), mib(used.maps), format!("{:.2} s", used.cpu)];
    let mut rows = vec![row("before any".to_owned(), &fresh)];
    rows.extend((1..).zip(&rounds).map(|(number, round)| row(format!("after time {number}"), &round.after)));
    *text += &table(&["the agent", "resident", "BPF maps", "CPU time so far"], &rows);
    let growth = match &rounds[..] {
        [.., before, last] => last.after.rss.saturating_sub(before.after.rss),
        _ => 0,
    };
    let (stayed, missed) = rounds.iter().fold((0, 0), |sum, round| (sum.0 + round.stayed, sum.1 + round.missed));
    let lost = |line: &&str| line.starts_with("goroscope_agent_events_lost_total") && last_number(line) != Some(0.0);
    let drops: Vec<&str> = metrics.lines().filter(lost).collect();
    let told = if drops.is_empty() { "0".to_owned() } else { drops.join(", ") };
    verdicts.push(Verdict::new("churn: no event lost", told, drops.is_empty()));
    verdicts.push(Verdict::new("churn: no process that stays is missed", format!("{missed} of {stayed}"), missed == 0));
    verdicts.push(Verdict::new("churn: no memory (the last time <= 1 MiB)", mib(growth), growth <= 1 << 20));
    Ok(())
}

/// What one time of churn was, and left.
struct Round {
    /// exec a second.
    rate: f64,
    /// Processes that stayed, and those of them that were not attached.
    stayed: usize,
    missed: usize,
    after: Usage,
}

fn round(lab: &Lab, agent: &Agent, length: Duration) -> Result<Round> {
    let (rate, residents) = come_and_go(lab, length)?;
    // What ended is read half a second later; what was not noticed, at the next scan of /proc.
    thread::sleep(lab.length(70));
    let all = agent.processes()?;
    let (stayed, missed) = (residents.len(), residents.iter().filter(|target| !is_attached(&all, target.pid())).count());
    // Those that stay need memory of their own.
    drop(residents);
    thread::sleep(lab.length(10));
    Ok(Round { rate, stayed, missed, after: usage(agent.pid())? })
}

/// Short-lived processes for `length`, and some that stay: how many a second of the first kind, and the second kind.
fn come_and_go(lab: &Lab, length: Duration) -> Result<(f64, Vec<Target>)> {
    let started = AtomicU64::new(0);
    let mut residents = vec![];
    thread::scope(|scope| -> Result<()> {
        let spawners: Vec<_> = (0..4).map(|_| scope.spawn(|| spawn_many(&lab.program("work"), length, &started))).collect();
        let begin = Instant::now();
        while begin.elapsed() < length {
            residents.push(Target::start(&lab.program("work"), &["idle"])?);
            thread::sleep(Duration::from_millis(500));
        }
        spawners.into_iter().try_for_each(|spawner| spawner.join().map_err(|_| anyhow::anyhow!("a spawner panicked"))?)
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let rate = started.load(Ordering::Relaxed) as f64 / length.as_secs_f64();
    Ok((rate, residents))
}

/// Starts short-lived processes at a quarter of the wanted rate.
fn spawn_many(exe: &Path, length: Duration, started: &AtomicU64) -> Result<()> {
    let (begin, gap) = (Instant::now(), Duration::from_nanos(4_000_000_000 / CHURN));
    let mut due = Duration::ZERO;
    let mut children: Vec<std::process::Child> = vec![];
    while begin.elapsed() < length {
        thread::sleep(due.saturating_sub(begin.elapsed()));
        due += gap;
        children.push(Command::new(exe).arg("exit").stdin(Stdio::null()).spawn()?);
        started.fetch_add(1, Ordering::Relaxed);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        // Where the machine cannot keep up, fewer are started instead of more at once.
        if children.len() > 16 {
            children.remove(0).wait()?;
        }
    }
    children.iter_mut().try_for_each(|child| child.wait().map(drop))?;
    Ok(())
}

fn last_number(line: &str) -> Option<f64> {
    line.rsplit(' ').next()?.parse().ok()
}

fn is_attached(processes: &[Value], pid: u32) -> bool {
    processes.iter().any(|process| process.get("pid").and_then(Value::as_u64) == Some(pid.into()) && families(process) > 0)
}

/// CPU that the agent uses over `length`, as a share of a core, with `often` done every 15 s.
fn share(agent: &Agent, length: Duration, often: impl Fn(&Agent) -> Result<()>) -> Result<f64> {
    let (before, start) = (usage(agent.pid())?.cpu, Instant::now());
    while start.elapsed() < length {
        often(agent)?;
        thread::sleep(Duration::from_secs(15).min(length.saturating_sub(start.elapsed())));
    }
    Ok((usage(agent.pid())?.cpu - before) / start.elapsed().as_secs_f64())
}

fn usage(pid: u32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field =
        |text: &str, key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<u64>().ok());
    let mut maps = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let info = fs::read_to_string(entry?.path()).unwrap_or_default();
        // Programs have `memlock`, too, but no `map_type`.
        maps += field(&info, "map_type:").and_then(|_| field(&info, "memlock:")).unwrap_or(0);
    }
    let mut cpu = 0.0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(entry?.path().join("schedstat")).unwrap_or_default();
        cpu += schedstat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
    }
    let kib = |key| field(&status, key).map(|kib| kib * 1024).with_context(|| format!("no {key}"));
    Ok(Usage { rss: kib("VmRSS:")?, peak: kib("VmHWM:")?, maps, cpu })
}
