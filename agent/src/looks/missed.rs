//! What looks could not see. Input: why a proof failed, that there are more `go` statements than can be followed. Output: how often each
//! happened, what to say of it. Must not know what is looked for.

use std::{collections::BTreeMap, fmt::Display};

use crate::reach::NoProof;

/// Leaks at the `go` statements that came last are not found.
const STATEMENTS: &str = "too_many_go_statements";

/// Of one process.
#[derive(Debug, Default)]
pub(super) struct Missed {
    pid: u32,
    /// Since they were taken last, by reason.
    counts: BTreeMap<&'static str, u64>,
    /// What was said of it, for each reason once.
    said: Vec<&'static str>,
    /// Why there is no proof, and will be none.
    refusal: Option<NoProof>,
}

impl Missed {
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, ..Self::default() }
    }

    /// There is no proof this time.
    pub(super) fn proof(&mut self, error: NoProof) {
        *self.counts.entry(error.reason()).or_default() += 1;
        if error.lasts() {
            self.refusal = Some(error);
            self.say(error.reason(), &error);
        }
    }

    /// There is one, so there may be more.
    pub(super) const fn proven(&mut self) {
        self.refusal = None;
    }

    /// A census met more `go` statements than are followed.
    pub(super) fn statements(&mut self) {
        *self.counts.entry(STATEMENTS).or_default() += 1;
        self.say(STATEMENTS, &"more go statements than can be followed: leaks at those that came last are not found");
    }

    /// Why what is lost or stuck cannot be told of this process, unless it changes.
    pub(super) const fn refusal(&self) -> Option<NoProof> {
        self.refusal
    }

    /// How often, by reason, since this was asked last.
    pub(super) fn take(&mut self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.counts)
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
    fn what_lasts_is_told_until_it_ends() {
        let mut missed = Missed::of(7);
        let large = NoProof::MarksTooLarge { bytes: 2, limit: 1 };
        for error in [NoProof::NeverPreempted { goid: 1 }, large, large] {
            missed.proof(error);
        }
        missed.statements();
        assert_eq!(missed.take(), [("marks_too_large", 2), ("never_preempted", 1), (STATEMENTS, 1)].into());
        assert_eq!((missed.take(), missed.refusal()), ([].into(), Some(large)));
        missed.proven();
        assert_eq!(missed.refusal(), None);
        assert_eq!(missed.said, ["marks_too_large", STATEMENTS], "each once");
    }
}
