//! What a Go process itself says of its goroutines: the dump that its runtime writes at SIGABRT, as the truth to compare with.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
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

#[test]
fn a_dump_is_counted() {
    let dump = "goroutine 7 [select]:\nmain.wait()\n\t/x/y/a/main.go:9 +0x1d\ncreated by main.start in goroutine 1\n\t/x/y/a/main.go:5 +0x1d\n\n\
                goroutine 8 [select]:\nmain.wait()\n\t/x/y/a/main.go:9 +0x1d\ncreated by main.start\n\t/x/y/a/main.go:5 +0x1d\n";
    let creation = Creation { function: "main.start".into(), site: "a/main.go:5".into() };
    assert_eq!(by_creation(dump), BTreeMap::from([(creation, 2)]));
}
