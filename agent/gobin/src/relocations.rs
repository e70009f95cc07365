//! The relative relocations of a position-independent executable.
//!
//! Input noun: [`Elf`]. Output noun: words of data as the loader will leave them, at load bias 0. Must not know what they mean.
//! The Go linker and GNU ld also store the addend in place; other linkers leave zeros there.

use std::collections::{HashMap, HashSet};

use object::elf::{self as format, Dyn64, Rela64};
use object::{LittleEndian, pod};

use crate::elf::{Elf, check_limit};
use crate::source::{Words, scan};
use crate::{Arch, FileOffset, Limits, Refusal, Source, VirtualAddress};

/// Where the relocation table lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocations {
    start: FileOffset,
    size: u64,
    relative: u64,
}

const LE: LittleEndian = LittleEndian;
const ENTRY: u64 = size_of::<Rela64<LittleEndian>>() as u64;
/// Bytes of the dynamic section that are looked at; real ones have 400.
const DYNAMIC_BYTES: u64 = 16 << 10;

impl Relocations {
    /// Finds the table through PT_DYNAMIC, as the loader does. `None`: there are no relocations.
    pub(crate) fn locate(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<Option<Self>, Refusal> {
        let Some(dynamic) = elf.dynamic else { return Ok(None) };
        let bytes = source.vector(dynamic.offset, dynamic.file_size.min(DYNAMIC_BYTES), "the dynamic section")?;
        let (mut address, mut size) = (None, 0);
        let mut rest = bytes.as_slice();
        while let Ok((entry, tail)) = pod::from_bytes::<Dyn64<LittleEndian>>(rest) {
            match entry.d_tag.get(LE) {
                format::DT_NULL => break,
                format::DT_RELA => address = Some(VirtualAddress(entry.d_val.get(LE))),
                format::DT_RELASZ => size = entry.d_val.get(LE),
                _ => {}
            }
            rest = tail;
        }
        let Some((start, available)) = address.and_then(|address| elf.locate(address)) else { return Ok(None) };
        check_limit("relocations", size, limits.relocation_bytes)?;
        let relative = match elf.arch {
            Arch::Amd64 => format::R_X86_64_RELATIVE.0,
            Arch::Arm64 => format::R_AARCH64_RELATIVE.0,
        };
        let size = size.min(available);
        Ok(Some(Self { start, size: size - size % ENTRY, relative: u64::from(relative) }))
    }

    /// One pass: `visit(place, value)` for each relative relocation, until it returns something.
    fn find<T>(&self, source: &dyn Source, mut visit: impl FnMut(VirtualAddress, u64) -> Option<T>) -> Result<Option<T>, Refusal> {
        let mut rest = self.size;
        let mut at = self.start;
        // Chunks of whole entries, so that none is cut.
        const CHUNK: u64 = ENTRY * 8192;
        while rest > 0 {
            let length = rest.min(CHUNK);
            let bytes = source.vector(at, length, "relocations")?;
            for entry in bytes.chunks_exact(24) {
                let (Some(place), Some(info), Some(value)) = (entry.u64(0), entry.u64(8), entry.u64(16)) else { continue };
                if info == self.relative
                    && let Some(found) = visit(VirtualAddress(place), value)
                {
                    return Ok(Some(found));
                }
            }
            rest -= length;
            at = FileOffset(at.0.saturating_add(length));
        }
        Ok(None)
    }

    /// The first places that will point to `target`, at most `most` of them.
    pub(crate) fn places_of(&self, source: &dyn Source, target: VirtualAddress, most: usize) -> Result<Vec<VirtualAddress>, Refusal> {
        let mut places = Vec::new();
        self.find(source, |place, value| {
            if value == target.0 {
                places.push(place);
            }
            (places.len() >= most).then_some(())
        })?;
        Ok(places)
    }

    /// The values that the loader will put into some places.
    pub(crate) fn values_at(
        &self,
        source: &dyn Source,
        places: &HashSet<VirtualAddress>,
    ) -> Result<HashMap<VirtualAddress, VirtualAddress>, Refusal> {
        let mut values = HashMap::new();
        self.find(source, |place, value| {
            if places.contains(&place) {
                values.insert(place, VirtualAddress(value));
            }
            None::<()>
        })?;
        Ok(values)
    }

    /// Relocates `bytes`, which were read from `address`.
    pub(crate) fn apply(&self, source: &dyn Source, address: VirtualAddress, bytes: &mut [u8]) -> Result<(), Refusal> {
        self.find(source, |place, value| {
            let index = place.0.checked_sub(address.0).and_then(|delta| usize::try_from(delta).ok());
            if let Some(word) = index.and_then(|index| bytes.get_mut(index..)).and_then(|rest| rest.get_mut(..8)) {
                word.copy_from_slice(&value.to_le_bytes());
            }
            None::<()>
        })?;
        Ok(())
    }
}

/// Every aligned word of the writable segments with that value, until `accept` takes one. Bounded by `limits.scan_bytes`.
pub(crate) fn scan_words<T>(
    source: &dyn Source,
    elf: &Elf,
    value: u64,
    limits: &Limits,
    mut accept: impl FnMut(VirtualAddress) -> Result<Option<T>, Refusal>,
) -> Result<Option<T>, Refusal> {
    let pattern = value.to_le_bytes();
    let finder = memchr::memmem::Finder::new(&pattern);
    let mut budget = limits.scan_bytes;
    for segment in elf.segments.iter().filter(|segment| segment.writable) {
        let region = segment.region;
        let length = region.file_size.min(budget);
        budget -= length;
        let found = scan(source, region.offset, length, 7, |base, chunk| {
            for index in finder.find_iter(chunk) {
                let address = region.address_of(base + index as u64).filter(|address| address.0 % 8 == 0);
                if let Some(found) = address.map(&mut accept).transpose()?.flatten() {
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
