//! `cargo xtask test`: the tests as CI runs them, and the long ones, whose results become documents.

mod detection;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::paths::{root, target};
use crate::setup::{self, Need, cargo};
use crate::{build, result, step};

/// Runs the tests: those of every crate, on this kernel, as root; a test that is skipped fails the run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Every Go version in every build form must be counted and read exactly (`exactness`, `memory`; both, if none is named); writes
    /// docs/exactness.md and docs/memory.md.
    #[arg(long, value_name = "PROOF", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    matrix: Option<Matrix>,
    /// Programs that others wrote (Prometheus, etcd, containerd, ...); writes docs/real-programs.md.
    #[arg(long)]
    real: bool,
    /// Leaks are found and nothing else is: a set of programs (`programs`, `held-out`, `independent`, `late`, `endless`), or `servers`; writes its part of docs/detection.md.
    #[arg(long, value_name = "SET", num_args = 0..=1, require_equals = true, default_missing_value = "programs")]
    leaks: Option<detection::Set>,
    /// The chart in a real Kubernetes on this machine: up, test, down, also after a failure; writes docs/cluster-test.md.
    #[arg(long)]
    cluster: bool,
    /// With --cluster: take the image that `cargo xtask image` has left.
    #[arg(long, requires = "cluster")]
    no_build: bool,
    /// Nobody alive is proven dead, for so many seconds of each way of holding a pointer; writes docs/soundness.md.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "600")]
    soundness: Option<u64>,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// What is proven in every Go version and build form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Matrix {
    /// Both.
    All,
    /// What the probes count.
    Exactness,
    /// What is read from memory.
    Memory,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    /// Adds what one of cargo test's summary lines says.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u32>), words.next()) else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let Args { matrix, real, leaks, soundness, cluster, no_build, filter } = args;
    if *cluster {
        return crate::cluster::test::everything(filter.as_deref(), *no_build, yes);
    }
    let is_long = matrix.is_some() || *real || leaks.is_some() || soundness.is_some();
    let mut needs = vec![Need::Build, Need::Go, if is_long { Need::Matrix } else { Need::Test }];
    needs.extend((*real || *leaks == Some(detection::Set::Servers)).then_some(Need::Real));
    setup::ensure(yes, &needs)?;
    build::kernel_side(std::env::consts::ARCH)?;
    if let Some(matrix) = matrix {
        let one = |wanted, proof| if *matrix == Matrix::All || *matrix == wanted { long(proof, "all", filter.as_deref()) } else { Ok(()) };
        // A failure of the first does not hide the second.
        let (exactness, memory) = (one(Matrix::Exactness, &EXACTNESS), one(Matrix::Memory, &MEMORY));
        exactness.and(memory)?;
    }
    if *real {
        long(&REAL_PROGRAMS, "all", filter.as_deref())?;
    }
    if let Some(seconds) = soundness {
        long(&SOUNDNESS, &seconds.to_string(), filter.as_deref())?;
    }
    if let Some(set) = leaks {
        detection::run(*set, filter.as_deref())?;
    }
    if is_long {
        return Ok(());
    }
    let tally = workspace(filter.as_deref())?;
    println!("{tally}");
    Ok(())
}

/// The tests of all crates; the kernel side must be built.
///
/// # Errors
/// A test failed or was skipped.
pub(crate) fn workspace(filter: Option<&str>) -> Result<Tally> {
    let mut command = cargo_test();
    command.args(["--workspace", "--locked"]).args(filter);
    let (tally, ended_well) = watched(&mut command)?;
    if !ended_well {
        bail!("tests failed ({tally})\n  remedy: what failed is listed above; one test alone: cargo xtask test NAME");
    }
    if tally.skipped > 0 {
        bail!("{tally}: a test that is skipped has proven nothing\n  remedy: take its `ignore` away (in docs: ```text)");
    }
    Ok(tally)
}

/// A long test whose result is kept as a document.
struct Long {
    test: &'static str,
    option: &'static str,
    variable: &'static str,
    /// More arguments of cargo.
    cargo: &'static [&'static str],
    document: &'static str,
    title: &'static str,
    rooms: &'static [&'static str],
    render: fn(&[Map<String, Value>]) -> String,
}

const EXACTNESS: Long = Long {
    test: "exactness",
    option: "--matrix=exactness",
    variable: "GOROSCOPE_MATRIX",
    cargo: &[],
    document: "docs/exactness.md",
    title: "# Exactness: every Go version in every build form\n\nEach cell is one program that counts what it does itself; `ok` means that the \
            agent's numbers equal the program's, every one of them.",
    rooms: &["ebpf", "agent/gobin/src", "agent/src/plan", "agent/src/tracer", "agent/tests"],
    render: grid,
};

const MEMORY: Long = Long {
    test: "memory",
    option: "--matrix=memory",
    variable: "GOROSCOPE_MATRIX",
    cargo: &[],
    document: "docs/memory.md",
    title: "# Memory: every Go version in every build form\n\nEach cell is one program that creates, blocks and ends goroutines as a random seed \
            draws it, and then says what its runtime knows: runtime.NumGoroutine, MemStats, runtime/metrics, the goroutine profile. `ok` means \
            that what was read of its memory in the same moment is the same: every figure, and of every goroutine what it waits for, the go \
            statement and all calls, function, file and line, inlined ones included, at depth 400 and after the stack grew too.",
    rooms: &["agent/gobin", "agent/src/goruntime", "agent/src/profile", "agent/tests"],
    render: grid,
};

const REAL_PROGRAMS: Long = Long {
    test: "real_programs",
    option: "--real",
    variable: "GOROSCOPE_REAL",
    cargo: &[],
    document: "docs/real-programs.md",
    title: "# Real programs\n\nPrograms that nobody here wrote: found, analysed, attached and counted under load.",
    rooms: &["ebpf", "agent/gobin/src", "agent/src", "agent/tests"],
    render: list,
};

const SOUNDNESS: Long = Long {
    test: "soundness",
    option: "--soundness",
    variable: "GOROSCOPE_SOUNDNESS",
    // The prover is in the test itself: in code that is not optimised it would make few proofs in its time.
    cargo: &["--config", "profile.dev.package.goroscope.opt-level=1"],
    document: "docs/soundness.md",
    title: "# Soundness: nobody alive is proven dead\n\nEach program keeps waiting goroutines whose only pointers move while memory is read, in six to nine \
            ways: from place to place in the heap, through channels, timers, finalizers, stacks of other and of new goroutines, registers of running ones; from Go 1.24 \
            on also cleanups and weak pointers; with C, handles and arguments of calls. At the end the program wakes every one, and counts. Beside them \
            are goroutines that nobody can wake; they must be proven in the same proofs.\n\nOne copy of memory that changes can err: `called dead once`. A false proof \
            is what the agent goes by: in two proofs in a row the same two goroutines of a group or more, and half of it at least. The proofs follow \
            one another at 1.5 s, the shortest distance that the agent leaves.",
    rooms: &["agent/gobin/src", "agent/src/goruntime", "agent/src/reach", "agent/tests/soundness.rs", "agent/tests/targets/moving"],
    render: list,
};

fn long(long: &Long, value: &str, filter: Option<&str>) -> Result<()> {
    let Long { test, option, variable, cargo, document, title, rooms, render } = long;
    let mut command = cargo_test();
    command.args(*cargo).env(variable, value);
    let Outcome { rows, tally, ended_well } = measure(command, test, filter)?;
    if filter.is_none() {
        let bad = rows.iter().filter(|row| !is_ok(row)).count();
        let body = format!("{title}\n\n{} rows, {bad} not ok; {tally}.\n\n{}", rows.len(), render(&rows));
        let option = if value == "all" { (*option).to_owned() } else { format!("{option}={value}") };
        result::write(document, &format!("cargo xtask test {option}"), rooms, &body)?;
    }
    println!("{tally}");
    if !ended_well || tally.skipped > 0 || rows.iter().any(|row| !is_ok(row)) {
        bail!("test --{test}: not everything is ok\n  remedy: the rows that are not ok are in {}", results_of(test).display());
    }
    Ok(())
}

/// What a long test said.
struct Outcome {
    rows: Vec<Map<String, Value>>,
    tally: Tally,
    ended_well: bool,
}

/// Where a long test writes its rows.
fn results_of(test: &str) -> std::path::PathBuf {
    target().join("results").join(format!("{test}.jsonl"))
}

/// Runs one integration test with `command`'s settings, and reads the rows that it wrote.
fn measure(mut command: Command, test: &str, filter: Option<&str>) -> Result<Outcome> {
    let results = results_of(test);
    fs::create_dir_all(results.parent().unwrap_or(root()))?;
    if results.exists() {
        fs::remove_file(&results)?;
    }
    command.args(["--locked", "--package", "goroscope", "--test", test]).args(filter).args(["--", "--nocapture"]);
    let (tally, ended_well) = watched(command.env("GOROSCOPE_RESULT_FILE", &results))?;
    Ok(Outcome { rows: read_results(&results)?, tally, ended_well })
}

/// `cargo test` as all our tests want it: tools on the path, and no excuse for a lack of them.
fn cargo_test() -> Command {
    let mut command = cargo();
    command.current_dir(root()).arg("test").env("PATH", setup::path());
    command.env("GOROSCOPE_DEBS", crate::paths::cache().join("debs"));
    command.env("GOROSCOPE_PROMETHEUS", crate::cluster::PROMETHEUS.path());
    command.env("GOROSCOPE_REQUIRE_PROMTOOL", "1").env("GOROSCOPE_PROMTOOL", crate::apt::unpacked("prometheus").join("usr/bin/promtool"));
    command
}

/// Runs the tests, passes their output on and counts; the second is whether cargo ended with status 0.
fn watched(command: &mut Command) -> Result<(Tally, bool)> {
    step::note(&step::shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            println!("{line}");
            tally.add(&line);
        }
    }
    Ok((tally, child.wait()?.success()))
}

fn read_results(path: &Path) -> Result<Vec<Map<String, Value>>> {
    let text = fs::read_to_string(path).with_context(|| format!("the test wrote no results to {}", path.display()))?;
    let rows = text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str);
    rows.collect::<Result<_, _>>().with_context(|| format!("{} has a line that is no JSON object", path.display()))
}

fn is_ok(row: &Map<String, Value>) -> bool {
    row.get("verdict").and_then(Value::as_str) == Some("ok")
}

fn cell(row: &Map<String, Value>, key: &str) -> String {
    match row.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Go versions down, build forms across, then what is not ok in full, then the sums of all numbers.
fn grid(rows: &[Map<String, Value>]) -> String {
    let mut forms: Vec<String> = vec![];
    let mut cells: BTreeMap<(u32, String), BTreeMap<String, String>> = BTreeMap::new();
    for row in rows {
        let (go, form) = (cell(row, "go"), cell(row, "form"));
        if !forms.contains(&form) {
            forms.push(form.clone());
        }
        let minor = go.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0);
        cells.entry((minor, go)).or_default().insert(form, cell(row, "verdict"));
    }
    let head: Vec<&str> = std::iter::once("Go").chain(forms.iter().map(String::as_str)).collect();
    let line = |((_, go), verdicts): (&(u32, String), &BTreeMap<String, String>)| {
        let verdict = |form| verdicts.get(form).cloned().unwrap_or_else(|| "-".to_owned());
        std::iter::once(go.clone()).chain(forms.iter().map(verdict)).collect()
    };
    let table = result::table(&head, &cells.iter().map(line).collect::<Vec<_>>());
    let bad: Vec<Map<String, Value>> = rows.iter().filter(|row| !is_ok(row)).cloned().collect();
    let bad = if bad.is_empty() { String::new() } else { format!("\n## Not ok\n\n{}", list(&bad)) };
    format!("{table}{bad}\n{}", sums(rows))
}

/// One row for each result, one column for each key that occurs.
fn list(rows: &[Map<String, Value>]) -> String {
    let mut keys: Vec<&str> = vec![];
    for key in rows.iter().flat_map(Map::keys) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    let lines: Vec<Vec<String>> = rows.iter().map(|row| keys.iter().map(|key| cell(row, key)).collect()).collect();
    result::table(&keys, &lines)
}

/// The sum over all rows of each key with a whole number.
fn sums(rows: &[Map<String, Value>]) -> String {
    let keys: BTreeSet<&String> = rows.iter().flat_map(|row| row.iter().filter(|(_, value)| value.is_u64()).map(|(key, _)| key)).collect();
    let sum = |key: &String| rows.iter().filter_map(|row| row.get(key)?.as_u64()).sum::<u64>();
    let lines: Vec<Vec<String>> = keys.into_iter().map(|key| vec![key.clone(), sum(key).to_string()]).collect();
    if lines.is_empty() { String::new() } else { format!("## Over all cells\n\n{}", result::table(&["what", "sum"], &lines)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test result: ok. 21 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ] {
            tally.add(line);
        }
        assert_eq!(tally.to_string(), "22 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn results_become_a_grid() {
        let rows: Vec<Map<String, Value>> = [
            r#"{"cell": "1.9-plain", "go": "1.9.1", "form": "plain", "verdict": "ok", "events": 5}"#,
            r#"{"cell": "1.19-plain", "go": "1.19.13", "form": "plain", "verdict": "ok", "events": 7}"#,
            r#"{"cell": "1.19-pie", "go": "1.19.13", "form": "pie", "verdict": "off by 2"}"#,
        ]
        .iter()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
        let text = grid(&rows);
        assert!(text.starts_with("| Go | plain | pie |\n|---|---|---|\n| 1.9.1 | ok | - |\n| 1.19.13 | ok | off by 2 |\n"), "{text}");
        assert!(text.contains("| 1.19-pie | pie | 1.19.13 | off by 2 |"), "{text}");
        assert!(text.ends_with("| events | 12 |\n"), "{text}");
    }
}
