//! `cargo xtask fuzz`: the parsers of executables on hostile bytes, for a while; and a proof that a bug would be found.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::paths::{root, target};
use crate::setup::{self, Need, cargo};
use crate::{result, step};

const CRATE: &str = "agent/gobin";
const ROOMS: [&str; 2] = ["agent/gobin/src", "agent/gobin/fuzz"];

/// Fuzzes the parsers of agent/gobin with cargo-fuzz; a crash fails. Writes docs/fuzzing.md when all targets ran.
///
/// Needs no nightly: the pinned compiler is told to allow the sanitizer (RUSTC_BOOTSTRAP).
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long each target runs: 90, 60s, 10m.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = duration)]
    time: Duration,
    /// Build with a seeded bug (--cfg fuzz_seeded_bug) and require that it is found.
    #[arg(long)]
    prove: bool,
    /// Only these targets (default: all).
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// What a run of one target came to.
struct Run {
    target: String,
    executions: String,
    coverage: String,
    crash: bool,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let Args { time, prove, targets } = args;
    if !root().join(CRATE).join("fuzz/Cargo.toml").is_file() {
        bail!("there is no {CRATE}/fuzz: no fuzz targets yet");
    }
    setup::ensure(yes, &[Need::Fuzz])?;
    let known: Vec<String> = step::output(cargo_fuzz().arg("list"))?.lines().map(str::to_owned).collect();
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("no fuzz target `{unknown}`\n  remedy: one of {}", known.join(", "));
    }
    let chosen = if targets.is_empty() { &known } else { targets };
    if *prove { seeded(chosen, *time) } else { clean(chosen, *time, targets.is_empty()) }
}

/// Every target for its time; none may crash.
fn clean(targets: &[String], time: Duration, all: bool) -> Result<()> {
    let runs: Vec<Run> = targets.iter().map(|target| fuzz(target, time, None)).collect::<Result<_>>()?;
    let verdict = |run: &Run| if run.crash { "CRASH".to_owned() } else { "clean".to_owned() };
    let rows: Vec<Vec<String>> =
        runs.iter().map(|run| vec![run.target.clone(), run.executions.clone(), run.coverage.clone(), verdict(run)]).collect();
    let table = result::table(&["target", "executions", "coverage (edges)", "verdict"], &rows);
    println!("{table}");
    if all {
        let body = format!(
            "# Fuzzing\n\nEach parser of executables on hostile bytes, {} s each. `cargo xtask fuzz --prove` shows that a seeded bug is found.\n\n{table}",
            time.as_secs()
        );
        result::write("docs/fuzzing.md", &format!("cargo xtask fuzz --for {}s", time.as_secs()), &ROOMS, &body)?;
    }
    match runs.iter().find(|run| run.crash) {
        Some(run) => bail!("{} crashed\n  remedy: the input is in {CRATE}/fuzz/artifacts/{}; make it a test", run.target, run.target),
        None => Ok(()),
    }
}

/// The bug that only this build has must be found by one of the targets.
fn seeded(targets: &[String], time: Duration) -> Result<()> {
    let build = target().join("fuzz-seeded");
    for target in targets {
        if fuzz(target, time, Some(&build))?.crash {
            println!("fuzz --prove: the seeded bug was found by {target}");
            return Ok(());
        }
    }
    bail!(
        "the seeded bug was not found by {}\n  remedy: mend the targets or their corpus; or allow more time: --for 10m",
        targets.join(", ")
    )
}

/// One target for `time`; with `seeded`, built there with the seeded bug, and with crashes kept there.
fn fuzz(target: &str, time: Duration, seeded: Option<&PathBuf>) -> Result<Run> {
    let mut command = cargo_fuzz();
    command.arg("run");
    if let Some(build) = seeded {
        let artifacts = build.join("artifacts");
        fs::create_dir_all(&artifacts)?;
        command.env("RUSTFLAGS", "--cfg fuzz_seeded_bug").arg("--target-dir").arg(build);
        command.arg(target).args(corpora(target)?).arg("--").arg(format!("-artifact_prefix={}/", artifacts.display()));
    } else {
        command.arg(target).args(corpora(target)?).arg("--");
    }
    command.arg(format!("-max_total_time={}", time.as_secs())).arg("-print_final_stats=1");
    step::note(&format!("fuzz {target} for {} s", time.as_secs()));
    let output =
        command.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::piped()).output().context("cannot start cargo fuzz")?;
    let log = String::from_utf8_lossy(&output.stderr);
    let ran = log.contains("INFO: Seed:");
    if !ran {
        bail!("{target} does not run:\n{log}\n  remedy: mend what rustc says above");
    }
    let crash = !output.status.success();
    if crash && seeded.is_none() {
        eprintln!("{log}");
    }
    let after = |name: &str| log.lines().rev().find_map(|line| line.split_once(name)).map(|(_, rest)| rest.split_whitespace().next());
    let number = |name: &str| after(name).flatten().unwrap_or("?").to_owned();
    Ok(Run { target: target.to_owned(), executions: number("stat::number_of_executed_units:"), coverage: number("cov:"), crash })
}

/// The corpus that grows (not in git), and the seeds that are in git.
fn corpora(target: &str) -> Result<Vec<PathBuf>> {
    let fuzz = root().join(CRATE).join("fuzz");
    let corpus = fuzz.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let seeds = fuzz.join("seeds").join(target);
    Ok([Some(corpus), seeds.is_dir().then_some(seeds)].into_iter().flatten().collect())
}

fn cargo_fuzz() -> Command {
    let mut command = cargo();
    command.current_dir(root().join(CRATE)).arg("fuzz").env("PATH", setup::path()).env("RUSTC_BOOTSTRAP", "1");
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
