//! `runtime.firstmoduledata`: where text and the inlining trees lie.
//!
//! Input noun: [`Tables`]. Output noun: [`ModuleFacts`]. Must not know live memory: the words are those of the file, relocated to
//! load bias 0.

use crate::elf::Elf;
use crate::pclntab::Tables;
use crate::relocations::{Relocations, scan_words};
use crate::source::Words;
use crate::version::GoVersion;
use crate::{Limits, Refusal, Source, VirtualAddress};

/// How moduledata was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuledataLocation {
    /// By the section `.go.module` (Go 1.26 and later).
    Section,
    /// By its first words, which point to pclntab.
    PointerScan,
    /// By the relocations of these words: the linker left zeros in the file.
    RelocationScan,
}

/// What moduledata says, in addresses of the file.
#[derive(Clone, Debug)]
pub(crate) struct ModuleFacts {
    pub(crate) address: VirtualAddress,
    pub(crate) how: ModuledataLocation,
    pub(crate) text: VirtualAddress,
    pub(crate) etext: VirtualAddress,
    words: Vec<u8>,
}

// Offsets of fields, in bytes (src/runtime/symtab.go, the same in Go 1.18 to 1.27, checked against DWARF and symbols).
const PC_HEADER: usize = 0;
const NAMES: usize = 8;
const FTAB: usize = 128;
const TEXT: usize = 176;
const ETEXT: usize = 184;
const SIZE: u64 = 352;

impl ModuleFacts {
    /// `go:func.*`: what function data are offsets from. Only this field moves, so it waits until the version is known.
    pub(crate) fn gofunc(&self, version: &GoVersion) -> VirtualAddress {
        let offset = match version.minor {
            ..=19 => 304,
            // covctrs and ecovctrs came in front of it, ...
            20..=26 => 320,
            // ... then typedesclen, itaboffset and itabsize.
            _ => 344,
        };
        VirtualAddress(self.words.u64(offset).unwrap_or_default())
    }
}

/// Words that look like a pointer to pclntab before we stop trying; real executables have three.
const ATTEMPTS: usize = 256;

/// Finds and validates moduledata.
pub(crate) fn locate(source: &dyn Source, elf: &Elf, tables: &Tables, limits: &Limits) -> Result<ModuleFacts, Refusal> {
    let context = Context { source, elf, tables, relocations: Relocations::locate(source, elf, limits)? };
    if let Some(section) = elf.section(".go.module") {
        for relocate in [false, true] {
            if let Some(found) = context.read(section.region.address, ModuledataLocation::Section, relocate)? {
                return Ok(found);
            }
        }
    }
    let mut attempts = 0;
    let found = scan_words(source, elf, tables.address.0, limits, |address| {
        attempts += 1;
        if attempts > ATTEMPTS {
            return Err(Refusal::NoModuledata);
        }
        context.read(address, ModuledataLocation::PointerScan, false)
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let Some(relocations) = context.relocations else { return Err(Refusal::NoModuledata) };
    // Each attempt is a pass over the relocations; real executables need one.
    for place in relocations.places_of(source, tables.address, 4)? {
        if let Some(found) = context.read(place, ModuledataLocation::RelocationScan, true)? {
            return Ok(found);
        }
    }
    Err(Refusal::NoModuledata)
}

struct Context<'a> {
    source: &'a dyn Source,
    elf: &'a Elf,
    tables: &'a Tables,
    relocations: Option<Relocations>,
}

impl Context<'_> {
    /// The facts at `address` if they agree with pclntab.
    fn read(&self, address: VirtualAddress, how: ModuledataLocation, relocate: bool) -> Result<Option<ModuleFacts>, Refusal> {
        let mut words = match self.elf.read(self.source, address, SIZE, "moduledata") {
            Ok(words) => words,
            Err(Refusal::Truncated { .. }) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        if relocate {
            match self.relocations {
                Some(relocations) => relocations.apply(self.source, address, &mut words)?,
                None => return Ok(None),
            }
        }
        Ok(self.validate(&words).map(|(text, etext)| ModuleFacts { address, how, text, etext, words }))
    }

    fn validate(&self, words: &[u8]) -> Option<(VirtualAddress, VirtualAddress)> {
        let tables = self.tables;
        let slice = |offset: usize| Some((words.u64(offset)?, words.u64(offset + 8)?, words.u64(offset + 16)?));
        let (names, names_length, names_capacity) = slice(NAMES)?;
        let (ftab, ftab_length, _) = slice(FTAB)?;
        let agrees = words.u64(PC_HEADER)? == tables.address.0
            && names == tables.address.0.checked_add(tables.names)?
            && names_length == names_capacity
            && names_length <= tables.units - tables.names
            && ftab == tables.address.0.checked_add(tables.function_table)?
            && ftab_length == tables.functions + 1;
        if !agrees {
            return None;
        }
        let (text, etext) = (VirtualAddress(words.u64(TEXT)?), VirtualAddress(words.u64(ETEXT)?));
        // A text start in the header is either the same or left to a relocation.
        let header_agrees = tables.text_start == 0 || tables.text_start == text.0;
        if !header_agrees || !self.elf.arch.is_aligned(text) {
            return None;
        }
        self.elf.locate_code(text, etext)?;
        Some((text, etext))
    }
}
