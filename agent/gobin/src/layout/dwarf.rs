//! Layouts from the DWARF of an executable.
//!
//! Input noun: [`Elf`] with the sections `.debug_info` and `.debug_abbrev`. Output noun: [`Described`]. Must not know Go versions.
//!
//! Go's linker puts all types of a program into one unit that is named like package runtime. Only units of that name are parsed, and
//! only until every struct was met; the others are skipped by the length in their header, which in a compressed section still means
//! to inflate them.

use std::collections::{HashMap, HashSet};

use gimli::{AttributeValue, DebugAbbrev, DebugInfo, EndianSlice, EntriesRaw, LittleEndian};

use super::debug_section::DebugSection;
use super::{FIELDS, Offsets};
use crate::elf::Elf;
use crate::source::Words;
use crate::{Limits, Refusal, Source};

/// Why there is no layout in the DWARF of an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DwarfError {
    /// It has none: built with `-w`, or stripped.
    #[error("there is no DWARF")]
    Absent,
    /// Compressed in a way that Go does not use.
    #[error("DWARF is compressed in an unknown way")]
    Compression,
    /// More than [`Limits`] allows.
    #[error("DWARF is larger than the limit")]
    TooLarge,
    /// It contradicts itself.
    #[error("DWARF is corrupt")]
    Corrupt,
    /// The file cannot be read.
    #[error("DWARF cannot be read")]
    Unreadable,
}

/// Offsets that DWARF tells, of the structs and fields in [`FIELDS`].
#[derive(Clone, Debug, Default)]
pub struct Described {
    offsets: HashMap<(&'static str, &'static str), u32>,
    /// Sizes of the structs that it has.
    sizes: HashMap<&'static str, u64>,
}

impl Described {
    /// Whether it has the struct `of`.
    #[must_use]
    pub fn has(&self, of: &str) -> bool {
        self.sizes.contains_key(of)
    }
}

impl Offsets for Described {
    fn offset(&self, of: &str, field: &str) -> Option<u32> {
        self.offsets.get(&(of, field)).copied()
    }
}

/// No struct of the runtime is larger; the largest, mheap, has 100 kB.
const STRUCT_BYTES: u64 = 1 << 20;
/// Units of one file: one for each package with code, and some for assembly.
const UNITS_MAX: usize = 1 << 16;
/// Bytes of the unit that are enough to read its name.
const HEAD: u64 = 48;
/// The unit's name as its first attribute.
const NAME: &[u8] = b"runtime\0";

/// The offsets of the structs in [`FIELDS`] as the executable's own DWARF has them.
///
/// # Errors
/// There is no ELF file or no DWARF, or it is corrupt, or too large.
pub fn described(source: &dyn Source, limits: &Limits) -> Result<Described, DwarfError> {
    let elf = Elf::parse(source, limits).map_err(|refusal| match refusal {
        Refusal::Read(_) => DwarfError::Unreadable,
        _ => DwarfError::Absent,
    })?;
    read(source, &elf, limits, |_| true)
}

/// As [`described`]; stops when all structs that are `expected` were met.
pub(crate) fn read(source: &dyn Source, elf: &Elf, limits: &Limits, expected: impl Fn(&str) -> bool) -> Result<Described, DwarfError> {
    let section = |name| elf.section(name).ok_or(DwarfError::Absent);
    let mut info = DebugSection::new(source, section(".debug_info")?, limits.debug_bytes)?;
    let mut abbreviations = DebugSection::new(source, section(".debug_abbrev")?, limits.debug_abbreviation_bytes)?;
    let abbreviations = abbreviations.read(abbreviations.left())?;
    let mut found = Finder { wanted: FIELDS.iter().map(|(name, _)| *name).filter(|name| expected(name)).collect(), ..Finder::default() };
    for _ in 0..UNITS_MAX {
        if found.wanted.is_empty() || info.left() == 0 {
            break;
        }
        let length = info.read(4)?.u32(0).map(u64::from).filter(|length| *length < 0xffff_fff0).ok_or(DwarfError::Corrupt)?;
        let mut unit = info.read(length.min(HEAD))?;
        let rest = length - unit.len() as u64;
        if !is_runtime(&unit) {
            info.skip(rest)?;
            continue;
        }
        if length > limits.debug_unit_bytes {
            return Err(DwarfError::TooLarge);
        }
        let mut whole = u32::try_from(length).map_err(|_| DwarfError::Corrupt)?.to_le_bytes().to_vec();
        whole.append(&mut unit);
        whole.append(&mut info.read(rest)?);
        found.unit(&whole, &abbreviations).map_err(|_| DwarfError::Corrupt)?;
    }
    found.check()
}

/// Whether a unit is one of package runtime: Go's units begin with their name, as text in place.
fn is_runtime(unit: &[u8]) -> bool {
    let header = match unit.array(0).map(u16::from_le_bytes) {
        Some(2..=4) => 7,
        Some(5) => 8,
        _ => return false,
    };
    let Some(entry) = unit.get(header..) else { return false };
    // The abbreviation's number, seven bits a byte.
    let name = entry.iter().position(|byte| byte & 0x80 == 0).and_then(|last| entry.get(last + 1..));
    name.is_some_and(|name| name.starts_with(NAME))
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

#[derive(Default)]
struct Finder {
    /// Structs not met yet, of those that were expected.
    wanted: HashSet<&'static str>,
    found: HashMap<(&'static str, &'static str), u32>,
    /// Those that were met.
    sizes: HashMap<&'static str, u64>,
}

impl Finder {
    fn unit(&mut self, unit: &[u8], abbreviations: &[u8]) -> Result<(), gimli::Error> {
        let info = DebugInfo::new(unit, LittleEndian);
        let Some(header) = info.units().next()? else { return Ok(()) };
        let abbreviations = header.abbreviations(&DebugAbbrev::new(abbreviations, LittleEndian))?;
        let mut entries = header.entries_raw(&abbreviations, None)?;
        // The struct whose members come now.
        let mut current: Option<(&'static str, &'static [&'static str])> = None;
        while !(entries.is_empty() || self.wanted.is_empty() && current.is_none()) {
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            if depth <= 1 {
                current = None;
            }
            match (depth, abbreviation.tag(), current) {
                (1, gimli::DW_TAG_structure_type, _) => {
                    let (name, size) = attributes(&mut entries, abbreviation.attributes(), gimli::DW_AT_byte_size)?;
                    current = self.begin(name, size);
                }
                (2, gimli::DW_TAG_member, Some((of, fields))) => {
                    let (name, offset) = attributes(&mut entries, abbreviation.attributes(), gimli::DW_AT_data_member_location)?;
                    let field = name.and_then(|name| fields.iter().find(|field| field.as_bytes() == name.slice()));
                    if let (Some(field), Some(offset)) = (field, offset) {
                        self.found.insert((of, field), u32::try_from(offset).unwrap_or(u32::MAX));
                    }
                }
                _ => entries.skip_attributes(abbreviation.attributes())?,
            }
        }
        Ok(())
    }

    /// The struct of that name if it is one of ours, met for the first time.
    fn begin(&mut self, name: Option<Slice<'_>>, size: Option<u64>) -> Option<(&'static str, &'static [&'static str])> {
        let name = name?;
        let (of, fields) = FIELDS.iter().find(|(of, _)| of.as_bytes() == name.slice())?;
        if self.sizes.contains_key(of) {
            return None;
        }
        self.sizes.insert(of, size?);
        self.wanted.remove(of);
        if fields.contains(&"sizeof") {
            self.found.insert((of, "sizeof"), u32::try_from(size?).ok()?);
        }
        Some((of, fields))
    }

    /// What was found, if every field lies in its struct.
    fn check(self) -> Result<Described, DwarfError> {
        let plausible = self.found.iter().all(|((of, field), offset)| {
            let size = self.sizes.get(of).copied().unwrap_or_default();
            size <= STRUCT_BYTES && (u64::from(*offset) < size || *field == "sizeof")
        });
        if plausible { Ok(Described { offsets: self.found, sizes: self.sizes }) } else { Err(DwarfError::Corrupt) }
    }
}

/// The name of an entry, and the value of the attribute `which`.
fn attributes<'a>(
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    specifications: &[gimli::AttributeSpecification],
    which: gimli::DwAt,
) -> Result<(Option<Slice<'a>>, Option<u64>), gimli::Error> {
    let (mut name, mut value) = (None, None);
    for specification in specifications {
        let attribute = entries.read_attribute(*specification)?;
        if attribute.name() == gimli::DW_AT_name
            && let AttributeValue::String(text) = attribute.value()
        {
            name = Some(text);
        } else if attribute.name() == which {
            value = attribute.udata_value();
        }
    }
    Ok((name, value))
}
