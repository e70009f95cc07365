//! The series limit: what is left out first is detail, and every series left out is counted.
//!
//! In: chunks of samples, each of one process and one level of detail. Out: those that fit. Must not know: what a sample means.

use std::sync::atomic::{AtomicU64, Ordering};

use super::family::{Descriptor, Families, Labels, Sample, Value};

/// How much is lost with a chunk: the last is left out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// Totals and how they are counted.
    Totals,
    /// Info and refusals.
    Info,
    /// Goroutines by what they wait for.
    Waits,
    /// Series by site.
    Sites,
}

impl Detail {
    const ALL: [Self; 4] = [Self::Totals, Self::Info, Self::Waits, Self::Sites];

    const fn name(self) -> &'static str {
        match self {
            Self::Totals => "totals",
            Self::Info => "info",
            Self::Waits => "waits",
            Self::Sites => "sites",
        }
    }
}

/// Samples that are shown together or not at all, so that sites never lack a part of their sum.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) detail: Detail,
    pub(super) samples: Vec<(&'static Descriptor, Sample)>,
}

pub(super) static SERIES: Descriptor = Descriptor::gauge(
    "goroscope_agent_series",
    "Series of observed processes on this page. Near goroscope_agent_series_limit, detail is about to be left out.",
);
pub(super) static SERIES_LIMIT: Descriptor = Descriptor::gauge(
    "goroscope_agent_series_limit",
    "The most series of observed processes that a page may have; what does not fit is left out, sites first.",
);
pub(super) static SERIES_DROPPED: Descriptor = Descriptor::counter(
    "goroscope_agent_series_dropped_total",
    "Series left out of pages because of the series limit, by detail: sites go first, then waits, then info (process_info, refusals), \
     then whole processes (totals). Each scrape adds what it left out, so any rise means that pages are incomplete.",
);

/// Keeps pages below a number of series.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: usize,
    dropped: [AtomicU64; Detail::ALL.len()],
}

impl Limiter {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, dropped: [const { AtomicU64::new(0) }; Detail::ALL.len()] }
    }

    /// Moves the chunks that fit into `families`, and says there how many did not. Chunks of one detail are taken in their
    /// order; the first that does not fit ends it, so that which ones are left out does not change from scrape to scrape.
    pub(super) fn admit(&self, families: &mut Families, mut chunks: Vec<Chunk>) {
        chunks.sort_by_key(|chunk| chunk.detail); // stable
        let mut room = self.limit;
        let mut full = false;
        for chunk in chunks {
            let series = chunk.samples.iter().map(|(_, sample)| sample.value.series()).sum();
            full |= series > room;
            if full {
                self.count_dropped(chunk.detail, series);
                continue;
            }
            room -= series;
            for (descriptor, sample) in chunk.samples {
                families.add(descriptor, sample);
            }
        }
        self.add_own(families, self.limit - room);
    }

    fn count_dropped(&self, detail: Detail, series: usize) {
        if let Some(dropped) = self.dropped.get(detail as usize) {
            dropped.fetch_add(series as u64, Ordering::Relaxed);
        }
    }

    fn add_own(&self, families: &mut Families, series: usize) {
        families.push(&SERIES, Labels::default(), Value::Count(series as u64));
        families.push(&SERIES_LIMIT, Labels::default(), Value::Count(self.limit as u64));
        for (detail, dropped) in Detail::ALL.iter().zip(&self.dropped) {
            let labels = Labels::default().with("detail", detail.name());
            families.push(&SERIES_DROPPED, labels, Value::Count(dropped.load(Ordering::Relaxed)));
        }
    }
}
