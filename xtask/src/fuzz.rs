//! `cargo xtask fuzz`: what reads executables and memory of targets, on hostile bytes, for a while; and a proof that a bug would be found.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::paths::{root, target};
use crate::setup::{self, Need, cargo};
use crate::{result, step};

/// The crates that have fuzz targets, in `fuzz/`.
const CRATES: [&str; 2] = ["agent/gobin", "agent"];
const ROOMS: [&str; 6] =
    ["agent/gobin/src", "agent/gobin/fuzz", "agent/src/goruntime", "agent/src/reach", "agent/fuzz", "agent/tests/hostile_memory"];
/// The target of the parser that has the seeded bug.
const SEEDED: &str = "pclntab";
/// One input may take so long, and all so much memory: more is a finding, as a crash is.
const BOUNDS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

/// Fuzzes what reads foreign bytes (parsers of executables, readers of memory) with cargo-fuzz; a crash fails. Writes docs/fuzzing.md
/// when all targets ran.
///
/// Needs no nightly: the pinned compiler is told to allow the sanitizer (RUSTC_BOOTSTRAP).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long each target runs: 90, 60s, 10m.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    time: Duration,
    /// Only build with a seeded bug (--cfg fuzz_seeded_bug), and require that it is found. A run of all targets ends with this, too.
    #[arg(long)]
    prove: bool,
    /// How many targets run at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only these targets (default: all).
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// A fuzz target and the crate that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    of: &'static str,
    name: String,
}

/// What a run of one target came to.
struct Run {
    target: Target,
    executions: String,
    coverage: String,
    crash: bool,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let Args { time, prove, jobs, targets } = args;
    setup::ensure(yes, &[Need::Fuzz])?;
    let mut known: Vec<Target> = vec![];
    for of in CRATES {
        known.extend(step::output(cargo_fuzz(of).arg("list"))?.lines().map(|name| Target { of, name: name.to_owned() }));
    }
    if let Some(unknown) = targets.iter().find(|target| !known.iter().any(|known| known.name == **target)) {
        let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        bail!("no fuzz target `{unknown}`\n  remedy: one of {}", names.join(", "));
    }
    let mut chosen = known;
    chosen.retain(|target| if targets.is_empty() { !prove || target.name == SEEDED } else { targets.contains(&target.name) });
    if *prove { seeded(&chosen, *time).map(drop) } else { clean(&chosen, *time, *jobs, targets.is_empty()) }
}

/// Every target for its time; none may crash.
fn clean(targets: &[Target], time: Duration, jobs: usize, all: bool) -> Result<()> {
    // Built first, so that nobody waits for the compiler in its time.
    for of in CRATES.into_iter().filter(|of| targets.iter().any(|target| target.of == *of)) {
        step::run(&format!("cargo fuzz build ({of})"), cargo_fuzz(of).arg("build"), "mend what rustc says above")?;
    }
    let runs = side_by_side(targets, time, jobs)?;
    let verdict = |run: &Run| if run.crash { "CRASH".to_owned() } else { "clean".to_owned() };
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| vec![run.target.of.into(), run.target.name.clone(), run.executions.clone(), run.coverage.clone(), verdict(run)])
        .collect();
    let table = result::table(&["crate", "target", "executions", "coverage (edges)", "verdict"], &rows);
    println!("{table}");
    if all {
        let of_bug: Vec<Target> = targets.iter().filter(|target| target.name == SEEDED).cloned().collect();
        let found = seeded(&of_bug, time)?;
        let body = format!(
            "# Fuzzing\n\nWhatever reads bytes of a target, its executable or its memory, on hostile ones: {} s for each, {jobs} at a time. A crash, \
             a panic, an input that takes longer than 10 s and one that takes more than 1 GiB fail. After them {found} was built with a \
             seeded bug, and found it; `cargo xtask fuzz --prove` does only that.\n\n{table}",
            time.as_secs()
        );
        result::write("docs/fuzzing.md", &format!("cargo xtask fuzz --for {}s --jobs {jobs}", time.as_secs()), &ROOMS, &body)?;
    }
    match runs.into_iter().find(|run| run.crash) {
        Some(Run { target: Target { of, name }, .. }) => {
            bail!("{name} crashed\n  remedy: the input is in {of}/fuzz/artifacts/{name}; make it a test")
        }
        None => Ok(()),
    }
}

/// All targets, `jobs` at a time; in their order.
fn side_by_side(targets: &[Target], time: Duration, jobs: usize) -> Result<Vec<Run>> {
    let waiting = Mutex::new(targets.iter().enumerate());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let work = || std::iter::from_fn(next).map(|(at, target)| Ok((at, fuzz(target, time, None)?))).collect::<Result<Vec<_>>>();
    let mut runs = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| bail!("a thread of xtask panicked")));
        done.collect::<Result<Vec<_>>>()
    })?
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    runs.sort_by_key(|(at, _)| *at);
    Ok(runs.into_iter().map(|(_, run)| run).collect())
}

/// The bug that only this build has must be found by one of the targets: by which.
fn seeded(targets: &[Target], time: Duration) -> Result<String> {
    let build = target().join("fuzz-seeded");
    for target in targets {
        if fuzz(target, time, Some(&build))?.crash {
            println!("fuzz --prove: the seeded bug was found by {}", target.name);
            return Ok(target.name.clone());
        }
    }
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    bail!("the seeded bug was not found by {}\n  remedy: mend the targets or their corpus; or allow more time: --for 10m", names.join(", "))
}

/// One target for `time`; with `seeded`, built there with the seeded bug, and with crashes kept there.
fn fuzz(target: &Target, time: Duration, seeded: Option<&PathBuf>) -> Result<Run> {
    let Target { of, name } = target;
    let mut command = cargo_fuzz(of);
    command.arg("run");
    if let Some(build) = seeded {
        let artifacts = build.join("artifacts");
        fs::create_dir_all(&artifacts)?;
        command.env("RUSTFLAGS", "--cfg fuzz_seeded_bug").arg("--target-dir").arg(build);
        command.arg(name).args(corpora(target)?).arg("--").arg(format!("-artifact_prefix={}/", artifacts.display()));
    } else {
        command.arg(name).args(corpora(target)?).arg("--");
    }
    command.arg(format!("-max_total_time={}", time.as_secs())).arg("-print_final_stats=1").args(BOUNDS);
    step::note(&format!("fuzz {name} for {} s", time.as_secs()));
    let output =
        command.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::piped()).output().context("cannot start cargo fuzz")?;
    let log = String::from_utf8_lossy(&output.stderr);
    let ran = log.contains("INFO: Seed:");
    if !ran {
        bail!("{name} does not run:\n{log}\n  remedy: mend what rustc says above");
    }
    let crash = !output.status.success();
    if crash && seeded.is_none() {
        eprintln!("{log}");
    }
    let after = |key: &str| log.lines().rev().find_map(|line| line.split_once(key)).map(|(_, rest)| rest.split_whitespace().next());
    let number = |key: &str| after(key).flatten().unwrap_or("?").to_owned();
    Ok(Run { target: target.clone(), executions: number("stat::number_of_executed_units:"), coverage: number("cov:"), crash })
}

/// The corpus that grows (not in git), and the seeds that are in git.
fn corpora(target: &Target) -> Result<Vec<PathBuf>> {
    let fuzz = root().join(target.of).join("fuzz");
    let corpus = fuzz.join("corpus").join(&target.name);
    fs::create_dir_all(&corpus)?;
    let seeds = fuzz.join("seeds").join(&target.name);
    Ok([Some(corpus), seeds.is_dir().then_some(seeds)].into_iter().flatten().collect())
}

fn cargo_fuzz(of: &str) -> Command {
    let mut command = cargo();
    command.current_dir(root().join(of)).arg("fuzz").env("PATH", setup::path()).env("RUSTC_BOOTSTRAP", "1");
    command.env_remove("CARGO_TARGET_DIR");
    command
}

/// `90`, `60s` and `10m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("`{unit}` is no unit: s, m or h")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no time: 90, 60s, 10m"))?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times() {
        for (text, expected) in [("90", Some(90)), ("60s", Some(60)), ("10m", Some(600)), ("1h", Some(3600)), ("1d", None), ("s", None)] {
            assert_eq!(duration(text).ok().map(|time| time.as_secs()), expected, "{text}");
        }
    }
}
