//! Leaks that were found: one series for each `go` statement, kind and evidence.
//!
//! In: a [`GroupReport`]'s findings. Out: a chunk of samples for the series limit. Must not know: formats, how a leak is found.

use std::sync::Arc;

use super::{
    family::{Descriptor, Label, Labels, Sample, Value},
    limit::{Chunk, Detail},
};
use crate::model::Finding;

/// Findings of one label set that are shown: the most certain and largest of them.
const SHOWN: usize = 20;

static FINDINGS: Descriptor = Descriptor::gauge(
    "goroscope_findings",
    "Goroutines that leak, by the go statement that makes them (created_by: its function, site: dir/file.go:line) and by evidence: proven \
     (nothing that can run leads to what they wait on), stuck (waiting longer than waits of their kind were ever seen to last) or live \
     (they run, never end, and become more). As many as the last look found: for proven and live those whom the last proof met, which comes when a \
     third more wait or loop. Gone when they are.",
);
static LIMIT: Descriptor = Descriptor::gauge(
    "goroscope_memory_limit_reached_seconds",
    "In how many seconds a process that leaks comes to the limit of its memory, growing as it does: the first of those processes and of \
     its limits (limit: cgroup or gomemlimit). Absent where nothing leaks, nothing grows, or no limit is known.",
);

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 2] = [&FINDINGS, &LIMIT];

/// All samples of one label set.
pub(super) fn chunk(findings: &[Finding], labels: &Arc<[Label]>) -> Chunk {
    let samples = findings.iter().take(SHOWN).map(|finding| {
        let labels = Labels::shared(labels)
            .with("kind", finding.kind.as_str())
            .with("evidence", finding.evidence.as_str())
            .with("created_by", &finding.created_by.function)
            .with("site", &finding.created_by.place());
        (&FINDINGS, Sample::new(labels, Value::Count(finding.count)))
    });
    let first = findings.iter().filter_map(|finding| finding.projection).min_by_key(|projection| projection.reached_in);
    let limit = first.map(|first| {
        let labels = Labels::shared(labels).with("limit", first.limit.kind.as_str());
        (&LIMIT, Sample::new(labels, Value::Float(first.reached_in.as_secs_f64().round())))
    });
    Chunk { detail: Detail::Totals, samples: samples.chain(limit).collect() }
}
