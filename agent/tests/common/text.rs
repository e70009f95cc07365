//! The text of a live process: what its memory holds against what its file says.

use std::{fs, path::Path};

use super::elf;

/// How many bytes of the executable mappings of `file` in process `pid` differ from the file: each is a breakpoint.
///
/// # Panics
/// When the process or the file cannot be read, or the process maps nothing of the file to run.
pub fn altered_bytes(pid: u32, file: &Path) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_else(|error| panic!("maps of {pid}: {error}"));
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(file).unwrap()).to_string();
    let (mut mappings, mut altered) = (0, 0);
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [range, rights, offset, _, found, ..] = fields[..] else { continue };
        if found != inode || !rights.contains('x') {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let offset = u64::from_str_radix(offset, 16).unwrap();
        // The last page of a mapping may reach past the end of the file.
        let length = usize::try_from((end - start).min(fs::metadata(file).unwrap().len() - offset)).unwrap();
        let memory =
            elf::read_at(Path::new(&format!("/proc/{pid}/mem")), start, length).unwrap_or_else(|error| panic!("memory of {pid}: {error}"));
        let expected = elf::read_at(file, offset, length).unwrap();
        mappings += 1;
        altered += memory.iter().zip(&expected).filter(|(is, was)| is != was).count();
    }
    assert!(mappings > 0, "{pid} runs nothing of {}", file.display());
    altered
}
