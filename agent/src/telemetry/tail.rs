//! The last lines of the log in memory: where standard error is a terminal on which something else is drawn, they wait here.
//!
//! In: formatted lines. Out: the last of them; at the end, warnings on standard error. Must not know: what draws.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::{MakeWriter, format::Writer, time::FormatTime};

/// Lines that are kept.
const LINES: usize = 100;
/// Warnings that are told at the end.
const WARNINGS: usize = 20;
/// Bytes of a line that are kept.
const BYTES: usize = 1000;

/// The last lines. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// While held.
    warnings: VecDeque<String>,
    held: bool,
}

/// While this lives, standard error is silent, where it is a terminal. Then the last warnings of that time are told there.
#[derive(Debug)]
pub struct Hold(Tail);

impl Tail {
    /// The last lines, oldest first.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.kept().lines.iter().cloned().collect()
    }

    /// Keeps lines from the terminal. Where standard error is something else, nothing changes.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.kept().held = io::stderr().is_terminal();
        Hold(self.clone())
    }

    pub(super) fn is_held(&self) -> bool {
        self.kept().held
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A line was lost with the thread that panicked; the others are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The warnings since it was held.
    fn release(&self) -> Vec<String> {
        let mut kept = self.kept();
        kept.held = false;
        kept.warnings.drain(..).collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for line in self.0.release() {
            // Nobody may read any more.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}

/// Takes one event: a line, or, where a value has line breaks, several.
#[derive(Debug)]
pub struct Event<'a> {
    tail: &'a Tail,
    is_warning: bool,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Tail {
    type Writer = Event<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Event { tail: self, is_warning: false, text: Vec::new() }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Event { tail: self, is_warning: *meta.level() <= Level::WARN, text: Vec::new() }
    }
}

impl io::Write for Event<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BYTES.saturating_sub(self.text.len());
        self.text.extend(bytes.iter().take(room));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        let mut kept = self.tail.kept();
        for line in String::from_utf8_lossy(&self.text).lines() {
            keep(&mut kept.lines, line, LINES);
            if kept.held && self.is_warning {
                keep(&mut kept.warnings, line, WARNINGS);
            }
        }
    }
}

fn keep(lines: &mut VecDeque<String>, line: &str, most: usize) {
    while lines.len() >= most {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

/// The time of day, UTC: a view has no room for the date.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
        write!(writer, "{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

    use super::*;

    fn log(tail: &Tail, write: impl FnOnce()) {
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).without_time().with_writer(tail.clone()).boxed();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), write);
    }

    #[test]
    fn the_last_lines_are_kept_and_warnings_told() {
        let tail = Tail::default();
        log(&tail, || tracing::warn!("before"));
        tail.kept().held = true;
        log(&tail, || {
            tracing::info!(pid = 7, "attached");
            tracing::error!("lost {}", "x".repeat(2 * BYTES));
        });
        assert_eq!(tail.last().get(..2).unwrap(), [" WARN before", " INFO attached pid=7"]);
        let told = tail.release();
        assert_eq!((told.len(), told.first().unwrap().len()), (1, BYTES));
        assert!(told.first().unwrap().starts_with("ERROR lost xxx"));
    }

    #[test]
    fn lines_are_few() {
        let tail = Tail::default();
        tail.kept().held = true;
        log(&tail, || (0..1000).for_each(|n| tracing::warn!(n)));
        assert_eq!(tail.last().len(), LINES);
        assert_eq!(tail.last().last().unwrap(), " WARN n=999");
        let told = tail.release();
        assert_eq!((told.len(), told.first().unwrap().as_str()), (WARNINGS, " WARN n=980"));
        assert!(!tail.is_held() && tail.release().is_empty());
    }
}
