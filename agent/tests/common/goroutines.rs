//! What a Go process itself says of its goroutines: the dump that its runtime writes at SIGABRT, as the truth to compare with.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A Go program whose goroutines are to be dumped at its end. Killed when dropped.
pub struct Dumped {
    child: Child,
    /// It ends when its input does.
    _input: Option<ChildStdin>,
    directory: TempDir,
}

impl Dumped {
    /// Runs `executable` in a directory of its own that `prepare` fills, with the arguments that it gives.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(executable: &Path, prepare: impl FnOnce(&Path) -> Vec<String>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let arguments = prepare(directory.path());
        let stderr = File::create(directory.path().join("stderr")).map_err(|error| error.to_string())?;
        let mut command = Command::new(executable);
        command.args(arguments).current_dir(directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", executable.display()))?;
        Ok(Self { _input: child.stdin.take(), child, directory })
    }

    /// Waits for its line "ready PID".
    ///
    /// # Errors
    /// It said something else.
    pub fn ready(mut self) -> Result<Self, String> {
        let mut line = String::new();
        let output = self.child.stdout.take().ok_or("its output is taken")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim() == format!("ready {}", self.pid()) { Ok(self) } else { Err(format!("it said {line:?}")) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr.
    pub fn log(&self) -> String {
        fs::read(self.directory.path().join("stderr")).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Ends it, and gives its goroutines as its runtime counts them; none when it had ended before.
    pub fn goroutines(mut self) -> BTreeMap<Creation, u64> {
        let sent = kill_process(Pid::from_child(&self.child), Signal::ABORT).is_ok();
        if sent && self.child.wait().is_ok() { by_creation(&self.log()) } else { BTreeMap::new() }
    }
}

impl Drop for Dumped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where goroutines were created: the function, and `dir/file.go:line` of the go statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Creation {
    /// `main.serve`, `net/http.(*Transport).dialConn`.
    pub function: String,
    /// Last folder, file and line.
    pub site: String,
}

/// The goroutines of a dump, counted by who created them.
pub fn by_creation(dump: &str) -> BTreeMap<Creation, u64> {
    let mut counts = BTreeMap::new();
    let mut lines = dump.lines();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("created by ") else { continue };
        let function = rest.split(" in goroutine").next().unwrap_or(rest).to_owned();
        let Some(place) = lines.next().and_then(|line| line.split_whitespace().next()) else { break };
        *counts.entry(Creation { function, site: short(place) }).or_default() += 1;
    }
    counts
}

/// `/a/b/dir/file.go:7` as `dir/file.go:7`.
fn short(place: &str) -> String {
    let mut parts = place.rsplitn(3, '/');
    let (file, directory) = (parts.next().unwrap_or_default(), parts.next());
    directory.map_or_else(|| file.to_owned(), |directory| format!("{directory}/{file}"))
}

/// A goroutine as Go shows it: what it waits for, who created it, its calls. What a form of the profile does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// As the runtime words it.
    pub wait: String,
    /// `function file:line` of the go statement.
    pub created_by: String,
    /// `function file:line` for each call, the innermost first; `inlined` behind those that are.
    pub stack: Vec<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wait, created_by, stack } = self;
        write!(f, "[{wait}] created by [{created_by}], {} calls:", stack.len())?;
        stack.iter().take(12).try_for_each(|call| write!(f, "\n        {call}"))
    }
}

/// The goroutines of pprof's text form with debug=2, counted, all but the first one, which writes it.
pub fn of_dump(dump: &str, minor: u32) -> BTreeMap<Seen, u64> {
    let mut counts = BTreeMap::new();
    for goroutine in dump.split("\n\n").filter(|goroutine| !goroutine.starts_with("goroutine 1 ")) {
        let mut lines = goroutine.trim().lines();
        let Some(header) = lines.next().and_then(|line| line.split_once('[')) else { continue };
        let wait = header.1.split([',', ']']).next().unwrap_or_default().to_owned();
        let mut seen = Seen { wait, ..Seen::default() };
        while let Some(line) = lines.next() {
            if line.starts_with("...") {
                seen.stack.push(line.to_owned());
                continue;
            }
            let place = lines.next().and_then(|line| line.split_whitespace().next()).unwrap_or_default();
            if let Some(creator) = line.strip_prefix("created by ") {
                seen.created_by = format!("{} {place}", creator.split(" in goroutine").next().unwrap_or(creator));
                continue;
            }
            let (function, arguments) = line.rsplit_once('(').unwrap_or((line, ""));
            let function = if function == "panic" { "runtime.gopanic" } else { function };
            seen.stack.push(call(function, place, arguments.starts_with("...")));
        }
        if minor <= 20 {
            seen.stack.truncate(DUMPED);
        }
        *counts.entry(seen).or_default() += 1;
    }
    counts
}

/// The goroutines of pprof's text form with debug=1, counted, all but the one that writes it.
pub fn of_profile(profile: &str, minor: u32) -> BTreeMap<Seen, u64> {
    let mut counts = BTreeMap::new();
    for group in profile.split("\n\n") {
        let Some(head) = group.lines().find(|line| line.contains(" @ ")) else { continue };
        let count: u64 = head.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap();
        let calls = group.lines().filter(|line| line.starts_with("#\t")).map(|line| {
            let words: Vec<&str> = line.split('\t').filter(|word| !word.is_empty()).collect();
            let function = words[2].rsplit_once('+').map_or(words[2], |(function, _)| function);
            call(function, words[3], false)
        });
        let mut stack: Vec<String> = calls.collect();
        if stack.iter().any(|call| call.starts_with("runtime/pprof.")) {
            continue;
        }
        stack.truncate(profiled(minor));
        *counts.entry(Seen { stack, ..Seen::default() }).or_default() += count;
    }
    counts
}

/// Calls that dumps of Go up to 1.20 have for sure: they end after 100, some of which they do not show.
const DUMPED: usize = 90;
/// Calls that later ones show, of the innermost and of the outermost.
const SHOWN: usize = 50;

/// Calls that a profile has for sure: 32, and 128 from Go 1.23 on, of which it does not show the runtime's at the inner end.
const fn profiled(minor: u32) -> usize {
    if minor < 23 { 20 } else { 110 }
}

fn call(function: &str, place: &str, inlined: bool) -> String {
    // Type arguments are not shown by Go.
    let function = match (function.find('['), function.rfind(']')) {
        (Some(from), Some(to)) => format!("{}[...]{}", &function[..from], &function[to + 1..]),
        _ => function.to_owned(),
    };
    format!("{function} {place}{}", if inlined { " inlined" } else { "" })
}

/// What `goroscope goroutines --json` printed.
pub struct Reading(Value);

/// Its goroutines, as dump and profile would show them, and what cannot be.
pub struct Ours {
    /// See [`of_dump`].
    pub dump: BTreeMap<Seen, u64>,
    /// See [`of_profile`].
    pub profile: BTreeMap<Seen, u64>,
    /// What contradicts itself.
    pub problems: Vec<String>,
}

impl Reading {
    /// Runs the command.
    ///
    /// # Errors
    /// What it said.
    pub fn of(mut command: Command) -> Result<Self, String> {
        let output = command.output().map_err(|error| error.to_string())?;
        let failed = || format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(failed());
        }
        serde_json::from_slice(&output.stdout).map(Self).map_err(|error| format!("{error}: {}", failed()))
    }

    /// A number of its figures; none if absent.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.0["figures"][name].as_f64()
    }

    /// A figure that every version has, as the whole number that it is.
    pub fn count(&self, name: &str) -> u64 {
        self.0["figures"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
    }

    /// A histogram of its figures: upper bounds and counts.
    pub fn histogram(&self, name: &str) -> Vec<(f64, u64)> {
        let buckets = self.0["figures"][name]["buckets"].as_array().into_iter().flatten();
        buckets.map(|bucket| (bucket["below"].as_f64().unwrap_or(f64::INFINITY), bucket["count"].as_u64().unwrap())).collect()
    }

    /// How often a function is on the stacks.
    pub fn calls(&self, function: &str) -> u64 {
        let on = |group: &Value| group["stack"].as_array().into_iter().flatten().filter(|call| call["function"] == function).count() as u64;
        self.groups().map(|group| on(group) * group["count"].as_u64().unwrap()).sum()
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = &Value> {
        self.0["groups"].as_array().into_iter().flatten()
    }
}

/// What Go counts as its own: src/runtime/traceback.go, isSystemGoroutine.
fn is_system(start: &str) -> bool {
    start.starts_with("runtime.") && !["runtime.main", "runtime.corostart", "runtime.handleAsyncEvent"].contains(&start)
}

/// Sorts a reading as Go would show it.
///
/// `foreign` goroutines are kept for threads of C and are in the runtime's count only.
pub fn of_reading(reading: &Reading, minor: u32, foreign: u64) -> Ours {
    let mut ours = Ours { dump: BTreeMap::new(), profile: BTreeMap::new(), problems: Vec::new() };
    let (mut all, mut system) = (0, 0);
    for group in reading.groups() {
        let count = group["count"].as_u64().unwrap();
        all += count;
        if is_system(group["function"].as_str().unwrap_or_default()) {
            system += count;
            continue;
        }
        if group["goids"][0] == 1 {
            continue;
        }
        if group["stack_complete"] != true {
            ours.problems.push(format!("{count} stacks are not whole: {group:#}"));
        }
        let wait = group["wait_reason"].as_str().or(group["state"].as_str()).unwrap_or_default().to_owned();
        let text = |of: &Value| {
            let inlined = of["inlined"] == true;
            call(of["function"].as_str().unwrap_or("?"), &format!("{}:{}", of["file"].as_str().unwrap_or("?"), of["line"]), inlined)
        };
        let calls: Vec<String> = group["stack"].as_array().into_iter().flatten().map(text).collect();
        let inner = calls.iter().take_while(|call| call.starts_with("runtime.")).count();
        let plain = |call: &String| call.trim_end_matches(" inlined").to_owned();
        let profiled = calls.iter().skip(inner).map(plain).take(profiled(minor)).collect();
        *ours.profile.entry(Seen { stack: profiled, ..Seen::default() }).or_default() += count;
        let seen = Seen { wait, created_by: text(&group["created_by"]), stack: shown(&calls, minor) };
        *ours.dump.entry(seen).or_default() += count;
    }
    let counted = [reading.count("goroutines"), reading.count("system_goroutines")];
    if [all - system, system + foreign] != counted || reading.0["torn"] != 0 {
        let torn = &reading.0["torn"];
        ours.problems.push(format!("{all} goroutines, {system} of the runtime, {torn} torn: {counted:?} by its count"));
    }
    ours
}

/// The calls that a dump shows: not those of the runtime's own functions, and of many not those in the middle.
fn shown(calls: &[String], minor: u32) -> Vec<String> {
    let is_shown = |(index, call): (usize, &String)| {
        let function = call.split(' ').next().unwrap_or_default();
        let exported = |name: &str| name.rsplit('.').next().is_some_and(|name| name.starts_with(char::is_uppercase));
        // C's functions, and cgo's, have no dot.
        function.contains('.') && function.strip_prefix("runtime.").is_none_or(|name| exported(name) || (name == "gopanic" && index > 0))
    };
    let mut shown: Vec<String> = calls.iter().enumerate().filter(|call| is_shown(*call)).map(|(_, call)| call.clone()).collect();
    if minor <= 20 {
        shown.truncate(DUMPED);
    } else if let Some(elided) = shown.len().checked_sub(2 * SHOWN).filter(|elided| *elided > 0) {
        shown.splice(SHOWN..SHOWN + elided, [format!("...{elided} frames elided...")]);
    }
    shown
}

#[test]
fn a_dump_is_counted() {
    let dump = "goroutine 7 [select]:\nmain.wait()\n\t/x/y/a/main.go:9 +0x1d\ncreated by main.start in goroutine 1\n\t/x/y/a/main.go:5 +0x1d\n\n\
                goroutine 8 [select]:\nmain.wait()\n\t/x/y/a/main.go:9 +0x1d\ncreated by main.start\n\t/x/y/a/main.go:5 +0x1d\n";
    let creation = Creation { function: "main.start".into(), site: "a/main.go:5".into() };
    assert_eq!(by_creation(dump), BTreeMap::from([(creation, 2)]));
}
