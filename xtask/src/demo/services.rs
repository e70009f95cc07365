//! The demo's two Go services: built with the Go at hand, started, told when to work, asked what they did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::child::Child;
use crate::paths::{root, target};
use crate::{go, step};

/// A service's own counts, by the agent's counter names.
pub(super) type Counts = BTreeMap<String, u64>;

/// The services, the one with faults first.
pub(super) const NAMES: [&str; 2] = ["leaky", "wellbehaved"];

/// Builds both; the second time this only asks Go's cache.
///
/// # Errors
/// There is no Go, or they do not compile.
pub(super) fn build() -> Result<[PathBuf; 2]> {
    let built = target().join("demo");
    std::fs::create_dir_all(&built).with_context(|| format!("cannot make {}", built.display()))?;
    let mut command = go::command(None)?;
    command.current_dir(root().join("deploy/demo")).env("CGO_ENABLED", "0").args(["build", "-o"]).arg(&built);
    command.args(NAMES.map(|name| format!("./{name}")));
    step::run("build the demo's Go services", &mut command, "mend what Go says above")?;
    Ok(NAMES.map(|name| built.join(name)))
}

/// What a service says that it did: the agent's counter names, and numbers.
///
/// # Errors
/// The line is something else.
pub(super) fn counts(service: &Child, line: &str) -> Result<Counts> {
    match serde_json::from_str(line) {
        Ok(counts) => Ok(counts),
        Err(error) => bail!("{} said `{}` instead of its counts: {error}", service.name, super::text::printable(line, 200)),
    }
}
