//! Bytes of a Go executable in, facts out: version, build info, the runtime functions worth observing with their stack
//! checks, the text ranges of the standard library, and frames for program counters.
//!
//! Input noun: [`Source`], the bytes of an executable file. Output noun: [`GoBinary`], or a [`Refusal`] that says why there
//! is none. The crate must not know: files and processes (the caller implements `Source`), probes, live memory.
//!
//! Executables are hostile input: every size is bounded by [`Limits`], every offset is checked, nothing panics, and the work
//! for one executable is at most a few passes over its bytes.
#![forbid(unsafe_code)]

mod analyse;
mod buildinfo;
mod calls;
mod disasm;
mod elf;
mod events;
mod globals;
pub mod layout;
mod limits;
mod moduledata;
mod names;
mod notes;
mod pclntab;
mod recover;
mod refusal;
mod relocations;
mod runtime;
mod source;
mod symbolize;
mod version;
mod waits;

pub use analyse::{Function, GoBinary, Linkage, Moduledata, Pclntab, VersionSource, analyse, analyse_for};
pub use buildinfo::{BuildInfo, Module};
pub use calls::Call;
pub use disasm::{PROLOGUE_BYTES, Prologue, StackCheck, StackGuard, classify, return_sites};
pub use elf::Arch;
pub use events::{CLOSE_IDLE, Event, NEW_TICKER, WANTED, WantedFunction};
pub use globals::FUNCTIONS as RUNTIME_FUNCTIONS;
pub use limits::{LIBRARY_RANGES_MAX, Limits};
pub use moduledata::ModuledataLocation;
pub use names::{is_library_function, is_wait, passes_waits_on};
pub use pclntab::PclntabLocation;
pub use refusal::Refusal;
pub use runtime::{Globals, LayoutSource, RuntimeFacts, RuntimeRefusal};
pub use source::{FileOffset, ReadError, Source, VirtualAddress};
pub use symbolize::{Frame, Pc, SymbolizeError, Symbolizer};
pub use version::{GoVersion, MAX_MINOR, MIN_MINOR, UnknownVersion};
pub use waits::{WaitKind, WaitReason};
