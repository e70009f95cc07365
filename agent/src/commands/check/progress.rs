//! What a person sees on standard error: a line while it goes on, only on a terminal, and what was found. Input: numbers, findings.
//! Output: text. Must not know the process.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::super::text::harmless;
use crate::model::{Finding, FindingKind};

/// How often the line changes.
const PERIOD: Duration = Duration::from_secs(1);

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
}

/// What was found, for who reads a log.
pub(super) fn summary(findings: &[Finding], pid: u32, watched: Duration) -> String {
    let found = match findings.len() {
        0 => "nothing leaks as far as was seen".to_owned(),
        1 => "1 leak".to_owned(),
        count => format!("{count} leaks"),
    };
    let mut text = format!("process {pid}, watched for {} s: {found}\n", watched.as_secs());
    for finding in findings {
        let what = if finding.kind == FindingKind::Ticker { "tickers" } else { "goroutines" };
        let (place, function) = (harmless(&finding.created_by.place(), NAME), harmless(&finding.created_by.function, NAME));
        let evidence = finding.evidence.as_str();
        text += &format!("  {place} {function}: {} {what}, {evidence}, {:.1} more each second\n", finding.count, finding.slope);
    }
    text
}

/// Bytes of a name that are shown.
const NAME: usize = 120;
