//! `cargo xtask test --leaks`: rows of the leak tests in, their part of docs/detection.md out. The other parts stay as they are,
//! each with the day and the commit of its own run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::{Outcome, cargo_test, cell, is_ok, list, measure};
use crate::paths::root;
use crate::result::{self, Header};

type Row = Map<String, Value>;

const DOCUMENT: &str = "docs/detection.md";
const ROOMS: [&str; 6] =
    ["agent/src/goruntime", "agent/src/reach", "agent/src/growth", "agent/src/commands", "agent/tests/leaks", "agent/tests/leaks.rs"];
const TITLE: &str = "# Leak detection: what is found, and what is not accused\n\n\
    `goroscope check` watches each program, from its start if nothing else is said. A group is the goroutines of one leaking `go` statement, as the Go runtime's\n\
    own dump counts them at the end; groups of 5 or more must be found, at their line. A Finding at any other line is a false alarm.\n\n\
    The tables have the evidence. `proven`: nothing that can still run leads to what they wait on. `stuck`: they have not run since they\n\
    blocked, for longer than such waits were ever seen to last, and become more. `live`: they loop, never end, and become more.\n\n\
    Tickers that nobody stops are a Finding of their own (`ticker`; `agent/tests/tickers.rs`): up to Go 1.22, and up to Go 1.26 in\n\
    programs whose go.mod says an older version than 1.23, where nothing but the runtime's list of timers leads to them. Else the runtime\n\
    forgets those by itself, and one that somebody waits for is the leak of a goroutine. A ticker does not know who made it: the Finding\n\
    names the call of `time.NewTicker` if only one can be it by its period, else `time.NewTicker` itself.\n\n\
    The held-out programs were first run when the detector was made (2026-11-25 at 295039b: 62 of 62, 0 of 56); all runs since then only\n\
    show that nothing was lost. Those written later by others, who did not know it, are `independent` and part of `late`.\n\n\
    ## What is not told, and what is told wrongly\n\n\
    On 2026-11-27 somebody who did not know the detector wrote 48 programs that leak and 48 that do not, as services are written, attached\n\
    at a random moment of their lives and watched for 60 s. No entry was at a wrong line. Of 52 leaking statements 42 are found (39 before\n\
    what this showed was mended, one of them in three of four watches). Ten are not:\n\n\
    - Seven wait for the network, or write to one who does: peers that fell silent, a half-closed proxy. A peer that is slow looks the\n\
      same; only what nothing leads to, with both ends in the process, is proven.\n\
    - Two wait for a child process or its pipe, which a child of the child has open, or which only the child reads.\n\
    - One loops beside healthy ones of the same statement that live up to 22 s: that takes a longer watch (180 s find it).\n\n\
    Nor are loops that are all woken together, again and again, by one channel or condition: they look like the workers of one queue. Of a\n\
    process with more sleepers than a proof follows (32,768), or timers (some 25,000), only what is proven is told, as one of them may end a\n\
    wait; of one whose heap is too large for a proof, only what is in system calls. `goroscope_agent_leak_looks_failed_total` and `check`\n\
    say so.\n\n\
    Eight of the 48 innocent programs are accused, as `stuck` or `live`, by some watch of 60 s at least. All grow evenly for the whole\n\
    watch, with no timer in sight, and end beyond it: a gate that opens 100 s after the start, an outage of 50 s in which the watch\n\
    ends, a ramp of 90 s, imports of 100 to 200 s, subscribers for minutes, approvals that a sweeper gives each 80 s. In that time\n\
    they are the same as a leak; a longer watch clears them. `goroscope run` waits for 165 s, unless hundreds are the process' own. The\n\
    other 77 programs are `agent/tests/leaks/late`.";

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// agent/tests/leaks.
    Programs,
    /// agent/tests/leaks/held-out: not looked at while the detector was made.
    HeldOut,
    /// agent/tests/leaks/independent: written by somebody who did not know how the detector works, and run when it was made.
    Independent,
    /// The programs, and agent/tests/leaks/endless, under `goroscope run`.
    Endless,
    /// All programs that `check` is given, and agent/tests/leaks/late, watched from some moment of a life that has long begun.
    Late,
    /// Servers that others wrote, without and with a leak.
    Servers,
}

impl Set {
    const ALL: [Self; 6] = [Self::Programs, Self::HeldOut, Self::Independent, Self::Late, Self::Endless, Self::Servers];

    fn name(self) -> &'static str {
        match self {
            Self::Programs => "programs",
            Self::HeldOut => "held-out",
            Self::Independent => "independent",
            Self::Late => "late",
            Self::Endless => "endless",
            Self::Servers => "servers",
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Self::Programs => "## Programs",
            Self::HeldOut => "## Programs that were set aside",
            Self::Independent => "## Programs by somebody who did not know the detector",
            Self::Late => "## Programs watched late",
            Self::Endless => "## Programs under `goroscope run`",
            Self::Servers => "## Servers",
        }
    }
}

/// Runs `set` and writes its part of the document, unless `filter` names a part of it.
///
/// # Errors
/// The test failed: a false alarm, too many misses, or a program that could not be watched.
pub(super) fn run(set: Set, filter: Option<&str>) -> Result<()> {
    let mut command = cargo_test();
    // Of a leak of a thousand a second an agent that is not optimised makes too few proofs in a minute.
    command.args(["--config", "profile.dev.package.goroscope.opt-level=1"]);
    command.env("GOROSCOPE_LEAKS", set.name());
    if let Some(filter) = filter {
        command.env("GOROSCOPE_LEAKS_ONLY", filter);
    }
    let test = if set == Set::Servers { "leaks_in_servers" } else { "leaks" };
    let Outcome { rows, tally, ended_well } = measure(command, test, None)?;
    if filter.is_none() {
        write(set, &if set == Set::Servers { list(&rows) } else { programs(&rows) })?;
    }
    if !ended_well || tally.skipped > 0 {
        bail!("test --leaks={}: {tally}\n  remedy: the rows that are not ok are listed above and in {DOCUMENT}", set.name());
    }
    Ok(())
}

fn write(set: Set, body: &str) -> Result<()> {
    let old = fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default();
    let command = format!("cargo xtask test --leaks={}", set.name());
    let Header { date, commit, .. } = Header::now(&command, &ROOMS)?;
    let part = |one: Set| {
        let new = (one == set).then(|| format!("`{command}`, {date} at {commit}.\n\n{}", body.trim()));
        Some(format!("\n\n{}\n\n{}", one.heading(), new.or_else(|| part_of(&old, one))?))
    };
    let document = Set::ALL.into_iter().filter_map(part).fold(TITLE.to_owned(), |document, part| document + &part);
    result::write(DOCUMENT, &command, &ROOMS, &document)
}

/// The part of an older document, without its heading.
fn part_of(document: &str, set: Set) -> Option<String> {
    let (_, rest) = document.split_once(&format!("\n{}\n", set.heading()))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).trim().to_owned())
}

/// Sums by Go version, then each program, then what is not ok in full.
fn programs(rows: &[Row]) -> String {
    let versions = versions(rows);
    let head: Vec<&str> = std::iter::once("program").chain(versions.iter().map(String::as_str)).collect();
    let mut lines: BTreeMap<(bool, String), BTreeMap<String, String>> = BTreeMap::new();
    for row in rows {
        let innocent = row.get("leaks").and_then(Value::as_bool) == Some(false);
        lines.entry((innocent, cell(row, "program"))).or_default().insert(cell(row, "go"), word(row));
    }
    let line = |((_, name), cells): (&(bool, String), &BTreeMap<String, String>)| {
        let of = |version: &String| cells.get(version).cloned().unwrap_or_else(|| "-".to_owned());
        std::iter::once(name.clone()).chain(versions.iter().map(of)).collect()
    };
    let each = result::table(&head, &lines.iter().map(line).collect::<Vec<_>>());
    let bad: Vec<Row> = rows.iter().filter(|row| !is_ok(row)).map(short).collect();
    let bad = if bad.is_empty() { String::new() } else { format!("\n### Not ok\n\n{}", list(&bad)) };
    format!("{}\n### Each program\n\n{each}{bad}", sums(rows, &versions))
}

fn versions(rows: &[Row]) -> Vec<String> {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let mut versions: Vec<String> = rows.iter().map(|row| cell(row, "go")).collect::<BTreeSet<_>>().into_iter().collect();
    versions.sort_by_key(|version| minor(version));
    versions
}

fn number(row: &Row, key: &str) -> u64 {
    row.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// What a cell of the table says.
fn word(row: &Row) -> String {
    let evidence: Vec<&str> = row.get("evidence").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let innocent = row.get("leaks").and_then(Value::as_bool) == Some(false);
    match (number(row, "false alarms"), is_ok(row)) {
        (0, true) if innocent => "ok".to_owned(),
        (0, true) => evidence.join(", "),
        (0, false) => format!("**missed** {} of {}", number(row, "groups") - number(row, "found"), number(row, "groups")),
        (count, _) => format!("**{count} false alarms**"),
    }
}

/// Which program, and what is wrong.
fn short(row: &Row) -> Row {
    ["program", "go", "verdict"].into_iter().filter_map(|key| Some((key.to_owned(), row.get(key)?.clone()))).collect()
}

fn sums(rows: &[Row], versions: &[String]) -> String {
    let head = ["Go", "programs that leak", "groups", "found", "recall", "place of waiting differs", "innocent programs", "false alarms"];
    let line = |name: &str, rows: &[&Row]| {
        let sum = |key: &str| rows.iter().map(|row| number(row, key)).sum::<u64>();
        let leaking = rows.iter().filter(|row| row.get("leaks").and_then(Value::as_bool) == Some(true)).count();
        let elsewhere: usize = rows.iter().filter_map(|row| row.get("waits elsewhere")?.as_array()).map(Vec::len).sum();
        let (groups, found) = (sum("groups"), sum("found"));
        let thousandths = (found * 1000).checked_div(groups).unwrap_or(0);
        let recall = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        let numbers = [leaking.to_string(), groups.to_string(), found.to_string(), recall, elsewhere.to_string()];
        let last = [(rows.len() - leaking).to_string(), sum("false alarms").to_string()];
        std::iter::once(name.to_owned()).chain(numbers).chain(last).collect::<Vec<_>>()
    };
    let of = |version: &String| line(version, &rows.iter().filter(|row| &cell(row, "go") == version).collect::<Vec<_>>());
    let mut lines: Vec<Vec<String>> = versions.iter().map(of).collect();
    lines.push(line("all", &rows.iter().collect::<Vec<_>>()));
    result::table(&head, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[&str]) -> Vec<Row> {
        text.iter().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    #[test]
    fn rows_become_tables() {
        let text = programs(&rows(&[
            r#"{"program": "a", "leaks": true, "go": "1.27.3", "verdict": "ok", "groups": 2, "found": 2, "evidence": ["proven"]}"#,
            r#"{"program": "a", "leaks": true, "go": "1.9.1", "verdict": "missed x", "groups": 2, "found": 1, "evidence": ["proven"]}"#,
            r#"{"program": "ok-b", "leaks": false, "go": "1.27.3", "verdict": "false alarm y", "groups": 0, "found": 0, "false alarms": 1}"#,
        ]));
        for expected in [
            "| all | 2 | 4 | 3 | 0.750 | 0 | 1 | 1 |",
            "| program | 1.9.1 | 1.27.3 |",
            "| a | **missed** 1 of 2 | proven |",
            "| ok-b | - | **1 false alarms** |",
            "| 1.9.1 | a | missed x |",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[test]
    fn a_part_is_found_again() {
        let document = "# X\n\n## Programs\n\na\n\n### Not ok\n\nb\n\n## Servers\n\nc\n";
        assert_eq!(part_of(document, Set::Programs).as_deref(), Some("a\n\n### Not ok\n\nb"));
        assert_eq!(part_of(document, Set::Servers).as_deref(), Some("c"));
        assert_eq!(part_of(document, Set::HeldOut), None);
    }
}
