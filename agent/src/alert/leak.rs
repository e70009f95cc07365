//! One leak as it is told: a `go` statement of the processes of one label set, with its evidence. Pure.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher as _},
    time::{Duration, SystemTime},
};

use crate::{
    export::rfc3339,
    model::{Evidence, Finding, FindingKind, GroupReport, Identity, Report, is_harmful},
};

/// Bytes of a function's name in a text.
const NAME: usize = 200;

/// A leak, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// Whose.
    pub identity: Identity,
    /// The uid of the pod; empty where there is none.
    pub pod_uid: String,
    /// What.
    pub kind: FindingKind,
    /// The function that holds the statement.
    pub function: String,
    /// `dir/file.go:line` of the statement.
    pub site: String,
    /// How it is known.
    pub evidence: Evidence,
    /// How many there are.
    pub count: u64,
    /// How many more they become in a second.
    pub slope: f64,
    /// Since when.
    pub since: SystemTime,
    /// Where most of them wait, and for what: function, place, reason.
    pub blocked: Option<(String, String)>,
    /// Why they wait, as Go says it; empty for those that mostly run.
    pub wait_reason: &'static str,
}

/// The leaks of a Report, one for each label set, statement, kind and evidence: as the rule on `goroscope_findings` has them.
#[must_use]
pub fn leaks(report: &Report) -> Vec<Leak> {
    report.groups.iter().flat_map(of_group).collect()
}

fn of_group(group: &GroupReport) -> Vec<Leak> {
    let mut leaks: BTreeMap<(FindingKind, &str, String, Evidence), Leak> = BTreeMap::new();
    let mut findings: Vec<&Finding> = group.findings.iter().collect();
    // The largest place of waiting is the one that is named.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.count));
    for finding in findings {
        let site = finding.created_by.place();
        let key = (finding.kind, finding.created_by.function.as_str(), site.clone(), finding.evidence);
        leaks
            .entry(key)
            .and_modify(|leak| {
                leak.count = leak.count.saturating_add(finding.count);
                leak.slope += finding.slope;
                leak.since = leak.since.min(finding.since);
            })
            .or_insert_with(|| Leak {
                identity: group.identity.clone(),
                pod_uid: group.info.first().map(|info| info.pod_uid.clone()).unwrap_or_default(),
                kind: finding.kind,
                function: clean(&finding.created_by.function),
                site: clean(&site),
                evidence: finding.evidence,
                count: finding.count,
                slope: finding.slope,
                since: finding.since,
                blocked: finding.blocked_in.as_ref().map(|site| (clean(&site.function), clean(&site.place()))),
                wait_reason: finding.wait_reason,
            });
    }
    leaks.into_values().collect()
}

/// A name of a target's own choosing, for people: short and printable.
fn clean(name: &str) -> String {
    let mut name = name.replace(is_harmful, " ");
    name.truncate(name.floor_char_boundary(NAME));
    name
}

impl Leak {
    /// Whether both are of one statement: then the evidence differs at most.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.function, &self.site, &self.identity) == (other.kind, &other.function, &other.site, &other.identity)
    }

    /// A number of the pod and the statement, the same whatever the evidence is.
    pub(super) fn statement(&self) -> u64 {
        self.hasher().finish()
    }

    fn hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        (&self.identity, &self.pod_uid, self.kind, &self.function, &self.site).hash(&mut hasher);
        hasher
    }

    /// A number that is another for each leak, and the same in the next agent: it tells twice the same apart from two.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = self.hasher();
        self.evidence.hash(&mut hasher);
        hasher.finish()
    }

    /// The name of the alert, as the rules on `goroscope_findings` have it.
    #[must_use]
    pub const fn alert_name(&self) -> &'static str {
        match self.kind {
            FindingKind::GoroutineLeak => "GoroscopeGoroutineLeak",
            FindingKind::Ticker => "GoroscopeTickerLeak",
        }
    }

    /// One sentence: which statement.
    #[must_use]
    pub fn summary(&self) -> String {
        let Self { function, site, .. } = self;
        match self.kind {
            FindingKind::GoroutineLeak => {
                format!("The go statement in {function} ({site}) leaks goroutines ({}).", self.evidence.as_str())
            }
            FindingKind::Ticker => format!("{function} ({site}) starts tickers that are never stopped ({}).", self.evidence.as_str()),
        }
    }

    /// All there is to say, in one line.
    #[must_use]
    pub fn description(&self) -> String {
        let Self { count, wait_reason, evidence, .. } = self;
        let mut text = self.summary();
        let _ = write!(text, " {count} {} of {}", self.kind.things(), self.identity.process.replace(is_harmful, " "));
        if let Some((function, place)) = &self.blocked {
            let _ = write!(text, " wait in {function} ({place})");
            if !wait_reason.is_empty() {
                let _ = write!(text, " for: {wait_reason}");
            }
        }
        let _ = write!(text, ". Evidence: {}. ", meaning(*evidence));
        if self.slope.is_finite() && self.slope > 0.0 {
            let _ = write!(text, "They grow by {} an hour. ", (self.slope * 3600.0).round());
        }
        let _ = write!(text, "The first of them began at {}.", rfc3339(self.since));
        text
    }

    /// Since when, but not in the time to come: clocks are set.
    pub(super) fn began(&self, now: SystemTime) -> SystemTime {
        if now.duration_since(self.since).unwrap_or(Duration::ZERO).is_zero() { now } else { self.since }
    }
}

const fn meaning(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Proven => "proven, nothing that can run leads to what they wait on",
        Evidence::Stuck => "stuck, they wait for longer than such waits were ever seen to last",
        Evidence::Live => "live, they go on running, never end and become more",
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{finding, report},
        *,
    };

    #[test]
    fn one_statement_is_one_leak_for_each_evidence() {
        let (small, large, proven) = (finding("main.a", "x", 3), finding("main.b", "x", 5), finding("main.c", "x", 7));
        let small = Finding { since: SystemTime::UNIX_EPOCH, ..small };
        let proven = Finding { evidence: Evidence::Proven, ..proven };
        let other = finding("main.a", "y", 1);
        let found = leaks(&report(&[("web", vec![small, large, proven, other]), ("api", Vec::new())]));
        let found: Vec<_> =
            found.iter().map(|leak| (leak.function.as_str(), leak.evidence.as_str(), leak.count, leak.blocked.clone())).collect();
        let at = |function: &str| Some((function.to_owned(), "leak/main.go:20".to_owned()));
        assert_eq!(found, [("x", "stuck", 8, at("main.b")), ("x", "proven", 7, at("main.c")), ("y", "stuck", 1, at("main.a"))]);
        assert_eq!(leaks(&report(&[("web", vec![finding("main.a", "x", 3)])]))[0].pod_uid, "uid-web");
    }

    #[test]
    fn the_text_names_statement_place_and_evidence() {
        let leak = &leaks(&report(&[("web", vec![finding("main.leak.func1", "main.leak", 120)])]))[0];
        assert_eq!(
            leak.description(),
            "The go statement in main.leak (leak/main.go:13) leaks goroutines (stuck). 120 goroutines of web wait in main.leak.func1 \
             (leak/main.go:20) for: chan receive. Evidence: stuck, they wait for longer than such waits were ever seen to last. They grow \
             by 1800 an hour. The first of them began at 2001-09-09T01:46:40.000Z."
        );
        let live = Leak { blocked: None, slope: f64::NAN, evidence: Evidence::Live, kind: FindingKind::Ticker, ..leak.clone() };
        assert_eq!(
            live.description(),
            "main.leak (leak/main.go:13) starts tickers that are never stopped (live). 120 tickers of web. Evidence: live, they go on \
             running, never end and become more. The first of them began at 2001-09-09T01:46:40.000Z."
        );
        let hostile = finding(&"\n\u{1b}[2J".repeat(500), &"\u{e9}".repeat(500), 1);
        let text = leaks(&report(&[("a\nb", vec![hostile])]))[0].description();
        assert!(text.len() < 1024 && !text.contains(is_harmful), "{}: {text}", text.len());
    }

    #[test]
    fn fingerprints_tell_leaks_apart_and_not_their_numbers() {
        let leak = &leaks(&report(&[("web", vec![finding("main.a", "x", 3)])]))[0];
        let more = Leak { count: 9, slope: 1.0, ..leak.clone() };
        assert!(leak.fingerprint() == more.fingerprint() && leak.is_of(&more));
        let stronger = Leak { evidence: Evidence::Proven, ..leak.clone() };
        assert!(leak.fingerprint() != stronger.fingerprint() && leak.is_of(&stronger));
        let of_other = Leak { pod_uid: "other".to_owned(), ..leak.clone() };
        assert_ne!(leak.fingerprint(), of_other.fingerprint());
    }
}
