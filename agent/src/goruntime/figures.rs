//! The figures that a Go runtime keeps of itself. Input noun: its globals. Output noun: [`RuntimeFigures`]. Must not know goroutines one
//! by one.
//!
//! What a figure means is what `runtime/metrics` of the same process means by it; src/runtime/metrics.go is where to look.

use std::time::SystemTime;

use goroscope_gobin::layout::Layout;

use super::{
    Fields as _, Runtime, RuntimeError, heap,
    histogram::fold,
    processors::{List, Processors},
};
use crate::model::{Memory, Read, RuntimeFigures};

/// How often figures are read again: what they are added up from changes together only, and one reading takes microseconds.
const TRIES: usize = 16;
/// Bytes of a struct of the runtime: the largest has 14 kB.
const STRUCT_MAX: u32 = 64 << 10;
/// Bytes of `sched.gFree`: a lock, at most 32 bytes, and two lists, each with its number from 1.25 on, before that with one number for
/// both.
const GFREE: usize = 64;

/// Structs, and what the processors have, as they were in one go.
struct Snapshot {
    sched: Vec<u8>,
    memstats: Vec<u8>,
    gc: Vec<u8>,
    length: u64,
    processors: Processors,
}

/// What must not change between begin and end of a reading, for its parts to belong together; beside it, what the processors have.
#[derive(PartialEq, Eq)]
struct Anchors {
    /// Goroutine structs there are.
    length: u64,
    /// Ids that were given to processors.
    goidgen: u64,
    /// Free goroutines that no processor holds: they come and go by dozens.
    free: u64,
    allp: [u8; 24],
}

impl<M: Memory> Runtime<M> {
    /// What the runtime knows now.
    ///
    /// # Errors
    /// The memory cannot be read, or makes no sense.
    pub fn figures(&self) -> Result<RuntimeFigures, RuntimeError> {
        let layout = &self.facts.layout;
        let taken_at = SystemTime::now();
        let Snapshot { sched, memstats, gc, length, processors } = self.snapshot()?;
        let free = free(&sched, layout.sched.gfree, layout).saturating_add(processors.free);
        let listed = length.checked_sub(free).ok_or(RuntimeError::Implausible { what: "the number of free goroutines" })?;
        let ids = sched.u64(layout.sched.goidgen).saturating_sub(processors.unused_ids);
        let live = listed.min(ids.max(1)); // runtime.newproc1 lists a struct first, then gives it an id: until then it is none.
        let ngsys = u64::from(sched.u32(layout.sched.ngsys));
        let created = match (layout.sched.goroutines_created, layout.p.goroutines_created) {
            (Some(at), Some(_)) => sched.u64(at).saturating_add(processors.created),
            _ => ids,
        };
        // For threads of C that may call Go there are structs of threads and goroutines with ids, which nobody created: one always in a
        // program with cgo. runtime.newproc1 counts itself since 1.26; before that they cannot be told from others.
        let foreign = ids.saturating_sub(created).min(ngsys);
        let histogram = |bytes: &[u8], at: u32| {
            let shape = &layout.time_histogram;
            let field = |offset: u32| at.saturating_add(offset);
            fold(bytes, field(shape.counts), field(shape.underflow), shape.overflow.map(field), self.minor)
        };
        let pauses = layout.sched.stw_total_time_gc.map(|at| histogram(&sched, at));
        let pauses = pauses.or_else(|| layout.mstats.gc_pause_dist.map(|at| histogram(&memstats, at)));
        let limit = gc.u64(layout.gc_controller.memory_limit);
        let heap = heap::stats(&memstats, layout);
        Ok(RuntimeFigures {
            taken_at,
            // As runtime.gcount does: in a process that is just starting it may be less.
            goroutines: live.saturating_sub(ngsys).max(1),
            system_goroutines: ngsys - foreign,
            created,
            ended: ids.saturating_sub(live),
            gomaxprocs: processors.count,
            threads: sched.u64(layout.sched.mnext).saturating_sub(sched.u64(layout.sched.nmfreed)).saturating_sub(foreign),
            gc_cycles: memstats.u32(layout.mstats.numgc).into(),
            gc_forced_cycles: memstats.u32(layout.mstats.numforcedgc).into(),
            gc_pauses: pauses,
            gogc: u64::try_from(gc.u32(layout.gc_controller.gc_percent).cast_signed()).ok(),
            heap_goal: heap::goal(&gc, &layout.gc_controller, self.minor),
            heap_live: gc.u64(layout.gc_controller.heap_live),
            memory_limit: (limit < i64::MAX.unsigned_abs()).then_some(limit),
            allocated_bytes: Some(heap.allocated_bytes),
            allocations: Some(heap.allocations),
            stack_bytes: Some(heap.stack_bytes),
            other_bytes: Some(gc.u64(layout.gc_controller.mapped_ready).saturating_sub(heap.stack_bytes)),
            schedule_latency: Some(histogram(&sched, layout.sched.time_to_run)),
            mutex_wait_ns: layout.sched.total_mutex_wait_time.map(|at| sched.u64(at)),
            timers: Some(processors.timers),
        })
    }

    /// Reads again while goroutines come and go in between. If it never rests, the last reading is off by what happened meanwhile, as
    /// `runtime.NumGoroutine` itself is.
    fn snapshot(&self) -> Result<Snapshot, RuntimeError> {
        let mut torn = Ok(None);
        for _ in 0..TRIES {
            torn = match self.snapshot_once() {
                Ok((snapshot, true)) => return Ok(snapshot),
                Ok((snapshot, false)) => Ok(Some(snapshot)),
                // A processor's memory can be given back between the list and itself.
                Err(error @ (RuntimeError::NotMapped { .. } | RuntimeError::Implausible { .. })) => Err(error),
                Err(error) => return Err(error),
            };
            self.count_torn();
        }
        torn?.ok_or(RuntimeError::Changed)
    }

    /// One reading, and whether its anchors were the same before and after.
    fn snapshot_once(&self) -> Result<(Snapshot, bool), RuntimeError> {
        let (layout, globals) = (&self.facts.layout, &self.facts.globals);
        let block = |size: u32| vec![0; usize::try_from(size.min(STRUCT_MAX)).unwrap_or(0)];
        let (mut sched, mut memstats) = (block(layout.sched.size), block(memstats_bytes(layout)));
        let mut gc = block(layout.gc_controller.mapped_ready.saturating_add(8));
        let list = self.processors()?;
        let (mut room, mut room_after) = (list.room(), list.room());
        let (mut length, mut length_after, mut goidgen) = ([0; 8], [0; 8], [0; 8]);
        let (mut gfree, mut slice) = ([0; GFREE], [0; 24]);
        let mut reads = Vec::with_capacity(8 + 2 * list.reads());
        let read = |at, out| Read { at, out, done: false };
        reads.push(read(self.at(globals.allglen), length.as_mut_slice()));
        reads.push(read(self.at(globals.sched), &mut sched));
        self.processor_reads(&list, &mut room, &mut reads);
        reads.push(read(self.behind(globals.sched, layout.sched.goidgen), &mut goidgen));
        reads.push(read(self.behind(globals.sched, layout.sched.gfree), &mut gfree));
        reads.push(read(self.at(globals.allglen), &mut length_after));
        reads.push(read(self.at(globals.allp), &mut slice));
        self.processor_reads(&list, &mut room_after, &mut reads);
        reads.push(read(self.at(globals.memstats), &mut memstats));
        reads.push(read(self.at(globals.gc_controller), &mut gc));
        self.memory.read_many(&mut reads).map_err(|error| RuntimeError::of(error, "the runtime"))?;
        if reads.iter().any(|read| !read.done) {
            return Err(RuntimeError::NotMapped { what: "the runtime" });
        }
        let length = u64::from_le_bytes(length);
        let free_before = free(&sched, layout.sched.gfree, layout);
        let before = Anchors { length, goidgen: sched.u64(layout.sched.goidgen), free: free_before, allp: list.slice };
        let after = Anchors {
            length: u64::from_le_bytes(length_after),
            goidgen: u64::from_le_bytes(goidgen),
            free: free(&gfree, 0, layout),
            allp: slice,
        };
        let processors = list.sum(&room);
        let is_whole = before == after && List::is_still(&room, &room_after);
        Ok((Snapshot { sched, memstats, gc, length, processors }, is_whole))
    }
}

/// Bytes of `runtime.memstats` up to the last field that is read.
fn memstats_bytes(layout: &Layout) -> u32 {
    let pauses = layout.mstats.gc_pause_dist.map_or(0, |at| at.saturating_add(layout.time_histogram.size));
    layout.mstats.enablegc.saturating_add(8).max(pauses)
}

/// Dead goroutines in the scheduler's own lists, `sched.gFree` being at `at`: {lock; stack, noStack gList; n int32} until 1.24, then the
/// lists count themselves.
fn free(bytes: &[u8], at: u32, layout: &Layout) -> u64 {
    let lock = layout.mutex.size;
    let (list, count) = (layout.glist.size, |offset: u32| u64::from(bytes.u32(at.saturating_add(offset))));
    match layout.glist.count {
        Some(own) => count(lock.saturating_add(own)).saturating_add(count(lock.saturating_add(list).saturating_add(own))),
        None => count(lock.saturating_add(list.saturating_mul(2))),
    }
}
