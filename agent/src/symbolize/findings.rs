//! Suspects to findings: addresses become statements. Input noun: [`Suspect`]. Output noun: [`Finding`]. Must not know how they were found.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::Symbolizer;
use crate::model::{Evidence, Finding, FindingKind, RuntimeAddress, Site, Suspect, TickerSuspect};

/// One finding for each `go` statement and place of waiting, with the strongest evidence; the most certain first, then the largest.
///
/// Several addresses can be one statement, of functions of several names: one that was inlined, or made for several types. `now_ns` and
/// `now` are the same instant.
#[must_use]
pub fn findings(suspects: &[Suspect], symbolizer: &Symbolizer, load_bias: u64, now_ns: u64, now: SystemTime) -> Vec<Finding> {
    let mut found: BTreeMap<(Statement, Option<Statement>), Finding> = BTreeMap::new();
    for suspect in suspects {
        let created_by = symbolizer
            .holder(suspect.created_at.to_virtual(load_bias))
            .map_or_else(|_| unnamed(suspect.created_at), |site| (*site).clone());
        // Nobody can mend the runtime's own.
        if created_by.function.starts_with("runtime.") {
            continue;
        }
        let blocked_in = suspect.blocked_at.map(|at| {
            let (at_virtual, named) = (at.to_virtual(load_bias), |site: Result<_, _>| site.ok().flatten());
            let site = named(symbolizer.waiting(at_virtual)).or_else(|| named(symbolizer.passing(at_virtual)));
            site.map_or_else(|| unnamed(at), |site| (*site).clone())
        });
        let since = now.checked_sub(Duration::from_nanos(now_ns.saturating_sub(suspect.since_ns))).unwrap_or(now);
        let finding = Finding {
            kind: FindingKind::GoroutineLeak,
            created_by,
            blocked_in,
            wait_reason: suspect.wait.map_or("", |wait| wait.as_str()),
            period: None,
            evidence: suspect.evidence,
            count: suspect.count,
            slope: suspect.slope,
            since,
            watched: Duration::from_nanos(suspect.watched_ns),
            one_in: suspect.one_in,
            restarts: 0,
            projection: None,
        };
        let key = (statement(&finding.created_by), finding.blocked_in.as_ref().map(statement));
        found.entry(key).and_modify(|known| join(known, &finding)).or_insert(finding);
    }
    let mut findings: Vec<Finding> = found.into_values().collect();
    findings.sort_by(|a, b| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)));
    findings
}

/// One finding for each statement that makes tickers which nobody stops; `site` says which it is, by the period in ns. `now_ns` and `now`
/// are the same instant.
#[must_use]
pub fn ticker_findings(suspects: &[TickerSuspect], site: &dyn Fn(u64) -> Site, now_ns: u64, now: SystemTime) -> Vec<Finding> {
    let mut found: BTreeMap<Site, Finding> = BTreeMap::new();
    for suspect in suspects {
        let finding = Finding {
            kind: FindingKind::Ticker,
            created_by: site(suspect.period_ns),
            blocked_in: None,
            wait_reason: "",
            period: Some(Duration::from_nanos(suspect.period_ns)),
            evidence: Evidence::Proven,
            count: suspect.count,
            slope: suspect.slope,
            since: now.checked_sub(Duration::from_nanos(now_ns.saturating_sub(suspect.since_ns))).unwrap_or(now),
            watched: Duration::from_nanos(suspect.watched_ns),
            one_in: 1,
            restarts: 0,
            projection: None,
        };
        found.entry(finding.created_by.clone()).and_modify(|known| join(known, &finding)).or_insert(finding);
    }
    let mut findings: Vec<Finding> = found.into_values().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.count));
    findings
}

/// A line of the source; of what has none, its name.
type Statement = (String, u32, String);

fn statement(site: &Site) -> Statement {
    let name = if site.line == 0 { site.function.clone() } else { String::new() };
    (site.file.clone(), site.line, name)
}

/// Of two names of one function the one that is its own: that of a copy has more in front.
fn name(known: &mut Site, other: &Site) {
    if (other.function.len(), &other.function) < (known.function.len(), &known.function) {
        known.function.clone_from(&other.function);
    }
}

fn join(known: &mut Finding, other: &Finding) {
    name(&mut known.created_by, &other.created_by);
    if let (Some(known), Some(other)) = (&mut known.blocked_in, &other.blocked_in) {
        name(known, other);
    }
    if other.evidence > known.evidence || (other.evidence == known.evidence && other.count > known.count) {
        known.wait_reason = other.wait_reason;
    }
    known.period = known.period.filter(|period| Some(*period) == other.period);
    known.evidence = known.evidence.max(other.evidence);
    known.count = known.count.saturating_add(other.count);
    known.slope += other.slope;
    known.since = known.since.min(other.since);
}

/// What is not in the tables: C, or code that was made while running.
fn unnamed(at: RuntimeAddress) -> Site {
    Site { function: format!("{:#x}", at.0), file: "?".to_owned(), line: 0 }
}
