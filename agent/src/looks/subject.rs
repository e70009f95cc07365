//! The process that is looked at. Input nouns: an [`Executable`], what names the process. Output: what its addresses mean for a look. Must
//! not know what is looked for.

use std::sync::Arc;

use goroscope_gobin::{Pc, RuntimeFacts};

use crate::{
    discovery::Listed,
    model::{Executable, RuntimeAddress},
    symbolize::Symbolizer,
};

/// Start functions of the collector's own goroutines, whose stacks hold rests of others: their first words.
const COLLECTOR: [&str; 5] = ["runtime.gcBgMark", "runtime.bgsweep", "runtime.bgscavenge", "runtime.forcegchelper", "runtime.gcenable."];

/// A Go process whose memory can be read.
#[derive(Debug)]
pub struct Subject {
    /// What names it for good.
    pub listed: Listed,
    /// What it runs.
    pub executable: Arc<Executable>,
    /// What is known of its runtime.
    pub facts: RuntimeFacts,
    /// Runtime address minus ELF virtual address.
    pub load_bias: u64,
    /// Names of its addresses.
    pub symbolizer: Symbolizer,
}

impl Subject {
    /// A process, of whose executable nothing has been named yet.
    #[must_use]
    pub fn new(listed: Listed, executable: Arc<Executable>, facts: RuntimeFacts, load_bias: u64) -> Self {
        Self { listed, facts, load_bias, symbolizer: Symbolizer::new(Arc::clone(&executable)), executable }
    }

    /// Whether the goroutine that starts there is the collector's own.
    pub(super) fn is_collector(&self, start: RuntimeAddress) -> bool {
        let frames = self.executable.binary.frames(&*self.executable, Pc::Exact(start.to_virtual(self.load_bias)));
        let outermost = frames.ok().and_then(|frames| frames.into_iter().next_back());
        outermost.is_some_and(|frame| COLLECTOR.iter().any(|name| frame.function.starts_with(name)))
    }

    /// Of a stack, innermost first, the first return address that is not in a package that only passes waits on; if there is none, the
    /// innermost.
    pub(super) fn waiting(&self, calls: &[RuntimeAddress]) -> Option<RuntimeAddress> {
        let waits = |call: &&RuntimeAddress| self.symbolizer.waiting(call.to_virtual(self.load_bias)).is_ok_and(|site| site.is_some());
        calls.iter().find(waits).or(calls.first()).copied()
    }
}
