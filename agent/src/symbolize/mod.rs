//! Return addresses to the statements that made the call.
//!
//! Input noun: an address of an [`Executable`]. Output noun: [`Site`]. Must not know processes (the load bias is taken off
//! already), nor what was counted there.

mod findings;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use goroscope_gobin::{Frame, Pc, Refusal, SymbolizeError, VirtualAddress, is_library_function, is_wait, passes_waits_on};

pub use self::findings::{findings, ticker_findings};
use crate::model::{Executable, Site};

/// Sites remembered for one executable: large programs have some thousands in use. Some 200 bytes each.
const CACHED: usize = 16 << 10;
/// Bytes of a name that is handed out. Names of generic instances can be longer than anybody reads.
const NAME_LIMIT: usize = 1024;

/// Why an address has no site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSite {
    /// Not in Go code: C, the vDSO, a shared library.
    #[error("not in a Go function")]
    NotInText,
    /// The tables of the executable contradict themselves.
    #[error("corrupt tables")]
    Corrupt,
    /// The executable could not be read, this time.
    #[error("the executable cannot be read")]
    Unreadable,
}

/// Finds sites in one executable, and remembers them.
///
/// A first look at an address takes some 30 small reads of the file.
#[derive(Debug)]
pub struct Symbolizer {
    executable: Arc<Executable>,
    known: Mutex<Known>,
}

/// What was looked up, and what came of it.
type Known = HashMap<(VirtualAddress, Whose), Result<Arc<Site>, NoSite>>;

/// Which of the functions that an instruction was inlined into is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// The first outside of the library, which works on behalf of its caller.
    Program,
    /// The one that holds the statement in the source.
    Holder,
    /// The first that does not only pass on a wait of its caller.
    Waiting,
    /// The first that is not what waits are made of.
    Passing,
}

impl Symbolizer {
    /// A symbolizer that remembers nothing yet.
    #[must_use]
    pub fn new(executable: Arc<Executable>) -> Self {
        Self { executable, known: Mutex::default() }
    }

    /// The statement whose call returns to `address`: of inlined ones the first outside of the library, which works on behalf of its
    /// caller.
    ///
    /// # Errors
    /// [`NoSite`].
    pub fn site(&self, address: VirtualAddress) -> Result<Arc<Site>, NoSite> {
        self.find(address, Whose::Program)
    }

    /// The statement whose call returns to `address`, in the function that holds it in the source, also where that was inlined.
    ///
    /// # Errors
    /// [`NoSite`].
    pub fn holder(&self, address: VirtualAddress) -> Result<Arc<Site>, NoSite> {
        self.find(address, Whose::Holder)
    }

    /// The statement that waits, if it is in a function inlined into the one that `address` returns to, or in that itself; `None` if all
    /// of these only pass on a wait of their caller (`runtime`, `sync`, `time`, `internal/...`).
    ///
    /// # Errors
    /// [`NoSite`].
    pub fn waiting(&self, address: VirtualAddress) -> Result<Option<Arc<Site>>, NoSite> {
        self.find(address, Whose::Waiting).map(|site| Some(site).filter(|site| !passes_waits_on(&site.function)))
    }

    /// The same for a goroutine of a library, all of whose functions pass waits on: the first that `runtime`, `sync`, `time` and
    /// `internal/...` wait for.
    ///
    /// # Errors
    /// [`NoSite`].
    pub fn passing(&self, address: VirtualAddress) -> Result<Option<Arc<Site>>, NoSite> {
        self.find(address, Whose::Passing).map(|site| Some(site).filter(|site| !is_wait(&site.function)))
    }

    /// Bytes between the stack pointer at an instruction and the return address of its function; none where the tables do not tell.
    #[must_use]
    pub fn frame_size(&self, address: VirtualAddress) -> Option<u64> {
        self.executable.binary.symbolizer().frame_size(&*self.executable, Pc::Exact(address)).ok().map(u64::from)
    }

    fn find(&self, address: VirtualAddress, whose: Whose) -> Result<Arc<Site>, NoSite> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = known.get(&(address, whose)) {
            return site.clone();
        }
        let site = self.look(address, whose);
        if site != Err(NoSite::Unreadable) {
            // Emptied, not pruned: what is in use is back after the next collection.
            if known.len() >= CACHED {
                known.clear();
            }
            known.insert((address, whose), site.clone());
        }
        site
    }

    fn look(&self, address: VirtualAddress, whose: Whose) -> Result<Arc<Site>, NoSite> {
        let frames = self.executable.binary.frames(&*self.executable, Pc::ReturnAddress(address));
        let frames = frames.map_err(|error| match error {
            SymbolizeError::NotInText(_) => NoSite::NotInText,
            SymbolizeError::Corrupt(Refusal::Read(_)) => NoSite::Unreadable,
            SymbolizeError::Corrupt(_) => NoSite::Corrupt,
        })?;
        choose(frames, whose).map(Arc::new).ok_or(NoSite::Corrupt)
    }
}

/// The statement among inlined calls, innermost first.
fn choose(mut frames: Vec<Frame>, whose: Whose) -> Option<Site> {
    let own = match whose {
        Whose::Program => frames.iter().position(|frame| !is_library_function(&frame.function)).unwrap_or(0),
        Whose::Holder => 0,
        Whose::Waiting => frames.iter().position(|frame| !passes_waits_on(&frame.function)).unwrap_or(0),
        Whose::Passing => frames.iter().position(|frame| !is_wait(&frame.function)).unwrap_or(0),
    };
    let frame = (own < frames.len()).then(|| frames.swap_remove(own))?;
    Some(Site { function: bounded(frame.function), file: bounded(frame.file), line: frame.line })
}

fn bounded(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(NAME_LIMIT));
    name
}

#[cfg(test)]
mod tests;
