//! Values by program counter: file, line and inlining of each instruction of a function.
//!
//! Input noun: a delta-coded table in [`Tables`]. Output noun: the value at a program counter. Must not know what it means.
//! Coding (`runtime.step`): pairs of varints, zigzag difference of the value and difference of the program counter in quanta; the
//! value holds below the program counter reached; a value difference of 0 ends the table, except in the first pair.

use super::Tables;
use crate::{FileOffset, Refusal, Source};

/// Offset of a table from the start of the values part; 0 is "no table".
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueTable(pub(crate) u32);

/// The value at `pc`, an offset from the function's entry; `None` where the table says nothing. Takes the bytes that it reads from
/// `budget`, and fails when that is used up.
pub(crate) fn value_at(source: &dyn Source, tables: &Tables, table: ValueTable, pc: u64, budget: &mut u64) -> Result<Option<i32>, Refusal> {
    if table.0 == 0 {
        return Ok(None);
    }
    let start = tables.values.checked_add(u64::from(table.0)).filter(|start| *start < tables.function_table);
    let start = start.ok_or(Refusal::CorruptPclntab { what: "offset of a value table" })?;
    let mut bytes = Bytes::new(source, tables, start, budget);
    let mut value: i32 = -1;
    let mut reached: u64 = 0;
    let mut first = true;
    loop {
        let difference = bytes.varint()?;
        if difference == 0 && !first {
            return Ok(None);
        }
        first = false;
        value = value.wrapping_add(zigzag(difference));
        reached = reached.saturating_add(u64::from(bytes.varint()?) * u64::from(tables.quantum));
        if pc < reached {
            return Ok(Some(value));
        }
    }
}

fn zigzag(difference: u32) -> i32 {
    (difference >> 1).cast_signed() ^ -(difference & 1).cast_signed()
}

/// Bytes read ahead in small pieces: most tables are short.
struct Bytes<'a> {
    source: &'a dyn Source,
    buffer: Vec<u8>,
    index: usize,
    next: u64,
    end: u64,
    budget: &'a mut u64,
}

const PIECE: u64 = 512;

/// Five bytes of seven bits hold 32. In the build that `cargo xtask fuzz --prove` makes, one byte too many: the bug that the fuzz
/// targets must find.
const VARINT_BITS: u32 = if cfg!(fuzz_seeded_bug) { 42 } else { 35 };

impl<'a> Bytes<'a> {
    fn new(source: &'a dyn Source, tables: &Tables, start: u64, budget: &'a mut u64) -> Self {
        let base = tables.start.0;
        let end = base.saturating_add(tables.function_table);
        Self { source, buffer: Vec::new(), index: 0, next: base.saturating_add(start), end, budget }
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        if self.index == self.buffer.len() {
            let length = PIECE.min(self.end.saturating_sub(self.next)).min(*self.budget);
            if length == 0 {
                return Err(Refusal::CorruptPclntab { what: "a value table without end" });
            }
            self.buffer = self.source.vector(FileOffset(self.next), length, "a value table")?;
            self.next += length;
            *self.budget -= length;
            self.index = 0;
        }
        let byte = self.buffer.get(self.index).copied().unwrap_or_default();
        self.index += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u32, Refusal> {
        let mut value: u32 = 0;
        for shift in (0..VARINT_BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Refusal::CorruptPclntab { what: "a varint longer than 32 bits" })
    }
}
