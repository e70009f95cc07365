//! `goroscope inspect`: explains one executable.
//!
//! Input noun: a path or a pid. Output: what is known, where each probe would be, and what is refused and why. Must not know
//! kernels: a path needs no rights at all.

mod facts;
mod runtime;
mod show;

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use anyhow::{Context as _, Error, Result};
use rustix::fs::OFlags;

use super::text;
use crate::{
    analysis::Analyser,
    attribution::identify,
    discovery::{ProcError, ProcRoot, Process},
    model::Identity,
};
use facts::Inspection;

/// Prints what is known of the executable at a path, or of a process (a target of digits only; `./1` is a path).
///
/// That nothing of it can be observed is an answer, not an error.
///
/// # Errors
/// There is no such file or process, or it may not be read.
pub fn inspect(target: &str, json: bool) -> Result<()> {
    let inspection = look(target, &ProcRoot::default())?;
    if json { text::print_json(&inspection) } else { Ok(text::print(&show::text(&inspection))?) }
}

/// Whether it failed because the process may not be looked at.
#[must_use]
pub fn lacks_right(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(ProcError::NotPermitted { .. }))
}

fn look(target: &str, proc: &ProcRoot) -> Result<Inspection> {
    let process = match target.parse::<u32>() {
        Ok(pid) => Some(proc.observe(pid).with_context(|| format!("looking at process {pid}"))?),
        Err(_) => None,
    };
    let (path, file, process) = match process {
        Some(Process { pid, exe, file, text, cgroup, .. }) => {
            let identity = identify(&exe, &cgroup, Some(pid));
            (exe, file, Some((identity, text)))
        }
        None => {
            let mut options = OpenOptions::new();
            // A pipe of that name must not make us wait.
            options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
            (PathBuf::from(target), options.open(target).with_context(|| format!("opening {target}"))?, None)
        }
    };
    let result = Analyser::patient().analyse(file);
    let mut inspection = Inspection::of(path.to_string_lossy().into_owned(), result);
    if let Some((identity, text)) = process {
        let Identity { process, container, unit, pid, .. } = identity;
        inspection.process = Some(facts::ProcessFacts { pid, process, container, unit, load_bias: None });
        inspection.place(text);
    }
    Ok(inspection)
}

#[cfg(test)]
mod tests;
