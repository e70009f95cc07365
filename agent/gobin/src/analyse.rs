//! The order of analysis, and what comes out of it.
//!
//! Input noun: [`Source`]. Output noun: [`GoBinary`]. Must not know formats: each has a module of its own.

use std::ops::Range;

use crate::buildinfo::{self, BuildInfo};
use crate::calls::{self, Call};
use crate::disasm::{PROLOGUE_BYTES, classify};
use crate::elf::{Arch, Elf, check_limit};
use crate::events::{SCHEDINIT, WANTED};
use crate::moduledata::{self, ModuledataLocation};
use crate::notes::{self, BuildIds};
use crate::pclntab::{self, Candidate, PclntabLocation, Scan, Wanted};
use crate::source::scan;
use crate::symbolize::{Frame, Pc, SymbolizeError, Symbolizer};
use crate::version::{self, GoVersion};
use crate::{FileOffset, Limits, Prologue, Refusal, RuntimeFacts, RuntimeRefusal, Source, VirtualAddress, globals, recover, runtime};

/// Facts about a Go executable.
#[derive(Clone, Debug)]
pub struct GoBinary {
    /// Processor architecture.
    pub arch: Arch,
    /// The version of Go that built it; a supported one.
    pub version: GoVersion,
    /// Where the version comes from.
    pub version_source: VersionSource,
    /// Modules and settings, unless they were removed.
    pub build: Option<BuildInfo>,
    /// Build id of the Go linker.
    pub go_build_id: Option<String>,
    /// Build id of the GNU note.
    pub gnu_build_id: Option<Vec<u8>>,
    /// How it was linked.
    pub linkage: Linkage,
    /// Entry point of the process.
    pub entry: VirtualAddress,
    /// The function table.
    pub pclntab: Pclntab,
    /// `runtime.firstmoduledata`.
    pub moduledata: Moduledata,
    /// The wanted functions that it contains, in the order of [`WANTED`].
    pub functions: Vec<Function>,
    /// Names of wanted functions with several bodies: which one is meant cannot be told.
    pub ambiguous: Vec<String>,
    /// Text of [`crate::is_library_function`] functions: sorted, disjoint, at most [`crate::LIBRARY_RANGES_MAX`], the largest ones.
    pub library_ranges: Vec<Range<VirtualAddress>>,
    /// Smaller ranges that did not fit in.
    pub library_ranges_dropped: u64,
    /// What is needed to read the runtime's memory, or why it must not be read.
    pub runtime: Result<RuntimeFacts, RuntimeRefusal>,
    symbolizer: Symbolizer,
}

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// From `.go.buildinfo`.
    BuildInfo,
    /// From the variable `runtime.buildVersion`: the build info was removed.
    RuntimeBuildVersion,
}

/// How an executable was linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linkage {
    /// The kernel chooses where it lies (ET_DYN).
    pub position_independent: bool,
    /// A dynamic loader starts it (PT_INTERP).
    pub dynamic: bool,
    /// Position-independent, and relocates itself.
    pub static_pie: bool,
    /// It has a symbol table.
    pub has_symtab: bool,
    /// It has section headers.
    pub has_section_headers: bool,
    /// It has no symbol table.
    pub stripped: bool,
}

/// The function table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pclntab {
    /// How it was found.
    pub location: PclntabLocation,
    /// Its header.
    pub address: VirtualAddress,
    /// Number of functions.
    pub functions: u64,
    /// `runtime.text`: what function entries are offsets from.
    pub text_start: VirtualAddress,
}

/// `runtime.firstmoduledata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moduledata {
    /// How it was found.
    pub location: ModuledataLocation,
    /// Its first word.
    pub address: VirtualAddress,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name in pclntab.
    pub name: String,
    /// First byte.
    pub entry: VirtualAddress,
    /// Entry of the next function: padding is included.
    pub end: VirtualAddress,
    /// First byte, in the file.
    pub file_offset: FileOffset,
    /// How it begins.
    pub prologue: Prologue,
    /// Its first bytes, at most [`PROLOGUE_BYTES`]: what the facts hold for.
    pub code: Vec<u8>,
}

/// Facts about the executable in `source`.
///
/// # Errors
/// It is no Go executable (found out with a few small reads if it has section headers), or one that must be left alone.
pub fn analyse(source: &dyn Source, limits: &Limits) -> Result<GoBinary, Refusal> {
    analyse_for(source, limits, &[])
}

/// As [`analyse`], also looking for the functions named `more`; they follow those of [`WANTED`].
///
/// # Errors
/// As [`analyse`].
pub fn analyse_for(source: &dyn Source, limits: &Limits, more: &[&str]) -> Result<GoBinary, Refusal> {
    let elf = Elf::parse(source, limits)?;
    let marked = has_go_section(&elf);
    if elf.has_section_headers && !marked {
        return Err(Refusal::NotGo);
    }
    let named = buildinfo::read_section(source, &elf, limits)?;
    if let Some(text) = named.as_ref().and_then(|found| found.version.as_deref()) {
        version::supported(text)?;
    }
    let tables = pclntab::locate(source, &elf, limits).map_err(|refusal| match refusal {
        Refusal::NoPclntab if !marked => Refusal::NotGo,
        refusal => refusal,
    })?;
    // Nothing but a Go executable gets here, so a look at all of its data is not wasted.
    let found = match named {
        Some(found) => found,
        None => buildinfo::search(source, &elf, limits)?.unwrap_or_default(),
    };
    let known = found.version.as_deref().map(version::supported).transpose()?;
    let module = moduledata::locate(source, &elf, &tables, limits)?;
    let wanted: Vec<&str> = WANTED.iter().map(|wanted| wanted.name).chain(more.iter().copied()).collect();
    let others = globals::FUNCTIONS.iter().filter(|name| !wanted.contains(name));
    let names: Vec<&str> = wanted.iter().chain(others).copied().collect();
    let scan = pclntab::scan_functions(source, &tables, Wanted { names: &names, prefixes: &globals::METHODS }, limits)?;
    check_extent(&scan, module.text, module.etext)?;
    let (version, version_source) = match known {
        Some(version) => (version, VersionSource::BuildInfo),
        None => {
            let bodies = scan.candidates.iter().filter(|candidate| wanted.get(candidate.wanted) == Some(&SCHEDINIT));
            let bodies: Vec<_> = bodies.map(|body| address(module.text, body.entry)..address(module.text, body.end)).collect();
            (recover::version(source, &elf, &bodies, limits)?, VersionSource::RuntimeBuildVersion)
        }
    };
    let BuildIds { go: go_build_id, gnu: gnu_build_id } = notes::build_ids(source, &elf, limits)?;
    let (functions, ambiguous) = functions(source, &elf, &wanted, &scan, module.text, version.wrapper_func_id())?;
    let bodies = bodies(&names, &scan, module.text, version.wrapper_func_id());
    let runtime = runtime::facts(&globals::Code { source, elf: &elf, limits, bodies }, &version, module.address);
    let symbolizer = Symbolizer {
        text: module.text,
        gofunc: module.gofunc(&version),
        wrapper: version.wrapper_func_id(),
        tables,
        elf,
        limits: limits.clone(),
    };
    let (elf, tables) = (&symbolizer.elf, &symbolizer.tables);
    Ok(GoBinary {
        arch: elf.arch,
        version,
        version_source,
        build: found.build,
        go_build_id,
        gnu_build_id,
        linkage: linkage(elf),
        entry: elf.entry,
        pclntab: Pclntab { location: tables.how.clone(), address: tables.address, functions: tables.functions, text_start: module.text },
        moduledata: Moduledata { location: module.how, address: module.address },
        functions,
        ambiguous,
        library_ranges: scan.library.iter().map(|range| address(module.text, range.start)..address(module.text, range.end)).collect(),
        library_ranges_dropped: scan.library_dropped,
        runtime,
        symbolizer,
    })
}

impl GoBinary {
    /// The wanted function of that name, if the executable contains it and it is not ambiguous.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// What finds frames.
    #[must_use]
    pub fn symbolizer(&self) -> &Symbolizer {
        &self.symbolizer
    }

    /// The frames of `pc`, innermost first. See [`Symbolizer::frames`].
    ///
    /// # Errors
    /// As [`Symbolizer::frames`].
    pub fn frames(&self, source: &dyn Source, pc: Pc) -> Result<Vec<Frame>, SymbolizeError> {
        self.symbolizer.frames(source, pc)
    }

    /// The address at which the loader puts a byte of the file's executable segments: with a mapping of `/proc/PID/maps` this
    /// gives the load bias.
    #[must_use]
    pub fn address_of(&self, offset: FileOffset) -> Option<VirtualAddress> {
        let segments = self.symbolizer.elf.segments.iter().filter(|segment| segment.executable);
        segments.filter_map(|segment| segment.region.address_of(offset.0)).next()
    }

    /// The lowest address of the executable, where its first mapping starts: already rounded down to pages by every linker.
    #[must_use]
    pub fn base(&self) -> VirtualAddress {
        self.symbolizer.elf.segments.iter().map(|segment| segment.region.address).min().unwrap_or_default()
    }

    /// The lowest address of text: what the kernel calls a process's start of code, less the load bias.
    #[must_use]
    pub fn text_base(&self) -> VirtualAddress {
        let executable = self.symbolizer.elf.segments.iter().filter(|segment| segment.executable);
        executable.map(|segment| segment.region.address).min().unwrap_or_default()
    }

    /// Whether a variable can lie there: data or zero-initialised memory.
    #[must_use]
    pub fn is_writable(&self, address: VirtualAddress) -> bool {
        let segments = self.symbolizer.elf.segments.iter().filter(|segment| segment.writable);
        let mut deltas = segments.map(|segment| (address.0.checked_sub(segment.region.address.0), segment.memory_size));
        deltas.any(|(delta, size)| delta.is_some_and(|delta| delta < size))
    }

    /// All code of a function, as [`crate::return_sites`] needs it.
    ///
    /// # Errors
    /// It is longer than the limit, or cannot be read.
    pub fn code(&self, source: &dyn Source, function: &Function) -> Result<Vec<u8>, Refusal> {
        code(source, &self.symbolizer.elf, function.entry..function.end, &self.symbolizer.limits)
    }

    /// Where a function is called by its name, in the order of the code; at most `max` calls. Reads all code of the executable: to be
    /// asked once.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn calls(&self, source: &dyn Source, function: &Function, max: usize) -> Result<Vec<Call>, Refusal> {
        const OVERLAP: usize = calls::BEFORE + 8;
        let mut found: Vec<Call> = Vec::new();
        for segment in self.symbolizer.elf.segments.iter().filter(|segment| segment.executable) {
            let region = &segment.region;
            scan(source, region.offset, region.file_size, OVERLAP as u64, |offset, code| {
                let skip = if offset == region.offset.0 { 0 } else { calls::BEFORE };
                let address = region.address.0.saturating_add(offset.saturating_sub(region.offset.0));
                // Seen twice where chunks overlap.
                let fresh = calls::find(code, address, skip, function.entry, self.arch);
                found.extend(fresh.into_iter().filter(|call| found.iter().rev().take(8).all(|known| known != call)).collect::<Vec<_>>());
                found.truncate(max);
                Ok((found.len() >= max).then_some(()))
            })?;
        }
        Ok(found)
    }

    /// Addresses of data that a function refers to, in the order of its code, with repetitions: how globals are found.
    ///
    /// # Errors
    /// As [`GoBinary::code`].
    pub fn references(&self, source: &dyn Source, function: &Function) -> Result<Vec<VirtualAddress>, Refusal> {
        Ok(crate::disasm::references(&self.code(source, function)?, function.entry, self.arch))
    }
}

/// The code of one function, within limits.
pub(crate) fn code(source: &dyn Source, elf: &Elf, range: Range<VirtualAddress>, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let length = range.end.0.saturating_sub(range.start.0);
    check_limit("code of a function", length, limits.code_bytes)?;
    elf.read(source, range.start, length, "code")
}

/// Sections that only Go makes; each of them can be missing: `.gopclntab` after an external link, the others when removed.
fn has_go_section(elf: &Elf) -> bool {
    const NAMES: [&str; 5] = [".go.buildinfo", ".gopclntab", ".data.rel.ro.gopclntab", ".note.go.buildid", ".go.module"];
    NAMES.iter().any(|name| elf.section(name).is_some())
}

fn linkage(elf: &Elf) -> Linkage {
    let has_symtab = elf.sections.iter().any(|section| section.symbols);
    Linkage {
        position_independent: elf.position_independent,
        dynamic: elf.interpreter,
        static_pie: elf.position_independent && !elf.interpreter,
        has_symtab,
        has_section_headers: elf.has_section_headers,
        stripped: !has_symtab,
    }
}

/// All functions lie in the text that moduledata tells, which lies in one executable segment.
fn check_extent(scan: &Scan, text: VirtualAddress, etext: VirtualAddress) -> Result<(), Refusal> {
    if text.checked_add(u64::from(scan.extent.end)).is_some_and(|end| end <= etext) {
        return Ok(());
    }
    Err(Refusal::CorruptPclntab { what: "functions outside of the text" })
}

/// `check_extent` has shown that this does not overflow.
fn address(text: VirtualAddress, offset: u32) -> VirtualAddress {
    VirtualAddress(text.0.saturating_add(u64::from(offset)))
}

/// The functions with a wanted name, and the names that several bodies have.
fn functions(
    source: &dyn Source,
    elf: &Elf,
    wanted: &[&str],
    scan: &Scan,
    text: VirtualAddress,
    wrapper: u8,
) -> Result<(Vec<Function>, Vec<String>), Refusal> {
    let (mut functions, mut ambiguous) = (Vec::new(), Vec::new());
    for (index, name) in wanted.iter().enumerate() {
        // Wrappers between calling conventions have the name of what they wrap: a probe on both would count twice. Those of methods that
        // are used as values have a name of their own.
        let is_body = |candidate: &&Candidate| candidate.func_id != wrapper || name.ends_with("-fm");
        let mut bodies = scan.candidates.iter().filter(|candidate| candidate.wanted == index).filter(is_body);
        match (bodies.next(), bodies.next()) {
            (None, _) => {}
            (Some(body), None) => functions.push(function(source, elf, name, *body, text)?),
            (Some(_), Some(_)) => ambiguous.push((*name).to_owned()),
        }
    }
    Ok((functions, ambiguous))
}

/// Where the functions and methods lie that globals are found by.
fn bodies(names: &[&str], scan: &Scan, text: VirtualAddress, wrapper: u8) -> Vec<globals::Body> {
    let index = |candidate: &Candidate| match candidate.wanted.checked_sub(names.len()) {
        Some(method) => Some(globals::FUNCTIONS.len() + method),
        None => names.get(candidate.wanted).and_then(|name| globals::FUNCTIONS.iter().position(|function| function == name)),
    };
    let candidates = scan.candidates.iter().filter(|candidate| candidate.func_id != wrapper);
    let range = |body: &Candidate| address(text, body.entry)..address(text, body.end);
    candidates.filter_map(|body| Some(globals::Body { index: index(body)?, range: range(body) })).collect()
}

fn function(source: &dyn Source, elf: &Elf, name: &str, body: Candidate, text: VirtualAddress) -> Result<Function, Refusal> {
    let (entry, end) = (address(text, body.entry), address(text, body.end));
    let length = u64::from(body.end - body.entry);
    let file_offset = elf.locate_code(entry, end).ok_or(Refusal::CorruptPclntab { what: "function outside of code" })?;
    let code = source.vector(file_offset, length.min(PROLOGUE_BYTES as u64), "code")?;
    let prologue = classify(&code, length, elf.arch);
    Ok(Function { name: name.to_owned(), entry, end, file_offset, prologue, code })
}
