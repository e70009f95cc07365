//! Where the fields of the runtime's structs lie.
//!
//! Input noun: [`Offsets`], a name to a number, from the tables of this repository or from DWARF of the executable itself. Output
//! noun: [`Layout`]. Must not know live memory.
//!
//! A field that a Go version does not have is an `Option`; one that every version has, and that is missing, refuses the whole.

mod debug_section;
mod dwarf;
mod size_classes;
mod table;

pub(crate) use dwarf::read as read_dwarf;
pub use dwarf::{Described, DwarfError, described};
pub use size_classes::{SIZE_CLASSES, size_class};
pub use table::{TableError, tabled};
pub(crate) use table::{has_struct, without_experiments};

/// Offsets by Go's names; `sizeof` is the size of the struct. Bytes.
pub trait Offsets {
    /// The offset of `field` in the struct `of` (`runtime.g`), if the struct has it.
    fn offset(&self, of: &str, field: &str) -> Option<u32>;
}

/// DWARF, and for structs that a program does not use, and which its DWARF therefore lacks, a table.
pub(crate) struct Completed<T> {
    pub(crate) described: Described,
    pub(crate) tabled: T,
}

impl<T: Offsets> Offsets for Completed<T> {
    fn offset(&self, of: &str, field: &str) -> Option<u32> {
        if self.described.has(of) { self.described.offset(of, field) } else { self.tabled.offset(of, field) }
    }
}

/// A field that every supported version has is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{of} has no field {field}")]
pub struct MissingField {
    /// The struct.
    pub of: &'static str,
    /// The field.
    pub field: &'static str,
}

macro_rules! structs {
    ($( $(#[$doc:meta])* $name:ident = $go:literal { $($field:ident = $from:literal),* $(,)? } optional { $($maybe:ident = $maybe_from:literal),* $(,)? } )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[expect(missing_docs, reason = "the fields are Go's own, in snake_case")]
            pub struct $name {
                $(pub $field: u32,)*
                $(pub $maybe: Option<u32>,)*
            }

            impl $name {
                /// Reads the struct's offsets.
                ///
                /// # Errors
                /// A field that must be there is not.
                pub fn read(offsets: &dyn Offsets) -> Result<Self, MissingField> {
                    Ok(Self {
                        $($field: offsets.offset($go, $from).ok_or(MissingField { of: $go, field: $from })?,)*
                        $($maybe: offsets.offset($go, $maybe_from),)*
                    })
                }
            }
        )*

        /// Structs and fields by Go's names: what the tables hold, and what is looked for in DWARF.
        pub const FIELDS: &[(&str, &[&str])] = &[$(($go, &[$($from,)* $($maybe_from,)*]),)*];
    };
}

structs! {
    /// `runtime.g`, a goroutine. `stack` is `lo` and, 8 bytes on, `hi`.
    G = "runtime.g" {
        size = "sizeof", stack = "stack", defers = "_defer", m = "m", sched = "sched", syscallsp = "syscallsp", syscallpc = "syscallpc",
        param = "param", atomicstatus = "atomicstatus", goid = "goid", waitsince = "waitsince", waitreason = "waitreason",
        tracking_seq = "trackingSeq", gopc = "gopc", startpc = "startpc", waiting = "waiting", labels = "labels", timer = "timer",
    } optional { syscallbp = "syscallbp", parent_goid = "parentGoid", coroarg = "coroarg", bubble = "bubble", sync_group = "syncGroup", sleep_when = "sleepWhen" }
    /// `runtime.gobuf`, the saved registers of a goroutine that does not run.
    Gobuf = "runtime.gobuf" { size = "sizeof", sp = "sp", pc = "pc", ctxt = "ctxt", bp = "bp" } optional {}
    /// `runtime.schedt`, the scheduler.
    Sched = "runtime.schedt" {
        size = "sizeof", goidgen = "goidgen", mnext = "mnext", nmfreed = "nmfreed", ngsys = "ngsys", gfree = "gFree", time_to_run = "timeToRun",
    } optional {
        midle = "midle", total_mutex_wait_time = "totalMutexWaitTime", idle_time = "idleTime", stw_total_time_gc = "stwTotalTimeGC",
        stw_stopping_time_gc = "stwStoppingTimeGC", total_runtime_lock_wait_time = "totalRuntimeLockWaitTime", goroutines_created = "goroutinesCreated",
    }
    /// `runtime.gList`; it counts its members from 1.25 on.
    GList = "runtime.gList" { size = "sizeof", head = "head" } optional { count = "size" }
    /// `runtime.p`, a processor.
    P = "runtime.p" {
        size = "sizeof", id = "id", status = "status", m = "m", mcache = "mcache", goidcache = "goidcache", goidcacheend = "goidcacheend",
        gfree = "gFree", timers = "timers",
    } optional { num_timers = "numTimers", deleted_timers = "deletedTimers", goroutines_created = "goroutinesCreated", cleanups = "cleanups" }
    /// `runtime.m`, a thread.
    M = "runtime.m" { size = "sizeof", g0 = "g0", gsignal = "gsignal", procid = "procid", curg = "curg", p = "p" } optional { alllink = "alllink", schedlink = "schedlink" }
    /// `runtime.mutex`: larger where locks have ranks (GOEXPERIMENT staticlockranking).
    Mutex = "runtime.mutex" { size = "sizeof" } optional {}
    /// `runtime.mstats`.
    Mstats = "runtime.mstats" {
        heap_stats = "heapStats", last_gc_unix = "last_gc_unix", pause_total_ns = "pause_total_ns", pause_ns = "pause_ns", pause_end = "pause_end", numgc = "numgc",
        numforcedgc = "numforcedgc", last_gc_nanotime = "last_gc_nanotime", enablegc = "enablegc",
    } optional { gc_pause_dist = "gcPauseDist" }
    /// `runtime.consistentHeapStats`: `stats` is an array of three `runtime.heapStatsDelta`, whose sums are the figures.
    ConsistentHeapStats = "runtime.consistentHeapStats" { size = "sizeof", stats = "stats", generation = "gen" } optional {}
    /// `runtime.heapStatsDelta`, words of 8 bytes. The counts of small objects are arrays by size class, see [`SIZE_CLASSES`].
    HeapStatsDelta = "runtime.heapStatsDelta" {
        size = "sizeof", committed = "committed", released = "released", in_heap = "inHeap", in_stacks = "inStacks", in_work_bufs = "inWorkBufs",
        tiny_alloc_count = "tinyAllocCount", large_alloc = "largeAlloc", large_alloc_count = "largeAllocCount",
        small_alloc_count = "smallAllocCount", large_free = "largeFree", large_free_count = "largeFreeCount", small_free_count = "smallFreeCount",
    } optional { in_ptr_scalar_bits = "inPtrScalarBits" }
    /// `runtime.gcControllerState`.
    GcController = "runtime.gcControllerState" {
        gc_percent = "gcPercent", memory_limit = "memoryLimit", heap_minimum = "heapMinimum", gc_percent_heap_goal = "gcPercentHeapGoal",
        sweep_dist_min_trigger = "sweepDistMinTrigger", triggered = "triggered",
        last_heap_goal = "lastHeapGoal", heap_live = "heapLive", heap_marked = "heapMarked", heap_in_use = "heapInUse",
        heap_released = "heapReleased", heap_free = "heapFree", total_alloc = "totalAlloc", total_free = "totalFree", mapped_ready = "mappedReady",
    } optional {}
    /// `runtime.timeHistogram`.
    TimeHistogram = "runtime.timeHistogram" { size = "sizeof", counts = "counts", underflow = "underflow" } optional { overflow = "overflow" }
    /// `runtime.hchan`, a channel.
    Hchan = "runtime.hchan" {
        size = "sizeof", qcount = "qcount", dataqsiz = "dataqsiz", buf = "buf", elemsize = "elemsize", closed = "closed", recvq = "recvq", sendq = "sendq",
    } optional { timer = "timer" }
    /// `runtime.sudog`, one goroutine in one queue.
    Sudog = "runtime.sudog" {
        size = "sizeof", g = "g", next = "next", prev = "prev", elem = "elem", waitlink = "waitlink", c = "c", is_select = "isSelect",
    } optional {}
    /// `runtime.semaRoot`, the queues of semaphores.
    SemaRoot = "runtime.semaRoot" { treap = "treap", nwait = "nwait" } optional {}
    /// `runtime.notifyList`, the queue of a Cond.
    NotifyList = "runtime.notifyList" { size = "sizeof", head = "head", tail = "tail" } optional {}
    /// `runtime.pollDesc`, a descriptor that the poller watches. `rg` and `wg` hold the goroutine that waits to read, and to write; `rd`
    /// and `wd` are their deadlines.
    PollDesc = "runtime.pollDesc" { size = "sizeof", fd = "fd", rg = "rg", wg = "wg", rd = "rd", wd = "wd" } optional {}
    /// `runtime.mheap`.
    Mheap = "runtime.mheap" { size = "sizeof", allspans = "allspans" } optional {}
    /// `runtime.mspan`. `nelems` has 8 bytes before Go 1.22, then 2.
    Mspan = "runtime.mspan" {
        size = "sizeof", start_addr = "startAddr", npages = "npages", nelems = "nelems", spanclass = "spanclass", state = "state",
        elemsize = "elemsize", specials = "specials", freeindex = "freeindex", alloc_bits = "allocBits", alloc_count = "allocCount",
        sweepgen = "sweepgen",
    } optional { large_type = "largeType" }
    /// `runtime.special`. `offset` has 2 bytes before Go 1.24, then 8.
    Special = "runtime.special" { size = "sizeof", next = "next", offset = "offset", kind = "kind" } optional {}
    /// `runtime.specialfinalizer`; `fn` is the closure that waits.
    SpecialFinalizer = "runtime.specialfinalizer" { size = "sizeof", closure = "fn" } optional {}
    /// `runtime.specialCleanup`, from 1.24 on. Its closure is in the field itself, from 1.26 on in `cleanup`.
    SpecialCleanup = "runtime.specialCleanup" { size = "sizeof" } optional { closure = "fn", cleanup = "cleanup" }
    /// `runtime.cleanupQueue`, from 1.25 on; `all` begins the list of its blocks.
    CleanupQueue = "runtime.cleanupQueue" { size = "sizeof", all = "all" } optional {}
    /// `runtime.timer`.
    Timer = "runtime.timer" { size = "sizeof", when = "when", period = "period", f = "f", arg = "arg" } optional { status = "status", nextwhen = "nextwhen", astate = "astate", state = "state", is_chan = "isChan" }
    /// `runtime.timers`, the heap of a processor from 1.23 on.
    Timers = "runtime.timers" { size = "sizeof", heap = "heap", len = "len", zombies = "zombies" } optional {}
    /// `runtime.timerWhen`, an element of that heap.
    TimerWhen = "runtime.timerWhen" { size = "sizeof", timer = "timer", when = "when" } optional {}
    /// `runtime.moduledata`. The slices hold pointers to other modules' data.
    Moduledata = "runtime.moduledata" {
        text = "text", etext = "etext", noptrdata = "noptrdata", data = "data", edata = "edata", bss = "bss", ebss = "ebss", enoptrbss = "enoptrbss", next = "next",
    } optional {}
}

/// Where the fields of all structs lie that the agent reads, for one executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each type has its own")]
pub struct Layout {
    pub g: G,
    pub gobuf: Gobuf,
    pub sched: Sched,
    pub glist: GList,
    pub p: P,
    pub m: M,
    pub mutex: Mutex,
    pub mstats: Mstats,
    pub consistent_heap_stats: ConsistentHeapStats,
    pub heap_stats_delta: HeapStatsDelta,
    pub gc_controller: GcController,
    pub time_histogram: TimeHistogram,
    pub hchan: Hchan,
    pub sudog: Sudog,
    pub sema_root: SemaRoot,
    pub notify_list: NotifyList,
    pub poll_desc: PollDesc,
    pub mheap: Mheap,
    pub mspan: Mspan,
    pub special: Special,
    pub special_finalizer: SpecialFinalizer,
    /// From 1.24 on.
    pub special_cleanup: Option<SpecialCleanup>,
    /// From 1.25 on.
    pub cleanup_queue: Option<CleanupQueue>,
    pub timer: Timer,
    /// From 1.23 on.
    pub timers: Option<Timers>,
    /// From 1.23 on.
    pub timer_when: Option<TimerWhen>,
    pub moduledata: Moduledata,
}

impl Layout {
    /// Reads every struct.
    ///
    /// # Errors
    /// A field that must be there is not.
    pub fn read(offsets: &dyn Offsets) -> Result<Self, MissingField> {
        Ok(Self {
            g: G::read(offsets)?,
            gobuf: Gobuf::read(offsets)?,
            sched: Sched::read(offsets)?,
            glist: GList::read(offsets)?,
            p: P::read(offsets)?,
            m: M::read(offsets)?,
            mutex: Mutex::read(offsets)?,
            mstats: Mstats::read(offsets)?,
            consistent_heap_stats: ConsistentHeapStats::read(offsets)?,
            heap_stats_delta: HeapStatsDelta::read(offsets)?,
            gc_controller: GcController::read(offsets)?,
            time_histogram: TimeHistogram::read(offsets)?,
            hchan: Hchan::read(offsets)?,
            sudog: Sudog::read(offsets)?,
            sema_root: SemaRoot::read(offsets)?,
            notify_list: NotifyList::read(offsets)?,
            poll_desc: PollDesc::read(offsets)?,
            mheap: Mheap::read(offsets)?,
            mspan: Mspan::read(offsets)?,
            special: Special::read(offsets)?,
            special_finalizer: SpecialFinalizer::read(offsets)?,
            special_cleanup: SpecialCleanup::read(offsets).ok(),
            cleanup_queue: CleanupQueue::read(offsets).ok(),
            timer: Timer::read(offsets)?,
            timers: Timers::read(offsets).ok(),
            timer_when: TimerWhen::read(offsets).ok(),
            moduledata: Moduledata::read(offsets)?,
        })
    }
}
