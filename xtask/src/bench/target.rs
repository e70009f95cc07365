//! A Go program of ours that is measured: a running program that ends with its owner, and how far it is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::step::output;

/// A child that is killed when its owner ends, and when this process does, however that is.
pub(super) struct Guard(Child);

impl Guard {
    /// Starts `program`; setpriv makes the kernel end it with us.
    pub(super) fn spawn(program: &Path, set: impl FnOnce(&mut Command)) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
        set(&mut command);
        let child = command.spawn().with_context(|| format!("cannot start {} with setpriv (util-linux)", program.display()))?;
        Ok(Self(child))
    }

    /// Its process id: setpriv becomes the program.
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal by name, each second until it ends: bpftrace 0.17 overlooks one that comes at the wrong moment.
    pub(super) fn end_by(&mut self, signal: &str) -> Result<()> {
        for _ in 0..60 {
            output(Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.pid())]))?;
            for _ in 0..50 {
                if self.0.try_wait()?.is_some() {
                    return Ok(());
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        bail!("process {} does not end by {signal}", self.pid())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The arguments with which taskset runs `program` on processor `cpu` only.
pub(super) fn pinned(cpu: usize, program: &str, arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    ["--cpu-list".to_owned(), cpu.to_string(), program.to_owned()].into_iter().chain(arguments).collect()
}

/// How far a target was at some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Wall clock and CPU time, ns; operations done; goroutines ever started, -1 when its Go does not tell.
    pub(super) wall: f64,
    pub(super) cpu: f64,
    pub(super) operations: f64,
    pub(super) goroutines: f64,
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(|word| word.parse::<f64>().ok());
        let mut next = || words.next().flatten();
        Some(Self { wall: next()?, cpu: next()?, operations: next()?, goroutines: next()? })
    }

    /// CPU time of one operation since `earlier`, ns.
    pub(super) fn cost_since(&self, earlier: &Self) -> f64 {
        (self.cpu - earlier.cpu) / (self.operations - earlier.operations).max(1.0)
    }

    /// Wall clock of one operation since `earlier`, ns.
    pub(super) fn pace_since(&self, earlier: &Self) -> f64 {
        (self.wall - earlier.wall) / (self.operations - earlier.operations).max(1.0)
    }
}

/// A Go program of ours.
pub(super) struct Target {
    guard: Guard,
    lines: Receiver<String>,
    /// What it said behind `ready`.
    pub(super) word: String,
    last: Sample,
}

impl Target {
    /// Starts it and waits until it is ready, if it says so at all (`mode` other than `beat`).
    pub(super) fn start(exe: &Path, arguments: &[&str]) -> Result<Self> {
        let mut guard = Guard::spawn(exe, |command| {
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        })?;
        let out = guard.0.stdout.take().context("no pipe")?;
        let (sender, lines) = channel();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut target = Self { guard, lines, word: String::new(), last: Sample::default() };
        if arguments.first() != Some(&"beat") {
            let line = target.line(Duration::from_secs(20))?;
            target.word = line.strip_prefix("ready").with_context(|| format!("{line} where `ready` is expected"))?.trim().to_owned();
            target.last = Sample::parse(&target.word).unwrap_or_default();
        }
        Ok(target)
    }

    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Its next line.
    pub(super) fn line(&self, patience: Duration) -> Result<String> {
        self.lines.recv_timeout(patience).context("a target is silent")
    }

    /// Lets it begin.
    pub(super) fn go(&mut self) -> Result<()> {
        let input = self.guard.0.stdin.as_mut().context("no pipe")?;
        Ok(input.write_all(b"\n")?)
    }

    /// Its latest sample, at most 100 ms old where it is not slowed down much.
    pub(super) fn now(&mut self) -> Sample {
        while let Ok(line) = self.lines.try_recv() {
            self.last = Sample::parse(line.trim_start_matches("done ")).unwrap_or(self.last);
        }
        self.last
    }

    /// Samples from the last that was asked for, and over the next `length`.
    pub(super) fn watch(&mut self, length: Duration) -> Result<Vec<Sample>> {
        let end = Instant::now() + length;
        let mut samples = vec![self.last];
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => samples.extend(Sample::parse(line.trim_start_matches("done "))),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => bail!("a target ended early"),
            }
        }
        self.last = samples.last().copied().unwrap_or(self.last);
        Ok(samples)
    }

    /// Waits until it is done, and how far it was then.
    pub(super) fn done(&mut self, patience: Duration) -> Result<Sample> {
        loop {
            if let Some(rest) = self.line(patience)?.strip_prefix("done ") {
                return Sample::parse(rest).context("not a sample");
            }
        }
    }
}
