//! `goroscope doctor`: what this kernel and these capabilities allow, what will therefore not be collected, how to mend it.
//!
//! Input noun: [`Features`] (tried by the tracer) and [`Host`] (read here). Output: one line for each check. Must not know BPF.

mod checks;
mod host;
mod show;

use anyhow::Result;

use super::text;
use crate::{discovery::ProcRoot, model::Features};
use host::Host;

/// Prints what can be collected here. True when everything can.
///
/// # Errors
/// Standard output cannot be written.
pub fn doctor(features: &Features, json: bool) -> Result<bool> {
    let checks = checks::checks(&Host::look(&ProcRoot::default()), features);
    let healthy = checks.iter().all(|check| check.lost.is_none());
    if json {
        text::print_json(&show::Diagnosis { collectable: healthy, checks: &checks })?;
    } else {
        text::print(&show::text(&checks, text::colours()))?;
    }
    Ok(healthy)
}
