//! The memory of a Go process that lies: a small heap with goroutines, queues, timers and specials as they should be, of which some
//! words are others.
//!
//! Input: any bytes. They choose the Go version, what lies where nothing should, and which words are wrong, at once or later. Output:
//! a [`World`], whose time passes with what is asked of it; and what must hold of everything that reads it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use goroscope::{
    goruntime::{Runtime, RuntimeError},
    model::{Goroutine, GoroutineState, Memory, MemoryError, RuntimeAddress, Waiter},
    reach::{Limits, Prover},
};
use goroscope_gobin::{
    Arch, Globals, GoVersion, LayoutSource, RuntimeFacts, VirtualAddress, WaitKind, WaitReason,
    layout::{Layout, tabled},
};

const DATA: u64 = 0x50_0000;
const DATA_END: u64 = DATA + 0x5_0000;
const SEMTABLE: u64 = DATA + 0x1_0000;
const FINALIZERS: u64 = DATA + 0x1_6000;
const CLEANUPS: u64 = DATA + 0x1_6100;
const MHEAP: u64 = DATA + 0x1_8000;
const LISTS: u64 = 0x7f00_0000_0000;
const ALLSPANS: u64 = LISTS + 0x8000;
const SPANS: u64 = LISTS + 0x1_0000;
const PROCESSORS: u64 = LISTS + 0x2_0000;
const THREADS: u64 = LISTS + 0x3_0000;
const TIMERS: u64 = LISTS + 0x4_0000;
const SPECIALS: u64 = LISTS + 0x5_0000;
const BLOCKS: u64 = LISTS + 0x5_8000;
const HEAP: u64 = 0xc0_0000_0000;
const SPAN: u64 = 8192;
const PAGE: u64 = 4096;
/// Goroutines, and what they wait on, by number.
const GOROUTINES: u64 = 12;
/// Object size, state and class of each span: goroutines, sudogs, channels and other objects, stacks, bytes, one large object.
const KINDS: [(u64, u64, u64); 6] =
    [(480, 1, 30 << 1), (112, 1, 9 << 1), (128, 1, 10 << 1), (2048, 2, 0), (64, 1, 5 << 1 | 1), (8192, 1, 0)];

/// How long one reading may take in the world's own time, ns. Everything that reads must end soon after.
const TIME: u64 = 3_000_000;
/// What may come after: one batch of whatever kind.
const SLACK: u64 = 30_000_000;

/// What lies where nothing was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elsewhere {
    Nothing,
    Zeros,
    /// Each word is its own address.
    Itself,
    /// Pointers into the heap and the lists.
    Pointers,
}

/// The memory.
pub struct World {
    pub facts: RuntimeFacts,
    pub minor: u16,
    pages: BTreeMap<u64, Box<[u8; 4096]>>,
    elsewhere: Elsewhere,
    /// The addresses of words that mean something.
    cells: Vec<u64>,
    /// Words that become others: after how many reads, address, value.
    later: Vec<(u64, u64, u64)>,
    reads: Cell<u64>,
    now: Cell<u64>,
    /// From then on the process is gone.
    end: Cell<u64>,
}

impl World {
    /// From any bytes.
    pub fn new(data: &[u8], end: u64) -> Self {
        let mut bytes = data.iter().copied();
        let minor = 19 + u16::from(bytes.next().unwrap_or(0)) % 9;
        let elsewhere = match bytes.next().unwrap_or(0) % 8 {
            0 => Elsewhere::Zeros,
            1 => Elsewhere::Itself,
            2 => Elsewhere::Pointers,
            _ => Elsewhere::Nothing,
        };
        let facts = RuntimeFacts { globals: globals(), layout: layout(minor), layout_source: LayoutSource::Table };
        let mut world = Self {
            facts,
            minor,
            pages: BTreeMap::new(),
            elsewhere,
            cells: vec![],
            later: vec![],
            reads: Cell::new(0),
            now: Cell::new(1),
            end: Cell::new(end),
        };
        world.build();
        let rest: Vec<u8> = bytes.collect();
        for &[low, high, what, which] in rest.as_chunks().0 {
            world.lie(u16::from_le_bytes([low, high]), what, which);
        }
        world
    }

    /// One word becomes another.
    fn lie(&mut self, cell: u16, what: u8, which: u8) {
        let number = usize::from(cell & 0x7fff);
        let cell_at = |number: usize| self.cells.get(number % self.cells.len()).copied().unwrap_or(0);
        let (at, other) = (cell_at(number), cell_at(usize::from(which)));
        let old = self.word(at);
        let value = match what % 16 {
            0 => 0,
            1 => u64::from(which),
            2 => u64::MAX - u64::from(which),
            3 => 1 << (which % 64),
            4 => at,
            5 => other,
            6 => self.word(other),
            7 => old.wrapping_add(u64::from(which)),
            8 => old.wrapping_sub(u64::from(which)),
            9 => old.wrapping_add(u64::from(which) * 8),
            10 => HEAP + u64::from(which) * 512,
            11 => LISTS + u64::from(which) * 2048,
            12 => DATA + u64::from(which) * 1024,
            13 => old ^ (0xff << (which % 8 * 8)),
            14 => (HEAP + SPAN * u64::from(which)) | u64::from(which % 3),
            _ => u64::from(which) << 24,
        };
        if cell & 0x8000 == 0 {
            self.put(at, value);
        } else {
            self.later.push((u64::from(which), at, value));
        }
    }

    fn build(&mut self) {
        let layout = self.facts.layout;
        for page in (DATA..DATA_END).step_by(4096) {
            self.page(page);
        }
        let globals = self.facts.globals;
        self.list(globals.allglen.0, &[GOROUTINES, LISTS, 0, PROCESSORS + 0xf000, 2, 2]);
        let module = &layout.moduledata;
        for (field, value) in [(module.data, DATA), (module.edata, MHEAP), (module.bss, MHEAP), (module.ebss, DATA_END), (module.next, 0)] {
            self.cell(globals.moduledata.0 + u64::from(field), value);
        }
        self.cell(globals.sched.0 + u64::from(layout.sched.midle.unwrap_or(0)), THREADS);
        let gc = &layout.gc_controller;
        for field in
            [gc.gc_percent, gc.heap_live, gc.memory_limit, layout.mstats.numgc, layout.mstats.pause_total_ns, layout.mstats.heap_stats]
        {
            self.cell(globals.gc_controller.0 + u64::from(field), 100);
            self.cell(globals.memstats.0 + u64::from(field), 100);
        }
        self.spans();
        self.queues();
        self.goroutines();
        self.processors();
    }

    fn spans(&mut self) {
        let layout = self.facts.layout.mspan;
        let spans = KINDS.len() as u64;
        self.list(MHEAP + u64::from(self.facts.layout.mheap.allspans), &[ALLSPANS, spans, spans]);
        for (number, (size, state, class)) in (0..).zip(KINDS) {
            let at = SPANS + number * u64::from(layout.size);
            self.cell(ALLSPANS + number * 8, at);
            self.cell(at + u64::from(layout.start_addr), HEAP + number * SPAN);
            self.cell(at + u64::from(layout.npages), 1);
            // The next one is in the same word from Go 1.22 on.
            self.cell(at + u64::from(layout.freeindex), number);
            self.cell(at + u64::from(layout.nelems), SPAN / size);
            self.cell(at + u64::from(layout.elemsize), size);
            self.byte(at + u64::from(layout.spanclass), class.to_le_bytes()[0]);
            self.byte(at + u64::from(layout.state), state.to_le_bytes()[0]);
            self.cell(at + u64::from(layout.specials), SPECIALS + number * 0x100);
            self.special(SPECIALS + number * 0x100, number);
        }
    }

    /// Finalizers and cleanups that wait to be run, in two blocks each.
    fn queues(&mut self) {
        let list = self.facts.layout.cleanup_queue.map_or(0, |queue| u64::from(queue.all));
        for (variable, size, next, first) in [(FINALIZERS, 4096, 0, BLOCKS), (CLEANUPS + list, 512, 16, BLOCKS + 0x2000)] {
            self.cell(variable, first);
            self.list(first + next, &[first + size, 1, 1]);
            self.list(first + size + next, &[0, 1, 1]);
            for number in 0..2 {
                self.cell(first + number * size + 32, HEAP + 2 * SPAN + number * 128);
            }
        }
    }

    fn special(&mut self, at: u64, number: u64) {
        let layout = self.facts.layout.special;
        self.cell(at + u64::from(layout.next), if number.is_multiple_of(2) { at + 0x80 } else { 0 });
        self.cell(at + 0x80 + u64::from(layout.next), 0);
        self.byte(at + u64::from(layout.kind), number.to_le_bytes()[0] + 1);
        for word in 0..4 {
            self.cell(at + u64::from(layout.size) + word * 8, HEAP + 2 * SPAN + (number + word) * 128);
        }
    }

    fn goroutines(&mut self) {
        let (g, gobuf, sudog) = (self.facts.layout.g, self.facts.layout.gobuf, self.facts.layout.sudog);
        let second = if self.minor >= 26 { 8 } else { 0 };
        let kinds = [WaitKind::Channel, WaitKind::Semaphore, WaitKind::Cond, WaitKind::Forever];
        for number in 0..GOROUTINES {
            let at = HEAP + number * 480;
            let kind = kinds.into_iter().cycle().nth(usize::try_from(number).unwrap_or(0)).unwrap_or(WaitKind::Channel);
            let (stack, entry, object) = (HEAP + 3 * SPAN + number % 4 * 2048, HEAP + SPAN + number * 112, HEAP + 2 * SPAN + number * 128);
            self.cell(LISTS + number * 8, at);
            self.list(at + u64::from(g.stack), &[stack, stack + 2048]);
            let reason = (0..64).find(|reason| WaitReason::of(self.minor, *reason).is_some_and(|reason| reason.kind() == kind));
            let status = if number == GOROUTINES - 1 { 2 } else { 4 };
            self.cell(at + u64::from(g.goid), number + 1);
            self.byte(at + u64::from(g.atomicstatus), status);
            self.byte(at + u64::from(g.waitreason), reason.unwrap_or(0));
            self.cell(at + u64::from(g.m), if status == 2 { THREADS } else { 0 });
            self.cell(at + u64::from(g.sched + gobuf.sp), stack + 1024);
            self.cell(at + u64::from(g.sched + gobuf.pc), DATA + number);
            self.cell(at + u64::from(g.sched + gobuf.bp), stack + 1032);
            self.cell(at + u64::from(g.waiting), entry);
            for word in 0..32_u64 {
                let value = [stack + 1032 + (word + 2) * 32, DATA + word, entry, object];
                self.cell(stack + 1032 + word * 8, value.into_iter().cycle().nth(usize::try_from(word).unwrap_or(0)).unwrap_or(0));
            }
            for (field, value) in [(sudog.g, at), (sudog.elem + second, object), (sudog.next, 0), (sudog.prev, 0), (sudog.waitlink, 0)] {
                self.cell(entry + u64::from(field), value);
            }
            self.cell(entry + u64::from(sudog.c + second), if kind == WaitKind::Channel { object } else { 0 });
            let notify = self.facts.layout.notify_list;
            self.list(object + u64::from(notify.head), &[entry, entry]);
            self.cell(object + 64, HEAP + 2 * SPAN + (number + 5) % GOROUTINES * 128);
            self.cell(SEMTABLE + number * 64 + u64::from(self.facts.layout.sema_root.treap), entry);
        }
    }

    fn processors(&mut self) {
        let layout = self.facts.layout;
        for number in 0..2_u64 {
            let (at, thread) = (PROCESSORS + number * 0x4000, THREADS + number * 0x1000);
            self.cell(PROCESSORS + 0xf000 + number * 8, at);
            self.cell(at + u64::from(layout.p.m), thread);
            let g0 = HEAP + (14 + number) * 480;
            for field in [layout.m.g0, layout.m.gsignal] {
                self.cell(thread + u64::from(field), g0);
            }
            self.cell(g0 + u64::from(layout.g.m), thread);
            for field in [layout.m.alllink, layout.m.schedlink].into_iter().flatten() {
                self.cell(thread + u64::from(field), if number == 0 { THREADS + 0x1000 } else { 0 });
            }
            let (offset, step) = layout.timers.map_or((layout.p.timers, 8), |timers| (layout.p.timers + timers.heap, 16));
            self.list(at + u64::from(offset), &[TIMERS + number * 0x400, 4, 4]);
            for timer in 0..4 {
                let entry = TIMERS + 0x1000 + (number * 4 + timer) * 0x100;
                self.cell(TIMERS + number * 0x400 + timer * step, entry);
                self.cell(entry + u64::from(layout.timer.when), 1000);
                self.cell(entry + u64::from(layout.timer.arg) + 8, HEAP + 2 * SPAN + timer * 128);
            }
        }
    }

    fn page(&mut self, at: u64) -> &mut [u8; 4096] {
        self.pages.entry(at / PAGE).or_insert_with(|| Box::new([0; 4096]))
    }

    fn byte(&mut self, at: u64, value: u8) {
        self.cells.push(at / 8 * 8);
        self.page(at)[usize::try_from(at % PAGE).unwrap()] = value;
    }

    fn put(&mut self, at: u64, value: u64) {
        for (offset, byte) in (0..).zip(value.to_le_bytes()) {
            self.page(at + offset)[usize::try_from((at + offset) % PAGE).unwrap()] = byte;
        }
    }

    /// A word that means something.
    fn cell(&mut self, at: u64, value: u64) {
        self.cells.push(at);
        self.put(at, value);
    }

    fn list(&mut self, at: u64, values: &[u64]) {
        for (number, value) in (0..).zip(values) {
            self.cell(at + number * 8, *value);
        }
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(at, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// False where nothing is.
    fn fill(&self, mut at: u64, mut out: &mut [u8]) -> bool {
        while !out.is_empty() {
            let offset = usize::try_from(at % PAGE).unwrap();
            let length = out.len().min(4096 - offset);
            let (now, rest) = out.split_at_mut(length);
            match self.pages.get(&(at / PAGE)) {
                Some(page) => now.copy_from_slice(&page[offset..offset + length]),
                None if self.elsewhere == Elsewhere::Nothing => return false,
                None => self.make_up(at, now),
            }
            out = rest;
            match at.checked_add(u64::try_from(length).unwrap()) {
                Some(next) => at = next,
                None => return out.is_empty(),
            }
        }
        true
    }

    fn make_up(&self, at: u64, out: &mut [u8]) {
        if self.elsewhere == Elsewhere::Zeros {
            return out.fill(0);
        }
        for (number, bytes) in (0..).zip(out.chunks_mut(8)) {
            let own = at.wrapping_add(number * 8);
            let hash = own.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let value = match self.elsewhere {
                Elsewhere::Pointers if hash.is_multiple_of(3) => LISTS + hash % 0x6_0000 / 8 * 8,
                Elsewhere::Pointers => HEAP + hash % (SPAN * 8),
                _ => own,
            };
            bytes.copy_from_slice(&value.to_le_bytes()[..bytes.len()]);
        }
    }

    /// Lets time pass.
    fn pass(&self, ns: u64) -> Result<(), MemoryError> {
        self.reads.set(self.reads.get() + 1);
        self.now.set(self.now.get() + ns);
        let (now, end) = (self.now.get(), self.end.get());
        assert!(now < end.saturating_add(SLACK), "read on and on after the end");
        if now > end { Err(MemoryError::Gone) } else { Ok(()) }
    }

    /// The time, ns.
    pub fn clock(&self) -> u64 {
        self.now.set(self.now.get() + 20);
        self.now.get()
    }
}

impl Memory for World {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        self.pass(500 + u64::try_from(out.len()).unwrap())?;
        if !self.fill(at.0, out) {
            return Err(MemoryError::NotMapped);
        }
        for (_, place, value) in self.later.iter().filter(|(when, ..)| *when < self.reads.get()) {
            for (offset, byte) in (0..).zip(value.to_le_bytes()) {
                let within = (place + offset).checked_sub(at.0).and_then(|index| usize::try_from(index).ok());
                if let Some(slot) = within.and_then(|index| out.get_mut(index)) {
                    *slot = byte;
                }
            }
        }
        Ok(())
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        self.pass(500 + range.end.0.saturating_sub(range.start.0) / PAGE)?;
        if self.elsewhere != Elsewhere::Nothing {
            return Ok(vec![range]);
        }
        let pages = range.start.0 / PAGE..range.end.0.div_ceil(PAGE).max(range.start.0 / PAGE);
        Ok(self.pages.range(pages).map(|(page, _)| RuntimeAddress(page * PAGE)..RuntimeAddress((page + 1) * PAGE)).collect())
    }
}

fn globals() -> Globals {
    let at = |offset: u64| VirtualAddress(DATA + offset);
    Globals {
        moduledata: at(0),
        allglen: at(0x1000),
        allgptr: at(0x1008),
        allp: at(0x1018),
        sched: at(0x2000),
        memstats: at(0x4000),
        gc_controller: at(0xe000),
        mheap: Some(VirtualAddress(MHEAP)),
        semtable: Some(VirtualAddress(SEMTABLE)),
        allfin: Some(VirtualAddress(FINALIZERS)),
        gc_cleanups: Some(VirtualAddress(CLEANUPS)),
    }
}

fn layout(minor: u16) -> Layout {
    static KNOWN: Mutex<BTreeMap<u16, Layout>> = Mutex::new(BTreeMap::new());
    let read = || {
        let version = GoVersion::parse(&format!("go1.{minor}")).unwrap();
        Layout::read(&tabled(&version, Arch::Amd64).unwrap()).unwrap()
    };
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner).entry(minor).or_insert_with(read)
}

fn runtime(world: &World) -> Runtime<&World> {
    Runtime::new(world, world.facts, world.minor, 0)
}

fn goroutines(world: &World) -> Vec<Goroutine> {
    let mut all = vec![];
    // What was visited before an error counts as well.
    let _ = runtime(world).census(&mut |goroutine| {
        if all.len() < 10_000 {
            all.push(goroutine.clone());
        }
    });
    all
}

/// A census ends, and what it hands out makes sense.
pub fn census(data: &[u8]) {
    let world = World::new(data, TIME);
    let mut visited = 0;
    let tally = runtime(&world).census(&mut |goroutine| {
        visited += 1;
        assert!(goroutine.state == GoroutineState::Dead || goroutine.stack.start < goroutine.stack.end);
        assert!(goroutine.wait.is_none() || goroutine.state == GoroutineState::Waiting);
    });
    assert!(tally.is_err() || tally.is_ok_and(|tally| tally.visited == visited));
}

/// Figures end.
pub fn figures(data: &[u8]) {
    let world = World::new(data, TIME);
    let runtime = runtime(&world);
    for _ in 0..2 {
        let _ = runtime.figures();
    }
}

/// Stacks end, with no more calls than were asked for, also when frames have any size.
pub fn stacks(data: &[u8]) {
    const DEPTH: usize = 64;
    let world = World::new(data, TIME);
    let all = goroutines(&world);
    world.now.set(1);
    let seed = u64::from(data.last().copied().unwrap_or(0));
    let size = |pc: RuntimeAddress| (!seed.is_multiple_of(2)).then(|| pc.0.wrapping_mul(seed) % 4096);
    if let Ok(stacks) = runtime(&world).stacks(&all, DEPTH, &size) {
        assert_eq!(stacks.len(), all.len());
        assert!(stacks.iter().all(|stack| stack.calls.len() <= DEPTH));
    }
}

/// Proofs end in their time, and speak of goroutines that were seen.
pub fn proof(data: &[u8]) {
    let limits = Limits { heap: 64 << 20, memory: 4 << 20, goroutines: 1000, time_ns: TIME };
    let world = World::new(data, TIME);
    let runtime = runtime(&world);
    let mut prover = Prover::new(world.facts, world.minor, 0, limits);
    for _ in 0..2 {
        // The two censuses are not part of what the prover bounds: who reads for long must be able to end them as well.
        let began = world.now.get();
        world.end.set(began + 2 * TIME);
        let mut census = |visit: &mut dyn FnMut(&Goroutine)| match runtime.census(visit) {
            Ok(_) => Ok(()),
            Err(RuntimeError::Gone) => Err(MemoryError::Gone),
            Err(_) => Err(MemoryError::NotMapped),
        };
        let proof = prover.prove(&world, &mut census, &|goroutine| goroutine.goid == 7, &|| world.clock());
        if let Ok(proof) = proof {
            assert!(proof.ended_ns - proof.began_ns <= limits.time_ns + 2 * SLACK);
            assert!(proof.waiters.len() <= 1000 && proof.waiters.values().all(|waiter| waiter.objects.len() <= Waiter::OBJECTS));
        }
    }
}
