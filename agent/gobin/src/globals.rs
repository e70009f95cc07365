//! Where the runtime's variables lie, by the code that refers to them: symbols may be gone, code cannot.
//!
//! Input nouns: the functions named [`FUNCTIONS`], the methods of [`METHODS`], a [`Layout`]. Output noun: [`Globals`]. Must not know
//! live memory. Every function used is linked into every Go program of the supported versions. Each variable is found in one way
//! and checked in another; what disagrees is refused, never guessed.

use std::collections::HashMap;
use std::ops::Range;

use crate::disasm::{Call, calls, references};
use crate::elf::{Arch, Elf};
use crate::layout::Layout;
use crate::runtime::Globals;
use crate::{Limits, RuntimeRefusal, Source, VirtualAddress, analyse};

/// The functions whose code is read.
pub const FUNCTIONS: [&str; 31] = [
    "runtime.forEachGRace",
    "runtime.atomicAllG",
    "runtime.allgadd",
    "runtime.preemptall",
    "runtime.gcMarkTinyAllocs",
    "runtime.timeSleepUntil",
    "runtime.gfget",
    "runtime.gfput",
    "runtime.gfpurge",
    "runtime.newproc1",
    "runtime.gcTrigger.test",
    "runtime.gcControllerCommit",
    "runtime.gcMarkTermination",
    "runtime.gcinit",
    "runtime.gcStart",
    "runtime.gcMark",
    "runtime.gcPaceScavenger",
    "runtime.findRunnable",
    "runtime.gcBgMarkWorker",
    "runtime.(*mcache).refill",
    "runtime.(*mcache).releaseAll",
    "runtime.(*mcache).allocLarge",
    "runtime.(*mheap).allocSpan",
    "runtime.stackalloc",
    "runtime.stackpoolalloc",
    "runtime.allocmcache",
    "runtime.semacquire1",
    "runtime.semrelease1",
    "runtime.markroot",
    "runtime.queuefinalizer",
    "runtime.freeSpecial",
];

/// Types whose methods are called on globals, by the beginning of the methods' names.
pub(crate) const METHODS: [&str; 4] =
    ["runtime.(*gcControllerState).", "runtime.(*consistentHeapStats).", "runtime.(*mheap).", "runtime.(*cleanupQueue)."];

/// A function of [`FUNCTIONS`] or a method of [`METHODS`].
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// Position in [`FUNCTIONS`]; the methods follow it.
    pub(crate) index: usize,
    /// Its code.
    pub(crate) range: Range<VirtualAddress>,
}

/// What the recipes read.
pub(crate) struct Code<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) elf: &'a Elf,
    pub(crate) limits: &'a Limits,
    /// Without the wrappers between calling conventions.
    pub(crate) bodies: Vec<Body>,
}

/// Finds all globals.
///
/// # Errors
/// The code of a function is missing, or the ways to find a variable disagree.
pub(crate) fn recover(code: &Code<'_>, layout: &Layout, moduledata: VirtualAddress) -> Result<Globals, RuntimeRefusal> {
    let (allglen, allgptr) = goroutines(code)?;
    let methods = code.receivers()?;
    Ok(Globals {
        allglen,
        allgptr,
        allp: processors(code)?,
        sched: scheduler(code, layout)?,
        memstats: statistics(code, layout, &methods)?,
        gc_controller: methods.one(Method::GcController, "gcController")?,
        // Only the proof of leaks needs these: without them all else can still be read.
        mheap: methods.one(Method::Heap, "mheap_").ok(),
        semtable: semaphores(code).ok(),
        allfin: finalizers(code).ok(),
        gc_cleanups: cleanups(code, layout, &methods).ok(),
        moduledata,
    })
}

fn refuse<T>(global: &'static str, why: &'static str) -> Result<T, RuntimeRefusal> {
    Err(RuntimeRefusal::Global { global, why })
}

/// `forEachGRace` is a loop from 0 to `allglen` over `allgptr`, and refers to nothing else. It has them from `atomicAllG`, which is
/// a function of its own only where inlining is off.
fn goroutines(code: &Code<'_>) -> Result<(VirtualAddress, VirtualAddress), RuntimeRefusal> {
    let inlined = code.body("runtime.atomicAllG")?.is_none();
    let reader = if inlined { "runtime.forEachGRace" } else { "runtime.atomicAllG" };
    let [length, pointer] = code.variables(reader, "allglen")?[..] else {
        return refuse("allglen", "forEachGRace does not refer to two variables");
    };
    let added = code.variables("runtime.allgadd", "allglen")?;
    if !added.contains(&length) || !added.contains(&pointer) {
        return refuse("allglen", "forEachGRace and allgadd disagree");
    }
    Ok((length, pointer))
}

/// Three loops over the slice `allp`: no other two words are neighbours there.
fn processors(code: &Code<'_>) -> Result<VirtualAddress, RuntimeRefusal> {
    let mut found = Vec::new();
    for name in ["runtime.preemptall", "runtime.gcMarkTinyAllocs", "runtime.timeSleepUntil"] {
        let places = code.variables(name, "allp")?;
        let mut slices = places.iter().filter(|start| start.checked_add(8).is_some_and(|next| places.contains(&next)));
        if let (Some(slice), None) = (slices.next(), slices.next()) {
            found.push(*slice);
        }
    }
    match found.split_first() {
        Some((first, rest)) if !rest.is_empty() && rest.iter().all(|other| other == first) => Ok(*first),
        Some((_, [])) | None => refuse("allp", "the loops do not refer to one slice"),
        Some(_) => refuse("allp", "the loops refer to different slices"),
    }
}

/// The queue of dead goroutines, `sched.gFree`: what the three functions that change it have in common lies close together.
fn scheduler(code: &Code<'_>, layout: &Layout) -> Result<VirtualAddress, RuntimeRefusal> {
    let mut found = None;
    for name in ["runtime.gfget", "runtime.gfput", "runtime.gfpurge"] {
        let start = code.cluster(name, GFREE_BYTES)?.and_then(|start| start.0.checked_sub(u64::from(layout.sched.gfree)));
        match (start, found) {
            (None, _) => return refuse("sched", "no references to gFree"),
            (Some(start), Some(other)) if start != other => return refuse("sched", "gfget, gfput and gfpurge disagree"),
            (start, _) => found = start,
        }
    }
    let Some(sched) = found.map(VirtualAddress) else { return refuse("sched", "no references to gFree") };
    // `sched.goidgen`, of which newproc1 takes ids for its processor.
    let ids = sched.checked_add(u64::from(layout.sched.goidgen));
    if !ids.is_some_and(|ids| code.variables("runtime.newproc1", "sched").is_ok_and(|places| places.contains(&ids))) {
        return refuse("sched", "newproc1 does not take ids from there");
    }
    if code.is_variable(sched, u64::from(layout.sched.size)) { Ok(sched) } else { refuse("sched", "not inside of writable memory") }
}

/// Size of `sched.gFree`: a lock, two lists, and until Go 1.24 a count.
const GFREE_BYTES: u64 = 48;

/// `memstats.heapStats` is the receiver of methods; `gcTrigger.test` also compares two of its fields.
fn statistics(code: &Code<'_>, layout: &Layout, methods: &Receivers) -> Result<VirtualAddress, RuntimeRefusal> {
    const NAME: &str = "memstats";
    let mstats = &layout.mstats;
    let start = methods.one(Method::HeapStatistics, NAME)?.0.checked_sub(u64::from(mstats.heap_stats)).map(VirtualAddress);
    let places = code.variables("runtime.gcTrigger.test", NAME)?;
    let field = |offset: u32| start.and_then(|start| start.checked_add(u64::from(offset))).is_some_and(|place| places.contains(&place));
    match start {
        Some(start) if field(mstats.enablegc) && field(mstats.last_gc_nanotime) => Ok(start),
        _ => refuse(NAME, "gcTrigger.test does not refer to its fields"),
    }
}

/// The table of semaphores is all that those who wait for one and those who release it have in common.
fn semaphores(code: &Code<'_>) -> Result<VirtualAddress, RuntimeRefusal> {
    let releasing = code.variables("runtime.semrelease1", "semtable")?;
    let mut common = code.variables("runtime.semacquire1", "semtable")?;
    common.retain(|place| place.0.is_multiple_of(8) && releasing.contains(place));
    match common[..] {
        [table] => Ok(table),
        _ => refuse("semtable", "semacquire1 and semrelease1 do not share one variable"),
    }
}

/// What a collection marks from and what is queued for a finalizer have the list of blocks in common; and, behind it, the mask that
/// says where pointers are in a block.
fn finalizers(code: &Code<'_>) -> Result<VirtualAddress, RuntimeRefusal> {
    const NAME: &str = "allfin";
    let queued = code.variables("runtime.queuefinalizer", NAME)?;
    let marked = code.variables("runtime.markroot", NAME)?;
    let mut common = marked.into_iter().filter(|place| place.0.is_multiple_of(8) && queued.contains(place));
    match (common.next(), common.next(), common.next()) {
        (Some(list), _, None) => Ok(list),
        _ => refuse(NAME, "markroot and queuefinalizer do not share two variables"),
    }
}

/// The queue is the receiver of methods; a collection marks from the list in it.
fn cleanups(code: &Code<'_>, layout: &Layout, methods: &Receivers) -> Result<VirtualAddress, RuntimeRefusal> {
    const NAME: &str = "gcCleanups";
    let queue = methods.one(Method::Cleanups, NAME)?;
    let list = layout.cleanup_queue.and_then(|layout| queue.checked_add(u64::from(layout.all)));
    let marked = code.variables("runtime.markroot", NAME)?;
    if list.is_some_and(|list| marked.contains(&list)) { Ok(queue) } else { refuse(NAME, "markroot does not refer to its list") }
}

/// The types of [`METHODS`], in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    GcController,
    HeapStatistics,
    Heap,
    Cleanups,
}

/// The variables that methods are called on, by [`Method`], with repetitions.
#[derive(Debug, Default)]
struct Receivers([Vec<VirtualAddress>; METHODS.len()]);

impl Receivers {
    /// The one variable that every call agrees on; one call alone is not believed.
    fn one(&self, method: Method, global: &'static str) -> Result<VirtualAddress, RuntimeRefusal> {
        match self.0.get(method as usize).and_then(|calls| calls.split_first()) {
            Some((first, rest)) if rest.iter().any(|other| other != first) => refuse(global, "its methods are called on several variables"),
            Some((first, [_, ..])) => Ok(*first),
            _ => refuse(global, "too few calls of its methods"),
        }
    }
}

impl Code<'_> {
    /// The code of the function of that name; of several the first: the body comes before what wraps it.
    fn body(&self, name: &str) -> Result<Option<(VirtualAddress, Vec<u8>)>, RuntimeRefusal> {
        let index = FUNCTIONS.iter().position(|function| *function == name);
        let Some(body) = self.bodies.iter().find(|body| Some(body.index) == index) else { return Ok(None) };
        let code = analyse::code(self.source, self.elf, body.range.clone(), self.limits).map_err(|_| RuntimeRefusal::Code)?;
        Ok(Some((body.range.start, code)))
    }

    fn arch(&self) -> Arch {
        self.elf.arch
    }

    /// The variables that a function refers to, each once, in the order of its code.
    fn variables(&self, name: &str, global: &'static str) -> Result<Vec<VirtualAddress>, RuntimeRefusal> {
        let Some((start, code)) = self.body(name)? else { return refuse(global, "the code that refers to it is missing") };
        let mut found = Vec::new();
        for place in references(&code, start, self.arch()) {
            if found.len() < VARIABLES_MAX && self.is_variable(place, 1) && !found.contains(&place) {
                found.push(place);
            }
        }
        Ok(found)
    }

    /// The lowest variable of the most that lie within `bytes` of each other.
    fn cluster(&self, name: &str, bytes: u64) -> Result<Option<VirtualAddress>, RuntimeRefusal> {
        let mut places = self.variables(name, "sched")?;
        places.sort();
        let near =
            |start: VirtualAddress| places.iter().filter(|place| (start.0..start.0.saturating_add(bytes)).contains(&place.0)).count();
        // The first of equals.
        Ok(places.iter().copied().rev().max_by_key(|start| near(*start)))
    }

    /// Whether that range is inside of one writable segment.
    fn is_variable(&self, address: VirtualAddress, size: u64) -> bool {
        self.elf.segments.iter().filter(|segment| segment.writable).any(|segment| {
            let delta = address.0.checked_sub(segment.region.address.0);
            delta.and_then(|delta| delta.checked_add(size)).is_some_and(|end| end <= segment.memory_size)
        })
    }

    /// One pass over all functions that are read, for the calls of methods.
    fn receivers(&self) -> Result<Receivers, RuntimeRefusal> {
        let methods: HashMap<VirtualAddress, usize> = self
            .bodies
            .iter()
            .filter_map(|body| body.index.checked_sub(FUNCTIONS.len()).map(|method| (body.range.start, method)))
            .collect();
        let mut found = Receivers::default();
        for name in FUNCTIONS {
            let Some((start, code)) = self.body(name)? else { continue };
            for Call { callee, argument } in calls(&code, start, self.arch()) {
                let Some(receivers) = methods.get(&callee).and_then(|method| found.0.get_mut(*method)) else { continue };
                if receivers.len() < VARIABLES_MAX && self.is_variable(argument, 1) {
                    receivers.push(argument);
                }
            }
        }
        Ok(found)
    }
}

/// Variables of one function that are kept: real ones refer to some 60.
const VARIABLES_MAX: usize = 512;
