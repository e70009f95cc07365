//! The exactness matrix: the agent's numbers equal a program's own, in every Go version and every form of executable.
//!
//! A fixed spread of cells by default; `GOROSCOPE_MATRIX=all` runs all of them. `GOROSCOPE_RESULT_FILE` names a file that gets one
//! line of JSON for each cell, `GOROSCOPE_SEED` repeats a run. Failures are collected: one cell does not hide the others.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{collections::BTreeMap, fs};

use common::{
    agent::Agent,
    build::{Form, build, sources},
    matrix::{Verdict, chosen, judge, seed},
    target::{Counts, TOTALS, Target},
};

/// What runs by default: every version, every form at least twice.
const SPREAD: [(&str, &[Form]); 9] = [
    ("1.19.13", &[Form::Plain, Form::StaticPie]),
    ("1.20.14", &[Form::Stripped, Form::Cgo]),
    ("1.21.13", &[Form::NoSections, Form::Pie]),
    ("1.22.12", &[Form::Plain, Form::PieStripped]),
    ("1.23.12", &[Form::Stripped, Form::StaticPie]),
    ("1.24.11", &[Form::NoSections, Form::Cgo]),
    ("1.25.5", &[Form::Plain, Form::Pie]),
    ("1.26.6", &[Form::Stripped, Form::PieStripped]),
    ("1.27.3", &[Form::Plain, Form::NoSections, Form::StaticPie]),
];

/// How often a cell is repeated because its program could not tell what it did.
const REPEATS: u64 = 5;

struct Cell {
    version: &'static str,
    form: Form,
    target: Result<Target, String>,
    events: u64,
    problems: Vec<String>,
}

#[test]
fn the_agent_counts_what_the_programs_count() {
    let mut cells: Vec<Cell> = chosen(&SPREAD).into_iter().map(|(version, form)| Cell::new(version, form)).collect();
    let pids: Vec<u32> = cells.iter().filter_map(|cell| Some(cell.target.as_ref().ok()?.pid)).collect();
    let agent = Agent::exact(&pids);
    let seed = seed();
    for (index, cell) in cells.iter_mut().enumerate() {
        cell.run(&agent, seed.wrapping_add(index as u64 * 1000));
    }

    let mismatch = agent.scrape_anew().sum("goroscope_agent_creation_mismatch_total", &[]);
    assert_eq!(mismatch, Some(0), "memory and probes do not agree\n{}", agent.log());
    judge(&cells.iter().map(Cell::verdict).collect::<Vec<_>>());
}

impl Cell {
    fn new(version: &'static str, form: Form) -> Self {
        let target = build("exact", version, form).map(|executable| Target::spawn(&executable, &[]));
        let problems = target.as_ref().err().cloned().into_iter().collect();
        Self { version, form, target, events: 0, problems }
    }

    fn run(&mut self, agent: &Agent, seed: u64) {
        let Ok(target) = &mut self.target else { return };
        self.problems = attachment(agent, target);
        if !self.problems.is_empty() {
            return;
        }
        for seed in (seed..).take(usize::try_from(REPEATS).unwrap()) {
            let before = agent.counts(target.pid);
            let own = target.go(seed);
            let after = agent.counts(target.pid);
            if own.ambiguous {
                continue;
            }
            self.events = own.events();
            self.problems = [differences(&before, &own, &after), statements(agent, target)].concat();
            return;
        }
        self.problems = vec![format!("the machine is too busy: {REPEATS} runs, and in none could the program tell what it did")];
    }

    fn verdict(&self) -> Verdict<'_> {
        let Self { version, form, events, problems, .. } = self;
        Verdict { version, form: *form, extent: format!("{events:>8} events"), problems, measures: vec![("events", *events)] }
    }
}

/// What is wrong with how a target is attached.
fn attachment(agent: &Agent, target: &Target) -> Vec<String> {
    let Some(process) = agent.process(target.pid) else { return vec!["the agent does not know the process".into()] };
    if process.0["runtime"].is_null() {
        return vec![format!("memory is not read: {}", process.0["refusals"])];
    }
    if !process.is_attached() || !process.refusals().is_empty() {
        return vec![format!("not attached whole: {}", process.0)];
    }
    let exact = ["goroutine", "map", "timer"].map(|family| (family.to_owned(), "exact".to_owned()));
    if process.modes() != BTreeMap::from(exact) { vec![format!("not exact: {}", process.0["families"])] } else { Vec::new() }
}

/// Every counter and every site by which the agent's numbers rose otherwise than the program's own.
fn differences(before: &Counts, own: &Counts, after: &Counts) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, before: u64, own: u64, after: u64| {
        if before + own != after {
            found.push(format!("{what}: {own} in truth, counted {}", i128::from(after) - i128::from(before)));
        }
    };
    for name in TOTALS {
        compare(name, before.totals[name], own.totals[name], after.totals[name]);
    }
    let none = BTreeMap::new();
    for (family, sites) in &after.sites {
        let own = own.sites.get(family).unwrap_or(&none);
        let functions: std::collections::BTreeSet<&String> = sites.keys().chain(own.keys()).collect();
        for function in functions {
            let of = |sites: &BTreeMap<String, u64>| sites.get(function).copied().unwrap_or_default();
            compare(&format!("{family} site {function}"), of(&before.sites[family]), of(own), of(sites));
        }
    }
    for (when, counts) in [("before", before), ("after", after)] {
        for (family, totals) in [("goroutine", "goroutine_starts"), ("map", "map_writes."), ("timer", "timer_starts")] {
            let total: u64 = counts.totals.iter().filter(|(name, _)| name.starts_with(totals)).map(|(_, count)| count).sum();
            let sites: u64 = counts.sites[family].values().sum();
            if total != sites {
                found.push(format!("{when}: the sites of {family} are {sites} together, the total is {total}"));
            }
        }
    }
    found
}

/// `/debug/processes` names file and line: at each line of ours there must be such a statement.
fn statements(agent: &Agent, target: &Target) -> Vec<String> {
    let Some(process) = agent.process(target.pid) else { return vec!["the process is gone".into()] };
    let mut found = Vec::new();
    for (family, words) in [("goroutine", &["go "][..]), ("map", &["[", "{", ": ", "SetMapIndex", "With"]), ("timer", &["time.", "With"])] {
        let sites: Vec<_> = process.sites(family).into_iter().filter(|(function, ..)| function.starts_with("main.")).collect();
        if sites.is_empty() {
            found.push(format!("/debug/processes has no site of {family} in main"));
        }
        for (function, file, line) in sites {
            let ours = sources("exact").join(file.file_name().unwrap_or_default());
            let text = fs::read_to_string(&ours).unwrap_or_default();
            let statement = text.lines().nth(line.wrapping_sub(1)).unwrap_or_default();
            // The preprocessed file of cgo is not ours.
            if !file.ends_with("_cgo_gotypes.go") && !words.iter().any(|word| statement.contains(word)) {
                found.push(format!("{family} site {function} at {}:{line}, where is {statement:?}", file.display()));
            }
        }
    }
    found
}
