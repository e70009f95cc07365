//! What the memory holds before anybody lies. Input: the layouts of a Go version. Output: a process in a [`World`]. Must not know who
//! reads it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use goroscope_gobin::{
    Arch, Globals, GoVersion, VirtualAddress, WaitKind, WaitReason,
    layout::{Layout, tabled},
};

use super::World;

pub(super) const DATA: u64 = 0x50_0000;
const DATA_END: u64 = DATA + 0x5_0000;
const SEMTABLE: u64 = DATA + 0x1_0000;
const FINALIZERS: u64 = DATA + 0x1_6000;
const CLEANUPS: u64 = DATA + 0x1_6100;
const MHEAP: u64 = DATA + 0x1_8000;
pub(super) const LISTS: u64 = 0x7f00_0000_0000;
const ALLSPANS: u64 = LISTS + 0x8000;
const SPANS: u64 = LISTS + 0x1_0000;
const PROCESSORS: u64 = LISTS + 0x2_0000;
const THREADS: u64 = LISTS + 0x3_0000;
const TIMERS: u64 = LISTS + 0x4_0000;
const SPECIALS: u64 = LISTS + 0x5_0000;
const BLOCKS: u64 = LISTS + 0x5_8000;
pub(super) const HEAP: u64 = 0xc0_0000_0000;
pub(super) const SPAN: u64 = 8192;
/// The function that closes a connection if it is idle.
pub(super) const CLOSES_IDLE: u64 = 0x40_1000;
/// A closure of it, and the connection.
const CLOSURE: u64 = HEAP + 2 * SPAN + 40 * 128;
const CONNECTION: u64 = CLOSURE + 128;
/// Goroutines, and what they wait on, by number.
const GOROUTINES: u64 = 12;
/// Object size, state and class of each span: goroutines, sudogs, channels and other objects, stacks, bytes, one large object.
const KINDS: [(u64, u64, u64); 6] =
    [(480, 1, 30 << 1), (112, 1, 9 << 1), (128, 1, 10 << 1), (2048, 2, 0), (64, 1, 5 << 1 | 1), (8192, 1, 0)];

impl World {
    pub(super) fn build(&mut self) {
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
            self.cell(at + u64::from(g.gopc), DATA + 0x100 + number % 3);
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
                let argument = if timer == 3 { CLOSURE } else { HEAP + 2 * SPAN + timer * 128 };
                self.cell(entry + u64::from(layout.timer.arg) + 8, argument);
            }
        }
        self.list(CLOSURE, &[CLOSES_IDLE, CONNECTION, 0]);
        self.list(CONNECTION, &[HEAP + 2 * SPAN, HEAP + 2 * SPAN + 128, HEAP + 2 * SPAN + 3 * 128]);
    }
}

pub(super) fn globals() -> Globals {
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

pub(super) fn layout(minor: u16) -> Layout {
    static KNOWN: Mutex<BTreeMap<u16, Layout>> = Mutex::new(BTreeMap::new());
    let read = || {
        let version = GoVersion::parse(&format!("go1.{minor}")).unwrap();
        Layout::read(&tabled(&version, Arch::Amd64).unwrap()).unwrap()
    };
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner).entry(minor).or_insert_with(read)
}
