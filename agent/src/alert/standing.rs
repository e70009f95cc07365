//! Which leaks have stood long enough to be told of. Input and output noun: [`Leak`]s, with the time. Pure.
//!
//! What is proven is told at once. What is stuck or live is first told when it has stood for as long as the rule on `goroscope_findings`
//! waits: while a service comes up, or all its clients come back, goroutines that wait for long become more for a minute or two.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::Leak;
use crate::model::Evidence;

/// `for` of the rule.
const HOLD: Duration = Duration::from_secs(120);

/// Leaks that are remembered; of more, none is told that is not proven.
const REMEMBERED: usize = 10_000;

/// Since when each leak stands.
#[derive(Debug, Default)]
pub(super) struct Standing(HashMap<u64, SystemTime>);

impl Standing {
    /// Of all leaks that are known at this time, those that are told of.
    pub(super) fn told(&mut self, mut leaks: Vec<Leak>, at: SystemTime) -> Vec<Leak> {
        let mut known = HashMap::with_capacity(leaks.len().min(REMEMBERED));
        for leak in leaks.iter().take(REMEMBERED) {
            let key = leak.statement();
            known.insert(key, self.0.get(&key).copied().unwrap_or(at));
        }
        self.0 = known;
        leaks.retain(|leak| {
            let since = self.0.get(&leak.statement()).copied().unwrap_or(at);
            leak.evidence == Evidence::Proven || at.duration_since(since).is_ok_and(|stood| stood >= HOLD)
        });
        leaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{
        leaks,
        testing::{NOW, finding, report},
    };

    #[test]
    fn what_is_not_proven_waits_and_begins_anew_when_it_was_gone() {
        let mut standing = Standing::default();
        let mut check = |second: u64, evidence: Option<Evidence>, expected: bool| {
            let found = evidence.map(|evidence| crate::model::Finding { evidence, ..finding("main.wait", "main.leak", 3) });
            let told = standing.told(leaks(&report(&[("web", found.into_iter().collect())])), NOW + Duration::from_secs(second));
            assert_eq!(!told.is_empty(), expected, "after {second} s");
        };
        for (second, evidence, expected) in [
            (0, Some(Evidence::Live), false),
            (60, Some(Evidence::Stuck), false),
            (119, Some(Evidence::Stuck), false),
            (120, Some(Evidence::Live), true),
            (125, None, false),
            (130, Some(Evidence::Stuck), false),
            (131, Some(Evidence::Proven), true),
            (249, Some(Evidence::Stuck), false),
            (250, Some(Evidence::Stuck), true),
        ] {
            check(second, evidence, expected);
        }
    }
}
