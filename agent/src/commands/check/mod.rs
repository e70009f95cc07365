//! `goroscope check`: watches one process for a while and writes down which `go` statements leak.
//!
//! Input noun: a pid. Output: a JSON list of [`Finding`]s in a file. Must not know rules (that is `growth`), nor layouts (that is
//! `goruntime` and `reach`). Reads memory only: needs CAP_SYS_PTRACE, and no BPF.

mod progress;
mod stop;
mod target;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::file;
use crate::{
    discovery::ProcRoot,
    export,
    looks::{Looks, Seen, Settings, Subject, clock, nanos},
    model::Finding,
};
use progress::Progress;
use stop::Stop;

/// What to watch, and for how long.
#[derive(Clone, Debug)]
pub struct Check {
    /// The process.
    pub pid: u32,
    /// How long to watch; a signal ends it earlier.
    pub time: Duration,
    /// Time between two censuses; longer when a census is expensive.
    pub interval: Duration,
    /// Where the findings go.
    pub report: PathBuf,
}

/// When the time is up, the last proof may take so much longer.
const LATE_NS: u64 = 600_000_000;
/// The last looks take this part of the watch at most, in which nothing else is looked at; but so long at least.
const LAST_SHARE: u64 = 4;
const SHORTEST_LAST_NS: u64 = 900_000_000;

/// Watches, writes the report, and says how many findings are in it.
///
/// # Errors
/// The process could not be watched at all, or so that nothing can be told of who waits in it; or the report cannot be written.
pub fn check(check: &Check) -> Result<usize> {
    let stop = Stop::install().context("handling signals")?;
    let root = ProcRoot::default();
    let subject = target::observe(&root, check.pid)?;
    // Somewhere to write to is needed later: say so now.
    let directory = file::folder(&check.report);
    if !directory.is_dir() {
        bail!("{} is not a directory", directory.display());
    }
    if check.report.is_dir() {
        bail!("{} is a directory", check.report.display());
    }
    let (findings, untold) = watch(check, root, subject, &stop)?;
    let report = export::findings::findings(&findings)? + "\n";
    file::write(&check.report, report.as_bytes()).with_context(|| format!("writing {}", check.report.display()))?;
    match untold {
        Some(untold) if findings.is_empty() => bail!("process {}: what is lost, stuck or loops could not be told: {untold}", check.pid),
        _ => Ok(findings.len()),
    }
}

/// Looks again and again until the time is up, somebody says stop, or the process ends. What was found, and why what
/// is lost, stuck or loops could not be told.
fn watch(check: &Check, root: ProcRoot, subject: Subject, stop: &Stop) -> Result<(Vec<Finding>, Option<String>)> {
    let mut progress = Progress::begin(check.time);
    let mut looks = Looks::new(root, subject, stop, check.interval, Settings::default()).patient();
    let end = looks.started_ns().saturating_add(nanos(check.time));
    let most = (nanos(check.time) / LAST_SHARE).max(SHORTEST_LAST_NS);
    // A proof of a large heap takes seconds, and without two of them at the end it is not told who was lost.
    let last_begins = |looks: &Looks<_>| end.saturating_sub(looks.last_takes_ns(most).max(SHORTEST_LAST_NS));
    stop.end_by(end.saturating_add(LATE_NS));
    let (mut ended, mut refused) = (false, None);
    while !stop.is_told() && clock() < last_begins(&looks) {
        match looks.look() {
            Ok(Seen::Alive) => {}
            Ok(Seen::Gone) => {
                ended = true;
                break;
            }
            // It could be read before, as until it gave itself other rights: what is known is written.
            Err(error) if looks.censuses() > 0 => {
                refused = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
        progress.show(|| (looks.goroutines(), looks.proofs(), looks.findings().len()));
        stop.wait_until(looks.next_ns().min(last_begins(&looks)));
    }
    if !ended && refused.is_none() {
        looks.last();
    }
    progress.end();
    if looks.censuses() == 0 {
        bail!("process {} was never read: {}", check.pid, looks.problem());
    }
    let findings = looks.findings();
    // Who ends a watch early knows that it was short.
    let untold = refused.or_else(|| looks.untold().filter(|_| !ended && !stop.is_told()));
    progress.conclude(check.pid, &findings, untold.as_deref(), &looks.partly());
    Ok((findings, untold))
}
