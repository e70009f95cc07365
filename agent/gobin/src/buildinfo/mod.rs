//! Build info: which Go version made the executable, from which modules, with which settings.
//!
//! Input noun: [`Elf`]. Output noun: [`Found`], with a [`BuildInfo`]. Must not know pclntab.
//!
//! Layout (`debug/buildinfo`): 16-aligned, `\xff Go buildinf:`, u8 pointer size, u8 flags; flag 2 (Go 1.18 and later): at +32
//! uvarint length and text of the version, then of the module text. Without it: pointers to Go strings at +16 and +24.

mod text;

pub use text::{BuildInfo, Module};

use crate::elf::{Elf, check_limit};
use crate::source::{Words, scan};
use crate::{Limits, Refusal, Source, VirtualAddress};

/// What the executable says of its build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) version: Option<String>,
    pub(crate) build: Option<BuildInfo>,
}

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const ALIGNMENT: u64 = 16;
const HEADER: u64 = 32;
/// Texts around the module text, the same in every version: `cmd/go/internal/modload.ModInfoData`.
const START: [u8; 16] = *b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const END: [u8; 16] = *b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
/// A version text is some 20 bytes, vendors append a few words.
const VERSION_BYTES: u64 = 1024;
/// Magic texts in data that lead nowhere before we stop looking.
const ATTEMPTS: usize = 64;

/// Build info by its section.
pub(crate) fn read_section(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Found>, Refusal> {
    match elf.section(".go.buildinfo") {
        Some(section) => read_at(source, elf, section.region.address, limits),
        None => Ok(None),
    }
}

/// Build info without a section: by its magic in writable data, else the module text alone.
pub(crate) fn search(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Found>, Refusal> {
    if let Some(found) = scan_data(source, elf, limits)? {
        return Ok(Some(found));
    }
    let text = scan_sentinel(source, elf, limits)?;
    Ok(text.map(|text| Found { version: None, build: Some(BuildInfo::parse(&text)) }))
}

fn scan_data(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Found>, Refusal> {
    let finder = memchr::memmem::Finder::new(MAGIC);
    let mut attempts = 0;
    let mut budget = limits.scan_bytes;
    for segment in elf.segments.iter().filter(|segment| segment.writable) {
        let region = segment.region;
        let length = region.file_size.min(budget);
        budget -= length;
        let found = scan(source, region.offset, length, 13, |base, chunk| {
            for index in finder.find_iter(chunk) {
                attempts += 1;
                if attempts > ATTEMPTS {
                    return Err(Refusal::NoVersion);
                }
                let address = region.address_of(base + index as u64).filter(|address| address.0 % ALIGNMENT == 0);
                if let Some(address) = address
                    && let Some(found) = read_at(source, elf, address, limits)?
                {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The second copy of the module text, the constant behind `runtime.modinfo`.
fn scan_sentinel(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<String>, Refusal> {
    let finder = memchr::memmem::Finder::new(&START);
    let mut budget = limits.scan_bytes;
    for segment in &elf.segments {
        let region = segment.region;
        let length = region.file_size.min(budget);
        budget -= length;
        let place = scan(source, region.offset, length, 15, |base, chunk| {
            Ok(finder.find(chunk).and_then(|index| region.address_of(base + index as u64)))
        })?;
        let Some((offset, available)) = place.and_then(|address| elf.locate(address)) else { continue };
        let bytes = source.vector(offset, available.min(limits.build_info_bytes), "the module text")?;
        let end = memchr::memmem::find(&bytes, &END);
        if let Some(text) = end.and_then(|end| bytes.get(START.len()..end)) {
            return Ok(Some(String::from_utf8_lossy(text).into_owned()));
        }
    }
    Ok(None)
}

/// Build info at `address`; `None` where there is none after all.
fn read_at(source: &dyn Source, elf: &Elf, address: VirtualAddress, limits: &Limits) -> Result<Option<Found>, Refusal> {
    let Some((offset, available)) = elf.locate(address) else { return Ok(None) };
    let head = source.vector(offset, available.min(HEADER), "build info")?;
    let (Some(magic), Some([pointer_size, flags])) = (head.array::<14>(0), head.array::<2>(14)) else { return Ok(None) };
    if magic != *MAGIC {
        return Ok(None);
    }
    if flags & 2 == 0 {
        // Go 1.17 and before: only to say which version it is that we refuse.
        let version = (pointer_size == 8 && flags & 1 == 0).then(|| head.u64(16)).flatten();
        let version = version.map(|at| go_string(source, elf, VirtualAddress(at), VERSION_BYTES)).transpose()?.flatten();
        return Ok(version.map(|version| Found { version: Some(version), build: None }));
    }
    let rest = available.saturating_sub(HEADER);
    let mut at = VirtualAddress(address.0.saturating_add(HEADER));
    let version = inline_string(source, elf, &mut at, rest.min(VERSION_BYTES))?;
    let modules = inline_string(source, elf, &mut at, limits.build_info_bytes)?;
    let build = modules.and_then(|bytes| unwrap_sentinels(&bytes).map(|text| BuildInfo::parse(&String::from_utf8_lossy(text))));
    let version = version.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).filter(|version| !version.is_empty());
    Ok(Some(Found { version, build }))
}

/// The text between the sentinels; an executable that was not built from a module has none.
fn unwrap_sentinels(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(&START)?.strip_suffix(&END)
}

/// A string with its length in front; moves `at` behind it.
fn inline_string(source: &dyn Source, elf: &Elf, at: &mut VirtualAddress, longest: u64) -> Result<Option<Vec<u8>>, Refusal> {
    let Some((offset, available)) = elf.locate(*at) else { return Ok(None) };
    let head = source.vector(offset, available.min(10), "build info")?;
    let Some((length, size)) = uvarint(&head) else { return Ok(None) };
    check_limit("build info", length, longest)?;
    let start = VirtualAddress(at.0.saturating_add(size));
    let bytes = if length == 0 { Vec::new() } else { elf.read(source, start, length, "build info")? };
    *at = VirtualAddress(start.0.saturating_add(length));
    Ok(Some(bytes))
}

/// A Go string header in data and its text; `None` if it is empty, longer than `longest`, or leads nowhere.
pub(crate) fn go_string(source: &dyn Source, elf: &Elf, header: VirtualAddress, longest: u64) -> Result<Option<String>, Refusal> {
    let Some((offset, available)) = elf.locate(header) else { return Ok(None) };
    let words = source.vector(offset, available.min(16), "a string header")?;
    let (Some(pointer), Some(length)) = (words.u64(0), words.u64(8)) else { return Ok(None) };
    string_at(source, elf, VirtualAddress(pointer), length, longest)
}

/// The text of a Go string; `None` if it is empty, longer than `longest`, or leads nowhere.
pub(crate) fn string_at(
    source: &dyn Source,
    elf: &Elf,
    pointer: VirtualAddress,
    length: u64,
    longest: u64,
) -> Result<Option<String>, Refusal> {
    let Some((offset, available)) = elf.locate(pointer) else { return Ok(None) };
    if length == 0 || length > longest.min(available) {
        return Ok(None);
    }
    let bytes = source.vector(offset, length, "a string")?;
    Ok(String::from_utf8(bytes).ok())
}

/// A varint of up to 64 bits, and its size in bytes.
fn uvarint(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(index * 7).ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, index as u64 + 1));
        }
    }
    None
}
