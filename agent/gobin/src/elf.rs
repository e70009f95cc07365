//! The ELF headers of an executable: architecture, segments, sections, and the way from addresses to file offsets.
//!
//! Input noun: [`Source`]. Output noun: [`Elf`]. Must not know Go.

use object::elf::{self as format, FileHeader64, ProgramHeader64, SectionHeader64};
use object::{LittleEndian, Pod, pod};

use crate::{FileOffset, Limits, Refusal, Source, VirtualAddress};

/// Processor architecture. Both are 64-bit little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// Smallest distance of two instructions, in bytes: what Go calls `PCQuantum`.
    #[must_use]
    pub fn instruction_quantum(self) -> u8 {
        match self {
            Self::Amd64 => 1,
            Self::Arm64 => 4,
        }
    }

    /// Whether an instruction can lie there.
    pub(crate) fn is_aligned(self, address: VirtualAddress) -> bool {
        address.0.is_multiple_of(u64::from(self.instruction_quantum()))
    }

    /// The name that Go uses (`GOARCH`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// A range of addresses and the part of it that the file holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) address: VirtualAddress,
    pub(crate) offset: FileOffset,
    /// Bytes that the file holds.
    pub(crate) file_size: u64,
}

/// A PT_LOAD segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) region: Region,
    /// Bytes in memory: what the file does not hold is zero.
    pub(crate) memory_size: u64,
    pub(crate) executable: bool,
    pub(crate) writable: bool,
}

/// A section: what its header says.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) region: Region,
    pub(crate) symbols: bool,
    /// Its bytes begin with a compression header.
    pub(crate) compressed: bool,
}

/// What the ELF headers say.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) arch: Arch,
    pub(crate) entry: VirtualAddress,
    pub(crate) position_independent: bool,
    pub(crate) interpreter: bool,
    pub(crate) segments: Vec<Segment>,
    pub(crate) notes: Vec<Region>,
    pub(crate) dynamic: Option<Region>,
    pub(crate) has_section_headers: bool,
    pub(crate) sections: Vec<Section>,
}

const LE: LittleEndian = LittleEndian;

impl Elf {
    /// Reads file header, program headers, section headers and section names: four small reads.
    pub(crate) fn parse(source: &dyn Source, limits: &Limits) -> Result<Self, Refusal> {
        let size = size_of::<FileHeader64<LittleEndian>>() as u64;
        if source.size() < size {
            return Err(Refusal::NotElf);
        }
        let bytes = source.vector(FileOffset(0), size, "the ELF header")?;
        let (header, _) =
            pod::from_bytes::<FileHeader64<LittleEndian>>(&bytes).map_err(|()| Refusal::Truncated { what: "the ELF header" })?;
        let arch = architecture(header)?;
        let position_independent = match header.e_type.get(LE) {
            format::ET_EXEC => false,
            format::ET_DYN => true,
            // Objects and core dumps are not run.
            _ => return Err(Refusal::NotGo),
        };
        let mut elf = Self {
            arch,
            entry: VirtualAddress(header.e_entry.get(LE)),
            position_independent,
            interpreter: false,
            segments: Vec::new(),
            notes: Vec::new(),
            dynamic: None,
            has_section_headers: false,
            sections: Vec::new(),
        };
        elf.read_segments(source, header, limits)?;
        elf.read_sections(source, header, limits)?;
        Ok(elf)
    }

    fn read_segments(&mut self, source: &dyn Source, header: &FileHeader64<LittleEndian>, limits: &Limits) -> Result<(), Refusal> {
        let start = FileOffset(header.e_phoff.get(LE));
        let count = u64::from(header.e_phnum.get(LE));
        check_limit("program headers", count, limits.segments)?;
        let table: Vec<ProgramHeader64<LittleEndian>> = table(source, start, count, header.e_phentsize.get(LE), "the program headers")?;
        for entry in &table {
            let region = Region {
                address: VirtualAddress(entry.p_vaddr.get(LE)),
                offset: FileOffset(entry.p_offset.get(LE)),
                file_size: entry.p_filesz.get(LE).min(entry.p_memsz.get(LE)),
            };
            let flags = entry.p_flags.get(LE).0;
            match entry.p_type.get(LE) {
                format::PT_LOAD => self.segments.push(Segment {
                    region,
                    memory_size: entry.p_memsz.get(LE),
                    executable: flags & format::PF_X.0 != 0,
                    writable: flags & format::PF_W.0 != 0,
                }),
                format::PT_INTERP => self.interpreter = true,
                format::PT_NOTE => self.notes.push(region),
                format::PT_DYNAMIC => self.dynamic = Some(region),
                _ => {}
            }
        }
        Ok(())
    }

    /// Section headers are a convenience that the kernel ignores: if they lead nowhere they count as removed.
    fn read_sections(&mut self, source: &dyn Source, header: &FileHeader64<LittleEndian>, limits: &Limits) -> Result<(), Refusal> {
        let start = FileOffset(header.e_shoff.get(LE));
        let count = u64::from(header.e_shnum.get(LE));
        if start.0 == 0 || count == 0 {
            return Ok(());
        }
        check_limit("section headers", count, limits.sections)?;
        let table: Vec<SectionHeader64<LittleEndian>> = match table(source, start, count, header.e_shentsize.get(LE), "the section headers")
        {
            Ok(table) => table,
            Err(Refusal::Truncated { .. } | Refusal::CorruptElf { .. }) => return Ok(()),
            Err(refusal) => return Err(refusal),
        };
        let Some(strings) = table.get(usize::from(header.e_shstrndx.get(LE).0)) else { return Ok(()) };
        // 64 kB hold the names of more sections than the limit lets through.
        let names = source.vector(FileOffset(strings.sh_offset.get(LE)), strings.sh_size.get(LE).min(64 << 10), "the section names");
        let names = match names {
            // Headers without names tell nothing.
            Ok(names) if names.is_empty() => return Ok(()),
            Ok(names) => names,
            Err(Refusal::Truncated { .. }) => return Ok(()),
            Err(refusal) => return Err(refusal),
        };
        self.has_section_headers = true;
        self.sections = table.iter().map(|entry| section(entry, &names)).collect();
        Ok(())
    }

    /// The section of that name, if the file holds its bytes.
    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name && section.region.file_size > 0)
    }

    /// File offset of `address`, and how many bytes the file holds from there on in that segment.
    pub(crate) fn locate(&self, address: VirtualAddress) -> Option<(FileOffset, u64)> {
        self.segments.iter().find_map(|segment| segment.region.locate(address))
    }

    /// File offset of the range `[address, end)` if one executable segment holds it whole.
    pub(crate) fn locate_code(&self, address: VirtualAddress, end: VirtualAddress) -> Option<FileOffset> {
        let length = end.0.checked_sub(address.0)?;
        self.segments
            .iter()
            .filter(|segment| segment.executable)
            .find_map(|segment| segment.region.locate(address).filter(|(_, available)| length <= *available).map(|(offset, _)| offset))
    }

    /// The bytes that the file holds at `address`; the caller has bounded `length`.
    pub(crate) fn read(&self, source: &dyn Source, address: VirtualAddress, length: u64, what: &'static str) -> Result<Vec<u8>, Refusal> {
        let (offset, available) = self.locate(address).ok_or(Refusal::Truncated { what })?;
        if length > available {
            return Err(Refusal::Truncated { what });
        }
        source.vector(offset, length, what)
    }
}

impl Region {
    /// File offset of `address`, and how many bytes the file holds from there on.
    pub(crate) fn locate(&self, address: VirtualAddress) -> Option<(FileOffset, u64)> {
        let delta = address.0.checked_sub(self.address.0)?;
        let available = self.file_size.checked_sub(delta).filter(|left| *left > 0)?;
        Some((self.offset.checked_add(delta)?, available))
    }

    /// Address of a file offset inside the region.
    pub(crate) fn address_of(&self, offset: u64) -> Option<VirtualAddress> {
        let delta = offset.checked_sub(self.offset.0).filter(|delta| *delta < self.file_size)?;
        self.address.checked_add(delta)
    }
}

/// Refuses a size above its limit.
pub(crate) fn check_limit(what: &'static str, value: u64, limit: u64) -> Result<(), Refusal> {
    if value > limit { Err(Refusal::TooLarge { what, value, limit }) } else { Ok(()) }
}

fn architecture(header: &FileHeader64<LittleEndian>) -> Result<Arch, Refusal> {
    if header.e_ident.magic != format::ELFMAG {
        return Err(Refusal::NotElf);
    }
    let machine = header.e_machine.get(LE);
    if header.e_ident.class != format::ELFCLASS64 || header.e_ident.data != format::ELFDATA2LSB {
        return Err(Refusal::ForeignArch { machine: machine.0 });
    }
    match machine {
        format::EM_X86_64 => Ok(Arch::Amd64),
        format::EM_AARCH64 => Ok(Arch::Arm64),
        other => Err(Refusal::ForeignArch { machine: other.0 }),
    }
}

/// A table of `count` headers; an entry size other than the format's is corrupt.
fn table<T: Pod>(source: &dyn Source, start: FileOffset, count: u64, entry_size: u16, what: &'static str) -> Result<Vec<T>, Refusal> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if usize::from(entry_size) != size_of::<T>() {
        return Err(Refusal::CorruptElf { what: "header entry size" });
    }
    let bytes = source.vector(start, count.saturating_mul(u64::from(entry_size)), what)?;
    let count = usize::try_from(count).map_err(|_| Refusal::Truncated { what })?;
    let (entries, _) = pod::slice_from_bytes(&bytes, count).map_err(|()| Refusal::Truncated { what })?;
    Ok(entries.to_vec())
}

fn section(entry: &SectionHeader64<LittleEndian>, names: &[u8]) -> Section {
    let name = usize::try_from(entry.sh_name.get(LE)).ok().and_then(|start| names.get(start..)).unwrap_or_default();
    // No section that we look for has a longer name.
    let name = name.get(..name.len().min(40)).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let kind = entry.sh_type.get(LE);
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        region: Region {
            address: VirtualAddress(entry.sh_addr.get(LE)),
            offset: FileOffset(entry.sh_offset.get(LE)),
            file_size: if kind == format::SHT_NOBITS { 0 } else { entry.sh_size.get(LE) },
        },
        symbols: kind == format::SHT_SYMTAB,
        compressed: entry.sh_flags.get(LE).0 & format::SHF_COMPRESSED.0 != 0,
    }
}
