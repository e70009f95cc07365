//! Every map, with the reason for its size.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use goroscope_abi::{Counters, Executable, ProcessInfo, ProcessKey, SiteKey, drops::DROPS};

/// Every process that was exec'ed since the agent came, Go or not, and every attached one: the kernel's default pid_max.
#[map]
pub(crate) static PROCESSES: HashMap<u32, ProcessInfo> = HashMap::with_max_entries(32_768, 0);

/// Go processes with at least one hit; 4,096 of them, ended ones included until the agent has read them.
/// Preallocated: a hit never allocates, and what does not fit is a counted drop.
#[map]
pub(crate) static COUNTERS: PerCpuHashMap<ProcessKey, Counters> = PerCpuHashMap::with_max_entries(4_096, 0);

/// (process, call site) pairs: a large service has a few hundred that are hot.
#[map]
pub(crate) static SITES: PerCpuHashMap<SiteKey, u64> = PerCpuHashMap::with_max_entries(32_768, 0);

/// Attached executables by slot; 1 KiB each.
#[map]
pub(crate) static EXECUTABLES: Array<Executable> = Array::with_max_entries(1_024, 0);

/// What was lost, by `Drop`.
#[map]
pub(crate) static DROPS_BY_KIND: PerCpuArray<u64> = PerCpuArray::with_max_entries(DROPS as u32, 0);

/// Records of 32 (and 8 of header) bytes: more than 12,000, so 10 s of a busy host.
#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(512 * 1024, 0);
