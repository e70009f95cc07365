//! The lifetime of a process: what it is, what was counted of it, and what was estimated.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

use goroscope_abi::{Family, Kind, ProcessKey};

use super::{attachment::Attachment, reader, readings::Rest, switcher::Opened};
use crate::{
    budget::{Bucket, Estimate, Window},
    collect::Totals,
    discovery::Listed,
    model::{Count, Executable, Finding, Refusal, RuntimeAddress, Since, Site, SiteReport, Slot, Target},
    tracer::{Hits, Maps, SiteHits},
};

/// One Go process.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) target: Target,
    pub(super) listed: Listed,
    /// What it runs; none where that is refused altogether.
    pub(super) executable: Option<Arc<Executable>>,
    /// Where its executable is attached, or why it is not.
    pub(super) slot: Result<Slot, Refusal>,
    /// What its memory said last, or why it is not read.
    pub(super) memory: Memory,
    /// Leaks that are known now.
    pub(super) findings: Arc<[Finding]>,
    /// When probes and memory were last compared.
    pub(super) rest: Option<Rest>,
    /// Since when it is known.
    pub(super) found_at: SystemTime,
    /// When its leader ended, ns: it is freed a little later.
    pub(super) ended_ns: Option<u64>,
    pub(super) buckets: BTreeMap<Family, Bucket>,
    sampled: BTreeMap<Family, Sampled>,
}

/// What is known of a process' memory.
#[derive(Debug)]
pub(super) enum Memory {
    /// It has not been read yet.
    Unread,
    /// As last read.
    Read(Box<reader::Reading>),
    /// It cannot be read.
    Refused(Refusal),
}

impl Memory {
    pub(super) fn reading(&self) -> Option<&reader::Reading> {
        match self {
            Self::Read(reading) => Some(reading),
            Self::Unread | Self::Refused(_) => None,
        }
    }
}

/// A family that is counted in windows.
#[derive(Debug, Default)]
struct Sampled {
    /// Since when, ns.
    since_ns: u64,
    estimates: BTreeMap<Kind, Estimate>,
    /// Estimated events by site since then, and what they were exactly before.
    sites: HashMap<(Kind, u64), u64>,
    /// What the kernel side had at the end of the last window.
    last: Reading,
}

/// What the kernel side has of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) hits: Hits,
    pub(super) sites: Vec<SiteHits>,
}

impl Reading {
    /// What there is of one process now; `sites` of all, as just read.
    pub(super) fn of_process(maps: &Maps, key: &ProcessKey, sites: &mut HashMap<ProcessKey, Vec<SiteHits>>) -> Self {
        Self { sites: sites.remove(key).unwrap_or_default(), hits: maps.hits(key).unwrap_or_default() }
    }

    /// Hits of a kind. Where there are sites, their sum: read in one pass, so that total and sites agree.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        if !kind.has_site() {
            return at(&self.hits.by_kind, kind);
        }
        let sited: u64 = self.sites.iter().filter(|site| site.kind == kind).map(|site| site.hits).sum();
        sited + at(&self.hits.unsited, kind)
    }

    /// Hits of a family by CPU.
    fn by_cpu(&self, family: Family) -> Vec<u64> {
        let of_family = |hits: &[u64; goroscope_abi::KINDS]| {
            Kind::ALL.into_iter().filter(|kind| kind.family() == family).map(|kind| at(hits, kind)).sum()
        };
        self.hits.by_cpu.iter().map(of_family).collect()
    }
}

fn at(hits: &[u64; goroscope_abi::KINDS], kind: Kind) -> u64 {
    hits.get(kind as usize).copied().unwrap_or(0)
}

impl Watched {
    pub(super) fn new(target: Target, listed: Listed, executable: Option<Arc<Executable>>, slot: Result<Slot, Refusal>) -> Self {
        Self {
            target,
            listed,
            executable,
            slot,
            memory: Memory::Unread,
            rest: None,
            findings: Arc::default(),
            found_at: SystemTime::now(),
            ended_ns: None,
            buckets: BTreeMap::new(),
            sampled: BTreeMap::new(),
        }
    }

    /// Since when it is counted.
    pub(super) const fn since(&self) -> Since {
        Since { process: self.target.started_at, probes: self.found_at }
    }

    /// From now on a family is counted in windows: what was counted until `now_ns` was exact.
    pub(super) fn begin_windows(&mut self, family: Family, reading: &Reading, now_ns: u64) {
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.family() == family);
        let estimates = kinds.map(|kind| (kind, Estimate::new(reading.of(kind), now_ns))).collect();
        let sites = reading.sites.iter().filter(|site| site.kind.family() == family).map(|site| ((site.kind, site.pc), site.hits));
        self.sampled.insert(family, Sampled { since_ns: now_ns, estimates, sites: sites.collect(), last: reading.clone() });
    }

    /// Takes in what was counted in a window. How many hits the family had in it, and how many while it was switched.
    pub(super) fn end_window(&mut self, family: Family, reading: Reading, opened: Opened) -> (u64, u64) {
        // A process that came while its executable was in windows already: exact until now, and little.
        if !self.sampled.contains_key(&family) {
            self.begin_windows(family, &reading, opened.closed_ns);
            return (0, 0);
        }
        // It says nothing of a process that has come since.
        let Some(sampled) = self.sampled.get_mut(&family).filter(|sampled| sampled.since_ns < opened.closed_ns) else { return (0, 0) };
        let before = sampled.last.by_cpu(family);
        let by_cpu = reading.by_cpu(family);
        let family_by_cpu: Vec<u64> =
            by_cpu.iter().enumerate().map(|(cpu, hits)| hits.saturating_sub(before.get(cpu).copied().unwrap_or(0))).collect();
        let old: HashMap<(Kind, u64), u64> = sampled.last.sites.iter().map(|site| ((site.kind, site.pc), site.hits)).collect();
        for (kind, estimate) in &mut sampled.estimates {
            let events = reading.of(*kind).saturating_sub(sampled.last.of(*kind));
            let growth =
                estimate.add(&Window { closed_ns: opened.closed_ns, length: opened.length, events, family_by_cpu: family_by_cpu.clone() });
            // The sites share what the total grew by; what rounding leaves over is in `other`.
            for site in reading.sites.iter().filter(|site| site.kind == *kind) {
                let key = (site.kind, site.pc);
                let here = site.hits.saturating_sub(old.get(&key).copied().unwrap_or(0));
                let share = u128::from(growth) * u128::from(here) / u128::from(events.max(1));
                *sampled.sites.entry(key).or_default() += u64::try_from(share).unwrap_or(0);
            }
        }
        let gated = |reading: &Reading| reading.hits.gated.get(family as usize).copied().unwrap_or(0);
        let switching = gated(&reading).saturating_sub(gated(&sampled.last));
        sampled.last = reading;
        (family_by_cpu.iter().sum(), switching)
    }

    /// Events of a family by kind, for those who look: estimates are carried on to `now_ns`. What memory knows is no estimate, even where
    /// its family is counted in windows.
    pub(super) fn shown(&self, family: Family, totals: &Totals, now_ns: u64) -> BTreeMap<Kind, Count> {
        let estimates = self.sampled.get(&family).map(|sampled| &sampled.estimates);
        let counts = totals.counts.iter().filter(|(kind, _)| kind.family() == family);
        counts
            .map(|(kind, count)| {
                let estimate = estimates.and_then(|estimates| estimates.get(kind)).filter(|_| !count.is_exact());
                (*kind, estimate.map_or(*count, |estimate| estimate.carried(now_ns)))
            })
            .collect()
    }

    /// Events by kind and by site as they stand at `now_ns`: creations and ends of goroutines as memory was last read, where it is.
    pub(super) fn totals(&self, attachment: Option<&Attachment>, reading: &Reading, now_ns: u64) -> (Totals, Vec<SiteReport>) {
        let (mut totals, sites) = self.probed(attachment, reading, now_ns);
        if let Some(memory) = self.memory.reading() {
            memory.count(&mut totals);
        }
        (totals, sites)
    }

    /// The same for a process that has ended: what the probes counted since memory was last read is added. Probes are read after memory,
    /// so what came in between is missing from that sum; the largest of what both say is the nearest to the truth, which is never less.
    pub(super) fn last_totals(&self, attachment: Option<&Attachment>, reading: &Reading, now_ns: u64) -> Totals {
        let (mut totals, _) = self.probed(attachment, reading, now_ns);
        if let Some(memory) = self.memory.reading() {
            memory.count(&mut totals);
            if !self.sampled.contains_key(&Family::Goroutine) {
                for kind in [Kind::GoroutineStart, Kind::GoroutineExit] {
                    let (probed, since) = (reading.of(kind), reading.of(kind).saturating_sub(memory.probes.of(kind)));
                    let at_rest = self.rest.filter(|_| kind == Kind::GoroutineStart).map_or(0, |rest| rest.carried(probed));
                    let count = totals.counts.entry(kind).or_default();
                    *count = Count::exact(count.value.saturating_add(since).max(probed).max(at_rest));
                }
            }
        }
        totals
    }

    /// What the probes have counted.
    fn probed(&self, attachment: Option<&Attachment>, reading: &Reading, now_ns: u64) -> (Totals, Vec<SiteReport>) {
        let mut totals = Totals::default();
        let mut statements: BTreeMap<(Family, Arc<Site>), u64> = BTreeMap::new();
        for (family, state) in attachment.iter().flat_map(|attachment| &attachment.families) {
            if state.mode().is_none() {
                continue;
            }
            totals.sited.insert(*family);
            let sampled = self.sampled.get(family);
            for kind in Kind::ALL.into_iter().filter(|kind| kind.family() == *family) {
                let estimate = sampled.and_then(|sampled| sampled.estimates.get(&kind));
                let count = estimate.map_or_else(|| Count::exact(reading.of(kind)), |estimate| estimate.count(now_ns));
                totals.counts.insert(kind, count);
            }
            let exact = reading.sites.iter().filter(|site| site.kind.family() == *family).map(|site| ((site.kind, site.pc), site.hits));
            let sites: HashMap<(Kind, u64), u64> = sampled.map_or_else(|| exact.collect(), |sampled| sampled.sites.clone());
            for ((_, pc), count) in sites {
                let address = RuntimeAddress(pc).to_virtual(self.target.load_bias);
                // What has no name is in `other`.
                let Some(Ok(statement)) = attachment.map(|attachment| attachment.symbolizer.site(address)) else { continue };
                *totals.sites.entry((*family, statement.function.clone())).or_default() += count;
                *statements.entry((*family, statement)).or_default() += count;
            }
        }
        let mut sites: Vec<_> = statements
            .into_iter()
            .map(|((family, statement), count)| SiteReport {
                family,
                function: statement.function.clone(),
                file: statement.file.clone(),
                line: statement.line,
                count,
            })
            .collect();
        sites.sort_by_key(|site| std::cmp::Reverse(site.count));
        (totals, sites)
    }
}
