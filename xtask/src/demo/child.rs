//! A process that the demo has started: it ends when its [`Child`] is dropped, and when the demo is killed.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::paths::on_path;

/// Lines of a child's standard error that are kept, for the message when it fails.
const KEPT: usize = 12;

/// How long a child may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running process.
pub(crate) struct Child {
    pub(super) name: String,
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    /// Lines of its standard output.
    lines: Receiver<String>,
    /// The last lines of its standard error.
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts `program` in a process group of its own, so that Ctrl-C reaches the demo only.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = mortal(program);
        command.args(arguments).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Everything runs at its defaults, whatever is set where the demo runs.
        for (variable, _) in std::env::vars_os().filter(|(name, _)| is_a_setting(&name.to_string_lossy())) {
            command.env_remove(variable);
        }
        let mut process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let (sender, lines) = channel();
        if let Some(stdout) = process.stdout.take() {
            thread::spawn(move || pass_on(stdout, &sender));
        }
        let log = Arc::<Mutex<VecDeque<String>>>::default();
        if let Some(stderr) = process.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || keep(stderr, &log));
        }
        let stdin = process.stdin.take();
        Ok(Self { name, process, stdin, lines, log })
    }

    /// Its process id: the program's own, from its exec on.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// It does not read any more.
    pub(super) fn tell(&mut self, line: &str) -> Result<()> {
        let Some(stdin) = &mut self.stdin else { return Ok(()) };
        writeln!(stdin, "{line}").with_context(|| format!("{} does not listen any more", self.name))
    }

    /// The next line of its standard output, if there is one already.
    pub(super) fn line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It has ended: with what status, and what it said last.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.process.try_wait().with_context(|| format!("cannot ask for {}", self.name))? else { return Ok(()) };
        bail!("{} (pid {}) has ended with {status}{}", self.name, self.process.id(), self.said());
    }

    /// What it said last, indented, with a heading; empty when it said nothing.
    pub(crate) fn said(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.is_empty() {
            return String::new();
        }
        let lines: Vec<&str> = log.iter().map(String::as_str).collect();
        format!("; it said last:\n    {}", lines.join("\n    "))
    }

    /// Ends it, gently first: an end of its standard input, then SIGTERM, then SIGKILL.
    fn end(&mut self) {
        drop(self.stdin.take());
        for signal in [Signal::TERM, Signal::KILL] {
            // A child that was waited for has no pid any more; try_wait comes first, so this one is still ours.
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            if let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// A command for `program` that gets SIGTERM when the demo dies without a chance to clean up (kill -9), where util-linux is there.
fn mortal(program: &Path) -> Command {
    let Some(setpriv) = on_path("setpriv") else { return Command::new(program) };
    let probe = Command::new(&setpriv).args(["--pdeathsig", "TERM", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// Whether a variable changes what the agent or a Go program does.
fn is_a_setting(name: &str) -> bool {
    name.starts_with("GOROSCOPE_") || ["GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "RUST_LOG"].contains(&name)
}

fn pass_on(stdout: impl Read, lines: &Sender<String>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        if lines.send(line).is_err() {
            return;
        }
    }
}

fn keep(stderr: impl Read, log: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(super::text::printable(&String::from_utf8_lossy(&line), 400));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Child {
        Child::start(Path::new("/bin/sh"), &["-c", script]).unwrap()
    }

    fn runs(pid: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn await_line(child: &Child, expected: &str) {
        assert_eq!(child.lines.recv_timeout(PATIENCE).unwrap(), expected);
    }

    #[test]
    fn what_is_dropped_has_ended() {
        let mut child = sh("echo ready; while read -r line; do echo \"got $line\"; done; exec sleep 600");
        await_line(&child, "ready");
        child.tell("go").unwrap();
        await_line(&child, "got go");
        child.check().unwrap();
        let pid = child.pid();
        drop(child);
        assert!(!runs(pid));
    }

    #[test]
    fn a_panic_ends_it_too() {
        let (sender, receiver) = channel();
        let panicked = thread::spawn(move || {
            let child = sh("echo ready; exec sleep 600");
            await_line(&child, "ready");
            sender.send(child.pid()).unwrap();
            panic!("as this test wants it");
        });
        let pid = receiver.recv().unwrap();
        assert!(panicked.join().is_err());
        assert!(!runs(pid));
    }

    #[test]
    fn an_end_is_told_with_the_last_words() {
        let mut child = sh("echo one >&2; echo two >&2; exit 3");
        // Its log is read by a thread of its own: the end of the output comes last.
        while child.log.lock().unwrap().len() < 2 {
            thread::yield_now();
        }
        let error = loop {
            if let Err(error) = child.check() {
                break error.to_string();
            }
        };
        assert!(error.starts_with("sh (pid ") && error.ends_with("exit status: 3; it said last:\n    one\n    two"), "{error}");
    }
}
