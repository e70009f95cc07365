//! A row for each Go process, in the order that was asked for. Pure.
//!
//! In: a Report and its [`History`]. Out: [`Row`]s, with figures as figures. Must not know: columns, colours, keys.

use std::cmp::Reverse;

use goroscope_abi::Family;

use super::{
    history::{History, Rates},
    text::{float, harmless},
};
use crate::model::{FamilyMode, ProcessReport, Refusal, Report, TargetState};

/// Characters of a name, a version or a refusal that are looked at: whoever made the process chose them.
const LONGEST: usize = 200;
/// Reasons of waiting that are shown of a process.
const WAITS: usize = 3;

/// What the first row has most of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Growth of goroutines.
    #[default]
    Growth,
    /// Goroutines.
    Goroutines,
    /// Goroutines created per second.
    Created,
    /// Live heap.
    Heap,
    /// By name.
    Name,
}

impl Order {
    /// The one after this.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Growth => Self::Goroutines,
            Self::Goroutines => Self::Created,
            Self::Created => Self::Heap,
            Self::Heap => Self::Name,
            Self::Name => Self::Growth,
        }
    }

    /// What people are told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Goroutines => "goroutines",
            Self::Created => "created",
            Self::Heap => "heap",
            Self::Name => "name",
        }
    }
}

/// One process. None is what is not known, or not yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) go: String,
    /// `runtime.NumGoroutine()`.
    pub(super) goroutines: Option<u64>,
    /// More goroutines per minute.
    pub(super) slope: Option<f64>,
    pub(super) rates: Rates,
    /// What goroutines wait for, most first; the runtime's own waits are left out.
    pub(super) waits: Vec<(&'static str, u64)>,
    /// Live bytes, and at how many the next collection begins.
    pub(super) heap: Option<(u64, u64)>,
    /// Timers in the runtime's heaps.
    pub(super) timers: Option<u64>,
    /// Map writes, and timers, are estimated from windows.
    pub(super) map_writes_estimated: bool,
    pub(super) timer_starts_estimated: bool,
    /// Nothing of it is observed, and why.
    pub(super) refused: Option<String>,
}

impl Row {
    fn of(process: &ProcessReport, history: &History) -> Self {
        let figures = process.runtime.as_ref().map(|runtime| &runtime.figures);
        let estimated = |family| matches!(process.families.get(&family).map(|family| family.mode), Some(FamilyMode::Sampled { .. }));
        Self {
            pid: process.pid,
            name: harmless(&process.identity.process, LONGEST),
            go: harmless(process.go_version.trim_start_matches("go"), LONGEST),
            goroutines: figures.map(|figures| figures.goroutines),
            slope: history.slope(process.pid).filter(|_| figures.is_some()),
            rates: history.rates(process.pid),
            waits: waits(process),
            heap: figures.map(|figures| (figures.heap_live, figures.heap_goal)),
            timers: figures.and_then(|figures| figures.timers),
            map_writes_estimated: estimated(Family::Map),
            timer_starts_estimated: estimated(Family::Timer),
            refused: (process.state == TargetState::Refused)
                .then(|| process.refusals.first().map_or_else(|| "not observed".to_owned(), why)),
        }
    }

    /// Growth that is more than noise, in one digit: neighbours shall not change places each second.
    pub(super) fn growth(&self) -> f64 {
        let slope = self.slope.unwrap_or(0.0);
        let least = (float(self.goroutines.unwrap_or(0)) / 100.0).max(1.0);
        if slope < least {
            return 0.0;
        }
        let size = 10_f64.powf(slope.log10().floor());
        (slope / size).round() * size
    }

    fn created(&self) -> f64 {
        self.rates.created.unwrap_or(-1.0)
    }
}

/// `not observed: unsupported_go_version (go1.99)`.
pub(super) fn why(Refusal { subject, reason, detail }: &Refusal) -> String {
    let what = subject.name();
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    harmless(&format!("not observed: {}{reason}{detail}", if what == "all" { String::new() } else { format!("{what}: ") }), LONGEST)
}

/// Rows in order; processes of which nothing is observed come last.
pub(super) fn rows(report: &Report, history: &History, order: Order) -> Vec<Row> {
    let mut rows: Vec<Row> = report.processes.iter().map(|process| Row::of(process, history)).collect();
    rows.sort_by(|a, b| {
        let most = match order {
            Order::Growth => b.growth().total_cmp(&a.growth()),
            Order::Created => b.created().total_cmp(&a.created()),
            Order::Heap => b.heap.cmp(&a.heap),
            Order::Name => a.name.cmp(&b.name),
            Order::Goroutines => std::cmp::Ordering::Equal,
        };
        let last = (a.refused.is_some(), Reverse(a.goroutines), a.pid).cmp(&(b.refused.is_some(), Reverse(b.goroutines), b.pid));
        a.refused.is_some().cmp(&b.refused.is_some()).then(most).then(last)
    });
    rows
}

/// Of several rows the one that grows most; where none does, the first.
pub(super) fn most_growing(rows: &[Row]) -> Option<u32> {
    let mut most = rows.first()?;
    for row in rows {
        if row.growth() > most.growth() {
            most = row;
        }
    }
    Some(most.pid)
}

fn waits(process: &ProcessReport) -> Vec<(&'static str, u64)> {
    let waiting = process.runtime.as_ref().map(|runtime| runtime.census.waiting()).unwrap_or_default();
    let mut waits: Vec<_> = waiting.into_iter().filter(|(reason, count)| *reason != "runtime" && *count > 0).collect();
    waits.sort_by_key(|(reason, count)| (Reverse(*count), *reason));
    waits.truncate(WAITS);
    waits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{busy, leaky, quiet, refused, report};

    fn pids(order: Order) -> Vec<u32> {
        let mut history = History::default();
        for second in [0, 5, 10] {
            history.note(&report(second, vec![busy(second), refused(), quiet(), leaky(second)]));
        }
        rows(&report(10, vec![busy(10), refused(), quiet(), leaky(10)]), &history, order).into_iter().map(|row| row.pid).collect()
    }

    #[test]
    fn orders() {
        for (order, expected) in [
            (Order::Growth, [10, 11, 12, 9]),
            (Order::Goroutines, [11, 10, 12, 9]),
            (Order::Created, [11, 10, 12, 9]),
            (Order::Heap, [11, 10, 12, 9]),
            (Order::Name, [11, 10, 12, 9]),
        ] {
            assert_eq!(pids(order), expected, "{order:?}");
        }
    }

    #[test]
    fn a_row_says_what_is_known() {
        let mut history = History::default();
        for second in [0, 5, 10] {
            history.note(&report(second, vec![leaky(second), refused()]));
        }
        let rows = rows(&report(10, vec![leaky(10), refused()]), &history, Order::Growth);
        let [leaky, refused] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((leaky.goroutines, leaky.slope.map(f64::round), leaky.growth().round()), (Some(210), Some(1200.0), 1000.0));
        assert_eq!((leaky.rates.created, leaky.waits.as_slice()), (Some(20.0), &[("chan receive", 205), ("select", 3)][..]));
        assert_eq!((leaky.map_writes_estimated, leaky.timer_starts_estimated), (true, false));
        assert_eq!((refused.goroutines, refused.slope, refused.waits.len()), (None, None, 0));
        assert_eq!(refused.refused.as_deref(), Some("not observed: unsupported_go_version (go1.99?[31m)"));
        assert_eq!(refused.name, "odd?[2J");
        assert_eq!(most_growing(&rows), Some(10));
        assert_eq!(most_growing(&[]), None);
    }
}
