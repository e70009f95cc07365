//! `cargo xtask vm`: the agent on other kernels, each in a virtual machine, counting a program that counts itself.

mod files;
mod guest;
mod kernel;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use self::guest::Verdict;
use self::kernel::{Kernel, SERIES};
use crate::apt::Suite;
use crate::arch::Arch;
use crate::paths::{cache, root, target};
use crate::setup::{self, Need};
use crate::{go, image, result, step};

/// Boots Debian's kernels under QEMU (software emulation: nothing is timed) and compares the agent's counts with a program's own.
///
/// Kernels come from the host's Debian mirror into the cache and are not installed; the agent is the image's. Writes docs/kernels.md when
/// all kernels of all architectures ran.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this kernel (repeatable).
    #[arg(long = "kernel", value_name = "SERIES", value_parser = clap::builder::PossibleValuesParser::new(SERIES.map(|series| series.name)))]
    kernels: Vec<String>,
    /// Only on this processor (repeatable).
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// Keep the virtual machine's files and console log also when all is well.
    #[arg(long)]
    keep: bool,
    /// Seed of the program's numbers (default: the clock).
    #[arg(long)]
    seed: Option<u64>,
    /// Processors of the virtual machine.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    cpus: u8,
    /// This agent instead of one built from here: a static program for the processor that is named.
    #[arg(long, value_name = "FILE", requires = "arch")]
    agent: Option<PathBuf>,
    /// Boot and run the program only, without the agent: is it the machine or the agent?
    #[arg(long)]
    boot_only: bool,
}

/// The Debian suite that the user space comes from.
const BUSYBOX_SUITE: &str = "bookworm";

/// A kernel that ran, or why it did not.
struct Run {
    series: &'static str,
    arch: Arch,
    kernel: Result<(Kernel, Verdict)>,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let Args { kernels, arch: archs, keep, seed, cpus, agent, boot_only } = args;
    setup::ensure(yes, &[Need::Go, Need::Vm])?;
    let dir = target().join("vm");
    fs::create_dir_all(&dir)?;
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs()));
    step::note(&format!("seed {seed}"));
    let payload = if *boot_only { "program" } else { "agent" };
    let chosen = || SERIES.iter().filter(|series| kernels.is_empty() || kernels.iter().any(|name| name == series.name));
    let mut runs: Vec<Run> = vec![];
    for arch in Arch::ALL.into_iter().filter(|arch| archs.is_empty() || archs.contains(arch)) {
        let agent = match agent {
            Some(agent) => Some(agent.clone()),
            None if *boot_only => None,
            None => Some(image::program(arch, yes)?),
        };
        let initramfs = initramfs(&dir, arch, agent.as_deref())?;
        for series in chosen() {
            let kernel = Kernel::fetch(series, arch).and_then(|kernel| {
                let machine = guest::Machine { arch, initramfs: &initramfs, dir: &dir, seed, cpus: *cpus, payload };
                let verdict = guest::boot(&kernel, &machine)?;
                Ok((kernel, verdict))
            });
            if let Err(error) = &kernel {
                step::warn(&format!("{} on {}: {error:#}", series.name, arch.name()));
            }
            runs.push(Run { series: series.name, arch, kernel });
        }
    }
    report(&runs, seed, kernels.is_empty() && archs.is_empty() && !boot_only)?;
    let failed: Vec<String> = runs.iter().filter(|run| !run.is_ok()).map(|run| format!("{} {}", run.series, run.arch.name())).collect();
    if !failed.is_empty() {
        bail!(
            "not ok: {}\n  remedy: read {}/console-SERIES-ARCH.log; then --kernel SERIES --arch ARCH --seed {seed}",
            failed.join(", "),
            dir.display()
        );
    }
    if !keep {
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

/// Builds the program and packs it with the agent and a small user space.
fn initramfs(dir: &Path, arch: Arch, agent: Option<&Path>) -> Result<PathBuf> {
    let program = dir.join(format!("program-{}", arch.name()));
    let source = root().join("xtask/vm/program");
    let mut go = go::command(None)?;
    go.current_dir(&source).env("CGO_ENABLED", "0").env("GOARCH", arch.name());
    go.args(["build", "-o"]).arg(&program).args(go::sources(&source)?);
    step::run("build the program that is counted", &mut go, "mend what go says above")?;

    let staging = dir.join(format!("files-{}", arch.name()));
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    let files = files::Files::new(staging)?;
    files.add(&program, "program")?;
    files.add(&busybox(arch)?, "bin/busybox")?;
    files.add(&root().join("xtask/vm/init"), "init")?;
    if let Some(agent) = agent {
        files.add(agent, "goroscope")?;
    }
    files.pack(&dir.join(format!("initramfs-{}.cpio", arch.name())))
}

/// A static busybox for `arch` in the cache.
fn busybox(arch: Arch) -> Result<PathBuf> {
    let dir = cache().join("busybox").join(arch.name());
    let program = dir.join("bin/busybox");
    if !program.is_file() {
        Suite::open(BUSYBOX_SUITE, arch)?.unpack("busybox-static", &dir)?;
    }
    Ok(program)
}

impl Run {
    fn is_ok(&self) -> bool {
        self.kernel.as_ref().is_ok_and(|(_, verdict)| verdict.word == "ok")
    }

    fn row(&self) -> Vec<String> {
        let (series, arch) = (self.series.to_owned(), self.arch.name().to_owned());
        match &self.kernel {
            Ok((kernel, verdict)) => {
                let Verdict { word, detail, took } = verdict;
                vec![series, arch, kernel.package.clone(), word.clone(), detail.clone(), step::seconds(*took)]
            }
            Err(error) => {
                vec![series, arch, String::new(), format!("{error}").replace('\n', " "), String::new(), step::seconds(Duration::ZERO)]
            }
        }
    }
}

fn report(runs: &[Run], seed: u64, document: bool) -> Result<()> {
    let rows: Vec<Vec<String>> = runs.iter().map(Run::row).collect();
    let table = result::table(
        &["kernel", "processor", "Debian package", "verdict", "counted / the program's own word", "emulated boot and run"],
        &rows,
    );
    println!("{table}");
    if !document {
        return Ok(());
    }
    let body = format!(
        "# Kernels\n\nThe image's agent in an emulated machine of each kernel counts a program that counts itself (seed {seed}): `ok` means \
         no difference in any family, and nothing counted once the program rests.\n\n{table}"
    );
    result::write(
        "docs/kernels.md",
        "cargo xtask vm",
        &["ebpf", "agent/src/tracer", "agent/src/plan", "agent/src/goruntime", "xtask/vm"],
        &body,
    )
}
