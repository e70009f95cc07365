//! What a person who waits sees: one line on standard error. Input: numbers. Output: text, only on a terminal. Must not know the process.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

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
