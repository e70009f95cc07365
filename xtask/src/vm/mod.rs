//! `cargo xtask vm`: the agent on other kernels, each in a virtual machine, counting a program that counts itself.

mod files;
mod guest;
mod kernel;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use self::guest::Verdict;
use self::kernel::{Kernel, SERIES};
use crate::paths::{root, target};
use crate::setup::{self, Need};
use crate::{build, go, result, step};

/// Boots Debian's kernels under QEMU (software emulation: nothing is timed) and compares the agent's counts with a program's own.
///
/// Kernels come from the host's Debian mirror into the cache and are not installed. Writes docs/kernels.md when all of them ran.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this kernel (repeatable).
    #[arg(long = "kernel", value_name = "SERIES", value_parser = clap::builder::PossibleValuesParser::new(SERIES.map(|series| series.name)))]
    kernels: Vec<String>,
    /// Keep the virtual machine's files and console log also when all is well.
    #[arg(long)]
    keep: bool,
    /// Seed of the program's numbers (default: the clock).
    #[arg(long)]
    seed: Option<u64>,
    /// Processors of the virtual machine.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    cpus: u8,
    /// This agent instead of one built from here.
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Boot and run the program only, without the agent: is it the machine or the agent?
    #[arg(long)]
    boot_only: bool,
}

/// A kernel that ran, or why it did not.
struct Run {
    series: &'static str,
    kernel: Result<(Kernel, Verdict)>,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let Args { kernels, keep, seed, cpus, agent, boot_only } = args;
    setup::ensure(yes, &[Need::Build, Need::Go, Need::Vm])?;
    let dir = target().join("vm");
    fs::create_dir_all(&dir)?;
    let agent = match agent {
        Some(agent) => Some(agent.clone()),
        None if *boot_only => None,
        None => {
            build::all(yes, build::Profile::Release)?;
            Some(build::Profile::Release.agent())
        }
    };
    let initramfs = initramfs(&dir, agent.as_deref())?;
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()));
    step::note(&format!("seed {seed}"));

    let payload = if *boot_only { "program" } else { "agent" };
    let chosen = SERIES.iter().filter(|series| kernels.is_empty() || kernels.iter().any(|name| name == series.name));
    let runs: Vec<Run> = chosen
        .map(|series| {
            let kernel = Kernel::fetch(series).and_then(|kernel| {
                let verdict = guest::boot(&kernel, &guest::Machine { initramfs: &initramfs, dir: &dir, seed, cpus: *cpus, payload })?;
                Ok((kernel, verdict))
            });
            if let Err(error) = &kernel {
                step::warn(&format!("{}: {error:#}", series.name));
            }
            Run { series: series.name, kernel }
        })
        .collect();
    report(&runs, seed, kernels.is_empty() && !boot_only && args.agent.is_none())?;
    let failed: Vec<&str> = runs.iter().filter(|run| !run.is_ok()).map(|run| run.series).collect();
    if !failed.is_empty() {
        bail!("not ok: {}\n  remedy: read {}/console-SERIES.log; then --kernel SERIES --seed {seed}", failed.join(", "), dir.display());
    }
    if !keep {
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

/// Builds the program and packs it with the agent and a small user space.
fn initramfs(dir: &Path, agent: Option<&Path>) -> Result<PathBuf> {
    let program = dir.join("program");
    let source = root().join("xtask/vm/program");
    let mut go = go::command(None)?;
    go.current_dir(&source).env("CGO_ENABLED", "0").args(["build", "-o"]).arg(&program).args(go::sources(&source)?);
    step::run("build the program that is counted", &mut go, "mend what go says above")?;

    let staging = dir.join("files");
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    let mut files = files::Files::new(staging)?;
    files.program(&program, "program")?;
    files.program(&crate::paths::on_path("busybox").context("no busybox")?, "bin/busybox")?;
    files.program(&root().join("xtask/vm/init"), "init")?;
    if let Some(agent) = agent {
        files.program(agent, "goroscope")?;
    }
    files.pack(&dir.join("initramfs.cpio"))
}

impl Run {
    fn is_ok(&self) -> bool {
        self.kernel.as_ref().is_ok_and(|(_, verdict)| verdict.word == "ok")
    }

    fn row(&self) -> Vec<String> {
        let series = self.series.to_owned();
        match &self.kernel {
            Ok((kernel, verdict)) => {
                let Verdict { word, detail, took } = verdict;
                vec![series, kernel.package.clone(), word.clone(), detail.clone(), step::seconds(*took)]
            }
            Err(error) => vec![series, String::new(), format!("{error}").replace('\n', " "), String::new(), step::seconds(Duration::ZERO)],
        }
    }
}

fn report(runs: &[Run], seed: u64, document: bool) -> Result<()> {
    let rows: Vec<Vec<String>> = runs.iter().map(Run::row).collect();
    let table = result::table(&["kernel", "Debian package", "verdict", "counted / the program's own word", "emulated boot and run"], &rows);
    println!("{table}");
    if !document {
        return Ok(());
    }
    let body = format!(
        "# Kernels\n\nThe agent in a virtual machine of each kernel counts a program that counts itself (seed {seed}): `ok` means no \
         difference in any family, and nothing counted once the program rests.\n\n{table}"
    );
    result::write("docs/kernels.md", "cargo xtask vm", &["ebpf", "agent/src/tracer", "agent/src/plan", "xtask/vm"], &body)
}
