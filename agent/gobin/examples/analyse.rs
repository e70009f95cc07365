//! Prints what analysis says about executables, what it took, and the frames of addresses:
//! `analyse FILE [0xADDRESS...]`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use goroscope_gobin::{FileOffset, Limits, Pc, ReadError, Source, VirtualAddress, analyse};

struct Executable(File, u64);

impl Source for Executable {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        self.0.read_exact_at(out, offset.0).map_err(|source| ReadError::Io { offset, length: out.len(), source })
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else { return Err(io::Error::other("usage: analyse FILE [0xADDRESS...]")) };
    let file = File::open(&path)?;
    let size = file.metadata()?.len();
    let source = Executable(file, size);
    let start = Instant::now();
    let binary = analyse(&source, &Limits::default());
    let elapsed = start.elapsed();
    match &binary {
        Err(refusal) => println!("{path}: refused ({}): {refusal}", refusal.reason()),
        Ok(binary) => {
            println!("{path}: {} {} {:?}", binary.version, binary.arch.as_str(), binary.version_source);
            println!("{:?}\n{:?}\n{:?}", binary.linkage, binary.pclntab, binary.moduledata);
            println!("{:?} {:?} {:?}", binary.go_build_id, binary.gnu_build_id, binary.build);
            for function in &binary.functions {
                println!("{:>#10x} {} {:?}", function.entry, function.name, function.prologue);
            }
            let bytes: u64 = binary.library_ranges.iter().map(|range| range.end.0 - range.start.0).sum();
            println!("runtime {:x?}", binary.runtime.as_ref().map(|facts| (facts.layout_source, facts.globals)));
            println!("ambiguous {:?}", binary.ambiguous);
            println!("library: {} ranges, {bytes} bytes, {} dropped", binary.library_ranges.len(), binary.library_ranges_dropped);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{size} bytes of file, {elapsed:?}, {peak}");
    let Ok(binary) = binary else { return Ok(()) };
    for address in arguments {
        let digits = address.trim_start_matches("0x");
        let address = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        let start = Instant::now();
        match binary.frames(&source, Pc::ReturnAddress(VirtualAddress(address))) {
            Ok(frames) => frames.iter().for_each(|f| println!("{} {}:{} inlined: {}", f.function, f.file, f.line, f.inlined)),
            Err(error) => println!("{address:#x}: {error}"),
        }
        println!("{:?}", start.elapsed());
    }
    Ok(())
}
