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
    looks::{Looks, Seen, Settings, Subject, clock},
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

/// A stop begins so long before the time is up: the last proofs take that.
const LAST_LOOKS: Duration = Duration::from_millis(900);

/// Watches, writes the report, and says how many findings are in it.
///
/// # Errors
/// The process could not be watched at all, or the report cannot be written.
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
    let findings = watch(check, root, subject, &stop)?;
    let report = export::findings::findings(&findings)? + "\n";
    file::write(&check.report, report.as_bytes()).with_context(|| format!("writing {}", check.report.display()))?;
    Ok(findings.len())
}

/// Looks again and again until the time is up, somebody says stop, or the process ends.
fn watch(check: &Check, root: ProcRoot, subject: Subject, stop: &Stop) -> Result<Vec<Finding>> {
    let mut progress = Progress::begin(check.time);
    let mut looks = Looks::new(root, subject, stop, check.interval, Settings::default());
    let end = looks.started_ns().saturating_add(nanos(check.time.saturating_sub(LAST_LOOKS)));
    let mut ended = false;
    while !stop.is_told() && clock() < end {
        if looks.look()? == Seen::Gone {
            ended = true;
            break;
        }
        progress.show(|| (looks.goroutines(), looks.proofs(), looks.findings().len()));
        stop.wait_until(looks.next_ns().min(end));
    }
    if !ended {
        stop.begin();
        looks.last();
    }
    progress.end();
    if looks.censuses() == 0 {
        bail!("process {} was never read: {}", check.pid, looks.problem());
    }
    let findings = looks.findings();
    progress.conclude(check.pid, &findings);
    Ok(findings)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
