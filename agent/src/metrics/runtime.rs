//! What the runtimes of Go processes know of themselves: families of [`RuntimeGauges`] and [`RuntimeCounters`].
//!
//! In: a [`GroupReport`]. Out: chunks of samples for the series limit. Must not know: formats, how memory is read.
//!
//! Names that begin with `go_` are the OpenTelemetry semantic conventions' (semconv 1.43), as Prometheus writes them. A figure that a
//! process' Go version does not keep gives no series.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    family::{Descriptor, Label, Labels, Merge, Sample, Value},
    limit::{Chunk, Detail},
};
use crate::model::{GroupReport, RuntimeCounters, RuntimeGauges};

static GOROUTINES: Descriptor = Descriptor::gauge(
    "go_goroutine_count",
    "Live goroutines, as runtime.NumGoroutine counts them: without the runtime's own, which are in goroscope_system_goroutines. Read \
     from the process' memory at goroscope_last_read_timestamp_seconds; exact.",
)
.things("goroutine");
static SYSTEM_GOROUTINES: Descriptor =
    Descriptor::gauge("goroscope_system_goroutines", "Live goroutines of the Go runtime itself, such as the collector's workers.");
static BY_STATE: Descriptor = Descriptor::gauge(
    "goroscope_goroutines_by_state",
    "Live goroutines, the runtime's own included, by what they do: running, runnable (waiting for a processor), waiting, or not_in_go (in \
     a system call or in C).",
);
static WAITING: Descriptor = Descriptor::gauge(
    "goroscope_goroutines_waiting",
    "Goroutines that wait, the runtime's own included, by what for, in the runtime's words. runtime is what only the runtime waits for, \
     forever is a nil channel or a select without cases.",
);
static BY_SITE: Descriptor = Descriptor::gauge(
    "goroscope_goroutines_by_site",
    "Live goroutines, the runtime's own included, by the function that holds the go statement: the largest 20 by name, the rest as other.",
);
static LAST_READ: Descriptor = Descriptor::gauge(
    "goroscope_last_read_timestamp_seconds",
    "When the memory of the process was last read, in seconds since 1970: the age of everything that comes from there. The oldest where a \
     series stands for several processes.",
)
.unit("seconds")
.merge(Merge::Min);
static PROCESSORS: Descriptor = Descriptor::gauge(
    "go_processor_limit",
    "Threads that can run Go code at once (GOMAXPROCS). The largest where a series stands for several processes.",
)
.things("thread")
.merge(Merge::Max);
static THREADS: Descriptor =
    Descriptor::gauge("goroscope_threads", "Threads of the operating system that the Go runtime made and that have not ended.");
static GOGC: Descriptor = Descriptor::gauge(
    "go_config_gogc_percent",
    "Heap growth that begins a garbage collection (GOGC). Absent where it is off. The largest where a series stands for several processes.",
)
.unit("percent")
.merge(Merge::Max);
static HEAP_GOAL: Descriptor =
    Descriptor::gauge("go_memory_gc_goal_bytes", "Heap size at which the running or next garbage collection ends.").unit("bytes");
static HEAP_LIVE: Descriptor = Descriptor::gauge(
    "goroscope_heap_live_bytes",
    "Heap that the collector counts as live: what it last marked and what was allocated since, by its own running account.",
)
.unit("bytes");
static MEMORY_LIMIT: Descriptor = Descriptor::gauge(
    "go_memory_limit_bytes",
    "Memory limit of the Go runtime (GOMEMLIMIT). Absent where there is none. The largest where a series stands for several processes.",
)
.unit("bytes")
.merge(Merge::Max);
static MEMORY_USED: Descriptor =
    Descriptor::gauge("go_memory_used_bytes", "Memory that the Go runtime uses, by type: stack (of goroutines), or other.").unit("bytes");
static TIMERS: Descriptor = Descriptor::gauge(
    "goroscope_timers",
    "Timers in the heaps of the Go runtime: sleeps, deadlines, tickers, AfterFunc. From Go 1.23 on, channel timers that nobody waits for \
     are in no heap.",
);
static GC_CYCLES: Descriptor = Descriptor::counter("go_memory_gc_cycles_total", "Garbage collections that have ended.").things("gc_cycle");
static GC_PAUSES: Descriptor = Descriptor::histogram(
    "go_memory_gc_pause_duration_seconds",
    "Pauses of all goroutines for the garbage collector, two a collection. The sum is an estimate: the runtime keeps buckets only, and each \
     pause counts as the lower bound of its own.",
)
.unit("seconds");
static ALLOCATED: Descriptor =
    Descriptor::counter("go_memory_allocated_bytes_total", "Bytes allocated on the heap since the process started.").unit("bytes");
static ALLOCATIONS: Descriptor = Descriptor::counter(
    "go_memory_allocations_total",
    "Objects allocated on the heap since the process started; tiny ones that share a block are one.",
)
.things("allocation");
static LATENCY: Descriptor = Descriptor::histogram(
    "go_schedule_duration_seconds",
    "How long goroutines were runnable before they ran, of which the runtime measures one in eight. The sum is an estimate: the runtime \
     keeps buckets only, and each wait counts as the lower bound of its own.",
)
.unit("seconds");
static MUTEX_WAIT: Descriptor = Descriptor::counter(
    "goroscope_mutex_wait_seconds_total",
    "Time that goroutines have waited for a sync.Mutex or sync.RWMutex; the runtime measures some of the goroutines and scales. From Go 1.20 on.",
)
.unit("seconds");

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 20] = [
    &GOROUTINES,
    &SYSTEM_GOROUTINES,
    &BY_STATE,
    &WAITING,
    &BY_SITE,
    &LAST_READ,
    &PROCESSORS,
    &THREADS,
    &GOGC,
    &HEAP_GOAL,
    &HEAP_LIVE,
    &MEMORY_LIMIT,
    &MEMORY_USED,
    &TIMERS,
    &GC_CYCLES,
    &GC_PAUSES,
    &ALLOCATED,
    &ALLOCATIONS,
    &LATENCY,
    &MUTEX_WAIT,
];

type Row = (&'static Descriptor, Sample);

/// All samples of one label set.
pub(super) fn chunks(group: &GroupReport, labels: &Arc<[Label]>) -> Vec<Chunk> {
    let mut totals =
        group.counters.as_ref().map(|counters| count(counters, labels, group.since.map(|since| since.process))).unwrap_or_default();
    let Some(gauges) = &group.gauges else { return vec![Chunk { detail: Detail::Totals, samples: totals }] };
    totals.extend(gauge(gauges, labels));
    let by = |descriptor, label, rows: Vec<(&str, u64)>| {
        rows.into_iter().map(|(name, count)| row(descriptor, Labels::shared(labels).with(label, name), Value::Count(count))).collect()
    };
    let states: Vec<Row> = by(&BY_STATE, "state", gauges.by_state.iter().map(|(state, count)| (*state, *count)).collect());
    totals.extend(states);
    let waiting = by(&WAITING, "wait_reason", gauges.waiting.iter().map(|(reason, count)| (*reason, *count)).collect());
    let named = gauges.by_site.named.iter().map(|(name, count)| (name.as_str(), *count));
    let sites = by(&BY_SITE, "created_by", named.chain([("other", gauges.by_site.other)]).collect());
    vec![
        Chunk { detail: Detail::Totals, samples: totals },
        Chunk { detail: Detail::Waits, samples: waiting },
        Chunk { detail: Detail::Sites, samples: sites },
    ]
}

fn row(descriptor: &'static Descriptor, labels: Labels, value: Value) -> Row {
    (descriptor, Sample::new(labels, value))
}

fn gauge(gauges: &RuntimeGauges, labels: &Arc<[Label]>) -> Vec<Row> {
    let plain = |descriptor, value| row(descriptor, Labels::shared(labels), value);
    let used = |kind, bytes: Option<u64>| {
        bytes.map(|bytes| row(&MEMORY_USED, Labels::shared(labels).with("go_memory_type", kind), Value::Count(bytes)))
    };
    let known = [
        (&GOROUTINES, Some(gauges.goroutines)),
        (&SYSTEM_GOROUTINES, Some(gauges.system_goroutines)),
        (&PROCESSORS, Some(gauges.gomaxprocs)),
        (&THREADS, Some(gauges.threads)),
        (&GOGC, gauges.gogc),
        (&HEAP_GOAL, Some(gauges.heap_goal)),
        (&HEAP_LIVE, Some(gauges.heap_live)),
        (&MEMORY_LIMIT, gauges.memory_limit),
        (&TIMERS, gauges.timers),
    ];
    let mut rows: Vec<Row> = known.into_iter().filter_map(|(descriptor, value)| Some(plain(descriptor, Value::Count(value?)))).collect();
    rows.push(plain(&LAST_READ, Value::Float(seconds(gauges.read_at))));
    rows.extend(used("stack", gauges.stack_bytes));
    rows.extend(used("other", gauges.other_bytes));
    rows
}

fn count(counters: &RuntimeCounters, labels: &Arc<[Label]>, since: Option<SystemTime>) -> Vec<Row> {
    let RuntimeCounters { gc_cycles, gc_pauses, allocated_bytes, allocations, schedule_latency, mutex_wait_ns } = counters;
    let counts = [(&GC_CYCLES, Some(*gc_cycles)), (&ALLOCATED, *allocated_bytes), (&ALLOCATIONS, *allocations)];
    let counts = counts.into_iter().filter_map(|(descriptor, value)| Some((descriptor, Value::Count(value?))));
    let histograms = [(&GC_PAUSES, gc_pauses), (&LATENCY, schedule_latency)];
    let histograms = histograms.into_iter().filter_map(|(descriptor, value)| Some((descriptor, Value::Histogram(value.clone()?))));
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds as seconds, shown")]
    let waited = mutex_wait_ns.map(|ns| (&MUTEX_WAIT, Value::Float(ns as f64 / 1e9)));
    let counters = counts.chain(histograms).chain(waited);
    counters.map(|(descriptor, value)| (descriptor, Sample::new(Labels::shared(labels), value).since(since))).collect()
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
