//! A running target program.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::Value;

use super::{DEADLINE, wait_until};

/// A target program: it says "ready PID", then answers each line with one line. Killed when dropped.
pub struct Target {
    /// Its process id.
    pub pid: u32,
    /// What it runs.
    pub executable: PathBuf,
    /// What followed "ready PID" on its first line.
    pub first: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// What a target program says it has done: the counters of the agent by short names, and its sites by family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// `goroutine_starts`, `map_writes.fast32`, ...
    pub totals: BTreeMap<String, u64>,
    /// `goroutine`, `map`, `timer` to functions to numbers; no zeros.
    pub sites: BTreeMap<String, BTreeMap<String, u64>>,
    /// The program cannot tell what exactly it did; to be repeated.
    pub ambiguous: bool,
}

impl Target {
    /// Runs `executable` and waits until it is ready.
    pub fn spawn(executable: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(executable)
            .args(arguments)
            // A program built with -race need not be free of races.
            .env("GORACE", "report_bugs=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", executable.display()));
        let input = child.stdin.take();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut target = Self { pid: child.id(), executable: executable.to_owned(), first: String::new(), child, input, lines };
        target.first = target.ready();
        target
    }

    /// Waits for "ready PID" and gives what follows it.
    pub fn ready(&self) -> String {
        let line = self.line();
        let expected = format!("ready {}", self.pid);
        line.strip_prefix(&expected).unwrap_or_else(|| panic!("{} said {line:?}", self.executable.display())).trim().to_owned()
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|error| panic!("{} (pid {}) says nothing: {error}", self.executable.display(), self.pid))
    }

    /// Sends it a line.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").and_then(|()| input.flush()).unwrap_or_else(|error| panic!("pid {} does not read: {error}", self.pid));
    }

    /// Lets it work, and reads what it answers.
    pub fn go_text(&mut self, seed: u64) -> String {
        self.send(&format!("go {seed}"));
        self.line()
    }

    /// Lets it work, and reads what it has counted.
    pub fn go(&mut self, seed: u64) -> Counts {
        Counts::parse(&self.go_text(seed))
    }

    /// Ends its input.
    pub fn end(&mut self) {
        drop(self.input.take());
    }

    /// Ends its input, and waits until it has ended by itself, with success.
    pub fn finish(mut self) {
        drop(self.input.take());
        wait_until("a target program ends at the end of its input", || {
            self.child.try_wait().unwrap().inspect(|status| assert!(status.success(), "a target program ended with {status}")).is_some()
        });
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Counts {
    /// What each counter rose by since `before`.
    pub fn risen_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let difference = |(name, now): (&String, &u64)| (name.clone(), now.checked_sub(before.totals[name]).expect("a counter fell"));
        self.totals.iter().map(difference).collect()
    }

    /// Reads a program's line of JSON.
    pub fn parse(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON from the target ({error}): {line}"));
        let mut counts = Self { ambiguous: json["ambiguous"].as_u64() == Some(1), ..Self::default() };
        for name in TOTALS {
            let value = name.split('.').try_fold(&json, |value, key| value.get(key));
            if let Some(value) = value.and_then(Value::as_u64) {
                counts.totals.insert(name.to_owned(), value);
            }
        }
        for (family, sites) in json["sites"].as_object().into_iter().flatten() {
            let sites = sites.as_object().unwrap().iter().map(|(function, count)| (function.clone(), count.as_u64().unwrap()));
            counts.sites.insert(family.clone(), sites.collect());
        }
        counts
    }

    /// All events together, sites not counted twice.
    pub fn events(&self) -> u64 {
        self.totals.values().sum()
    }
}

/// Every counter that the agent has of a process, as target programs call them.
pub const TOTALS: [&str; 13] = [
    "goroutine_starts",
    "goroutine_exits",
    "map_writes.fast32",
    "map_writes.fast64",
    "map_writes.faststr",
    "map_writes.generic",
    "map_deletes",
    "map_clears",
    "timer_starts",
    "timer_stops",
    "timer_resets",
    "timer_fires",
    "sleeps",
];
