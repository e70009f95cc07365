//! bpftrace as a running program, to compare with: at the entries of the functions that the agent probes behind their stack checks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use super::lab::{Lab, address, breakpoint, list, text, wait_until};
use super::target::Guard;
use crate::paths::on_path;

/// bpftrace at the entries of functions.
pub(super) struct Bpftrace {
    guard: Guard,
    log: PathBuf,
    functions: Vec<String>,
}

impl Bpftrace {
    /// Attaches to the functions that the agent's plan for `exe` names, and waits until every breakpoint is in process `pid`.
    pub(super) fn start(lab: &Lab, exe: &Path, pid: u32) -> Result<Self> {
        let inspection = lab.inspect(exe)?;
        let mut functions: Vec<String> = list(&inspection, "/probes").iter().map(|probe| text(probe, "function").to_owned()).collect();
        functions.sort();
        functions.dedup();
        ensure!(!functions.is_empty(), "no probe in {}", exe.display());
        let entries: Vec<u64> = list(&inspection, "/executable/functions")
            .iter()
            .filter(|function| functions.iter().any(|name| name == text(function, "name")))
            .filter_map(address)
            .collect();
        ensure!(entries.len() == functions.len(), "inspect names {} functions and {} entries", functions.len(), entries.len());
        let probe = |(i, function): (usize, &String)| format!("uprobe:{}:\"{function}\" {{ @f{i} = count(); }}", exe.display());
        let program = functions.iter().enumerate().map(probe).collect::<Vec<_>>().join("\n");
        let log = lab.dir.join("bpftrace.log");
        let file = fs::File::create(&log)?;
        let bpftrace = on_path("bpftrace").context("no bpftrace")?;
        let guard = Guard::spawn(&bpftrace, |command| {
            command.args(["-e", &program]).stdout(file.try_clone().map_or(Stdio::null(), Stdio::from)).stderr(file);
        })?;
        let this = Self { guard, log, functions };
        wait_until("bpftrace is attached", || entries.iter().all(|entry| breakpoint(pid, *entry)))
            .with_context(|| fs::read_to_string(&this.log).unwrap_or_default())?;
        Ok(this)
    }

    /// Ends it: hits by function.
    pub(super) fn stop(mut self) -> Result<Vec<(String, f64)>> {
        self.guard.end_by("INT")?;
        let said = fs::read_to_string(&self.log)?;
        let count = |i: usize| {
            let key = format!("@f{i}: ");
            said.lines().find_map(|line| line.strip_prefix(&key)?.trim().parse::<f64>().ok()).unwrap_or(0.0)
        };
        Ok(self.functions.iter().enumerate().map(|(i, function)| (function.clone(), count(i))).collect())
    }
}
