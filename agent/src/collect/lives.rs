//! Leaks that go on over restarts: a program that leaks until it is killed, and is started again. Input: the leaks of processes as they
//! are known, and as they were when the process ended, by label set; the time with each. Output: how often a leak has ended its process,
//! and since when it is there. Must not know how leaks are found; has no clock.
//!
//! A restart is a process of the same workload that began after another one with the same leak had ended. Replicas, which live at the
//! same time, are none of each other. A workload is a label set without container and pid, which change with a restart. A leak is
//! mended, and forgotten, when a process lived as long as the shortest that had it, and ended without.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::model::{Finding, FindingKind, Identity, Site};

/// A leak of which nothing was seen for so long is forgotten.
const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// Workloads that are remembered, and leaks of each.
const WORKLOADS: usize = 4096;
const LEAKS: usize = 64;
/// When processes begin is known to a tick of the kernel, when they end to a message.
const SLACK: Duration = Duration::from_secs(2);

/// One leak, whatever process it is in.
type Leak = (FindingKind, Site, Option<Site>);

/// What is known of one leak of one workload.
#[derive(Clone, Debug)]
struct Past {
    /// When each of the processes with it ended, the last few.
    ended: Vec<SystemTime>,
    /// Those before, which are too many to be kept one by one.
    earlier: u64,
    /// Since when it is there.
    since: SystemTime,
    /// The shortest life of a process that had it.
    shortest: Duration,
}

/// All leaks of processes that have ended.
#[derive(Debug, Default)]
pub struct Lives(BTreeMap<Identity, BTreeMap<Leak, Past>>);

impl Lives {
    /// A process of these labels that began at `started_at` has ended at `now` with these leaks.
    pub fn end(&mut self, identity: &Identity, started_at: SystemTime, findings: &[Finding], now: SystemTime) {
        self.forget(now);
        let workload = workload(identity);
        if !self.0.contains_key(&workload) && (findings.is_empty() || self.0.len() >= WORKLOADS) {
            return;
        }
        let lived = now.duration_since(started_at).unwrap_or_default();
        let leaks = self.0.entry(workload).or_default();
        leaks.retain(|leak, past| lived < past.shortest || findings.iter().any(|finding| is_leak(finding, leak)));
        for finding in findings {
            let full = leaks.len() >= LEAKS;
            match leaks.entry((finding.kind, finding.created_by.clone(), finding.blocked_in.clone())) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut().end(finding.since, lived, now),
                std::collections::btree_map::Entry::Vacant(entry) if !full => {
                    entry.insert(Past { ended: vec![now], earlier: 0, since: finding.since, shortest: lived });
                }
                std::collections::btree_map::Entry::Vacant(_) => {}
            }
        }
    }

    /// Tells the leaks of a living process, which began at `started_at`, what is known of their past.
    pub fn tell(&self, identity: &Identity, started_at: SystemTime, findings: &mut [Finding]) {
        let Some(leaks) = self.0.get(&workload(identity)) else { return };
        for finding in findings {
            let Some((_, past)) = leaks.iter().find(|(leak, _)| is_leak(finding, leak)) else { continue };
            let before = past.ended.iter().filter(|ended| **ended <= started_at + SLACK).count();
            if before > 0 {
                finding.restarts = past.earlier + before as u64;
                finding.since = finding.since.min(past.since);
            }
        }
    }

    fn forget(&mut self, now: SystemTime) {
        self.0.retain(|_, leaks| {
            leaks.retain(|_, past| past.ended.last().is_some_and(|last| now.duration_since(*last).unwrap_or_default() < KEPT));
            !leaks.is_empty()
        });
    }
}

impl Past {
    fn end(&mut self, since: SystemTime, lived: Duration, now: SystemTime) {
        // As many as replicas may end together: which of them were before a process is known of these only.
        const ENDS: usize = 64;
        if self.ended.len() >= ENDS {
            self.ended.remove(0);
            self.earlier += 1;
        }
        self.ended.push(now);
        self.since = self.since.min(since);
        self.shortest = self.shortest.min(lived);
    }
}

fn is_leak(finding: &Finding, (kind, created_by, blocked_in): &Leak) -> bool {
    (finding.kind, &finding.created_by, &finding.blocked_in) == (*kind, created_by, blocked_in)
}

/// The labels that a restart does not change.
fn workload(identity: &Identity) -> Identity {
    // In a pod it is the container's name, which stays; elsewhere an id.
    let container = identity.container.clone().filter(|_| identity.pod.is_some());
    Identity { container, pid: None, ..identity.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Evidence;

    fn at(minute: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute)
    }

    fn identity(container: &str) -> Identity {
        Identity { process: "api".into(), container: Some(container.into()), ..Identity::default() }
    }

    fn leak(line: u32, since: u64) -> Finding {
        Finding {
            kind: FindingKind::GoroutineLeak,
            created_by: Site { function: "main.serve".into(), file: "main.go".into(), line },
            blocked_in: None,
            wait_reason: "chan receive",
            period: None,
            evidence: Evidence::Stuck,
            count: 40,
            slope: 0.01,
            since: at(since),
            watched: Duration::from_secs(600),
            one_in: 1,
            restarts: 0,
            projection: None,
        }
    }

    /// How many restarts, and since which minute, a process that began then is told of a leak that it has since `since`.
    fn check(lives: &Lives, container: &str, started: u64, since: u64, expected: (u64, u64)) {
        let mut findings = [leak(7, since)];
        lives.tell(&identity(container), at(started), &mut findings);
        assert_eq!((findings[0].restarts, findings[0].since), (expected.0, at(expected.1)));
    }

    #[test]
    fn a_leak_that_kills_its_process_again_and_again() {
        let mut lives = Lives::default();
        check(&lives, "a", 0, 1, (0, 1));
        // Six hours: each hour it is killed, and runs again a minute later, in another container.
        for hour in 0..6 {
            let started = hour * 60;
            check(&lives, &hour.to_string(), started, started + 5, (hour, 5));
            lives.end(&identity(&hour.to_string()), at(started), &[leak(7, started + 5)], at(started + 59));
        }
        // A replica that lived beside the last two.
        check(&lives, "replica", 250, 255, (4, 5));
        // Another statement, another program.
        let mut findings = [leak(8, 361)];
        lives.tell(&identity("x"), at(360), &mut findings);
        assert_eq!(findings[0].restarts, 0);
        let mut findings = [leak(7, 361)];
        lives.tell(&Identity { process: "web".into(), ..Identity::default() }, at(360), &mut findings);
        assert_eq!(findings[0].restarts, 0);
    }

    #[test]
    fn a_leak_that_was_mended_is_forgotten() {
        let mut lives = Lives::default();
        lives.end(&identity("a"), at(0), &[leak(7, 5)], at(60));
        // Too short a life to tell.
        lives.end(&identity("b"), at(61), &[], at(100));
        check(&lives, "c", 101, 110, (1, 5));
        lives.end(&identity("c"), at(101), &[], at(161));
        check(&lives, "d", 162, 170, (0, 170));
        assert!(lives.0[&workload(&identity("a"))].is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut lives = Lives::default();
        for line in 0..200 {
            lives.end(&identity("a"), at(0), &[leak(7, 0), leak(8 + line, 0)], at(60));
        }
        let leaks = &lives.0[&workload(&identity("a"))];
        assert!(leaks.len() <= LEAKS);
        check(&lives, "b", 61, 62, (200, 0));
        lives.end(&identity("b"), at(61), &[], at(60 + 8 * 24 * 60));
        assert!(lives.0.is_empty(), "after a week");
    }
}
