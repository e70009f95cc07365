//! The process that is watched. Input noun: a pid. Output noun: [`Watched`]. Must not know what is looked for.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use goroscope_gobin::{Pc, RuntimeFacts};

use crate::{
    analysis::Analyser,
    discovery::{Listed, ProcRoot},
    model::{Executable, RuntimeAddress},
    symbolize::Symbolizer,
};

/// Start functions of the collector's own goroutines, whose stacks hold rests of others: their first words.
const COLLECTOR: [&str; 5] = ["runtime.gcBgMark", "runtime.bgsweep", "runtime.bgscavenge", "runtime.forcegchelper", "runtime.gcenable."];

/// A Go process whose memory can be read.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) root: ProcRoot,
    pub(super) listed: Listed,
    pub(super) executable: Arc<Executable>,
    pub(super) facts: RuntimeFacts,
    pub(super) load_bias: u64,
    pub(super) symbolizer: Symbolizer,
}

impl Watched {
    /// Finds out what the process is.
    pub(super) fn observe(pid: u32) -> Result<Self> {
        let root = ProcRoot::default();
        let process = root.observe(pid).with_context(|| format!("looking at process {pid}"))?;
        let executable = Analyser::default().analyse(process.file).map_err(|refusal| anyhow!("{}: {}", refusal.reason, refusal.detail))?;
        let binary = &executable.binary;
        let facts = match &binary.runtime {
            Ok(facts) => *facts,
            Err(refusal) => bail!("{}: {refusal}", refusal.reason()),
        };
        let load_bias = process.text.bias_from(binary.text_base());
        let listed = Listed { pid, start_ticks: process.start_ticks };
        Ok(Self { root, listed, facts, load_bias, symbolizer: Symbolizer::new(Arc::clone(&executable)), executable })
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
