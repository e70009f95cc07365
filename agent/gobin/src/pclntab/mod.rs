//! The function table of a Go executable (`runtime.pclntab`): where it lies and how it is divided.
//!
//! Input noun: [`Elf`]. Output noun: [`Tables`]. Must not know Go versions beyond the table's own magic, nor what a function means.
//!
//! Layout, the same in Go 1.18 to 1.27 (`src/runtime/symtab.go`, `pcHeader`): `u32 magic, u8 0, u8 0, u8 quantum, u8 pointer size,
//! u64 functions, u64 files, u64 text start`, then five u64 offsets from the header: names, compilation units, file names,
//! tables by program counter, functions.

mod functions;
mod values;

pub(crate) use functions::{Candidate, Scan, Wanted, scan_functions};
pub(crate) use values::{ValueTable, value_at};

use memchr::memmem;

use crate::elf::{Elf, Region, check_limit};
use crate::source::{Words, scan};
use crate::{FileOffset, Limits, Refusal, Source, VirtualAddress};

/// How the function table was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PclntabLocation {
    /// By the section of that name.
    Section(&'static str),
    /// By its magic number: an external linker merged the section into another one, or the section headers are gone.
    MagicScan,
}

/// Which records the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Magic 0xfffffff0: Go 1.18 and 1.19.
    Go118,
    /// Magic 0xfffffff1: Go 1.20 and later, functions tell their first line.
    Go120,
}

impl Format {
    /// Offset of `funcID` in `_func`, in bytes.
    pub(crate) fn func_id_offset(self) -> usize {
        match self {
            Self::Go118 => 36,
            Self::Go120 => 40,
        }
    }

    /// Size of `_func` without the arrays behind it, in bytes.
    pub(crate) fn func_size(self) -> usize {
        self.func_id_offset() + 4
    }
}

/// Where the parts of the table lie. All offsets are from the header and rise in this order.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    pub(crate) how: PclntabLocation,
    pub(crate) format: Format,
    pub(crate) address: VirtualAddress,
    pub(crate) start: FileOffset,
    /// Bytes from the header to the end of what the segment holds.
    pub(crate) size: u64,
    pub(crate) quantum: u8,
    pub(crate) functions: u64,
    /// `runtime.text`, or 0: always since Go 1.26, and in a PIE whose linker leaves it to the relocations.
    pub(crate) text_start: u64,
    pub(crate) names: u64,
    pub(crate) units: u64,
    pub(crate) file_names: u64,
    pub(crate) values: u64,
    pub(crate) function_table: u64,
}

const HEADER_SIZE: u64 = 72;
/// Bytes of an entry of the function table: `u32 entry offset, u32 record offset`.
pub(crate) const FUNCTION_ENTRY: u64 = 8;

const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// Finds the function table: by section, else by scanning the segments for its magic.
pub(crate) fn locate(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Tables, Refusal> {
    for name in SECTIONS {
        if let Some(section) = elf.section(name) {
            return parse(source, elf, section.region.address, PclntabLocation::Section(name), limits);
        }
    }
    // The likeliest segments first: an external linker puts the table into .data.rel.ro, the Go linker into read-only data.
    let rank = |executable: bool, writable: bool| (executable, !writable);
    let mut segments: Vec<_> = elf.segments.iter().collect();
    segments.sort_by_key(|segment| rank(segment.executable, segment.writable));
    let mut budget = limits.scan_bytes;
    for segment in segments {
        let length = segment.region.file_size.min(budget);
        budget -= length;
        if let Some(tables) = scan_region(source, elf, segment.region, length, limits)? {
            return Ok(tables);
        }
    }
    Err(Refusal::NoPclntab)
}

/// Headers that do not hold up before we stop looking: in real files the first one does.
const SCAN_ATTEMPTS: usize = 64;

fn scan_region(source: &dyn Source, elf: &Elf, region: Region, length: u64, limits: &Limits) -> Result<Option<Tables>, Refusal> {
    // The magics differ in their first byte only, so one search behind it finds both.
    let tail = [0xff, 0xff, 0xff, 0, 0, elf.arch.instruction_quantum(), 8];
    let finder = memmem::Finder::new(&tail);
    let mut attempts = 0;
    scan(source, region.offset, length, 7, |base, chunk| {
        for index in finder.find_iter(chunk) {
            let Some(start) = index.checked_sub(1) else { continue };
            if !chunk.get(start).is_some_and(|byte| matches!(byte, 0xf0 | 0xf1)) {
                continue;
            }
            let Some(address) = region.address_of(base + start as u64).filter(|address| address.0 % 8 == 0) else { continue };
            if let Ok(tables) = parse(source, elf, address, PclntabLocation::MagicScan, limits) {
                return Ok(Some(tables));
            }
            attempts += 1;
            if attempts >= SCAN_ATTEMPTS {
                return Err(Refusal::NoPclntab);
            }
        }
        Ok(None)
    })
}

fn parse(source: &dyn Source, elf: &Elf, address: VirtualAddress, how: PclntabLocation, limits: &Limits) -> Result<Tables, Refusal> {
    let corrupt = |what| Refusal::CorruptPclntab { what };
    let (start, size) = elf.locate(address).ok_or(corrupt("address outside of the segments"))?;
    let bytes = source.vector(start, HEADER_SIZE.min(size), "the pclntab header")?;
    let word = |index: usize| bytes.u64(8 + 8 * index).ok_or(Refusal::Truncated { what: "the pclntab header" });
    let format = match bytes.u32(0) {
        Some(0xffff_fff0) => Format::Go118,
        Some(0xffff_fff1) => Format::Go120,
        _ => return Err(corrupt("unknown magic")),
    };
    if bytes.array::<4>(4) != Some([0, 0, elf.arch.instruction_quantum(), 8]) {
        return Err(corrupt("instruction quantum or pointer size"));
    }
    let tables = Tables {
        how,
        format,
        address,
        start,
        size,
        quantum: elf.arch.instruction_quantum(),
        functions: word(0)?,
        text_start: word(2)?,
        names: word(3)?,
        units: word(4)?,
        file_names: word(5)?,
        values: word(6)?,
        function_table: word(7)?,
    };
    check_limit("functions", tables.functions, limits.functions)?;
    let Tables { names, units, file_names, values, function_table, .. } = tables;
    if tables.functions == 0 || ![HEADER_SIZE, names, units, file_names, values, function_table, size].is_sorted() {
        return Err(corrupt("offsets of the parts"));
    }
    check_limit("function names", units - names, limits.name_table_bytes)?;
    if tables.function_table_size() > size - function_table {
        return Err(corrupt("function table longer than its segment"));
    }
    Ok(tables)
}

impl Tables {
    /// Bytes of the function table with the end of the last function. `functions` is bounded.
    pub(crate) fn function_table_size(&self) -> u64 {
        self.functions * FUNCTION_ENTRY + 4
    }

    /// File offset of a place that many bytes behind the header.
    pub(crate) fn at(&self, offset: u64) -> Option<FileOffset> {
        (offset < self.size).then(|| self.start.checked_add(offset)).flatten()
    }

    /// The text of a NUL-terminated string in `[offset, end)`, both from the header; at most `longest` bytes of it.
    pub(crate) fn string(&self, source: &dyn Source, offset: u64, end: u64, longest: u64) -> Result<String, Refusal> {
        const WHAT: &str = "a name in pclntab";
        // Nearly all names fit the first read.
        for step in [256, longest] {
            let available = end.checked_sub(offset).filter(|left| *left > 0).ok_or(Refusal::Truncated { what: WHAT })?;
            let length = available.min(step).min(longest);
            let bytes = source.vector(self.at(offset).ok_or(Refusal::Truncated { what: WHAT })?, length, WHAT)?;
            let stop = memchr::memchr(0, &bytes);
            if stop.is_some() || length == longest.min(available) {
                let text = bytes.get(..stop.unwrap_or(bytes.len())).unwrap_or_default();
                return Ok(String::from_utf8_lossy(text).into_owned());
            }
        }
        Err(Refusal::Truncated { what: WHAT })
    }

    /// `(offset of the entry from the text start, offset of the record from the function table)` of function `index`; index
    /// `functions` gives the end of the last function in its first half.
    pub(crate) fn entry(&self, source: &dyn Source, index: u64) -> Result<(u32, u32), Refusal> {
        const WHAT: &str = "the function table";
        let length = if index < self.functions { 8 } else { 4 };
        let offset = index.checked_mul(FUNCTION_ENTRY).and_then(|bytes| self.function_table.checked_add(bytes));
        let at = offset.and_then(|offset| self.at(offset)).ok_or(Refusal::Truncated { what: WHAT })?;
        let mut bytes = [0; 8];
        source.read_exact_at(at, bytes.get_mut(..length).unwrap_or_default())?;
        Ok((bytes.u32(0).unwrap_or_default(), bytes.u32(4).unwrap_or_default()))
    }
}
