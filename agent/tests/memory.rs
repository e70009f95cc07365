//! What is read from memory, against the program's own word: counts, figures, creation sites, waits and stacks, in every Go version and
//! every form of executable.
//!
//! A program does what a random seed draws, comes to rest and says what its runtime knows of it; then its memory is read. A spread of
//! cells by default; `GOROSCOPE_MATRIX=all` runs all of them. `GOROSCOPE_RESULT_FILE` names a file that gets one line of JSON for each
//! cell, `GOROSCOPE_SEED` repeats a run. Failures are collected: one cell does not hide the others.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    agent::{Agent, command},
    build::{Form, NEWEST, build},
    goroutines::{Reading, Seen, of_dump, of_profile, of_reading},
    matrix::{Verdict, all, chosen, judge, seed},
    metrics::Scrape,
    target::Target,
    wait_for,
};
use serde_json::Value;
use tempfile::TempDir;

/// What runs by default: every version, every form at least twice.
const SPREAD: [(&str, &[Form]); 9] = [
    ("1.19.13", &[Form::Stripped, Form::Cgo]),
    ("1.20.14", &[Form::Plain, Form::PieStripped]),
    ("1.21.13", &[Form::Pie, Form::StaticPie]),
    ("1.22.12", &[Form::Stripped]),
    ("1.23.12", &[Form::Plain, Form::PieStripped]),
    ("1.24.11", &[Form::Stripped, Form::Cgo]),
    ("1.25.5", &[Form::Pie, Form::NoSections]),
    ("1.26.6", &[Form::PieStripped, Form::StaticPie]),
    ("1.27.3", &[Form::Plain, Form::Stripped, Form::Cgo]),
];

/// Builds whose runtime differs from that of the release, and why their memory is not read where nobody can tell how it is laid out. The
/// first few by default: each needs a standard library of its own.
const BUILDS: [(&str, Form, Option<&str>); 20] = [
    ("1.27.3+staticlockranking", Form::Plain, None),
    ("1.27.3+staticlockranking", Form::Stripped, UNKNOWN),
    ("1.26.6+nogreenteagc", Form::Stripped, None),
    ("1.24.11+nospinbitmutex,noswissmap", Form::Plain, None),
    ("1.23.1", Form::Stripped, None),
    ("1.27.3", Form::Race, None),
    ("1.27.3", Form::Trimmed, None),
    // From here on only where all are asked for.
    ("1.19.13+staticlockranking", Form::Plain, None),
    ("1.22.12+staticlockranking", Form::Pie, None),
    ("1.24.11+nospinbitmutex", Form::Stripped, UNKNOWN),
    ("1.24.11+noswissmap", Form::Stripped, None),
    ("1.25.5+greenteagc", Form::Plain, None),
    ("1.25.5+greenteagc", Form::Stripped, UNKNOWN),
    ("1.27.3+nogreenteagc", Form::PieStripped, None),
    ("1.26.6+arenas", Form::Stripped, None),
    ("1.22.12+noallocheaders", Form::Plain, None),
    ("1.22.12+noallocheaders", Form::Stripped, UNKNOWN),
    ("1.22.12+fieldtrack", Form::Stripped, None),
    ("1.20.14", Form::Race, None),
    ("1.26.0", Form::Stripped, None),
];
const DEFAULT_BUILDS: usize = 7;
const UNKNOWN: Option<&str> = Some("experiment_unknown");

/// How often each program works and is read; with what the time before left behind.
const ROUNDS: u64 = 3;

struct Cell {
    version: &'static str,
    form: Form,
    /// Why it must not be read.
    refusal: Option<&'static str>,
    directory: TempDir,
    target: Result<Target, String>,
    goroutines: u64,
    frames: u64,
    figures: u64,
    problems: Vec<String>,
}

#[test]
fn memory_says_what_the_programs_say() {
    let mut cells: Vec<Cell> = chosen(&SPREAD).into_iter().map(|(version, form)| Cell::new(version, form, None)).collect();
    let builds = if all() { BUILDS.len() } else { DEFAULT_BUILDS };
    cells.extend(BUILDS.into_iter().take(builds).map(|(version, form, refusal)| Cell::new(version, form, refusal)));
    let pids: Vec<String> = cells.iter().filter_map(|cell| Some(cell.target.as_ref().ok()?.pid.to_string())).collect();
    let mut arguments = vec!["--per-process"];
    pids.iter().for_each(|pid| arguments.extend(["--pid", pid]));
    let agent = Agent::start(&arguments);
    let seed = seed();
    for (index, cell) in cells.iter_mut().enumerate() {
        cell.run(&agent, seed.wrapping_add(index as u64 * 1000));
    }
    judge(&cells.iter().map(Cell::verdict).collect::<Vec<_>>());
}

/// What the agent of a test is told as its period.
const PERIOD: Duration = Duration::from_millis(200);

#[test]
fn a_count_is_as_old_as_the_last_period_also_where_nothing_else_happens() {
    let executable = build("idle", "1.19.13", Form::Stripped).unwrap_or_else(|error| panic!("{error}"));
    let target = Target::spawn(&executable, &[]);
    let agent = Agent::start(&["--per-process", "--pid", &target.pid.to_string()]);
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (mut leaks, mut scrapes) = (Vec::new(), Vec::new());
    // Each line is a leak.
    let leak = || {
        let line = target.line();
        let times: Vec<u64> = line.split(' ').map(|time| time.parse().unwrap()).collect();
        (Duration::from_nanos(times[0]), Duration::from_nanos(times[1]))
    };
    for _ in 0..50 {
        leaks.push(leak());
        let asked = now();
        let scrape = agent.scrape();
        let value = |name: &str| scrape.select(name, &[]).next().unwrap_or_else(|| panic!("no {name}")).value;
        let read = Duration::from_secs_f64(value("goroscope_last_read_timestamp_seconds"));
        scrapes.push((asked, read, value("go_goroutine_count"), now()));
    }
    let last = scrapes.last().unwrap().3;
    while leaks.last().unwrap().0 < last {
        leaks.push(leak());
    }
    for (_, read, count, answered) in &scrapes {
        // The first goroutine, and all leaks that were there when it was read; the time is a double, exact to a microsecond.
        let least = 1 + leaks.iter().filter(|(_, started)| *started + Duration::from_micros(1) < *read).count();
        let most = 1 + leaks.iter().filter(|(starting, _)| starting < answered).count();
        assert!((least..=most).any(|truth| *count == f64::from(u32::try_from(truth).unwrap())), "{count} is not in {least}..={most}");
    }
    let mut ages: Vec<Duration> = scrapes.iter().map(|(asked, read, ..)| asked.saturating_sub(*read)).collect();
    ages.sort_unstable();
    // A busy machine may delay some of them.
    assert!(ages[ages.len() / 2] <= PERIOD, "the median age is {:?}", ages[ages.len() / 2]);
    assert!(ages.iter().all(|age| *age < 20 * PERIOD), "{ages:?}");
}

#[test]
fn a_crowd_is_counted_whole_by_all_who_read_it() {
    // Many times what is read at once: every thread has its share.
    const CROWD: u64 = 50_000;
    let target = Target::spawn(&build("crowd", NEWEST, Form::Stripped).unwrap(), &[&CROWD.to_string()]);
    let look = || {
        let output = command(&["goroutines", &target.pid.to_string(), "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let calls = |group: &Value| group["stack"].as_array().unwrap().iter().filter(|call| call["function"] == "main.wait").count();
    let groups = wait_for("all of them wait", || {
        let groups: Vec<Value> =
            look()["groups"].as_array()?.iter().filter(|group| group["created_by"]["function"] == "main.main").cloned().collect();
        groups.iter().all(|group| group["wait_reason"] == "chan receive" && calls(group) > 0).then_some(groups)
    });
    let mut told: Vec<(usize, u64, usize)> = groups
        .iter()
        .map(|group| {
            let goids: Vec<u64> = group["goids"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
            assert!(goids.is_sorted_by(|a, b| a < b), "{goids:?}");
            (calls(group), group["count"].as_u64().unwrap(), goids.len())
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [1, 2, 3, 4].map(|calls| (calls, CROWD / 4, 8)));
}

impl Cell {
    fn new(version: &'static str, form: Form, refusal: Option<&'static str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let target = build("memory", version, form).map(|executable| Target::spawn(&executable, &[directory.path().to_str().unwrap()]));
        let problems = target.as_ref().err().cloned().into_iter().collect();
        Self { version, form, refusal, directory, target, goroutines: 0, frames: 0, figures: 0, problems }
    }

    fn minor(&self) -> u32 {
        self.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap()
    }

    fn run(&mut self, agent: &Agent, seed: u64) {
        let minor = self.minor();
        // Before Go 1.26 that of the thread that cgo keeps for C is counted with the runtime's own.
        let foreign = u64::from(self.form.cgo() && minor < 26);
        let Ok(target) = &mut self.target else { return };
        if let Some(reason) = self.refusal {
            self.problems.extend(refused(agent, target, reason));
            return;
        }
        let first = Moment::take(agent, target, |target| word(target, "word"));
        let mut problems: Vec<String> = first.as_ref().err().cloned().into_iter().collect();
        for seed in (seed..).take(usize::try_from(ROUNDS).unwrap()) {
            let Ok(first) = &first else { break };
            let found = Moment::take(agent, target, |target| word(target, &format!("go {seed}"))).and_then(|moment| {
                let read = |name: &str| fs::read_to_string(self.directory.path().join(name)).map_err(|error| format!("{name}: {error}"));
                let (dump, profile) = (of_dump(&read("dump")?, minor), of_profile(&read("profile")?, minor));
                self.figures += moment.compared();
                self.goroutines += moment.reading.count("goroutines");
                let ours = of_reading(&moment.reading, minor, foreign);
                self.frames += ours.dump.iter().map(|(seen, count)| seen.stack.len() as u64 * count).sum::<u64>();
                let mut found = moment.differences(minor);
                found.extend(moment.differences_since(first));
                found.extend(differences("dump", &dump, &ours.dump));
                found.extend(differences("profile", &profile, &ours.profile));
                found.extend(ours.problems);
                Ok(found)
            });
            problems.extend(found.unwrap_or_else(|problem| vec![problem]).into_iter().map(|problem| format!("seed {seed}: {problem}")));
        }
        self.problems.extend(problems);
    }

    fn verdict(&self) -> Verdict<'_> {
        let Self { version, form, goroutines, frames, figures, problems, .. } = self;
        let read = || format!("{goroutines:>6} goroutines {frames:>7} frames");
        let extent = self.refusal.map_or_else(read, |reason| format!("refused: {reason}"));
        let measures = vec![("goroutines", *goroutines), ("frames", *frames), ("figures", *figures)];
        Verdict { version, form: *form, extent, problems, measures }
    }
}

/// What is told of a process whose memory must not be read: a reason, and no number.
fn refused(agent: &Agent, target: &Target, reason: &str) -> Vec<String> {
    let (mut found, pid) = (Vec::new(), target.pid.to_string());
    let inspected = command(&["inspect", &pid, "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&inspected.stdout).unwrap_or_default();
    if told["executable"]["runtime"]["reason"] != reason {
        found.push(format!("inspect says {:#}", told["executable"]["runtime"]));
    }
    let output = command(&["goroutines", &pid]).output().unwrap();
    if output.status.code() != Some(1) || !output.stdout.is_empty() || !String::from_utf8_lossy(&output.stderr).contains(reason) {
        found.push(format!("goroutines says {output:?}"));
    }
    if agent.scrape().select("go_goroutine_count", &[("pid", &pid)]).next().is_some() {
        found.push("it has a go_goroutine_count".to_owned());
    }
    found
}

/// What the program says, then what is read, then what the program says: nothing ran in between but that.
struct Moment {
    before: Value,
    reading: Reading,
    scrape: Scrape,
    after: Value,
    pid: String,
}

fn word(target: &mut Target, order: &str) -> Value {
    target.send(order);
    let line = target.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON from the target ({error}): {line}"))
}

/// A figure: what the JSON of `goroscope goroutines` calls it, what the metrics do, and what the program says.
type Figure = (&'static str, Option<&'static str>, fn(&Value) -> Option<f64>);

const FIGURES: [Figure; 15] = [
    ("goroutines", Some("go_goroutine_count"), |own| own["goroutines"].as_f64()),
    ("gomaxprocs", Some("go_processor_limit"), |own| own["gomaxprocs"].as_f64()),
    ("gc_cycles", Some("go_memory_gc_cycles_total"), |own| own["num_gc"].as_f64()),
    ("gc_forced_cycles", None, |own| own["num_forced_gc"].as_f64()),
    ("allocated_bytes", Some("go_memory_allocated_bytes_total"), |own| own["total_alloc"].as_f64()),
    ("allocated_bytes", None, |own| own["/gc/heap/allocs:bytes"].as_f64()),
    ("allocations", Some("go_memory_allocations_total"), |own| own["/gc/heap/allocs:objects"].as_f64()),
    ("heap_goal", Some("go_memory_gc_goal_bytes"), |own| own["next_gc"].as_f64()),
    ("heap_goal", None, |own| own["/gc/heap/goal:bytes"].as_f64()),
    ("gogc", Some("go_config_gogc_percent"), |own| own["/gc/gogc:percent"].as_f64()),
    ("memory_limit", Some("go_memory_limit_bytes"), |own| own["/gc/gomemlimit:bytes"].as_f64().filter(|limit| *limit < 9e18)),
    ("stack_bytes", None, stack_bytes),
    ("other_bytes", None, |own| {
        let of = |class: &str| own[format!("/memory/classes/{class}:bytes")].as_f64();
        Some(of("total")? - of("heap/released")? - stack_bytes(own)?)
    }),
    ("threads", Some("goroscope_threads"), |own| own["/sched/threads/total:threads"].as_f64()),
    ("created", None, |own| own["/sched/goroutines-created:goroutines"].as_f64()),
];

fn stack_bytes(own: &Value) -> Option<f64> {
    own["/memory/classes/heap/stacks:bytes"].as_f64()
}

const HISTOGRAMS: [(&str, &str); 2] = [("gc_pauses", "/gc/pauses:seconds"), ("schedule_latency", "/sched/latencies:seconds")];

impl Moment {
    /// # Errors
    /// What the command said.
    fn take(agent: &Agent, target: &mut Target, work: impl FnOnce(&mut Target) -> Value) -> Result<Self, String> {
        let before = work(target);
        let pid = target.pid.to_string();
        let reading = Reading::of(command(&["goroutines", &pid, "--json", "--depth", "2000"]))?;
        let scrape = agent.scrape_anew();
        let after = word(target, "word");
        Ok(Self { before, reading, scrape, after, pid })
    }

    /// Figures that the program tells.
    fn compared(&self) -> u64 {
        let told = FIGURES.iter().filter(|(.., own)| own(&self.before).is_some()).count() + HISTOGRAMS.len();
        told as u64
    }

    /// Bytes of stacks that came, or went, between the program's two words.
    fn stacks_that_came(&self) -> f64 {
        let [before, after] = [&self.before, &self.after].map(stack_bytes);
        before.zip(after).map_or(0.0, |(before, after)| (after - before).abs())
    }

    /// Figures that are not between the program's two words, which are the same for all that does not move by itself.
    fn differences(&self, minor: u32) -> Vec<String> {
        let mut found = Vec::new();
        for (name, metric, own) in FIGURES {
            let (before, after) = (own(&self.before), own(&self.after));
            // What is ready and what of it are stacks is read one after the other: stacks may have come in between.
            let torn = if name == "other_bytes" { self.stacks_that_came() } else { 0.0 };
            let mut check = |what: &str, ours: Option<f64>| {
                let same = match (before, ours, after) {
                    // Memory may go back to the kernel in between: what is ready then falls.
                    (Some(before), Some(ours), Some(after)) => (before.min(after) - torn..=before.max(after) + torn).contains(&ours),
                    // A version's own figures may lack it; ours must lack a limit that the program does not have.
                    (None, ours, None) => name != "memory_limit" || minor < 21 || ours.is_none(),
                    _ => false,
                };
                if !same {
                    found.push(format!("{what} is {ours:?}, the program says {before:?} and then {after:?}"));
                }
            };
            check(name, self.reading.figure(name));
            if let Some(metric) = metric {
                check(metric, self.scrape.select(metric, &[("pid", &self.pid)]).next().map(|sample| sample.value));
            }
        }
        for (name, own) in HISTOGRAMS {
            let buckets = self.reading.histogram(name);
            let (before, after) = (fold(&self.before[own], &buckets), fold(&self.after[own], &buckets));
            let same = buckets.iter().zip(before.iter().zip(&after)).all(|((_, ours), (before, after))| before <= ours && ours <= after);
            if buckets.is_empty() || !same {
                found.push(format!("{name} is {buckets:?}, the program says {before:?} and then {after:?}"));
            }
        }
        found
    }

    /// Goroutines that were created and have ended since `first`: the program counts its own, the runtime's stay.
    fn differences_since(&self, first: &Self) -> Vec<String> {
        let figure = |moment: &Self, name: &str| i128::from(moment.reading.count(name));
        let since = |name: &str| figure(self, name) - figure(first, name);
        let said = |moment: &Self, name: &str| i128::from(moment.after[name].as_u64().unwrap());
        let own = |name: &str| said(self, name) - said(first, name);
        let (created, ended) = (since("created") - since("system_goroutines"), since("ended"));
        let mut found = Vec::new();
        if (created, ended) != (own("created"), own("ended")) {
            found.push(format!("{created} created and {ended} ended, the program says {} and {}", own("created"), own("ended")));
        }
        let deep = self.reading.calls("main.deep");
        if Some(deep) != self.after["deep"].as_u64() {
            found.push(format!("{deep} calls of main.deep, the program says {}", self.after["deep"]));
        }
        found
    }
}

/// The program's buckets, each with its lower bound, in ours.
fn fold(own: &Value, buckets: &[(f64, u64)]) -> Vec<u64> {
    let mut folded = vec![0; buckets.len()];
    for bucket in own.as_array().into_iter().flatten() {
        let (lower, count) = (bucket[0].as_f64().unwrap(), bucket[1].as_u64().unwrap());
        let index = buckets.iter().position(|(below, _)| lower < *below).unwrap_or(buckets.len() - 1);
        folded[index] += count;
    }
    folded
}

/// What is counted otherwise than in the program's own profile; only the first few.
fn differences(what: &str, own: &BTreeMap<Seen, u64>, ours: &BTreeMap<Seen, u64>) -> Vec<String> {
    let count = |of: &BTreeMap<Seen, u64>, seen: &Seen| of.get(seen).copied().unwrap_or(0);
    let all: std::collections::BTreeSet<&Seen> = own.keys().chain(ours.keys()).collect();
    let different = all.into_iter().filter(|seen| count(own, seen) != count(ours, seen));
    let tell = |seen: &Seen| format!("{what}: {} in truth, {} read of {seen}", count(own, seen), count(ours, seen));
    let mut told: Vec<String> = different.map(tell).collect();
    let left_out = told.len().saturating_sub(6);
    told.truncate(6);
    if left_out > 0 {
        told.push(format!("{what}: and {left_out} more"));
    }
    if own.is_empty() {
        told.push(format!("{what}: the program told nothing"));
    }
    told
}
