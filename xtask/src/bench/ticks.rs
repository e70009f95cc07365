//! A program that does nothing but read a target's memory, and how late the ticks of the target are meanwhile.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::lab::Lab;
use super::numbers::time;
use super::target::Target;
use crate::paths::{root, target};
use crate::setup::cargo;
use crate::step::output;

/// `agent/examples/measure.rs`.
pub(super) struct Reader(PathBuf);

impl Reader {
    pub(super) fn build() -> Result<Self> {
        let mut build = cargo();
        build.current_dir(root()).args(["build", "--release", "--locked", "--package", "goroscope", "--example", "measure"]);
        output(&mut build)?;
        Ok(Self(target().join("release/examples/measure")))
    }

    /// What it says of each reading, in the order of time; `more` are further arguments.
    pub(super) fn read(&self, what: &str, pid: u32, times: usize, more: &[String]) -> Result<Vec<Value>> {
        let said = output(Command::new(&self.0).args([what, &pid.to_string(), &times.to_string()]).args(more))?;
        said.lines().map(|line| serde_json::from_str(line).with_context(|| format!("{line} where JSON is expected"))).collect()
    }
}

/// Seconds without any reading.
const QUIET: u64 = 10;

/// What a reading of `heap` found, and how late the ticks were before it, for as long as nothing was read, and during it.
pub(super) fn around<T>(lab: &Lab, target: &mut Target, read: impl FnOnce(u32) -> Result<T>) -> Result<(T, [f64; 3], [f64; 3])> {
    late(target)?;
    thread::sleep(lab.length(QUIET));
    let before = late(target)?;
    let found = read(target.pid())?;
    Ok((found, before, late(target)?))
}

/// How late the ticks of `heap` were since it was last asked: median, 99th percentile and the most, ns.
pub(super) fn late(target: &mut Target) -> Result<[f64; 3]> {
    target.go()?;
    let line = target.line(Duration::from_secs(60))?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().ok().with_context(|| format!("{line} where three numbers are expected"))
}

/// The three as a cell.
pub(super) fn cell(late: [f64; 3]) -> String {
    late.map(time).join(", ")
}
