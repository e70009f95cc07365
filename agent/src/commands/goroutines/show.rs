//! What `goroutines` tells. Input noun: [`Answer`]. Output: text. Must not know processes.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    super::text::{harmless, table as columns},
    Answer,
};
use crate::{
    model::{Blocked, GoroutineState, Histogram, RuntimeFigures},
    profile::{self, Group},
};

/// Characters of a value that others chose.
const VALUE: usize = 160;

/// The table: one row for each statement, state and wait; stacks are not shown.
pub(super) fn table(answer: &Answer, top: usize) -> String {
    let mut rows: BTreeMap<Row, (u64, Option<Blocked>)> = BTreeMap::new();
    for (group, members) in &answer.groups.list {
        let entry = rows.entry(Row::of(answer, group)).or_default();
        *entry = (entry.0 + members.count, Blocked::join(entry.1, members.blocked));
    }
    let mut rows: Vec<(Row, (u64, Option<Blocked>))> = rows.into_iter().collect();
    rows.sort_by(|(a, (of_a, _)), (b, (of_b, _))| of_b.cmp(of_a).then_with(|| a.cmp(b)));
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
    let mut cells = vec![["COUNT", "STATE", "WAIT", "BLOCKED", "CREATED BY", "FUNCTION"].map(str::to_owned).to_vec()];
    let left_out = rows.len().saturating_sub(top);
    let rest: u64 = rows.iter().skip(top).map(|(_, (count, _))| count).sum();
    cells.extend(rows.into_iter().take(top).map(|(row, (count, blocked))| row.cells(count, blocked)));
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

    fn cells(self, count: u64, time: Option<Blocked>) -> Vec<String> {
        let Self { state, wait, created_by, function } = self;
        vec![
            count.to_string(),
            state.as_str().to_owned(),
            wait.to_owned(),
            time.map_or_else(|| "-".to_owned(), |time| blocked(&time, count)),
            harmless(&created_by, VALUE),
            harmless(&function, VALUE),
        ]
    }
}

/// `2m to 3h`; with how many of them it is known of, if not of all.
fn blocked(time: &Blocked, count: u64) -> String {
    let (shortest, longest) = (age(time.shortest), age(time.longest));
    let times = if shortest == longest { longest } else { format!("{shortest} to {longest}") };
    if time.known < count { format!("{times} ({})", time.known) } else { times }
}

/// In its largest unit, rounded down.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0 => format!("{}ms", age.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |known, shortest, longest, expected: &str| {
            let time = Blocked { known, shortest: Duration::from_millis(shortest), longest: Duration::from_millis(longest) };
            assert_eq!(blocked(&time, 3), expected);
        };
        check(3, 700, 700, "700ms");
        check(3, 5000, 5999, "5s");
        check(3, 61_000, 7_300_000, "1m to 2h");
        check(2, 90_000_000, 90_000_000, "1d (2)");
    }
}
