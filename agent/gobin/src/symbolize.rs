//! Frames of a program counter, inlined calls included.
//!
//! Input noun: a [`Pc`]. Output noun: [`Frame`]s. Must not know processes: addresses are those of the file. Reads what it needs
//! through [`Source`], some 30 small reads for each program counter, and keeps nothing.

use crate::elf::Elf;
use crate::pclntab::{Format, Tables, ValueTable, value_at};
use crate::source::Words;
use crate::{Limits, ReadError, Refusal, Source, VirtualAddress};

/// A program counter, and how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pc {
    /// From a stack: the instruction behind a call, so the call itself is meant.
    ReturnAddress(VirtualAddress),
    /// From a register or a creation site: this instruction is meant.
    Exact(VirtualAddress),
}

/// A call on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Full name, e.g. `main.(*T[go.shape.int]).Do`.
    pub function: String,
    /// Source file as the compiler was given it; `?` if unknown.
    pub file: String,
    /// Line in the file; 0 if unknown.
    pub line: u32,
    /// Whether the call was inlined into the next frame.
    pub inlined: bool,
    /// Whether the compiler made the function, to convert the call of another. Go does not show such frames, unless they panicked.
    pub wrapper: bool,
}

/// Why there are no frames.
#[derive(Debug, thiserror::Error)]
pub enum SymbolizeError {
    /// The address lies in no Go function: C code, the vDSO, a shared library.
    #[error("{0} is not in a Go function")]
    NotInText(VirtualAddress),
    /// The tables contradict themselves.
    #[error(transparent)]
    Corrupt(#[from] Refusal),
}

impl From<ReadError> for SymbolizeError {
    fn from(error: ReadError) -> Self {
        Self::Corrupt(error.into())
    }
}

/// What is needed to find frames: places in the file.
#[derive(Clone, Debug)]
pub struct Symbolizer {
    pub(crate) elf: Elf,
    pub(crate) tables: Tables,
    /// What function entries are offsets from.
    pub(crate) text: VirtualAddress,
    /// What function data are offsets from.
    pub(crate) gofunc: VirtualAddress,
    /// `funcID` of wrappers.
    pub(crate) wrapper: u8,
    pub(crate) limits: Limits,
}

/// `PCDATA_InlTreeIndex` and `FUNCDATA_InlTree`, internal/abi/symtab.go, the same in Go 1.19 to 1.27.
const INLINE_INDEX: u32 = 2;
const INLINE_TREE: u32 = 3;
/// Tables by program counter of one function: the compiler knows six.
const VALUE_TABLES_MAX: u32 = 32;
/// Function data that is not there.
const ABSENT: u32 = u32::MAX;

/// A function record with its arrays.
struct Record {
    bytes: Vec<u8>,
    format: Format,
    /// Entry, from the text start.
    entry: u32,
    value_tables: u32,
}

impl Symbolizer {
    /// The frames of `pc`, innermost first; the last one is the function that holds the instruction.
    ///
    /// # Errors
    /// `pc` lies outside of Go code, or the tables are corrupt or unreadable.
    pub fn frames(&self, source: &dyn Source, pc: Pc) -> Result<Vec<Frame>, SymbolizeError> {
        let (record, mut offset) = self.function(source, pc)?;
        let mut frames = Vec::new();
        // Bytes that all tables together may cost, so that a crafted tree cannot multiply the limit.
        let mut budget = self.limits.pc_table_bytes;
        while frames.len() < self.limits.inline_depth {
            let (file, line) = self.position(source, &record, offset, &mut budget)?;
            let Some((function, parent, func_id)) = self.inlined_call(source, &record, offset, &mut budget)? else {
                let function = self.name(source, record.bytes.i32(4))?;
                let wrapper = record.bytes.get(record.format.func_id_offset()) == Some(&self.wrapper);
                frames.push(Frame { function, file, line, inlined: false, wrapper });
                return Ok(frames);
            };
            frames.push(Frame { function, file, line, inlined: true, wrapper: func_id == self.wrapper });
            offset = parent;
        }
        Err(Refusal::CorruptPclntab { what: "inlining without end" }.into())
    }

    /// The size of the frame at `pc` in bytes: how far the stack pointer is below what it was when the function was called (pcsp).
    /// With it a stack can be unwound without frame pointers. On amd64 the return address is at SP + size, and the caller's SP 8
    /// bytes higher; on arm64 the return address is at SP, and the caller's SP is SP + size (with size 0 the address is in X30).
    ///
    /// # Errors
    /// As [`Symbolizer::frames`]; also if no size is known there.
    pub fn frame_size(&self, source: &dyn Source, pc: Pc) -> Result<u32, SymbolizeError> {
        let (record, offset) = self.function(source, pc)?;
        let mut budget = self.limits.pc_table_bytes;
        let table = ValueTable(record.bytes.u32(16).unwrap_or_default());
        let size = value_at(source, &self.tables, table, offset, &mut budget)?;
        let size = size.and_then(|size| u32::try_from(size).ok()).filter(|size| size.is_multiple_of(8));
        Ok(size.ok_or(Refusal::CorruptPclntab { what: "no frame size" })?)
    }

    /// The record of the function that `pc` means, and the instruction's offset from its entry.
    fn function(&self, source: &dyn Source, pc: Pc) -> Result<(Record, u64), SymbolizeError> {
        let (address, pc) = match pc {
            Pc::ReturnAddress(address) => (address, address.0.checked_sub(1)),
            Pc::Exact(address) => (address, Some(address.0)),
        };
        let pc = pc.and_then(|pc| pc.checked_sub(self.text.0)).and_then(|pc| u32::try_from(pc).ok());
        let pc = pc.ok_or(SymbolizeError::NotInText(address))?;
        let record = self.record(source, pc)?.ok_or(SymbolizeError::NotInText(address))?;
        let offset = u64::from(pc.saturating_sub(record.entry));
        Ok((record, offset))
    }

    /// The record of the function that holds `pc`, an offset from the text start.
    fn record(&self, source: &dyn Source, pc: u32) -> Result<Option<Record>, Refusal> {
        let tables = &self.tables;
        let (mut low, mut high) = (0, tables.functions);
        if pc < tables.entry(source, low)?.0 || pc >= tables.entry(source, high)?.0 {
            return Ok(None);
        }
        // Invariant: the entry at `low` is not behind `pc`, the one at `high` is.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if tables.entry(source, middle)?.0 <= pc { low = middle } else { high = middle }
        }
        let (entry, record) = tables.entry(source, low)?;
        let size = tables.format.func_size();
        let start = tables.function_table.saturating_add(u64::from(record));
        let head = self.pclntab(source, start, size as u64)?;
        let value_tables = head.u32(28).filter(|count| *count <= VALUE_TABLES_MAX);
        let value_tables = value_tables.ok_or(Refusal::CorruptPclntab { what: "number of value tables" })?;
        let function_data = head.last().copied().unwrap_or_default();
        let arrays = 4 * (u64::from(value_tables) + u64::from(function_data));
        let bytes = self.pclntab(source, start, size as u64 + arrays)?;
        Ok(Some(Record { bytes, format: tables.format, entry, value_tables }))
    }

    fn pclntab(&self, source: &dyn Source, offset: u64, length: u64) -> Result<Vec<u8>, Refusal> {
        const WHAT: &str = "a function record";
        let start = self.tables.at(offset).ok_or(Refusal::Truncated { what: WHAT })?;
        source.vector(start, length, WHAT)
    }

    /// File and line of the instruction at `offset` from the function's entry.
    fn position(&self, source: &dyn Source, record: &Record, offset: u64, budget: &mut u64) -> Result<(String, u32), Refusal> {
        let mut value = |at: usize| {
            let table = ValueTable(record.bytes.u32(at).unwrap_or_default());
            value_at(source, &self.tables, table, offset, budget)
        };
        let file = value(20)?;
        let line = value(24)?.and_then(|line| u32::try_from(line).ok()).unwrap_or_default();
        let file = match file.and_then(|file| u32::try_from(file).ok()) {
            Some(file) => self.file(source, record, file)?,
            None => None,
        };
        Ok((file.unwrap_or_else(|| "?".to_owned()), line))
    }

    /// Name of file number `file` of the function's compilation unit.
    fn file(&self, source: &dyn Source, record: &Record, file: u32) -> Result<Option<String>, Refusal> {
        let tables = &self.tables;
        let unit = record.bytes.u32(32).filter(|unit| *unit != ABSENT);
        let Some(index) = unit.and_then(|unit| unit.checked_add(file)) else { return Ok(None) };
        let at = tables.units.saturating_add(4 * u64::from(index));
        if at.saturating_add(4) > tables.file_names {
            return Err(Refusal::CorruptPclntab { what: "file number" });
        }
        let Some(name) = self.pclntab(source, at, 4)?.u32(0).filter(|name| *name != ABSENT) else { return Ok(None) };
        let start = tables.file_names.saturating_add(u64::from(name));
        tables.string(source, start, tables.values, self.limits.name_bytes).map(Some)
    }

    fn name(&self, source: &dyn Source, offset: Option<i32>) -> Result<String, Refusal> {
        let offset = offset.and_then(|offset| u64::try_from(offset).ok());
        let offset = offset.ok_or(Refusal::CorruptPclntab { what: "name offset" })?;
        let start = self.tables.names.saturating_add(offset);
        self.tables.string(source, start, self.tables.units, self.limits.name_bytes)
    }

    /// The inlined call that the instruction belongs to: name of the function called, and an instruction whose position is the
    /// place of the call, and its `funcID`. `None`: the instruction belongs to the function itself.
    fn inlined_call(
        &self,
        source: &dyn Source,
        record: &Record,
        offset: u64,
        budget: &mut u64,
    ) -> Result<Option<(String, u64, u8)>, Refusal> {
        let (Some(tree), Some(indices)) = (record.function_data(INLINE_TREE), record.value_table(INLINE_INDEX)) else {
            return Ok(None);
        };
        let index = value_at(source, &self.tables, indices, offset, budget)?;
        let Some(index) = index.and_then(|index| u64::try_from(index).ok()) else { return Ok(None) };
        // runtime.inlinedCall: {parent i16, funcID u8, _, file, line, name, parentPc i32} until Go 1.19, then {funcID u8, _, _, _,
        // nameOff, parentPc, startLine i32}.
        let (size, func_id, name, parent) = match self.tables.format {
            Format::Go118 => (20, 2, 12, 16),
            Format::Go120 => (16, 0, 4, 8),
        };
        let address = self.gofunc.checked_add(u64::from(tree)).and_then(|start| start.checked_add(index * size));
        let address = address.ok_or(Refusal::CorruptPclntab { what: "inlining tree" })?;
        let call = self.elf.read(source, address, size, "an inlining tree")?;
        let parent = call.i32(parent).and_then(|parent| u64::try_from(parent).ok());
        let parent = parent.ok_or(Refusal::CorruptPclntab { what: "place of an inlined call" })?;
        Ok(Some((self.name(source, call.i32(name))?, parent, call.get(func_id).copied().unwrap_or_default())))
    }
}

impl Record {
    fn value_table(&self, index: u32) -> Option<ValueTable> {
        (index < self.value_tables).then(|| self.word(index)).flatten().map(ValueTable)
    }

    fn function_data(&self, index: u32) -> Option<u32> {
        self.word(self.value_tables + index).filter(|offset| *offset != ABSENT)
    }

    /// A word of the arrays behind the record; the bytes end where the arrays do.
    fn word(&self, index: u32) -> Option<u32> {
        self.bytes.u32(self.format.func_size() + 4 * usize::try_from(index).ok()?)
    }
}
