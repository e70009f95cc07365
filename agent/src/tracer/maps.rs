//! Reads counters, sites and drops; writes processes, executables and gates.

use std::{
    collections::{BTreeMap, HashMap as StdHashMap},
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuHashMap},
};
use goroscope_abi::{Counters, Drop, Executable, FAMILIES, Family, KINDS, Kind, ProcessInfo, ProcessKey, SiteKey};
use tracing::warn;

use super::{batch, error::LoadError};
use crate::model::Slot;

/// One site of one process: the return address in the code that did it, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteHits {
    /// What it did.
    pub kind: Kind,
    /// Runtime address.
    pub pc: u64,
    /// Hits.
    pub hits: u64,
}

/// Hits of one process over all CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// The executable's slot as the links' cookies told it, where they have any.
    pub slot: Option<Slot>,
    /// Its load bias; holds where there is a slot.
    pub bias: u64,
    /// By kind.
    pub by_kind: [u64; KINDS],
    /// Those that are under no site, by kind.
    pub unsited: [u64; KINDS],
    /// Those that the gate kept from being counted, by family.
    pub gated: [u64; FAMILIES],
    /// By CPU and kind.
    pub by_cpu: Vec<[u64; KINDS]>,
}

impl Hits {
    /// How many there are at sites, of all kinds.
    #[must_use]
    pub fn sited(&self) -> u64 {
        let of = |kind: Kind| {
            let at = |by: &[u64; KINDS]| by.get(kind as usize).copied().unwrap_or(0);
            at(&self.by_kind).saturating_sub(at(&self.unsited))
        };
        Kind::ALL.into_iter().filter(|kind| kind.has_site()).map(of).sum()
    }

    /// Whether there are any of a kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.by_kind.get(kind as usize).is_some_and(|hits| *hits > 0)
    }
}

/// The kernel side's maps; without a kernel side there are no hits, and no executable can be attached.
pub struct Maps(Option<Kernel>);

struct Kernel {
    counters: Mutex<PerCpuHashMap<MapData, ProcessKey, Counters>>,
    sites: Mutex<PerCpuHashMap<MapData, SiteKey, u64>>,
    /// The same map, for reading all of it.
    all_sites: OwnedFd,
    /// How many entries it had when it was last read, less what has been freed since.
    sites_held: AtomicU64,
    /// Possible CPUs: so many values has an entry.
    cpus: usize,
    processes: Mutex<HashMap<MapData, u32, ProcessInfo>>,
    executables: Mutex<Array<MapData, Executable>>,
    drops: PerCpuArray<MapData, u64>,
    room: BTreeMap<&'static str, u64>,
}

fn take<M: TryFrom<aya::maps::Map, Error = MapError>>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, LoadError> {
    M::try_from(ebpf.take_map(name).ok_or(LoadError::Object(name))?).map_err(LoadError::from)
}

impl Maps {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let mut room = BTreeMap::new();
        for name in ["COUNTERS", "SITES", "PROCESSES", "EXECUTABLES"] {
            let entries = match ebpf.map(name) {
                Some(aya::maps::Map::PerCpuHashMap(map) | aya::maps::Map::HashMap(map) | aya::maps::Map::Array(map)) => map.info(),
                _ => return Err(LoadError::Object(name)),
            };
            room.insert(name, u64::from(entries.map_err(LoadError::from)?.max_entries()));
        }
        let all_sites = match ebpf.map("SITES") {
            Some(aya::maps::Map::PerCpuHashMap(map)) => map.fd().as_fd().try_clone_to_owned().map_err(LoadError::from)?,
            _ => return Err(LoadError::Object("SITES")),
        };
        Ok(Self(Some(Kernel {
            counters: Mutex::new(take(ebpf, "COUNTERS")?),
            sites: Mutex::new(take(ebpf, "SITES")?),
            all_sites,
            sites_held: AtomicU64::new(0),
            cpus: aya::util::nr_cpus().map_err(|(_, error)| LoadError::from(error))?,
            processes: Mutex::new(take(ebpf, "PROCESSES")?),
            executables: Mutex::new(take(ebpf, "EXECUTABLES")?),
            drops: take(ebpf, "DROPS_BY_KIND")?,
            room,
        })))
    }

    /// The maps of a host that takes no kernel side.
    #[must_use]
    pub const fn absent() -> Self {
        Self(None)
    }

    /// How many executables can be attached at once; slots are below.
    #[must_use]
    pub fn slots(&self) -> u32 {
        u32::try_from(self.room("EXECUTABLES")).unwrap_or(u32::MAX)
    }

    /// Room of a map, in entries.
    #[must_use]
    pub fn room(&self, map: &str) -> u64 {
        self.0.as_ref().and_then(|kernel| kernel.room.get(map).copied()).unwrap_or(0)
    }

    /// Tells the kernel side where a process' executable is. False when the process has another image by now.
    ///
    /// # Errors
    /// The kernel's word; a full map.
    pub fn register(&self, key: ProcessKey, slot: Slot, bias: u64) -> io::Result<bool> {
        let Some(kernel) = &self.0 else { return Ok(true) };
        let mut processes = lock(&kernel.processes);
        let present = match processes.get(&key.tgid, 0) {
            Ok(info) => Some(info),
            Err(MapError::KeyNotFound) => None,
            Err(error) => return Err(io::Error::other(error)),
        };
        if present.map_or(0, |info| info.exec_ns) != key.exec_ns {
            return Ok(false);
        }
        let info = ProcessInfo { exec_ns: key.exec_ns, bias, slot: slot.0, pad: 0 };
        processes.insert(key.tgid, info, 0).map_err(io::Error::other)?;
        Ok(true)
    }

    /// The life that a pid is in: 0 when it was exec'ed before the agent came.
    #[must_use]
    pub fn exec_ns(&self, tgid: u32) -> u64 {
        self.0.as_ref().and_then(|kernel| lock(&kernel.processes).get(&tgid, 0).ok()).map_or(0, |info| info.exec_ns)
    }

    /// Describes an executable, with its gate as given.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn describe(&self, slot: Slot, executable: &Executable) -> io::Result<()> {
        let Some(kernel) = &self.0 else { return Err(io::Error::other("no kernel side")) };
        lock(&kernel.executables).set(slot.0, executable, 0).map_err(io::Error::other)
    }

    /// Lets the probes of a family count, or not.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn gate(&self, slot: Slot, family: Family, open: bool) -> io::Result<()> {
        let Some(kernel) = &self.0 else { return Ok(()) };
        let mut executables = lock(&kernel.executables);
        let mut executable = executables.get(&slot.0, 0).map_err(io::Error::other)?;
        if open {
            executable.gate |= family.bit();
        } else {
            executable.gate &= !family.bit();
        }
        executables.set(slot.0, executable, 0).map_err(io::Error::other)
    }

    /// Hits of one process: none when it had none.
    #[must_use]
    pub fn hits(&self, key: &ProcessKey) -> Option<Hits> {
        lock(&self.0.as_ref()?.counters).get(key, 0).ok().map(|values| sum(values.iter()))
    }

    /// Every process with hits.
    #[must_use]
    pub fn processes_with_hits(&self) -> Vec<ProcessKey> {
        self.0.as_ref().map(|kernel| lock(&kernel.counters).keys().filter_map(Result::ok).collect()).unwrap_or_default()
    }

    /// What a process has at one site.
    #[must_use]
    pub fn site(&self, process: &ProcessKey, kind: Kind, pc: u64) -> Option<u64> {
        let key = SiteKey { process: *process, pc, kind: kind as u32, pad: 0 };
        lock(&self.0.as_ref()?.sites).get(&key, 0).ok().map(|values| values.iter().sum())
    }

    /// The sites with hits of those processes that are `wanted`, read in one pass. What is not wanted takes no memory.
    #[must_use]
    pub fn sites(&self, wanted: impl Fn(&ProcessKey) -> bool) -> StdHashMap<ProcessKey, Vec<SiteHits>> {
        let Some(kernel) = &self.0 else { return StdHashMap::new() };
        let (entries, held) = batch::sums(&kernel.all_sites, kernel.cpus, |key| wanted(&key.process)).unwrap_or_else(|_| {
            // The kernel has no memory for many at once. One by one a map that others change may show an entry twice: by key first.
            let one_by_one = lock(&kernel.sites);
            let entries = one_by_one.iter().filter_map(Result::ok).map(|(key, values)| (key, values.iter().sum()));
            let all: StdHashMap<SiteKey, u64> = entries.collect();
            let held = all.len() as u64;
            (all.into_iter().filter(|(key, _)| wanted(&key.process)).collect(), held)
        });
        kernel.sites_held.store(held, Ordering::Relaxed);
        let mut by_process: StdHashMap<ProcessKey, Vec<SiteHits>> = StdHashMap::new();
        for (key, hits) in entries {
            let Some(kind) = Kind::from_number(key.kind) else { continue };
            by_process.entry(key.process).or_default().push(SiteHits { kind, pc: key.pc, hits });
        }
        by_process
    }

    /// How many sites the kernel side had when they were last read.
    #[must_use]
    pub fn sites_held(&self) -> u64 {
        self.0.as_ref().map_or(0, |kernel| kernel.sites_held.load(Ordering::Relaxed))
    }

    /// Frees what the kernel side keeps of an ended process. `sites` as last read.
    pub fn forget(&self, key: &ProcessKey, sites: &[SiteHits]) {
        let Some(kernel) = &self.0 else { return };
        let mut processes = lock(&kernel.processes);
        if processes.get(&key.tgid, 0).is_ok_and(|info| info.exec_ns == key.exec_ns) {
            report(processes.remove(&key.tgid), "PROCESSES");
        }
        drop(processes);
        let keys: Vec<SiteKey> = sites.iter().map(|site| SiteKey { process: *key, pc: site.pc, kind: site.kind as u32, pad: 0 }).collect();
        if let Err((_, left)) = batch::remove(&kernel.all_sites, &keys) {
            let mut map = lock(&kernel.sites);
            left.iter().for_each(|key| report(map.remove(key), "SITES"));
        }
        report(lock(&kernel.counters).remove(key), "COUNTERS");
    }

    /// What was lost since the start, by name.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<&'static str, u64> {
        Drop::ALL.into_iter().map(|drop| (drop.name(), self.lost(drop))).collect()
    }

    /// How often something was lost in one way.
    #[must_use]
    pub fn lost(&self, drop: Drop) -> u64 {
        self.0.as_ref().and_then(|kernel| kernel.drops.get(&(drop as u32), 0).ok()).map_or(0, |values| values.iter().sum())
    }
}

fn sum<'a>(values: impl Iterator<Item = &'a Counters>) -> Hits {
    let mut hits = Hits::default();
    for counters in values {
        if counters.slot != 0 {
            hits.slot = u32::try_from(counters.slot).ok().map(Slot);
            hits.bias = counters.bias;
        }
        for (total, count) in hits.by_kind.iter_mut().zip(counters.hits) {
            *total += count;
        }
        for (total, count) in hits.unsited.iter_mut().zip(counters.unsited) {
            *total += count;
        }
        for (total, count) in hits.gated.iter_mut().zip(counters.gated) {
            *total += count;
        }
        hits.by_cpu.push(counters.hits);
    }
    hits
}

/// Removal of what is not there is no failure.
fn report(result: Result<(), MapError>, map: &'static str) {
    if let Err(MapError::SyscallError(error)) = &result
        && error.io_error.raw_os_error() != Some(libc::ENOENT)
    {
        warn!(map, %error, "cannot free an entry");
    }
}

/// A panic elsewhere does not make a map unusable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
