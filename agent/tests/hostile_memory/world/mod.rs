//! The memory of a Go process that lies: a small heap with goroutines, queues, timers and specials as they should be, of which some
//! words are others.
//!
//! Input: any bytes. They choose the Go version, what lies where nothing should, and which words are wrong, at once or later. Output:
//! a [`World`], whose time passes with what is asked of it.

mod process;
mod readers;

use std::{cell::Cell, collections::BTreeMap, ops::Range};

use goroscope::model::{Memory, MemoryError, RuntimeAddress};
use goroscope_gobin::{LayoutSource, RuntimeFacts};

use self::process::{DATA, HEAP, LISTS, SPAN};
pub use self::readers::{census, figures, proof, stacks};

/// What is mapped, or not, at once.
const PAGE: u64 = 4096;

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
        let facts = RuntimeFacts { globals: process::globals(), layout: process::layout(minor), layout_source: LayoutSource::Table };
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
