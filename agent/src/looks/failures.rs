//! Looks that saw less than they should. Input: why a proof failed, of what there is more than can be followed. Output: how often each
//! happened, what to say of it. Must not know what is looked for.

use std::{collections::BTreeMap, fmt::Display};

use crate::{model::MemoryError, reach::NoProof};

/// Leaks at the `go` statements that came last are not found.
const STATEMENTS: &str = "too_many_go_statements";
/// Who waits or loops is not accused, as a timer may end it.
const UNFOLLOWED: &str = "too_many_timers_to_follow";
/// Who began when there were so many may have come along with one.
const CONNECTIONS: &str = "too_many_connections";
/// /proc could not be read.
const UNLISTED: &str = "proc_unreadable";

/// What it means that something is looked at in part.
const PARTLY: [(&str, &str); 4] = [
    (STATEMENTS, "more go statements than can be followed: leaks at those that came last are not found"),
    (UNFOLLOWED, "more timers and sleepers than can be followed: only what is proven is told"),
    (CONNECTIONS, "more connections than can be remembered: who began when there were is not called stuck or live"),
    (UNLISTED, "/proc could not be read at times"),
];

/// Of one process.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pid: u32,
    /// Since they were taken last, by reason.
    counts: BTreeMap<&'static str, u64>,
    /// What was said of it, for each reason once.
    said: Vec<&'static str>,
    /// Why the last proof failed, if it did.
    last: Option<NoProof>,
}

impl Failures {
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, ..Self::default() }
    }

    /// There is no proof this time. What may be otherwise at the next try is no loss if it is, nor the end of the process.
    pub(super) fn proof(&mut self, error: NoProof) {
        if error == NoProof::Memory(MemoryError::Gone) {
            return;
        }
        let again = self.last.replace(error).is_some();
        if error.lasts() || again {
            *self.counts.entry(error.reason()).or_default() += 1;
        }
        if error.lasts() {
            self.say(error.reason(), &error);
        }
    }

    /// There is one, so there may be more.
    pub(super) const fn proven(&mut self) {
        self.last = None;
    }

    /// A census met more `go` statements than are followed.
    pub(super) fn statements(&mut self) {
        self.partly_seen(STATEMENTS);
    }

    /// There are more connections than are remembered.
    pub(super) fn connections(&mut self) {
        self.partly_seen(CONNECTIONS);
    }

    /// A proof could not follow all that timers and sleepers lead to.
    pub(super) fn unfollowed(&mut self) {
        self.partly_seen(UNFOLLOWED);
    }

    /// Whether the process is still there could not be told.
    pub(super) fn unlisted(&mut self) {
        self.partly_seen(UNLISTED);
    }

    /// Why the last proof failed, if it did.
    pub(super) const fn last(&self) -> Option<NoProof> {
        self.last
    }

    /// What was looked at in part, in words.
    pub(super) fn partly(&self) -> Vec<&'static str> {
        PARTLY.iter().filter(|(reason, _)| self.said.contains(reason)).map(|(_, words)| *words).collect()
    }

    /// How often, by reason, since this was asked last.
    pub(super) fn take(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.counts)
    }

    fn partly_seen(&mut self, reason: &'static str) {
        *self.counts.entry(reason).or_default() += 1;
        for (_, words) in PARTLY.iter().filter(|(of, _)| *of == reason) {
            self.say(reason, words);
        }
    }

    fn say(&mut self, reason: &'static str, detail: &impl Display) {
        if !self.said.contains(&reason) {
            self.said.push(reason);
            tracing::warn!(pid = self.pid, reason, "leaks are looked for in part only: {detail}; said once");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_or_comes_again_is_counted() {
        let mut failures = Failures::of(7);
        let (large, running) = (NoProof::MarksTooLarge { bytes: 2, limit: 1 }, NoProof::NeverPreempted { goid: 1 });
        for error in [Some(running), None, Some(running), Some(running), Some(large), Some(large), Some(NoProof::Memory(MemoryError::Gone))]
        {
            match error {
                Some(error) => failures.proof(error),
                None => failures.proven(),
            }
        }
        failures.statements();
        (0..2).for_each(|_| failures.unfollowed());
        failures.unlisted();
        failures.connections();
        let counts = [("marks_too_large", 2), ("never_preempted", 1), (STATEMENTS, 1), (UNFOLLOWED, 2), (UNLISTED, 1), (CONNECTIONS, 1)];
        assert_eq!(failures.take(), counts.into());
        assert_eq!((failures.take(), failures.last()), ([].into(), Some(large)));
        failures.proven();
        assert_eq!(failures.last(), None);
        assert_eq!(failures.said, ["marks_too_large", STATEMENTS, UNFOLLOWED, UNLISTED, CONNECTIONS], "each once");
        assert_eq!(failures.partly().len(), 4);
    }
}
