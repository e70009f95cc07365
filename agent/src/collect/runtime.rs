//! Adds up what the memory of several processes says: gauges of those that live, counters of all there were.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Histogram, RuntimeCounters, RuntimeFigures, RuntimeGauges, RuntimeReading, Sites};

/// Functions shown by name.
const SHOWN: usize = 20;
/// Functions that ever get a name in one label set: a gauge may change whom it shows, but not without end.
const NAMES: usize = 3 * SHOWN;

/// The functions of one label set that may be shown by name.
#[derive(Debug, Default)]
pub(super) struct GaugeNames(BTreeSet<String>);

impl GaugeNames {
    /// The largest functions by name, and the rest.
    fn split(&mut self, counts: &BTreeMap<String, u64>) -> Sites {
        let mut largest: Vec<(&String, u64)> =
            counts.iter().filter(|(name, _)| !name.is_empty()).map(|(name, count)| (name, *count)).collect();
        largest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut named = Vec::new();
        for (name, count) in largest {
            if named.len() == SHOWN {
                break;
            }
            if self.0.contains(name) || self.0.len() < NAMES {
                self.0.insert(name.clone());
                named.push((name.clone(), count));
            }
        }
        let total: u64 = counts.values().sum();
        let shown: u64 = named.iter().map(|(_, count)| count).sum();
        Sites { named, other: total.saturating_sub(shown) }
    }
}

/// Gauges of the live processes of one label set; none without a reading.
pub(super) fn gauges(readings: &[&RuntimeReading], names: &mut GaugeNames) -> Option<RuntimeGauges> {
    let figures = || readings.iter().map(|reading| &reading.figures);
    let sum = |of: fn(&RuntimeFigures) -> u64| figures().map(of).fold(0, u64::saturating_add);
    let sum_known = |of: fn(&RuntimeFigures) -> Option<u64>| figures().filter_map(of).reduce(u64::saturating_add);
    let largest = |of: fn(&RuntimeFigures) -> Option<u64>| figures().filter_map(of).max();
    let (mut by_state, mut waiting, mut by_site) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<String, u64>::new());
    for census in readings.iter().map(|reading| &reading.census) {
        census.by_state().into_iter().for_each(|(state, count)| *by_state.entry(state).or_default() += count);
        census.waiting().into_iter().for_each(|(reason, count)| *waiting.entry(reason).or_default() += count);
        census.by_function().into_iter().for_each(|(name, count)| *by_site.entry(name.to_owned()).or_default() += count);
    }
    Some(RuntimeGauges {
        read_at: figures().map(|figures| figures.taken_at).min()?,
        goroutines: sum(|figures| figures.goroutines),
        system_goroutines: sum(|figures| figures.system_goroutines),
        by_state,
        waiting,
        by_site: names.split(&by_site),
        gomaxprocs: largest(|figures| Some(figures.gomaxprocs))?,
        threads: sum(|figures| figures.threads),
        gogc: largest(|figures| figures.gogc),
        heap_goal: sum(|figures| figures.heap_goal),
        heap_live: sum(|figures| figures.heap_live),
        memory_limit: largest(|figures| figures.memory_limit),
        stack_bytes: sum_known(|figures| figures.stack_bytes),
        other_bytes: sum_known(|figures| figures.other_bytes),
        timers: sum_known(|figures| figures.timers),
    })
}

/// What only rises of one process' figures.
#[must_use]
pub fn counters(figures: &RuntimeFigures) -> RuntimeCounters {
    RuntimeCounters {
        gc_cycles: figures.gc_cycles,
        gc_pauses: figures.gc_pauses.clone(),
        allocated_bytes: figures.allocated_bytes,
        allocations: figures.allocations,
        schedule_latency: figures.schedule_latency.clone(),
        mutex_wait_ns: figures.mutex_wait_ns,
    }
}

/// Adds the counters of another process.
pub(super) fn add(total: &mut RuntimeCounters, other: &RuntimeCounters) {
    let sum = |total: &mut Option<u64>, other: Option<u64>| {
        if let Some(other) = other {
            *total = Some(total.unwrap_or(0).saturating_add(other));
        }
    };
    let merge = |total: &mut Option<Histogram>, other: &Option<Histogram>| {
        if let Some(other) = other {
            total.get_or_insert_default().add(other);
        }
    };
    total.gc_cycles = total.gc_cycles.saturating_add(other.gc_cycles);
    merge(&mut total.gc_pauses, &other.gc_pauses);
    sum(&mut total.allocated_bytes, other.allocated_bytes);
    sum(&mut total.allocations, other.allocations);
    merge(&mut total.schedule_latency, &other.schedule_latency);
    sum(&mut total.mutex_wait_ns, other.mutex_wait_ns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_functions_have_names_and_sixty_ever() {
        let mut names = GaugeNames::default();
        let row = |range: std::ops::Range<u64>| range.map(|i| (format!("f{i:03}"), 1000 - i)).collect::<BTreeMap<_, _>>();
        let mut first = row(0..30);
        first.insert(String::new(), 5);
        let sites = names.split(&first);
        assert_eq!(sites.named.len(), SHOWN);
        assert_eq!(sites.named[0], ("f000".to_owned(), 1000));
        assert_eq!(sites.named.iter().map(|(_, count)| count).sum::<u64>() + sites.other, first.values().sum::<u64>());
        for start in [100, 200, 300] {
            names.split(&row(start..start + 20));
        }
        assert_eq!(names.0.len(), NAMES);
        assert_eq!(names.split(&row(300..320)).named.len(), 0, "no names are left");
        assert_eq!(names.split(&row(0..30)).named.len(), SHOWN, "those that have one keep it");
    }
}
