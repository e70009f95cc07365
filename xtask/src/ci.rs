//! `cargo xtask ci`: everything that a change must pass, in the order in which it fails fastest; tests last.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::paths::root;
use crate::setup::{self, Need, cargo};
use crate::{build, chart, monitoring, offsets, step, test, tidy};

/// What CI runs: fmt, build (kernel side and agent), clippy, tidy, rules and chart, offsets, panels against a real Prometheus, tests; stops at the first that fails.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// What each step took so far.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration)>);

impl Times {
    /// Runs a step; when it fails, the table so far is shown and the step named.
    fn step<T>(&mut self, name: &'static str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let done = run();
        self.0.push((name, start.elapsed()));
        if done.is_err() {
            self.show(Some(name));
        }
        done.with_context(|| format!("ci stopped at `{name}`"))
    }

    fn show(&self, failed: Option<&str>) {
        println!("{:<10} {:>10}", "step", "time");
        for (name, took) in &self.0 {
            let verdict = if failed == Some(*name) { "FAILED" } else { "ok" };
            println!("{name:<10} {:>10} {verdict}", step::seconds(*took));
        }
        let total = self.0.iter().map(|(_, took)| *took).sum();
        println!("{:<10} {:>10}", "all", step::seconds(total));
    }
}

pub(crate) fn run(_: &Args, yes: bool) -> Result<()> {
    let mut times = Times::default();
    times.step("setup", || setup::ensure(yes, &[Need::Build, Need::Go, Need::Test, Need::Monitoring, Need::Chart]))?;
    times.step("fmt", format)?;
    times.step("build", || build::all(yes, build::Profile::Dev))?;
    times.step("clippy", clippy)?;
    times.step("tidy", tidy::check)?;
    times.step("monitoring", monitoring::check)?;
    times.step("chart", chart::check)?;
    times.step("offsets", offsets::check)?;
    times.step("panels", || monitoring::live(yes))?;
    let tally = times.step("test", || test::workspace(None))?;
    times.show(None);
    println!("{tally}");
    Ok(())
}

/// What is not of the workspace, and has to be formatted, too.
const OTHER_WORKSPACES: [&str; 3] = ["ebpf/Cargo.toml", "agent/gobin/fuzz/Cargo.toml", "agent/fuzz/Cargo.toml"];

fn format() -> Result<()> {
    let remedy = format!("cargo fmt --all, and cargo fmt --manifest-path for each of {}", OTHER_WORKSPACES.join(", "));
    step::run("cargo fmt --check", in_root(&mut cargo()).args(["fmt", "--all", "--check"]), &remedy)?;
    for manifest in OTHER_WORKSPACES {
        let mut fmt = cargo();
        in_root(&mut fmt).args(["fmt", "--check", "--manifest-path", manifest]);
        step::run(&format!("cargo fmt --check ({manifest})"), &mut fmt, &remedy)?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    let mut clippy = cargo();
    in_root(&mut clippy).args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    step::run("clippy", &mut clippy, "mend what clippy says above")?;
    Ok(())
}

fn in_root(command: &mut Command) -> &mut Command {
    command.current_dir(root())
}
