//! Leak detection against programs that leak and programs that only look so: `goroscope check` must name the leaking go statements
//! and no other. The programs are in `tests/leaks`; each marks its leaking go statements (`// LEAK: id`, or `// LEAK-FUNCTION: id f`
//! for one that is a library's) and the lines where they wait (`// WAITS: id`). How many leaked is what the Go runtime itself says at
//! the end, in the dump that SIGABRT asks for.
//!
//! A small spread by default. `GOROSCOPE_LEAKS` is a set that is run whole: `programs`, `held-out`, `independent`; `endless`: the programs
//! and those of `tests/leaks/endless` under `goroscope run`, where what was said at any time counts; `late`: all that `check` is given, and
//! those of `tests/leaks/late`, each with one Go version, watched from some moment of a life that has long begun, for 25 or 60 s. With
//! `GOROSCOPE_LEAKS_ONLY` (words, by comma) only programs whose names contain one; `GOROSCOPE_LEAKS_FOR` is the length of the watch in
//! seconds, `GOROSCOPE_LEAKS_PARALLEL` how many programs run at once, `GOROSCOPE_LEAKS_GO` the versions. `GOROSCOPE_RESULT_FILE` gets one
//! line of JSON for each program and version.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use common::{
    build::{Form, NEWEST, build_directory},
    check::{self, Checked, Found, check},
    goroutines::{Creation, Dumped},
};
use serde_json::{Value, json};

/// What runs by default: each kind of evidence, and an innocent program for each kind of innocence.
const SPREAD: [&str; 6] =
    ["timeout-sender", "pending-calls", "reconnect-loops", "ok-bursts", "ok-long-deadlines", "ok-streams-from-outside"];

/// The releases that a whole set runs with.
const RELEASES: [&str; 4] = ["1.19.13", "1.21.13", "1.24.11", "1.27.3"];

/// From how many goroutines on a group counts as a leak that must be found.
const GROUP: u64 = 5;

/// Of a whole set, what must be found.
const RECALL: f64 = 0.97;

/// One program of `tests/leaks`, and what its source says of itself.
#[derive(Clone)]
struct Program {
    name: String,
    directory: PathBuf,
    /// `dir/file.go:line` of the leaking go statements, with their ids.
    statements: BTreeMap<String, String>,
    /// Functions of libraries that hold the leaking go statements.
    functions: BTreeMap<String, String>,
    /// Ids to the lines where their goroutines wait.
    waits: BTreeMap<String, BTreeSet<String>>,
}

impl Program {
    fn read(directory: &Path) -> Self {
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(directory.join("main.go")).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut program =
            Self { name, directory: directory.to_owned(), statements: [].into(), functions: [].into(), waits: BTreeMap::new() };
        for (index, line) in text.lines().enumerate() {
            let site = format!("{}/main.go:{}", program.name, index + 1);
            if let Some((_, id)) = line.split_once("// LEAK: ") {
                program.statements.insert(site, id.trim().to_owned());
            } else if let Some((_, id)) = line.split_once("// WAITS: ") {
                program.waits.entry(id.trim().to_owned()).or_default().insert(site);
            } else if let Some((id, function)) = line.strip_prefix("// LEAK-FUNCTION: ").and_then(|rest| rest.trim().split_once(' ')) {
                program.functions.insert(function.to_owned(), id.to_owned());
            }
        }
        program
    }

    fn all(set: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leaks");
        let roots = match set {
            "held-out" | "independent" => vec![root.join(set)],
            "endless" => vec![root.join("endless"), root],
            "late" => vec![root.join("late"), root.join("held-out"), root.join("independent"), root],
            _ => vec![root],
        };
        let entries = |root: &PathBuf| fs::read_dir(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let directories = roots.iter().flat_map(entries).map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> = directories.filter(|path| path.join("main.go").exists()).collect();
        found.sort();
        found.iter().map(|directory| Self::read(directory)).collect()
    }

    /// Some number that is always the same.
    fn number(&self, salt: &str) -> u64 {
        // FNV-1a, whatever Rust's own hasher may become.
        let bytes = self.name.bytes().chain([0]).chain(salt.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// One of those that need not say when they are ready.
    fn is_late(&self) -> bool {
        self.directory.parent().is_some_and(|parent| parent.ends_with("late"))
    }

    fn leaks(&self) -> bool {
        !self.statements.is_empty() || !self.functions.is_empty()
    }

    /// The id of the leak that goroutines created there belong to.
    fn leak_at(&self, function: &str, site: &str) -> Option<&str> {
        self.statements.get(site).or_else(|| self.functions.get(function)).map(String::as_str)
    }

    /// Whether what was found waits where the source says; nothing, where it does not say.
    fn waits_right(&self, found: &Found) -> Option<bool> {
        let lines = self.waits.get(self.leak_at(&found.creation_function, &found.creation_site)?)?;
        Some(lines.contains(found.place()))
    }
}

/// How a program is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By `check`, from its start.
    FromItsStart,
    /// By `check`, long after its start.
    Late,
    /// By `run`, from its start.
    Endless,
}

/// What to run and how.
struct Settings {
    set: Option<String>,
    way: Way,
    programs: Vec<Program>,
    releases: Vec<String>,
    time: Duration,
    parallel: usize,
}

impl Settings {
    fn from_environment() -> Self {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let number = |name: &str| variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")));
        let words = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let set = variable("GOROSCOPE_LEAKS");
        assert!(
            set.as_deref().is_none_or(|set| ["programs", "held-out", "independent", "endless", "late"].contains(&set)),
            "GOROSCOPE_LEAKS={set:?} is no set"
        );
        let mut programs = Program::all(set.as_deref().unwrap_or("programs"));
        if let Some(only) = variable("GOROSCOPE_LEAKS_ONLY").map(words) {
            programs.retain(|program| only.iter().any(|word| program.name.contains(word)));
        } else if set.is_none() {
            programs.retain(|program| SPREAD.contains(&program.name.as_str()));
        }
        let way = match set.as_deref() {
            Some("endless") => Way::Endless,
            Some("late") => Way::Late,
            _ => Way::FromItsStart,
        };
        let all = if set.is_none() { vec![NEWEST.to_owned()] } else { RELEASES.map(str::to_owned).to_vec() };
        let releases = variable("GOROSCOPE_LEAKS_GO").map_or(all, words);
        let time = Duration::from_secs(number("GOROSCOPE_LEAKS_FOR").unwrap_or(match set.as_deref() {
            None => 20,
            // What may only wait is told after 165 s of growth.
            Some("endless") => 240,
            Some("late") => 60,
            Some(_) => 45,
        }));
        // Under `run` each has an agent of its own.
        let parallel = usize::try_from(number("GOROSCOPE_LEAKS_PARALLEL").unwrap_or(if way == Way::Endless { 12 } else { 26 })).unwrap();
        Self { set, way, programs, releases, time, parallel }
    }
}

/// When the late watch of a program begins, after its start, and how long it is: some moment, the same one each time. What was written for it
/// is watched for as long as it was written for.
fn late(program: &Program, release: &str, time: Duration) -> (Duration, Duration) {
    let random = program.number(release);
    let short = random & 1 == 0 && !program.is_late();
    (Duration::from_millis(10_000 + random % 30_000), if short { time * 5 / 12 } else { time })
}

/// Builds and runs one program, watches it, and compares.
fn run(program: &Program, release: &str, executable: Result<PathBuf, String>, way: Way, time: Duration) -> Value {
    let began = Instant::now();
    let started = executable.and_then(|executable| {
        Dumped::start(&executable, |_| vec![]).and_then(|running| if program.is_late() { Ok(running) } else { running.ready() })
    });
    let running = match started {
        Ok(running) => running,
        Err(error) => return json!({"program": program.name, "go": release, "verdict": error}),
    };
    let (before, time) = if way == Way::Late { late(program, release, time) } else { (Duration::ZERO, time) };
    // wait: the length of the life before the watch is what is tested
    thread::sleep(before);
    let checked = if way == Way::Endless { check::run(running.pid(), time) } else { check(running.pid(), time) };
    let (life, mut truth) = (began.elapsed(), running.goroutines());
    if way == Way::Late {
        // As many as began while it was watched, of what grows evenly.
        let share = time.as_secs_f64() / life.as_secs_f64();
        truth.retain(|_, count| *count as f64 * share >= GROUP as f64);
    }
    let mut row = judge(program, release, &checked, &truth);
    row["watch"] = json!(format!("{} s, from second {} on", time.as_secs(), before.as_secs()));
    row
}

/// One row of the results.
fn judge(program: &Program, release: &str, checked: &Checked, truth: &BTreeMap<Creation, u64>) -> Value {
    let groups: Vec<(&Creation, u64)> = truth
        .iter()
        .filter(|&(creation, &count)| count >= GROUP && program.leak_at(&creation.function, &creation.site).is_some())
        .map(|(creation, &count)| (creation, count))
        .collect();
    let named = |site: &str| checked.findings.iter().find(|found| found.creation_site == site);
    let found: Vec<&Found> = groups.iter().filter_map(|(creation, _)| named(&creation.site)).collect();
    let missed: Vec<String> = groups
        .iter()
        .filter(|(creation, _)| named(&creation.site).is_none())
        .map(|(creation, count)| format!("{} ({count})", creation.site))
        .collect();
    let false_alarms: Vec<String> = checked
        .findings
        .iter()
        .filter(|found| program.leak_at(&found.creation_function, &found.creation_site).is_none())
        .map(|found| format!("{} {} {} at {} ({})", found.creation_site, found.evidence, found.wait_reason, found.place(), found.count))
        .collect();
    let elsewhere: Vec<String> = found
        .iter()
        .filter(|found| program.waits_right(found) == Some(false))
        .map(|found| format!("{} waits at {}", found.creation_site, found.place()))
        .collect();
    let evidence: BTreeSet<&str> = found.iter().map(|found| found.evidence.as_str()).collect();
    let verdict = match (checked.status, &false_alarms[..], &missed[..]) {
        (Some(0 | 1), [], []) => "ok".to_owned(),
        (Some(0 | 1), [], missed) => format!("missed {}", missed.join(", ")),
        (Some(0 | 1), wrong, _) => format!("false alarm {}", wrong.join(", ")),
        _ => format!("could not watch: {}", checked.stderr.trim()),
    };
    json!({
        "program": program.name, "leaks": program.leaks(), "go": release, "verdict": verdict, "groups": groups.len(),
        "found": found.len(), "evidence": evidence, "false alarms": false_alarms.len(), "waits elsewhere": elsewhere,
    })
}

#[test]
fn the_leaking_statements_are_named_and_no_other() {
    let settings = Settings::from_environment();
    let of = |program: &Program, release: usize| {
        let (number, count) = (program.number(""), u64::try_from(settings.releases.len()).unwrap());
        settings.way != Way::Late || number % count == u64::try_from(release).unwrap()
    };
    let all = settings.releases.iter().enumerate().flat_map(|(index, release)| {
        settings.programs.iter().filter(move |program| of(program, index)).map(move |program| (program, release))
    });
    // All is built before anything runs: the programs' load must not wait for a compiler.
    let jobs: Vec<_> =
        all.map(|(program, release)| (program, release, build_directory(&program.directory, release, Form::Plain))).collect();
    let total = jobs.len();
    let (queue, rows) = (Mutex::new(jobs.into_iter()), Mutex::new(vec![]));
    thread::scope(|scope| {
        for _ in 0..settings.parallel.min(total) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((program, release, executable)) = next else { break };
                    let row = run(program, release, executable, settings.way, settings.time);
                    println!("{row}");
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    if settings.set.is_none() {
        look_again(&settings, &mut rows);
    }
    rows.sort_by_key(|row| (row["program"].to_string(), row["go"].to_string()));
    if let Some(path) = env::var_os("GOROSCOPE_RESULT_FILE") {
        fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    }
    verdict(&settings, &rows);
}

/// What was missed is looked at once more, alone and for twice as long: a machine that stands still for seconds makes every wait look long.
/// False alarms are not looked at again.
fn look_again(settings: &Settings, rows: &mut [Value]) {
    for row in rows.iter_mut().filter(|row| row["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("missed"))) {
        let Some(program) = settings.programs.iter().find(|program| row["program"] == program.name.as_str()) else { continue };
        let release = row["go"].as_str().unwrap_or(NEWEST).to_owned();
        println!("{row}: once more");
        let executable = build_directory(&program.directory, &release, Form::Plain);
        *row = run(program, &release, executable, settings.way, settings.time * 2);
    }
}

/// Fails on a false alarm, a watch that failed, and too many misses: in a whole set 3 %, in the spread none.
fn verdict(settings: &Settings, rows: &[Value]) {
    let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
    let (groups, found, wrong) = (sum("groups"), sum("found"), sum("false alarms"));
    let bad: Vec<String> = rows.iter().filter(|row| row["verdict"] != "ok").map(Value::to_string).collect();
    let unwatched = rows.iter().filter(|row| row["found"].is_null() || row["verdict"].to_string().contains("could not watch")).count();
    println!("{found} of {groups} leaking groups found, {wrong} false alarms, {unwatched} not watched\n{}", bad.join("\n"));
    let recall = u32::try_from(found).map_or(0.0, f64::from) / u32::try_from(groups.max(1)).map_or(1.0, f64::from);
    let required = if settings.set.is_some() { RECALL } else { 1.0 };
    assert!(wrong == 0 && unwatched == 0 && recall >= required, "{found} of {groups}, {wrong} false alarms, {unwatched} not watched");
}
