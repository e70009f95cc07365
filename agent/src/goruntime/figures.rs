//! The figures that a Go runtime keeps of itself. Input noun: its globals. Output noun: [`RuntimeFigures`]. Must not know goroutines one
//! by one.

use std::time::SystemTime;

use super::{Fields as _, PROCESSORS_MAX, Runtime, RuntimeError, TRIES, histogram::fold};
use crate::model::{Memory, Read, RuntimeAddress, RuntimeFigures};

/// What all processors have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Processors {
    /// `len(allp)`.
    count: u64,
    /// Dead goroutines in their lists.
    free: u64,
    /// Goroutine ids that they hold and have not given away.
    unused_ids: u64,
    /// Creations that they have counted themselves.
    created: u64,
    timers: u64,
}

impl<M: Memory> Runtime<M> {
    /// What the runtime knows now.
    ///
    /// # Errors
    /// The memory cannot be read, or makes no sense.
    pub fn figures(&self) -> Result<RuntimeFigures, RuntimeError> {
        let (layout, globals) = (&self.facts.layout, &self.facts.globals);
        let taken_at = SystemTime::now();
        let (sched, processors, length) = self.scheduler()?;
        let gc = self.bytes(self.at(globals.gc_controller), layout.gc_controller.mapped_ready + 8, "gcController")?;
        let memstats = self.bytes(self.at(globals.memstats), layout.mstats.enablegc + 1, "memstats")?;
        let free = self.free(&sched).saturating_add(processors.free);
        let system_goroutines = u64::from(sched.u32(layout.sched.ngsys));
        let live = length.checked_sub(free).ok_or(RuntimeError::Implausible { what: "the number of free goroutines" })?;
        let created = match (layout.sched.goroutines_created, layout.p.goroutines_created) {
            (Some(at), Some(_)) => sched.u64(at).saturating_add(processors.created),
            _ => sched.u64(layout.sched.goidgen).saturating_sub(processors.unused_ids),
        };
        let histogram = |bytes: &[u8], at: u32| {
            let shape = &layout.time_histogram;
            fold(bytes, at + shape.counts, at + shape.underflow, shape.overflow.map(|overflow| at + overflow), self.minor)
        };
        let pauses = layout.sched.stw_total_time_gc.map(|at| histogram(&sched, at));
        let pauses = pauses.or_else(|| layout.mstats.gc_pause_dist.map(|at| histogram(&memstats, at)));
        let limit = gc.u64(layout.gc_controller.memory_limit);
        Ok(RuntimeFigures {
            taken_at,
            // As runtime.gcount does: in a process that is just starting it may be less.
            goroutines: live.saturating_sub(system_goroutines).max(1),
            system_goroutines,
            created,
            ended: created.saturating_sub(live),
            gomaxprocs: processors.count,
            threads: sched.u64(layout.sched.mnext).saturating_sub(sched.u64(layout.sched.nmfreed)),
            gc_cycles: memstats.u32(layout.mstats.numgc).into(),
            gc_forced_cycles: memstats.u32(layout.mstats.numforcedgc).into(),
            gc_pauses: pauses,
            gogc: u64::try_from(gc.u32(layout.gc_controller.gc_percent).cast_signed()).ok(),
            heap_goal: gc.u64(layout.gc_controller.gc_percent_heap_goal),
            heap_live: gc.u64(layout.gc_controller.heap_live),
            memory_limit: (limit < i64::MAX.unsigned_abs()).then_some(limit),
            allocated_bytes: None,
            allocations: None,
            stack_bytes: None,
            other_bytes: None,
            schedule_latency: Some(histogram(&sched, layout.sched.time_to_run)),
            mutex_wait_ns: layout.sched.total_mutex_wait_time.map(|at| sched.u64(at)),
            timers: Some(processors.timers),
        })
    }

    /// `runtime.sched`, what its processors have, and `allglen`: read again while goroutines come and go.
    fn scheduler(&self) -> Result<(Vec<u8>, Processors, u64), RuntimeError> {
        let (layout, globals) = (&self.facts.layout, &self.facts.globals);
        let mut last = None;
        for _ in 0..TRIES {
            let length = self.word(self.at(globals.allglen), "allglen")?;
            let processors = self.processors()?;
            let sched = self.bytes(self.at(globals.sched), layout.sched.size, "sched")?;
            let is_quiet = last == Some((length, processors)) || processors == self.processors()?;
            last = Some((length, processors));
            if is_quiet {
                return Ok((sched, processors, length));
            }
        }
        // It never rests: a reading that is off by what happened meanwhile, as runtime.NumGoroutine's own is.
        let length = self.word(self.at(globals.allglen), "allglen")?;
        Ok((self.bytes(self.at(globals.sched), layout.sched.size, "sched")?, self.processors()?, length))
    }

    /// Dead goroutines in the scheduler's own lists.
    fn free(&self, sched: &[u8]) -> u64 {
        let at = self.facts.layout.sched.gfree;
        let count = |at: u32| u64::from(sched.u32(at));
        // {lock; stack, noStack gList; n int32} until 1.24, then the lists count themselves.
        if self.facts.layout.glist.count.is_some() { count(at + 16) + count(at + 32) } else { count(at + 24) }
    }

    fn processors(&self) -> Result<Processors, RuntimeError> {
        let layout = &self.facts.layout.p;
        let slice = self.bytes(self.at(self.facts.globals.allp), 24, "allp")?;
        let (list, count, capacity) = (RuntimeAddress(slice.u64(0)), slice.u64(8), slice.u64(16));
        if (list.0, count) == (0, 0) {
            return Err(RuntimeError::NotStarted);
        }
        if count == 0 || count > capacity || capacity > PROCESSORS_MAX {
            return Err(RuntimeError::Implausible { what: "the number of processors" });
        }
        let pointers = self.bytes(list, u32::try_from(8 * capacity).unwrap_or(0), "allp")?;
        let pointers: Vec<u64> = pointers.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let timers = match (self.facts.layout.timers, layout.num_timers) {
            (Some(timers), _) => layout.timers + timers.len,
            (None, Some(at)) => at,
            (None, None) => layout.timers,
        };
        // Of each: ids held, length of the free list, timers, creations.
        let fields = [(layout.goidcache, 16), (layout.gfree + 8, 4), (timers, 4), (layout.goroutines_created.unwrap_or(layout.id), 8)];
        const EACH: usize = 32;
        let mut bytes = vec![0; EACH * pointers.len()];
        let mut reads = Vec::with_capacity(4 * pointers.len());
        for (pointer, chunk) in pointers.iter().zip(bytes.chunks_mut(EACH)) {
            let mut free = chunk;
            for (at, size) in fields {
                let (out, tail) = free.split_at_mut(size);
                free = tail;
                if *pointer != 0 {
                    reads.push(Read { at: RuntimeAddress(pointer.wrapping_add(at.into())), out, done: false });
                }
            }
        }
        self.memory.read_many(&mut reads).map_err(|error| RuntimeError::of(error, "processors"))?;
        if reads.iter().any(|read| !read.done) {
            return Err(RuntimeError::NotMapped { what: "a processor" });
        }
        let mut sum = Processors { count, ..Processors::default() };
        for (index, p) in (0..).zip(bytes.chunks(EACH)) {
            // Processors that GOMAXPROCS has taken away keep ids, and nothing else.
            sum.unused_ids = sum.unused_ids.saturating_add(p.u64(8).saturating_sub(p.u64(0)));
            if index < count {
                sum.free = sum.free.saturating_add(p.u32(16).into());
                sum.timers = sum.timers.saturating_add(p.u32(20).into());
                sum.created = sum.created.saturating_add(p.u64(24));
            }
        }
        Ok(sum)
    }
}
