//! One pass over all functions: which of the wanted ones exist, and which text belongs to the standard library.
//!
//! Input noun: [`Tables`]. Output noun: [`Scan`]. Must not know ELF. Both tables are read forward once, in chunks: what stays in
//! memory is 4 bytes for each name of a library function.

use std::collections::HashMap;
use std::ops::Range;

use super::{FUNCTION_ENTRY, Tables};
use crate::elf::check_limit;
use crate::names::is_library;
use crate::source::{Stream, Words, scan};
use crate::{FileOffset, LIBRARY_RANGES_MAX, Limits, Refusal, Source};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Whole names, each of them once.
    pub(crate) names: &'a [&'a str],
    /// Beginnings of names: all methods of a type.
    pub(crate) prefixes: &'a [&'a str],
}

/// A function with a wanted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Position in the list of wanted names; the prefixes follow it.
    pub(crate) wanted: usize,
    /// First byte, from the text start.
    pub(crate) entry: u32,
    /// Byte behind the last one, from the text start.
    pub(crate) end: u32,
    /// Kind of function; which number means what depends on the Go version.
    pub(crate) func_id: u8,
}

/// What the pass found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) candidates: Vec<Candidate>,
    /// Offsets from the text start; sorted, disjoint, not adjacent.
    pub(crate) library: Vec<Range<u32>>,
    pub(crate) library_dropped: u64,
    /// Extent of all functions, from the text start.
    pub(crate) extent: Range<u32>,
}

/// A crafted table must not make us collect functions that share one wanted name without end; real ones have two.
const CANDIDATES_MAX: usize = 1024;

/// Looks at every function once.
pub(crate) fn scan_functions(source: &dyn Source, tables: &Tables, wanted: Wanted<'_>, limits: &Limits) -> Result<Scan, Refusal> {
    let names = Names::read(source, tables, wanted, limits)?;
    let mut entries = Stream::new(source, offset(tables, tables.function_table)?, tables.function_table_size(), "the function table");
    let records = offset(tables, tables.function_table)?;
    let mut records = Stream::new(source, records, tables.size - tables.function_table, "function records");
    let table = tables.start.0.saturating_add(tables.function_table);
    let mut found = Scan::default();
    let mut library = LibraryRanges::default();
    for index in 0..tables.functions {
        let bytes = entries.get(table.saturating_add(index * FUNCTION_ENTRY), 12)?;
        let (Some(entry), Some(record), Some(end)) = (bytes.u32(0), bytes.u32(4), bytes.u32(8)) else { break };
        if end < entry {
            return Err(Refusal::Unordered { what: "the function table" });
        }
        if index == 0 {
            found.extent.start = entry;
        }
        found.extent.end = end;
        check_limit("function records", u64::from(record), limits.record_bytes)?;
        let record = records.get(table.saturating_add(u64::from(record)), tables.format.func_size())?;
        let Some(name) = record.u32(4) else { continue };
        if names.library.binary_search(&name).is_ok() {
            library.push(entry..end);
        }
        if let Some(wanted) = names.wanted.get(&name) {
            let func_id = record.get(tables.format.func_id_offset()).copied().unwrap_or_default();
            check_limit("functions of one name", found.candidates.len() as u64, CANDIDATES_MAX as u64)?;
            found.candidates.push(Candidate { wanted: *wanted, entry, end, func_id });
        }
    }
    (found.library, found.library_dropped) = library.finish();
    Ok(found)
}

fn offset(tables: &Tables, offset: u64) -> Result<FileOffset, Refusal> {
    tables.at(offset).ok_or(Refusal::Truncated { what: "pclntab" })
}

/// [`Wanted`] by bytes.
struct ByName<'a> {
    names: HashMap<&'a [u8], usize>,
    prefixes: &'a [&'a str],
}

impl ByName<'_> {
    fn get(&self, name: &[u8]) -> Option<usize> {
        let prefix = || self.prefixes.iter().position(|prefix| name.starts_with(prefix.as_bytes()));
        self.names.get(name).copied().or_else(|| prefix().map(|index| self.names.len() + index))
    }
}

/// Offsets into the name table of the names that matter.
#[derive(Debug, Default)]
struct Names {
    /// Sorted, because the table is read forward.
    library: Vec<u32>,
    wanted: HashMap<u32, usize>,
}

impl Names {
    fn read(source: &dyn Source, tables: &Tables, wanted: Wanted<'_>, limits: &Limits) -> Result<Self, Refusal> {
        let by_name = ByName {
            names: wanted.names.iter().enumerate().map(|(index, name)| (name.as_bytes(), index)).collect(),
            prefixes: wanted.prefixes,
        };
        let start = offset(tables, tables.names)?;
        let mut names = Self::default();
        // The head of a name that the previous chunk cut, and where it starts.
        let mut head: Vec<u8> = Vec::new();
        let mut name_start = start.0;
        let keep = usize::try_from(limits.name_bytes).unwrap_or(usize::MAX);
        scan(source, start, tables.units - tables.names, 0, |base, chunk| {
            let mut from = 0;
            for stop in memchr::memchr_iter(0, chunk) {
                let piece = chunk.get(from..stop).unwrap_or_default();
                let name = if head.is_empty() { piece } else { join(&mut head, piece, keep) };
                names.add(name, name_start - start.0, &by_name, limits)?;
                head.clear();
                from = stop + 1;
                name_start = base + from as u64;
            }
            join(&mut head, chunk.get(from..).unwrap_or_default(), keep);
            Ok(None::<()>)
        })?;
        Ok(names)
    }

    fn add(&mut self, name: &[u8], offset: u64, wanted: &ByName<'_>, limits: &Limits) -> Result<(), Refusal> {
        let Ok(offset) = u32::try_from(offset) else { return Ok(()) };
        if is_library(name) {
            check_limit("names of library functions", self.library.len() as u64 + 1, limits.functions)?;
            self.library.push(offset);
        }
        if let Some(index) = wanted.get(name) {
            check_limit("functions of one name", self.wanted.len() as u64, CANDIDATES_MAX as u64)?;
            self.wanted.insert(offset, index);
        }
        Ok(())
    }
}

/// Appends to the head of a cut name, up to `keep` bytes: the package in front is all that a long name is asked for.
fn join<'a>(head: &'a mut Vec<u8>, piece: &[u8], keep: usize) -> &'a [u8] {
    let room = keep.saturating_sub(head.len()).min(piece.len());
    head.extend_from_slice(piece.get(..room).unwrap_or_default());
    head
}

/// Collects text ranges, merging neighbours.
#[derive(Debug, Default)]
struct LibraryRanges {
    ranges: Vec<Range<u32>>,
    dropped: u64,
}

/// Ranges collected before the smallest are dropped; real programs have a few hundred at most.
const COLLECTED_MAX: usize = 16 << 10;

impl LibraryRanges {
    fn push(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.ranges.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
            return;
        }
        if self.ranges.len() >= COLLECTED_MAX {
            self.keep_largest();
        }
        self.ranges.push(range);
    }

    /// Never merges across a gap: what lies in it is user code, and user code in a library range would never be blamed.
    fn keep_largest(&mut self) {
        if self.ranges.len() > LIBRARY_RANGES_MAX {
            self.dropped += (self.ranges.len() - LIBRARY_RANGES_MAX) as u64;
            self.ranges.sort_by_key(|range| std::cmp::Reverse(range.end - range.start));
            self.ranges.truncate(LIBRARY_RANGES_MAX);
            self.ranges.sort_by_key(|range| range.start);
        }
    }

    fn finish(mut self) -> (Vec<Range<u32>>, u64) {
        self.keep_largest();
        (self.ranges, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_ranges() {
        check(&[], &[], 0);
        check(&[0..10, 10..20, 20..20, 30..40], &[0..20, 30..40], 0);
        // Range i is i + 1 bytes long: the smallest go.
        let many: Vec<_> = (0..70u32).map(|i| i * 100..i * 100 + i + 1).collect();
        check(&many, &many[6..], 6);
    }

    fn check(pushed: &[Range<u32>], expected: &[Range<u32>], dropped: u64) {
        let mut ranges = LibraryRanges::default();
        pushed.iter().cloned().for_each(|range| ranges.push(range));
        assert_eq!(ranges.finish(), (expected.to_vec(), dropped), "{pushed:?}");
    }
}
