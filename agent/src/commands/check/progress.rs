//! What a person sees on standard error: a line while it goes on, only on a terminal, and what was found. Input: numbers, findings.
//! Output: text. Must not know the process.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::super::text::harmless;
use crate::model::Finding;

/// How often the line changes.
const PERIOD: Duration = Duration::from_secs(1);

/// A shorter watch tells nothing: growth is judged by its parts.
const SHORT: Duration = Duration::from_secs(10);

/// Bytes of a name that are shown.
const NAME: usize = 120;

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    is_terminal: bool,
    began: Instant,
    time: Duration,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn begin(time: Duration) -> Self {
        Self { is_terminal: io::stderr().is_terminal(), began: Instant::now(), time, shown: None }
    }

    /// Shows goroutines followed, proofs made, findings so far; these are asked for only when they are shown.
    pub(super) fn show(&mut self, numbers: impl FnOnce() -> (usize, usize, usize)) {
        if !self.is_terminal || self.shown.is_some_and(|shown| shown.elapsed() < PERIOD) {
            return;
        }
        self.shown = Some(Instant::now());
        let (goroutines, proofs, findings) = numbers();
        let (passed, all) = (self.began.elapsed().as_secs(), self.time.as_secs());
        // Who watches the line may close the terminal: nothing depends on it.
        let _ = write!(io::stderr(), "\r{passed}/{all} s  {goroutines} goroutines  {proofs} proofs  {findings} findings \u{1b}[K");
    }

    pub(super) fn end(&self) {
        if self.shown.is_some() {
            let _ = writeln!(io::stderr());
        }
    }

    /// Says what was found, for who reads a log too.
    pub(super) fn conclude(&self, pid: u32, findings: &[Finding], untold: Option<&str>, partly: &[&str]) {
        let found = match findings.len() {
            // A signal may have ended it.
            0 if self.began.elapsed() + PERIOD < SHORT => {
                "nothing was seen to leak, in too short a time to tell (10s and more do)".to_owned()
            }
            0 if untold.is_some() => "nothing was found".to_owned(),
            0 => "nothing leaks as far as was seen".to_owned(),
            1 => "1 leak".to_owned(),
            count => format!("{count} leaks"),
        };
        let mut text = format!("process {pid}, watched for {:.0} s: {found}\n", self.began.elapsed().as_secs_f64());
        for Finding { kind, created_by, evidence, count, slope, .. } in findings {
            let (place, function) = (harmless(&created_by.place(), NAME), harmless(&created_by.function, NAME));
            text += &format!("  {place} {function}: {count} {}, {}, {slope:.1} more each second\n", kind.things(), evidence.as_str());
        }
        if let Some(untold) = untold.filter(|_| !findings.is_empty()) {
            text += &format!("  there may be more: what is lost, stuck or loops could not be told: {untold}\n");
        }
        for why in partly {
            text += &format!("  there may be more: {why}\n");
        }
        // Where nobody reads it the report is written all the same.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
