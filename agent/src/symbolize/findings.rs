//! Suspects to findings: addresses become statements. Input noun: [`Suspect`]. Output noun: [`Finding`]. Must not know how they were found.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::Symbolizer;
use crate::model::{Finding, FindingKind, RuntimeAddress, Site, Suspect};

/// One finding for each `go` statement and place of waiting, with the strongest evidence; the most certain first, then the largest.
///
/// Several addresses can be one statement: a function that was inlined, or made for several types. `now_ns` and `now` are the same instant.
#[must_use]
pub fn findings(suspects: &[Suspect], symbolizer: &Symbolizer, load_bias: u64, now_ns: u64, now: SystemTime) -> Vec<Finding> {
    let mut found: BTreeMap<(Site, Option<Site>), Finding> = BTreeMap::new();
    for suspect in suspects {
        let created_by = symbolizer
            .holder(suspect.created_at.to_virtual(load_bias))
            .map_or_else(|_| unnamed(suspect.created_at), |site| (*site).clone());
        // Nobody can mend the runtime's own.
        if created_by.function.starts_with("runtime.") {
            continue;
        }
        let blocked_in = suspect.blocked_at.map(|at| {
            let site = symbolizer.waiting(at.to_virtual(load_bias)).ok().flatten();
            site.map_or_else(|| unnamed(at), |site| (*site).clone())
        });
        let since = now.checked_sub(Duration::from_nanos(now_ns.saturating_sub(suspect.since_ns))).unwrap_or(now);
        let finding = Finding {
            kind: FindingKind::GoroutineLeak,
            created_by: created_by.clone(),
            blocked_in: blocked_in.clone(),
            wait_reason: suspect.wait.map_or("", |wait| wait.as_str()),
            evidence: suspect.evidence,
            count: suspect.count,
            slope: suspect.slope,
            since,
            watched: Duration::from_nanos(suspect.watched_ns),
            one_in: suspect.one_in,
            restarts: 0,
            projection: None,
        };
        found.entry((created_by, blocked_in)).and_modify(|known| join(known, &finding)).or_insert(finding);
    }
    let mut findings: Vec<Finding> = found.into_values().collect();
    findings.sort_by(|a, b| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)));
    findings
}

fn join(known: &mut Finding, other: &Finding) {
    if other.evidence > known.evidence || (other.evidence == known.evidence && other.count > known.count) {
        known.wait_reason = other.wait_reason;
    }
    known.evidence = known.evidence.max(other.evidence);
    known.count = known.count.saturating_add(other.count);
    known.slope += other.slope;
    known.since = known.since.min(other.since);
}

/// What is not in the tables: C, or code that was made while running.
fn unnamed(at: RuntimeAddress) -> Site {
    Site { function: format!("{:#x}", at.0), file: "?".to_owned(), line: 0 }
}
