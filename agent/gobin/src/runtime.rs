//! What the runtime of an executable looks like in memory: where its globals lie and how its structs are laid out.
//!
//! Input noun: functions of the executable. Output noun: [`RuntimeFacts`]. Must not know live memory.

use crate::globals::{self, Code};
use crate::layout::{self, Completed, Layout, MissingField, TableError, tabled};
use crate::{GoVersion, VirtualAddress};

/// Where the runtime's variables lie. Found by the code that refers to them, so in stripped executables too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Globals {
    /// `runtime.allglen`, a word: how many goroutines there ever were at a time.
    pub allglen: VirtualAddress,
    /// `runtime.allgptr`, a pointer to that many pointers to `runtime.g`.
    pub allgptr: VirtualAddress,
    /// `runtime.allp`, a slice of pointers to `runtime.p`.
    pub allp: VirtualAddress,
    /// `runtime.sched`, a `runtime.schedt`.
    pub sched: VirtualAddress,
    /// `runtime.memstats`, a `runtime.mstats`.
    pub memstats: VirtualAddress,
    /// `runtime.gcController`, a `runtime.gcControllerState`.
    pub gc_controller: VirtualAddress,
    /// `runtime.mheap_`, a `runtime.mheap`; only the proof of leaks needs it.
    pub mheap: Option<VirtualAddress>,
    /// `runtime.semtable`, 251 times 64 bytes that begin with a `runtime.semaRoot`; only the proof of leaks needs it.
    pub semtable: Option<VirtualAddress>,
    /// `runtime.allfin`, the list of all blocks of finalizers that wait to be run; only the proof of leaks needs it.
    pub allfin: Option<VirtualAddress>,
    /// `runtime.gcCleanups`, a `runtime.cleanupQueue`, from 1.25 on; only the proof of leaks needs it.
    pub gc_cleanups: Option<VirtualAddress>,
    /// `runtime.firstmoduledata`.
    pub moduledata: VirtualAddress,
}

impl Globals {
    /// All of them by Go's names, without package; none where code did not tell.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, Option<VirtualAddress>); 11] {
        let Self { allglen, allgptr, allp, sched, memstats, gc_controller, mheap, semtable, allfin, gc_cleanups, moduledata } = *self;
        [
            ("firstmoduledata", Some(moduledata)),
            ("allglen", Some(allglen)),
            ("allgptr", Some(allgptr)),
            ("allp", Some(allp)),
            ("sched", Some(sched)),
            ("memstats", Some(memstats)),
            ("gcController", Some(gc_controller)),
            ("mheap_", mheap),
            ("semtable", semtable),
            ("allfin", allfin),
            ("gcCleanups", gc_cleanups),
        ]
    }
}

/// Where a layout comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutSource {
    /// DWARF of the executable itself.
    Dwarf,
    /// The tables of this repository, by Go version.
    Table,
}

/// All that is needed to read the runtime's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeFacts {
    /// Where its variables lie.
    pub globals: Globals,
    /// Where the fields of its structs lie.
    pub layout: Layout,
    /// Who says so.
    pub layout_source: LayoutSource,
}

/// Why the runtime's memory cannot be read, though its functions can be probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeRefusal {
    /// No table of layouts, and no DWARF.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The layout lacks a field that every version has.
    #[error(transparent)]
    Layout(#[from] MissingField),
    /// The code that must refer to a global does not, or not to one only.
    #[error("the global runtime.{global} is not found: {why}")]
    Global {
        /// Its name, without package.
        global: &'static str,
        /// What was found instead.
        why: &'static str,
    },
    /// The code that must refer to the globals cannot be read.
    #[error("the code of the runtime cannot be read")]
    Code,
}

impl RuntimeRefusal {
    /// snake_case, from a closed set: a metric label.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Table(TableError::Version(_)) => "layout_unknown",
            Self::Table(TableError::Experiment { .. }) => "experiment_unknown",
            Self::Layout(_) => "layout_incomplete",
            Self::Global { .. } => "global_not_found",
            Self::Code => "runtime_unreadable",
        }
    }
}

/// The facts about the runtime of one executable. Its own DWARF is believed before the tables, because fields move within a minor
/// version too; but only if the whole layout is in it, and the code agrees.
pub(crate) fn facts(code: &Code<'_>, version: &GoVersion, moduledata: VirtualAddress) -> Result<RuntimeFacts, RuntimeRefusal> {
    let facts = |layout, layout_source| Ok(RuntimeFacts { globals: globals::recover(code, &layout, moduledata)?, layout, layout_source });
    let described = layout::read_dwarf(code.source, code.elf, code.limits, |of| layout::has_struct(version, of));
    let tabled_plain = layout::without_experiments(version, code.elf.arch);
    let described = described.ok().and_then(|described| Layout::read(&Completed { described, tabled: tabled_plain }).ok());
    if let Some(Ok(facts)) = described.map(|layout| facts(layout, LayoutSource::Dwarf)) {
        return Ok(facts);
    }
    facts(Layout::read(&tabled(version, code.elf.arch)?)?, LayoutSource::Table)
}
