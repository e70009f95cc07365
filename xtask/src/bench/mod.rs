//! `cargo xtask bench`: what goroscope costs, side by side with nothing and with bpftrace, and how fast it is. Not tests: a number
//! that misses its expectation is told, and only what could not be measured fails.

mod agent;
mod analysis;
mod attach;
mod bpftrace;
pub(crate) mod census;
mod cost;
mod delay;
mod footprint;
mod kill;
mod lab;
mod numbers;
mod proof;
mod slowdown;
mod target;
mod ticks;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::lab::Lab;
use crate::paths::root;
use crate::setup::{self, Need};
use crate::{build, result, step};

/// Where the results go.
const DOCUMENT: &str = "docs/benchmarks.md";
/// What they measure.
const ROOMS: &[&str] = &["ebpf", "agent/src", "agent/gobin/src"];

/// Measures cost, slowdown, analysis, attaching, footprint, kill -9, censuses, proofs and how soon leaks are found, beside bpftrace; writes docs/benchmarks.md.
///
/// As root, on an otherwise idle machine: another agent or bpftrace at work spoils every number. All of it takes about an hour.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these.
    names: Vec<Name>,
    /// A tenth of the time, to see that it works: numbers are worth nothing.
    #[arg(long)]
    quick: bool,
    /// Measure this agent instead of building one, to compare two.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Nanoseconds for each counted event, and miscounts: bare, defaults, exact, bpftrace.
    Cost,
    /// What the agent at its defaults takes from a process that runs for long.
    Slowdown,
    /// Time and memory of analysing a large executable.
    Analysis,
    /// From exec to attached and to the first counted event; attaching and detaching.
    Attach,
    /// Memory and CPU of the agent: 100 idle processes; 1,000 exec a second.
    Footprint,
    /// The speed of a target when the agent is killed.
    Kill,
    /// Time and memory of a census and of all stacks of 10,000 to a million goroutines, and the target's ticks meanwhile.
    Census,
    /// Time and memory of a proof on heaps of 10 MB, 1 GB and 8 GB, and the target's ticks meanwhile.
    Proof,
    /// From the first leak to the Finding, against the rate of the leak.
    Delay,
}

impl Name {
    const ALL: [Self; 9] =
        [Self::Cost, Self::Slowdown, Self::Analysis, Self::Attach, Self::Footprint, Self::Kill, Self::Census, Self::Proof, Self::Delay];

    fn run(self, lab: &Lab) -> Result<Section> {
        match self {
            Self::Cost => cost::run(lab),
            Self::Slowdown => slowdown::run(lab),
            Self::Analysis => analysis::run(lab),
            Self::Attach => attach::run(lab),
            Self::Footprint => footprint::run(lab),
            Self::Kill => kill::run(lab),
            Self::Census => census::run(lab),
            Self::Proof => proof::run(lab),
            Self::Delay => delay::run(lab),
        }
    }

    /// As it is asked for.
    fn argument(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn title(self) -> &'static str {
        match self {
            Self::Cost => "Cost of a counted event",
            Self::Slowdown => "Slowdown at defaults",
            Self::Analysis => "Analysing an executable",
            Self::Attach => "From exec to counted",
            Self::Footprint => "Footprint",
            Self::Kill => "kill -9",
            Self::Census => "Reading all goroutines",
            Self::Proof => "A proof over a heap",
            Self::Delay => "How soon a leak is found",
        }
    }
}

/// What a benchmark found.
struct Section {
    /// Markdown: what was done, and tables.
    text: String,
    /// What was expected, and whether it was met.
    verdicts: Vec<Verdict>,
}

/// One expectation.
struct Verdict {
    expected: String,
    found: String,
    met: bool,
}

impl Verdict {
    fn new(expected: impl Into<String>, found: impl Into<String>, met: bool) -> Self {
        Self { expected: expected.into(), found: found.into(), met }
    }
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    setup::ensure(yes, &[Need::Build, Need::Go, Need::Bench])?;
    if args.agent.is_none() {
        build::all(yes, build::Profile::Release)?;
    }
    let lab = Lab::new(args.quick, args.agent.clone().unwrap_or_else(|| build::Profile::Release.agent()))?;
    let names = if args.names.is_empty() { Name::ALL.to_vec() } else { args.names.clone() };
    let (mut sections, mut failed) = (vec![], vec![]);
    for name in names {
        step::note(name.title());
        let start = Instant::now();
        match name.run(&lab) {
            Ok(section) => {
                let text = format!("## {}\n\n{}\n\n{}", name.title(), section.text.trim_end(), verdicts(&section.verdicts));
                println!("\n{text}");
                step::note(&format!("{} took {}", name.title(), step::seconds(start.elapsed())));
                sections.push((name, text));
            }
            Err(error) => {
                step::warn(&format!("{}: could not be measured: {error:#}", name.title()));
                failed.push(name.title());
            }
        }
    }
    if !args.quick && args.agent.is_none() && !sections.is_empty() {
        write(&lab, &sections)?;
    }
    if !failed.is_empty() {
        bail!("could not be measured: {}\n  remedy: the reasons are above", failed.join(", "));
    }
    Ok(())
}

fn verdicts(verdicts: &[Verdict]) -> String {
    let row = |verdict: &Verdict| {
        let met = if verdict.met { "met" } else { "**missed**" };
        vec![verdict.expected.clone(), verdict.found.clone(), met.to_owned()]
    };
    result::table(&["expected", "found", ""], &verdicts.iter().map(row).collect::<Vec<_>>())
}

/// Writes the document; of benchmarks that did not run now, what it said before stays, with its date.
fn write(lab: &Lab, fresh: &[(Name, String)]) -> Result<()> {
    let old = fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default();
    let date = step::output(std::process::Command::new("date").arg("+%F %H:%M"))?;
    let header = result::Header::now("cargo xtask bench", ROOMS)?;
    let about = |name: Name| {
        format!("Measured by `{} {}`, {} at {}, on {}.", header.command, name.argument(), date.trim(), header.commit, lab.machine())
    };
    let mut body = INTRODUCTION.to_owned();
    for name in Name::ALL {
        let heading = format!("## {}\n", name.title());
        let text = match fresh.iter().find(|(other, _)| *other == name) {
            Some((_, text)) => text.replacen(&heading, &format!("{heading}\n{}\n", about(name)), 1),
            None => match old.split_once(&heading) {
                Some((_, rest)) => heading.clone() + rest.split("\n## ").next().unwrap_or_default(),
                None => continue,
            },
        };
        body.push_str("\n\n");
        body.push_str(text.trim_end());
    }
    result::write(DOCUMENT, "cargo xtask bench", ROOMS, &body).context("the results")
}

const INTRODUCTION: &str = "# Benchmarks

`cargo xtask bench [NAME...]` measures all of this again. What is compared was measured in one run, in turns, so the ratios hold on
other machines better than the numbers do: on a virtual machine an instruction that is single-stepped costs several times what it
costs on bare metal. Where one target is measured, the agent is told to watch only that (`--pid`): what other Go programs of the
machine do is then no part of it. Cost is the target's own CPU time (user and system) for each operation, as the kernel accounts it:
other processes on the machine disturb it less than they disturb wall clock.";
