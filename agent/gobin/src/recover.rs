//! The version of an executable without build info.
//!
//! Input noun: the bodies of `runtime.schedinit`. Output noun: [`GoVersion`]. Must not know how the bodies were found. The function
//! refers to the string `runtime.buildVersion` in every version.

use std::collections::HashSet;
use std::ops::Range;

use crate::analyse::code;
use crate::buildinfo::{go_string, string_at};
use crate::disasm::references;
use crate::elf::Elf;
use crate::relocations::Relocations;
use crate::source::Words;
use crate::version::{self, GoVersion};
use crate::{Limits, Refusal, Source, VirtualAddress};

/// Functions with that name: the body and its wrapper.
const BODIES_MAX: usize = 4;
/// References of all bodies that are looked at; schedinit has some 100.
const REFERENCES_MAX: usize = 1024;
/// A version text is some 20 bytes, vendors append a few words.
const VERSION_BYTES: u64 = 256;

/// The version that `runtime.buildVersion` holds.
pub(crate) fn version(source: &dyn Source, elf: &Elf, bodies: &[Range<VirtualAddress>], limits: &Limits) -> Result<GoVersion, Refusal> {
    let mut places = Vec::new();
    for body in bodies.iter().take(BODIES_MAX) {
        let code = code(source, elf, body.clone(), limits)?;
        places.extend(references(&code, body.start, elf.arch));
    }
    places.truncate(REFERENCES_MAX);
    for place in &places {
        if let Some(text) = go_string(source, elf, *place, VERSION_BYTES)?.filter(|text| is_version(text)) {
            return version::supported(&text);
        }
    }
    // A linker that leaves zeros where the loader will put pointers.
    let Some(relocations) = Relocations::locate(source, elf, limits)? else { return Err(Refusal::NoVersion) };
    let pointers = relocations.values_at(source, &places.iter().copied().collect::<HashSet<_>>())?;
    for (place, pointer) in pointers {
        let length = place.checked_add(8).map(|at| elf.read(source, at, 8, "a string header")).transpose();
        let Ok(Some(length)) = length.map(|bytes| bytes.and_then(|bytes| bytes.u64(0))) else { continue };
        if let Some(text) = string_at(source, elf, pointer, length, VERSION_BYTES)?.filter(|text| is_version(text)) {
            return version::supported(&text);
        }
    }
    Err(Refusal::NoVersion)
}

fn is_version(text: &str) -> bool {
    text.starts_with("go1.") || text.starts_with("devel ")
}
