//! Small edits of ELF files on disk: what strippers, accidents and liars do to executables.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

const SECTION_HEADERS: usize = 0x28; // e_shoff
const SECTION_NUMBERS: usize = 0x3c; // e_shnum, e_shstrndx
const PROGRAM_HEADERS: usize = 0x20; // e_phoff
const PROGRAM_NUMBER: usize = 0x38; // e_phnum

/// Rewrites a file through `change`. By a copy: a file that runs cannot be written.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
    let mut bytes = fs::read(path)?;
    change(&mut bytes);
    fs::remove_file(path)?;
    fs::write(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Copies an executable to `to`, changed.
pub fn copy(from: &Path, to: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    fs::copy(from, to).and_then(|_| edit(to, change)).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
}

/// What sstrip does to the header: the section headers are still there, but nothing says where.
pub fn remove_section_headers(bytes: &mut [u8]) {
    bytes[SECTION_HEADERS..SECTION_HEADERS + 8].fill(0);
    bytes[SECTION_NUMBERS..SECTION_NUMBERS + 4].fill(0);
}

/// Cuts off everything behind the last byte that a process of it has in memory: the header then points past the end.
pub fn truncate_to_segments(bytes: &mut Vec<u8>) {
    let end = segments(bytes).iter().map(|segment| segment.offset + segment.file_size).max().unwrap();
    bytes.truncate(end);
}

/// Makes every section claim a place and a size far outside of the file.
pub fn lie_in_section_headers(bytes: &mut [u8]) {
    let (table, number) = (u64_at(bytes, SECTION_HEADERS), u16_at(bytes, SECTION_NUMBERS));
    for index in 1..usize::from(number) {
        let header = table + index * 64;
        bytes[header + 24..header + 32].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        bytes[header + 32..header + 40].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
    }
}

/// Replaces every occurrence of `from`; both are of one length.
pub fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    assert_eq!(from.len(), to.len());
    let mut found = 0;
    let mut at = 0;
    while let Some(next) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + next..at + next + from.len()].copy_from_slice(to);
        at += next + from.len();
        found += 1;
    }
    found
}

/// Fills the first `length` bytes of function `name` with what no Go compiler emits. Needs a symbol table.
pub fn break_function(bytes: &mut [u8], name: &str, length: usize) {
    let address = symbol(bytes, name).unwrap_or_else(|| panic!("no symbol {name}"));
    let segment = segments(bytes).into_iter().find(|s| (s.address..s.address + s.file_size).contains(&address)).unwrap();
    let at = address - segment.address + segment.offset;
    bytes[at..at + length].fill(0xf4); // hlt
}

/// Makes a file of `size` bytes of `from`, with a hole for the rest.
pub fn grow(from: &Path, to: &Path, size: u64) {
    fs::copy(from, to).and_then(|_| OpenOptions::new().write(true).open(to)?.set_len(size)).unwrap();
}

/// A loaded segment of a file.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where it stands in the file.
    pub offset: usize,
    /// Its ELF virtual address.
    pub address: usize,
    /// How much of it the file holds.
    pub file_size: usize,
}

/// The PT_LOAD segments.
pub fn segments(bytes: &[u8]) -> Vec<Segment> {
    let (table, number) = (u64_at(bytes, PROGRAM_HEADERS), u16_at(bytes, PROGRAM_NUMBER));
    let headers = (0..usize::from(number)).map(|index| table + index * 56);
    let loads = headers.filter(|&header| bytes[header..header + 4] == 1u32.to_le_bytes());
    loads.map(|h| Segment { offset: u64_at(bytes, h + 8), address: u64_at(bytes, h + 16), file_size: u64_at(bytes, h + 32) }).collect()
}

/// The address of a symbol of `.symtab`.
fn symbol(bytes: &[u8], name: &str) -> Option<usize> {
    let (table, number) = (u64_at(bytes, SECTION_HEADERS), u16_at(bytes, SECTION_NUMBERS));
    let section = |index: usize| table + index * 64;
    let symtab = (0..usize::from(number)).map(section).find(|&header| bytes[header + 4..header + 8] == 2u32.to_le_bytes())?;
    let strings = u64_at(bytes, section(usize::try_from(u32_at(bytes, symtab + 40)).ok()?) + 24);
    let (start, size) = (u64_at(bytes, symtab + 24), u64_at(bytes, symtab + 32));
    let wanted = [name.as_bytes(), b"\0"].concat();
    (start..start + size).step_by(24).find_map(|entry| {
        let text = strings + usize::try_from(u32_at(bytes, entry)).ok()?;
        (bytes.get(text..text + wanted.len())? == wanted).then(|| u64_at(bytes, entry + 8))
    })
}

fn u64_at(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

/// Reads `length` bytes at `offset`.
pub fn read_at(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Appends to a copy of a file.
pub fn append(from: &Path, to: &Path, tail: &[u8]) {
    fs::copy(from, to).and_then(|_| OpenOptions::new().append(true).open(to)?.write_all(tail)).unwrap();
}
