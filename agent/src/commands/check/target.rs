//! The process that is watched. Input noun: a pid. Output noun: [`Subject`]. Must not know what is looked for.

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    analysis::Analyser,
    discovery::{Listed, ProcRoot},
    looks::Subject,
};

/// Finds out what the process is.
pub(super) fn observe(root: &ProcRoot, pid: u32) -> Result<Subject> {
    let process = root.observe(pid).with_context(|| format!("looking at process {pid}"))?;
    let executable = Analyser::patient().analyse(process.file).map_err(|refusal| anyhow!("{}: {}", refusal.reason, refusal.detail))?;
    let binary = &executable.binary;
    let facts = match &binary.runtime {
        Ok(facts) => *facts,
        Err(refusal) => bail!("{}: {refusal}", refusal.reason()),
    };
    let load_bias = process.text.bias_from(binary.text_base());
    Ok(Subject::new(Listed { pid, start_ticks: process.start_ticks }, executable, facts, load_bias))
}
