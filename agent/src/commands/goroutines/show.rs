//! What `goroutines` tells. Input noun: [`Answer`]. Output: text. Must not know processes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    super::text::{harmless, table as columns},
    Answer,
};
use crate::{
    model::{GoroutineState, Histogram, RuntimeFigures},
    profile::{self, Group},
};

/// Characters of a value that others chose.
const VALUE: usize = 160;

/// The table: one row for each statement, state and wait; stacks are not shown.
pub(super) fn table(answer: &Answer, top: usize) -> String {
    let mut rows: BTreeMap<Row, u64> = BTreeMap::new();
    for (group, members) in &answer.groups.list {
        *rows.entry(Row::of(answer, group)).or_default() += members.count;
    }
    let mut rows: Vec<(Row, u64)> = rows.into_iter().collect();
    rows.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    let figures = &answer.figures;
    let mut out = format!(
        "{} (pid {}, {}): {} goroutines and {} of the runtime; {} created, {} ended\n\n",
        harmless(&answer.exe, 4096),
        answer.pid,
        answer.go_version,
        figures.goroutines,
        figures.system_goroutines,
        figures.created,
        figures.ended,
    );
    let mut cells = vec![["COUNT", "STATE", "WAIT", "CREATED BY", "FUNCTION"].map(str::to_owned).to_vec()];
    let left_out = rows.len().saturating_sub(top);
    let rest: u64 = rows.iter().skip(top).map(|(_, count)| count).sum();
    cells.extend(rows.into_iter().take(top).map(|(row, count)| row.cells(count)));
    out += &columns(&cells, 0);
    if left_out > 0 {
        out += &format!("\n{rest} more goroutines in {left_out} rows that are not shown (--top)\n");
    }
    if answer.groups.tally.torn > 0 {
        out += &format!("\n{} goroutines changed while they were read, and are left out\n", answer.groups.tally.torn);
    }
    out
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    state: GoroutineState,
    wait: &'static str,
    created_by: String,
    function: String,
}

impl Row {
    fn of(answer: &Answer, group: &Group) -> Self {
        let site = answer.names.site(group.created_at);
        let created_by = site.map_or_else(|| "-".to_owned(), |site| format!("{} {}:{}", site.function, short(&site.file), site.line));
        let function = answer.names.function(group.start).unwrap_or_else(|| "-".to_owned());
        Self { state: group.state, wait: group.wait.map_or("-", |wait| wait.as_str()), created_by, function }
    }

    fn cells(self, count: u64) -> Vec<String> {
        let Self { state, wait, created_by, function } = self;
        vec![count.to_string(), state.as_str().to_owned(), wait.to_owned(), harmless(&created_by, VALUE), harmless(&function, VALUE)]
    }
}

/// The end of a path: directory and file.
fn short(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).and_then(|(at, _)| path.get(at + 1..)).unwrap_or(path)
}

/// Everything, as JSON. Keys may be added, not renamed.
pub(super) fn json(answer: &Answer) -> String {
    let groups = profile::json(&answer.groups, &answer.names);
    let value = json!({
        "pid": answer.pid,
        "exe": answer.exe,
        "go_version": answer.go_version,
        "figures": of_figures(&answer.figures),
        "visited": answer.groups.tally.visited,
        "dead": answer.groups.dead,
        "torn": answer.groups.tally.torn,
        "groups": groups,
    });
    format!("{value:#}\n")
}

fn of_figures(figures: &RuntimeFigures) -> Value {
    json!({
        "goroutines": figures.goroutines,
        "system_goroutines": figures.system_goroutines,
        "created": figures.created,
        "ended": figures.ended,
        "gomaxprocs": figures.gomaxprocs,
        "threads": figures.threads,
        "gc_cycles": figures.gc_cycles,
        "gc_forced_cycles": figures.gc_forced_cycles,
        "gc_pauses": figures.gc_pauses.as_ref().map(of_histogram),
        "gogc": figures.gogc,
        "heap_goal": figures.heap_goal,
        "heap_live": figures.heap_live,
        "memory_limit": figures.memory_limit,
        "allocated_bytes": figures.allocated_bytes,
        "allocations": figures.allocations,
        "stack_bytes": figures.stack_bytes,
        "other_bytes": figures.other_bytes,
        "schedule_latency": figures.schedule_latency.as_ref().map(of_histogram),
        "mutex_wait_ns": figures.mutex_wait_ns,
        "timers": figures.timers,
    })
}

/// Bounds in seconds, the last one null: infinite.
fn of_histogram(histogram: &Histogram) -> Value {
    let buckets: Vec<Value> = histogram.buckets().iter().map(|(bound, count)| json!({ "below": bound, "count": count })).collect();
    json!({ "buckets": buckets, "count": histogram.count(), "sum_estimate": histogram.sum() })
}
