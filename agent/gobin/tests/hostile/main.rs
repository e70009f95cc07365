//! Executables that were made to mislead: what is refused, what it costs, and that nothing panics.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod corpus;
mod dwarf;
#[expect(unreachable_pub, reason = "the fuzz targets include it too")]
mod fixture;
mod runtime;
#[expect(unreachable_pub, reason = "a fuzz target includes it too")]
mod sections;

use std::cell::Cell;

use fixture::{BASE, Fixture};
use goroscope_gobin::{FileOffset, GoBinary, Limits, Pc, ReadError, Refusal, Source, VirtualAddress, analyse, return_sites};

#[test]
fn variants() {
    let usual = || Fixture::default();
    let good = "go1.26.6 BuildInfo: runtime.newproc time.Sleep runtime.schedinit";
    check(&usual(), good);
    check(&Fixture { sections: false, ..usual() }, good);
    check(&Fixture { relocated: true, ..usual() }, good);
    check(&Fixture { relocated: true, sections: false, ..usual() }, good);
    let recovered = "go1.26.6 RuntimeBuildVersion: runtime.newproc time.Sleep runtime.schedinit";
    check(&Fixture { build_info: false, ..usual() }, recovered);
    check(&Fixture { build_info: false, sections: false, relocated: true, ..usual() }, recovered);
    check(&Fixture { second_newproc: 0, ..usual() }, "go1.26.6 BuildInfo: time.Sleep runtime.schedinit; ambiguous runtime.newproc");
    // The number of wrappers in Go 1.24 is another one, so here are two bodies.
    let older = Fixture { version: "go1.24.1", ..usual() };
    check(&older, "go1.24.1 BuildInfo: time.Sleep runtime.schedinit; ambiguous runtime.newproc");
    for version in ["go1.99", "go1.28.1", "go1.18.10", "devel go1.26-abc", "devel +abc", "what"] {
        check(&Fixture { version, ..usual() }, "unsupported_go_version");
    }
    check(&Fixture { version: "go1.28.1", build_info: false, ..usual() }, "unsupported_go_version");
    check(&Fixture { version: "what", build_info: false, ..usual() }, "no_go_version");
}

fn check(fixture: &Fixture, expected: &str) {
    let bytes = fixture.build();
    let actual = match analyse(&bytes, &Limits::default()) {
        Err(refusal) => refusal.reason().to_owned(),
        Ok(binary) => {
            let names: Vec<&str> = binary.functions.iter().map(|function| function.name.as_str()).collect();
            let ambiguous = binary.ambiguous.iter().map(|name| format!("; ambiguous {name}")).collect::<String>();
            format!("{} {:?}: {}{ambiguous}", binary.version, binary.version_source, names.join(" "))
        }
    };
    assert_eq!(actual, expected, "{fixture:?}");
}

#[test]
fn frames() {
    let bytes = Fixture::default().build();
    let binary = analyse(&bytes, &Limits::default()).unwrap();
    let main = binary.pclntab.text_start.0 + 16 + 8 + 16 + 16;
    let check = |pc: Pc, expected: &str| {
        let frames = binary.frames(&bytes, pc).map_err(|error| error.to_string());
        let frames = frames.map(|f| f.iter().map(|f| format!("{} {}:{}", f.function, f.file, f.line)).collect::<Vec<_>>().join(", "));
        assert_eq!(frames.unwrap_or_else(|error| error), expected, "{pc:?}");
    };
    check(Pc::Exact(VirtualAddress(main)), "main.main /src/main.go:20");
    check(Pc::Exact(VirtualAddress(main + 4)), "main.leaf /src/main.go:33, main.main /src/main.go:20");
    check(Pc::ReturnAddress(VirtualAddress(main + 4)), "main.main /src/main.go:20");
    check(Pc::ReturnAddress(VirtualAddress(main + 12)), "main.leaf /src/main.go:33, main.main /src/main.go:20");
    check(Pc::Exact(VirtualAddress(main + 12)), "main.main /src/main.go:21");
    check(Pc::Exact(VirtualAddress(0)), "0x0 is not in a Go function");
    check(Pc::ReturnAddress(VirtualAddress(0)), "0x0 is not in a Go function");
    check(Pc::Exact(VirtualAddress(BASE)), "0x400000 is not in a Go function");
    check(Pc::Exact(VirtualAddress(u64::MAX)), "0xffffffffffffffff is not in a Go function");
}

#[test]
fn frame_sizes() {
    let bytes = Fixture::default().build();
    let binary = analyse(&bytes, &Limits::default()).unwrap();
    let main = binary.pclntab.text_start.0 + 16 + 8 + 16 + 16;
    let check = |pc: Pc, expected: Result<u32, &str>| {
        let size = binary.symbolizer().frame_size(&bytes, pc).map_err(|error| error.to_string());
        assert_eq!(size, expected.map_err(str::to_owned), "{pc:?}");
    };
    check(Pc::Exact(VirtualAddress(main)), Ok(0));
    check(Pc::Exact(VirtualAddress(main + 7)), Ok(8));
    check(Pc::ReturnAddress(VirtualAddress(main + 7)), Ok(0));
    check(Pc::Exact(VirtualAddress(main + 13)), Ok(0));
    check(Pc::Exact(VirtualAddress(0)), Err("0x0 is not in a Go function"));
}

#[test]
fn inlining_without_end_is_an_error() {
    let bytes = Fixture { endless_inlining: true, ..Fixture::default() }.build();
    let binary = analyse(&bytes, &Limits::default()).unwrap();
    let main = binary.pclntab.text_start.0 + 16 + 8 + 16 + 16;
    let error = binary.frames(&bytes, Pc::Exact(VirtualAddress(main + 4))).unwrap_err();
    assert_eq!(error.to_string(), "corrupt pclntab: inlining without end");
}

#[test]
fn library_ranges_leave_user_code_out() {
    let bytes = Fixture { more_functions: vec!["internal/a.F", "context.G", "main.a", "reflect.H"], ..Fixture::default() }.build();
    let binary = analyse(&bytes, &Limits::default()).unwrap();
    let start = binary.pclntab.text_start.0;
    let ranges: Vec<_> = binary.library_ranges.iter().map(|range| range.start.0 - start..range.end.0 - start).collect();
    // a.F and G; H, newproc, schedinit and Sleep; the second newproc. Not main.a, strings.Index and main.main.
    assert_eq!(ranges, [0..32, 48..104, 136..152]);
    assert_eq!(binary.library_ranges_dropped, 0);
}

#[test]
fn limits() {
    let usual = Limits::default;
    check_limit(Limits { functions: 3, ..usual() }, "functions");
    check_limit(Limits { name_table_bytes: 16, ..usual() }, "function names");
    check_limit(Limits { record_bytes: 64, ..usual() }, "function records");
    check_limit(Limits { build_info_bytes: 64, ..usual() }, "build info");
    check_limit(Limits { sections: 2, ..usual() }, "section headers");
    check_limit(Limits { segments: 2, ..usual() }, "program headers");
    check_limit(Limits { relocation_bytes: 24, ..usual() }, "relocations");
}

fn check_limit(limits: Limits, expected: &str) {
    match analyse(&Fixture::default().build(), &limits) {
        Err(Refusal::TooLarge { what, .. }) => assert_eq!(what, expected),
        other => panic!("{expected}: {:?}", other.map(|binary| binary.version)),
    }
}

#[test]
fn what_is_no_go_executable_is_cheap() {
    let mut bytes = Fixture::default().build();
    assert_eq!(refusal(b"#!/bin/sh\n"), "not_elf");
    assert_eq!(refusal(&[0; 100]), "not_elf");
    assert_eq!(refusal(&bytes[..40]), "not_elf");
    // No name of a section that Go makes.
    for name in [&b".gopclntab"[..], b".go.buildinfo"] {
        let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
        bytes[at] = b'_';
    }
    let counted = Counted::new(&bytes);
    assert!(matches!(analyse(&counted, &Limits::default()), Err(Refusal::NotGo)));
    assert!(counted.reads.get() <= 4 && counted.bytes.get() < 1024, "{} reads, {} bytes", counted.reads.get(), counted.bytes.get());
    bytes[18] = 40;
    assert_eq!(refusal(&bytes), "foreign_arch");
    bytes[16] = 1;
    bytes[18] = 62;
    assert_eq!(refusal(&bytes), "not_go");
}

fn refusal(bytes: &[u8]) -> &'static str {
    analyse(&bytes.to_vec(), &Limits::default()).map_or_else(|refusal| refusal.reason(), |_| "analysed")
}

/// A source that counts what is asked of it: the cost of an analysis without a clock.
struct Counted<'a> {
    data: &'a [u8],
    reads: Cell<u64>,
    bytes: Cell<u64>,
}

impl<'a> Counted<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, reads: Cell::new(0), bytes: Cell::new(0) }
    }
}

impl Source for Counted<'_> {
    fn size(&self) -> u64 {
        self.data.size()
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.set(self.bytes.get() + out.len() as u64);
        self.data.read_exact_at(offset, out)
    }
}

/// 20,000 variants of the fixture: nothing panics, no read is larger than the file, and all reads together are bounded.
#[test]
fn mutations() {
    let originals: Vec<Vec<u8>> = corpus::fixtures().into_iter().map(|(_, fixture)| fixture.build()).collect();
    for seed in 1..=20_000u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = originals[random.below(originals.len())].clone();
        mutate(&mut bytes, &mut random);
        let result = std::panic::catch_unwind(|| explore(&bytes));
        assert!(result.is_ok(), "seed {seed} panics");
    }
}

/// Analyses and symbolizes; tells when that costs more than it may.
fn explore(bytes: &[u8]) {
    let counted = Counted::new(bytes);
    let binary = analyse(&counted, &Limits::default());
    let size = bytes.len() as u64;
    assert!(counted.bytes.get() <= 400 * size + 4096, "{} bytes read of {size}", counted.bytes.get());
    let Ok(binary) = binary else { return };
    assert!(binary.library_ranges.len() <= 64);
    for function in &binary.functions {
        explore_function(&counted, &binary, function.entry);
        if let Ok(code) = binary.code(&counted, function) {
            assert!(return_sites(&code, binary.arch).len() <= code.len());
        }
        let _ = binary.references(&counted, function);
    }
}

fn explore_function(counted: &Counted<'_>, binary: &GoBinary, entry: VirtualAddress) {
    for offset in [0, 5, 13, 80] {
        if let Some(pc) = entry.checked_add(offset) {
            let _ = binary.frames(counted, Pc::Exact(pc));
            let _ = binary.symbolizer().frame_size(counted, Pc::Exact(pc));
        }
    }
}

/// One to four changes: a bit, a byte, a word with an interesting value, a copied piece, a cut.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const VALUES: [u64; 10] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 40, i64::MAX.unsigned_abs(), u64::MAX];
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let left = bytes.len() - at;
        match random.below(8) {
            0 => bytes.truncate(at.max(1)),
            1 | 2 => bytes[at] ^= 1 << random.below(8),
            3 => bytes[at] = u8::try_from(random.below(256)).unwrap_or_default(),
            4 | 5 => {
                let size = [2, 4, 8][random.below(3)].min(left);
                bytes[at..at + size].copy_from_slice(&VALUES[random.below(VALUES.len())].to_le_bytes()[..size]);
            }
            6 => {
                let size = 8.min(left);
                let from = random.below(bytes.len() - size + 1);
                bytes.copy_within(from..from + size, at);
            }
            _ => {
                let size = random.below(16).min(left);
                bytes[at..at + size].fill(0xff);
            }
        }
    }
}

/// xorshift64*: the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap_or_default() % end.max(1)
    }
}
