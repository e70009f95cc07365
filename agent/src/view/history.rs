//! What the last minutes of Reports said of each process: a Report knows the present only. Bounded; pure, with the time of the
//! Reports as its clock.
//!
//! In: Reports, as they come. Out: trends and rates by pid. Must not know: how they are shown.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use goroscope_abi::{Family, Kind};

use super::text::float;
use crate::model::{CensusReport, ProcessReport, Report, RuntimeFigures, Site};

/// How far back is remembered, seconds.
const REMEMBERED: f64 = 300.0;
/// No two readings nearer than this are remembered, seconds.
const APART: f64 = 0.9;
/// What a trend is told from, seconds.
const TREND: f64 = 60.0;
/// What rates are told from, seconds: collections are rare, estimates grow in steps.
const RECENT: f64 = 10.0;
const GC_RECENT: f64 = 60.0;
const HITS_RECENT: f64 = 15.0;
/// Creation sites of one process that are remembered, those with most goroutines, and how often, seconds.
const SITES: usize = 32;
const SITES_APART: f64 = 4.5;

/// Everything remembered.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<u32, Process>);

/// Events per second; none where they are not counted, or not long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Goroutines created.
    pub(super) created: Option<f64>,
    /// Garbage collections.
    pub(super) gc: Option<f64>,
    /// Map writes of all variants.
    pub(super) map_writes: Option<f64>,
    /// Timers and tickers started.
    pub(super) timer_starts: Option<f64>,
}

/// One process: a pid and its executable, as pids are used again.
#[derive(Debug, Default)]
struct Process {
    exe: String,
    goroutines: Series,
    created: Series,
    gc: Series,
    map_writes: Series,
    timer_starts: Series,
    /// By time, oldest first.
    sites: VecDeque<(f64, Vec<SiteCount>)>,
}

/// A `go` statement and its goroutines.
type SiteCount = (Arc<Site>, u64);

/// Numbers by time, oldest first.
#[derive(Debug, Default)]
struct Series(VecDeque<(f64, u64)>);

impl History {
    /// The next Report; processes that are not in it are forgotten.
    pub(super) fn note(&mut self, report: &Report) {
        let alive: HashSet<u32> = report.processes.iter().map(|process| process.pid).collect();
        self.0.retain(|pid, _| alive.contains(pid));
        for process in &report.processes {
            self.0.entry(process.pid).or_default().note(process, seconds(report.taken_at));
        }
    }

    /// Goroutines in the last minutes, oldest first, in at most so many steps of equal length; each the last number known in it.
    pub(super) fn goroutines(&self, pid: u32, steps: usize) -> Vec<f64> {
        self.0.get(&pid).map(|process| process.goroutines.steps(steps)).unwrap_or_default()
    }

    /// How many goroutines more each minute: the slope of the line that fits the last one best.
    pub(super) fn slope(&self, pid: u32) -> Option<f64> {
        Some(self.0.get(&pid)?.goroutines.slope()? * 60.0)
    }

    /// What happens how often.
    pub(super) fn rates(&self, pid: u32) -> Rates {
        let Some(process) = self.0.get(&pid) else { return Rates::default() };
        Rates {
            created: process.created.rate(RECENT),
            gc: process.gc.rate(GC_RECENT),
            map_writes: process.map_writes.rate(HITS_RECENT),
            timer_starts: process.timer_starts.rate(HITS_RECENT),
        }
    }

    /// How many goroutines more each minute one `go` statement has alive. One that was not among the largest then had none, or few.
    pub(super) fn site_slope(&self, pid: u32, site: &Site) -> Option<f64> {
        let sites = &self.0.get(&pid)?.sites;
        let (now, last) = sites.back()?;
        let (then, first) = sites.iter().find(|(at, _)| now - at <= TREND)?;
        let count = |sites: &[SiteCount]| sites.iter().find(|(other, _)| **other == *site).map(|(_, count)| float(*count));
        (now - then >= SITES_APART).then(|| (count(last).unwrap_or(0.0) - count(first).unwrap_or(0.0)) / (now - then) * 60.0)
    }
}

impl Process {
    fn note(&mut self, report: &ProcessReport, now: f64) {
        let figures = report.runtime.as_ref().map(|runtime| &runtime.figures);
        let counted = report.families.get(&Family::Goroutine).and_then(|family| family.counts.get(&Kind::GoroutineStart));
        let created = figures.map(|figures| (seconds(figures.taken_at), figures.created)).or(counted.map(|count| (now, count.value)));
        let is_another = self.exe != report.exe || created.is_some_and(|(_, created)| self.created.falls_to(created));
        if is_another {
            *self = Self { exe: report.exe.clone(), ..Self::default() };
        }
        if let Some((at, created)) = created {
            self.created.note(at, created);
        }
        if let Some(RuntimeFigures { taken_at, goroutines, gc_cycles, .. }) = figures {
            self.goroutines.note(seconds(*taken_at), *goroutines);
            self.gc.note(seconds(*taken_at), *gc_cycles);
        }
        if let Some(runtime) = &report.runtime {
            self.note_sites(&runtime.census);
        }
        let sum = |family| {
            let counts = report.families.get(&family).map(|family| &family.counts)?;
            let kinds = counts.iter().filter(|(kind, _)| is_shown(**kind));
            Some(kinds.fold(0_u64, |sum, (_, count)| sum.saturating_add(count.value)))
        };
        if let Some(writes) = sum(Family::Map) {
            self.map_writes.note(now, writes);
        }
        if let Some(starts) = sum(Family::Timer) {
            self.timer_starts.note(now, starts);
        }
    }

    fn note_sites(&mut self, census: &CensusReport) {
        let at = seconds(census.taken_at);
        if self.sites.back().is_some_and(|(last, _)| at < last + SITES_APART && at >= *last) {
            return;
        }
        if self.sites.back().is_some_and(|(last, _)| at < *last) {
            self.sites.clear();
        }
        let mut sums: HashMap<&Arc<Site>, u64> = HashMap::new();
        for group in &census.groups {
            if let Some(site) = &group.created_by {
                *sums.entry(site).or_default() += group.count;
            }
        }
        let mut sites: Vec<SiteCount> = sums.into_iter().map(|(site, count)| (Arc::clone(site), count)).collect();
        sites.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
        sites.truncate(SITES);
        self.sites.push_back((at, sites));
        while self.sites.get(1).is_some_and(|(next, _)| at - next >= TREND) {
            self.sites.pop_front();
        }
    }
}

/// Map writes and timers that begin; other kinds are not shown.
const fn is_shown(kind: Kind) -> bool {
    matches!(kind, Kind::MapAssignFast32 | Kind::MapAssignFast64 | Kind::MapAssignFaststr | Kind::MapAssignGeneric | Kind::TimerStart)
}

impl Series {
    fn note(&mut self, at: f64, value: u64) {
        // Somebody set the clock back.
        if self.0.back().is_some_and(|(last, _)| at < *last) {
            self.0.clear();
        }
        if self.0.back().is_some_and(|(last, _)| at - last < APART) {
            return;
        }
        self.0.push_back((at, value));
        // Where readings are rare there is always one to compare with.
        while self.0.len() > 3 && self.0.front().is_some_and(|(first, _)| at - first > REMEMBERED) {
            self.0.pop_front();
        }
    }

    fn falls_to(&self, value: u64) -> bool {
        self.0.back().is_some_and(|(_, last)| value < *last)
    }

    /// The readings of the last `span` seconds, and at least the last two.
    fn last(&self, span: f64) -> impl Iterator<Item = (f64, u64)> {
        let now = self.0.back().map_or(0.0, |(at, _)| *at);
        let at_least = self.0.len().saturating_sub(2);
        self.0.iter().enumerate().filter(move |(index, (at, _))| *index >= at_least || now - at <= span).map(|(_, point)| *point)
    }

    /// Growth per second over the last `span` seconds.
    fn rate(&self, span: f64) -> Option<f64> {
        let ((then, from), (now, to)) = (self.last(span).next()?, *self.0.back()?);
        (now > then).then(|| float(to.saturating_sub(from)) / (now - then))
    }

    /// Least squares over the last minute, per second.
    fn slope(&self) -> Option<f64> {
        let now = self.0.back()?.0;
        let (mut n, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (at, value) in self.last(TREND) {
            let (at, value) = (at - now, float(value));
            (n, x, y, xx, xy) = (n + 1.0, x + at, y + value, at.mul_add(at, xx), at.mul_add(value, xy));
        }
        let spread = n * xx - x * x;
        (spread > f64::EPSILON).then(|| (n * xy - x * y) / spread)
    }

    fn steps(&self, steps: usize) -> Vec<f64> {
        let (Some((first, _)), Some((last, _))) = (self.0.front(), self.0.back()) else { return Vec::new() };
        let steps = steps.min(self.0.len());
        let length = (last - first) / float(steps as u64);
        let end = |step: usize| if step + 1 == steps { *last } else { first + length * float(step as u64 + 1) };
        let mut points = self.0.iter().peekable();
        let mut value = 0.0;
        let mut values = Vec::with_capacity(steps);
        for step in 0..steps {
            while let Some((_, next)) = points.next_if(|(at, _)| *at <= end(step)) {
                value = float(*next);
            }
            values.push(value);
        }
        values
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f64, u64)]) -> Series {
        let mut series = Series::default();
        points.iter().for_each(|(at, value)| series.note(*at, *value));
        series
    }

    fn check_rate(points: &[(f64, u64)], expected: Option<f64>) {
        assert_eq!(series(points).rate(10.0), expected, "{points:?}");
    }

    #[test]
    fn rates_look_back_on_some_seconds_or_one_reading() {
        check_rate(&[], None);
        check_rate(&[(0.0, 7)], None);
        check_rate(&[(0.0, 0), (5.0, 10), (10.0, 40)], Some(4.0));
        check_rate(&[(0.0, 0), (5.0, 1000), (20.0, 1000)], Some(0.0));
        check_rate(&[(0.0, 0), (60.0, 600), (120.0, 660)], Some(1.0));
        check_rate(&[(9.0, 5), (0.0, 0), (5.0, 10)], Some(2.0)); // the clock was set back
        check_rate(&[(0.0, 0), (0.1, 9), (1.0, 10)], Some(10.0)); // too near to be remembered
    }

    #[test]
    fn slopes_fit_the_last_minute() {
        for (points, expected) in [
            (&[(0.0, 3)][..], None),
            (&[(0.0, 0), (5.0, 10), (10.0, 20)], Some(2.0)),
            (&[(0.0, 900), (100.0, 10), (105.0, 10), (110.0, 10)], Some(0.0)),
            (&[(0.0, 10), (1.0, 0), (2.0, 10), (3.0, 0), (4.0, 10)], Some(0.0)),
        ] {
            assert_eq!(series(points).slope(), expected, "{points:?}");
        }
    }

    #[test]
    fn steps_have_equal_lengths() {
        let points: Vec<_> = (0..6_u32).map(|second| (f64::from(second), u64::from(second) * 10)).collect();
        assert_eq!(series(&points).steps(3), [10.0, 30.0, 50.0]);
        assert_eq!(series(&points).steps(60).len(), 6);
        assert!(series(&[]).steps(3).is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let points: Vec<_> = (0..2_000_u32).map(|second| (f64::from(second), 1)).collect();
        assert_eq!(series(&points).0.len(), 301);
        let rare: Vec<_> = (0..10_u32).map(|hour| (f64::from(hour) * 3600.0, 1)).collect();
        assert_eq!(series(&rare).0.len(), 3);
    }
}
