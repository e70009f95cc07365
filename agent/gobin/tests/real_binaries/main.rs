//! The facts about real programs: what the crate says against what `go tool nm`, the measured tables and the program itself say.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod expected;
mod globals;
mod mutations;
mod program;
mod toolchain;

use std::collections::{HashMap, HashSet};
use std::process::Command;

use goroscope_gobin::{
    Arch, Function, GoBinary, Limits, ModuledataLocation, PclntabLocation, Prologue, Source, VersionSource, analyse, is_library_function,
    return_sites,
};
use tempfile::TempDir;
use toolchain::{Executable, Form, RELEASES, build};

/// Releases that are built in every form: the oldest, one between, the newest.
const ALL_FORMS: [&str; 3] = ["1.19.13", "1.24.11", "1.27.3"];

#[test]
fn every_release_plain() {
    let directory = TempDir::new().unwrap();
    for release in RELEASES {
        check(&directory, release, Form::Plain);
        check_arm64(&directory, release, Form::Plain);
    }
}

#[test]
fn every_release_position_independent_and_stripped() {
    let directory = TempDir::new().unwrap();
    for release in RELEASES {
        let stripped = check(&directory, release, Form::PieStripped);
        let twin = check(&directory, release, Form::Pie);
        assert_same_functions(&stripped, &twin, release);
        check_arm64(&directory, release, Form::PieStripped);
    }
}

#[test]
fn the_other_forms() {
    let directory = TempDir::new().unwrap();
    for release in ALL_FORMS {
        let plain = check(&directory, release, Form::Plain);
        for form in [Form::Stripped, Form::NoSections, Form::NoBuildInfo] {
            assert_same_functions(&check(&directory, release, form), &plain, release);
        }
        check_arm64(&directory, release, Form::NoSections);
        check_arm64(&directory, release, Form::NoBuildInfo);
        let external = check(&directory, release, Form::External);
        assert_same_functions(&check(&directory, release, Form::ExternalStripped), &external, release);
        let external = check(&directory, release, Form::ExternalPie);
        for form in [Form::ExternalPieStripped, Form::ExternalPieNoSections] {
            assert_same_functions(&check(&directory, release, form), &external, release);
        }
        check(&directory, release, Form::StaticPie);
    }
}

#[test]
fn other_executables_are_not_go() {
    for path in ["/bin/sh", "/proc/self/exe"] {
        let executable = Executable::open(path.as_ref()).unwrap();
        let refusal = analyse(&executable, &Limits::default()).unwrap_err();
        assert_eq!(refusal.reason(), "not_go", "{path}: {refusal}");
    }
}

/// Builds for amd64, analyses, runs the program, compares.
fn check(directory: &TempDir, release: &str, form: Form) -> GoBinary {
    let executable = build(directory.path(), release, "amd64", form);
    let binary = facts(&executable, release, form, Arch::Amd64);
    program::check_frames(&executable, &binary, release);
    binary
}

/// As [`check`]; the program cannot be run here.
fn check_arm64(directory: &TempDir, release: &str, form: Form) -> GoBinary {
    let executable = build(directory.path(), release, "arm64", form);
    let binary = facts(&executable, release, form, Arch::Arm64);
    program::check_lines(&executable, &binary);
    binary
}

fn facts(executable: &Executable, release: &str, form: Form, arch: Arch) -> GoBinary {
    let what = format!("go{release} {arch:?} {form:?}");
    let binary = analyse(executable, &Limits::default()).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
    assert_eq!(binary.arch, arch, "{what}");
    assert_eq!(binary.version.as_str(), format!("go{release}"), "{what}");
    check_build(&binary, form, &what);
    check_places(&binary, release, form, &what);
    assert_eq!(binary.ambiguous, [""; 0], "{what}");
    expected::check_functions(&binary, &what);
    check_library(&binary, &what);
    globals::check_layout(&binary, form, &what);
    for function in &binary.functions {
        check_code(executable, &binary, function, &what);
    }
    if !form.stripped() {
        check_symbols(executable, &binary, &what);
    }
    binary
}

fn check_build(binary: &GoBinary, form: Form, what: &str) {
    let linkage = binary.linkage;
    assert_eq!(linkage.position_independent, form.position_independent(), "{what}");
    assert_eq!(linkage.stripped, form.stripped(), "{what}");
    assert_eq!(linkage.static_pie, form == Form::StaticPie, "{what}");
    assert_eq!(linkage.has_section_headers, form.has_sections(), "{what}");
    assert!(binary.go_build_id.as_ref().is_some_and(|id| id.contains('/')), "{what}: {:?}", binary.go_build_id);
    assert!(binary.base() < binary.entry, "{what}");
    if form == Form::NoBuildInfo {
        assert_eq!(binary.version_source, VersionSource::RuntimeBuildVersion, "{what}");
        assert_eq!(binary.build, None, "{what}");
        return;
    }
    assert_eq!(binary.version_source, VersionSource::BuildInfo, "{what}");
    let build = binary.build.as_ref().unwrap_or_else(|| panic!("{what}: no build info"));
    assert_eq!(build.path, "command-line-arguments", "{what}");
    assert_eq!(build.setting("GOARCH"), Some(binary.arch.as_str()), "{what}");
    assert_eq!(build.setting("CGO_ENABLED"), Some(if form.external() { "1" } else { "0" }), "{what}");
}

/// Which section the table is in.
fn check_places(binary: &GoBinary, release: &str, form: Form, what: &str) {
    let new = release.starts_with("1.26") || release.starts_with("1.27");
    let pclntab = match (form.has_sections(), new || !form.position_independent(), form.external()) {
        (false, _, _) | (true, false, true) => PclntabLocation::MagicScan,
        (true, true, _) => PclntabLocation::Section(".gopclntab"),
        (true, false, false) => PclntabLocation::Section(".data.rel.ro.gopclntab"),
    };
    assert_eq!(binary.pclntab.location, pclntab, "{what}");
    let moduledata = if new && form.has_sections() { ModuledataLocation::Section } else { ModuledataLocation::PointerScan };
    assert_eq!(binary.moduledata.location, moduledata, "{what}");
}

fn check_library(binary: &GoBinary, what: &str) {
    let ranges = &binary.library_ranges;
    assert!((10..=64).contains(&ranges.len()), "{what}: {} ranges", ranges.len());
    assert!(ranges.iter().all(|range| range.start < range.end), "{what}");
    assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{what}: not sorted, or not merged");
    for function in &binary.functions {
        assert!(is_library_function(&function.name), "{what}: {}", function.name);
        assert!(ranges.iter().any(|range| range.contains(&function.entry)), "{what}: {}", function.name);
    }
}

/// The check is where the bytes say, and the function returns.
fn check_code(executable: &Executable, binary: &GoBinary, function: &Function, what: &str) {
    let mut bytes = vec![0; function.code.len()];
    executable.read_exact_at(function.file_offset, &mut bytes).unwrap();
    assert_eq!(bytes, function.code, "{what}: {}", function.name);
    assert_eq!(binary.address_of(function.file_offset), Some(function.entry), "{what}: {}", function.name);
    if let Prologue::StackCheck(check) = function.prologue {
        assert_eq!(check.branch + check.branch_len, check.after, "{what}: {}", function.name);
    }
    let code = binary.code(executable, function).unwrap();
    // Functions that end a goroutine do not return.
    let returns = !matches!(function.name.as_str(), "runtime.goexit1" | "runtime.goexit0");
    assert!(!returns || !return_sites(&code, binary.arch).is_empty(), "{what}: {} has no return", function.name);
}

/// `go tool nm` knows the same functions at the same addresses, and the ranges hold library functions and all of them.
fn check_symbols(executable: &Executable, binary: &GoBinary, what: &str) {
    let output = Command::new("go").args(["tool", "nm"]).arg(&executable.path).output().expect("go tool nm");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut symbols: HashMap<&str, HashSet<u64>> = HashMap::new();
    let mut variables = HashMap::new();
    for line in text.lines() {
        let mut fields = line.trim().splitn(3, ' ');
        let (Some(address), Some(kind), Some(name)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let Ok(address) = u64::from_str_radix(address, 16) else { continue };
        if matches!(kind, "T" | "t") {
            symbols.entry(name).or_default().insert(address);
        } else {
            variables.insert(name.to_owned(), address);
        }
    }
    globals::check_symbols(binary, &variables, what);
    assert!(symbols.len() > 1000, "{what}: {}", String::from_utf8_lossy(&output.stderr));
    for function in &binary.functions {
        let addresses = &symbols[function.name.as_str()];
        assert!(addresses.contains(&function.entry.0), "{what}: {} {:#x} not in {addresses:x?}", function.name, function.entry);
    }
    let text = &symbols["runtime.text"];
    assert!(text.contains(&binary.pclntab.text_start.0), "{what}: {text:x?}");
    for (name, addresses) in symbols.iter().filter(|(name, _)| is_go_function(name)) {
        for address in addresses {
            let inside = binary.library_ranges.iter().any(|range| (range.start.0..range.end.0).contains(address));
            assert_eq!(inside, is_library_function(name), "{what}: {name} {address:#x}");
        }
    }
}

/// Marks between functions and what C brings along are in no function table; type functions have other names there.
fn is_go_function(name: &str) -> bool {
    let mark =
        matches!(name, "runtime.text" | "runtime.etext" | "runtime.rodata" | "runtime.erodata" | "go:textfipsstart" | "go:textfipsend");
    name.contains('.')
        && !mark
        && !name.contains("eq.")
        && !name.starts_with("go:")
        && !name.starts_with("crosscall")
        && !name.contains('<')
        && !name.starts_with('_')
}

/// Functions of two builds of the same text.
fn assert_same_functions(left: &GoBinary, right: &GoBinary, what: &str) {
    let functions = |binary: &GoBinary| -> Vec<(String, u64, u64, Prologue)> {
        let start = binary.pclntab.text_start.0;
        let facts = |f: &Function| (f.name.clone(), f.entry.0 - start, f.end.0 - start, f.prologue);
        binary.functions.iter().map(facts).collect()
    };
    assert_eq!(functions(left), functions(right), "{what}");
    globals::check_twins(left, right, what);
    assert_eq!(left.pclntab.functions, right.pclntab.functions, "{what}");
    assert_eq!(left.library_ranges.len(), right.library_ranges.len(), "{what}");
}
