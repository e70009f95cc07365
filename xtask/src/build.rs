//! `cargo xtask build`: the kernel side with the compiler that BPF needs, then the agent, which embeds it.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;

use crate::paths::{bpf_object, home, root, target, tools};
use crate::setup::bpf::{self, Kind, TARGET};
use crate::setup::{self, Need, cargo};
use crate::step;

/// Builds the kernel side (`target/bpf/goroscope.bpf.o`) and the agent that embeds it.
///
/// With --release the whole agent is the one file target/release/goroscope.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimised, and needing no other file: target/release/goroscope.
    #[arg(long)]
    release: bool,
    /// The kernel side only.
    #[arg(long)]
    bpf_only: bool,
    /// Architecture of the machines that the kernel side will run on (as Rust calls it).
    #[arg(long, value_name = "ARCH", default_value = ARCH)]
    target: String,
}

/// How the agent is built: the profiles of Cargo.toml.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// For tests.
    Dev,
    /// Optimised, but in half the time of a release: for the demo.
    Quick,
    /// What users run.
    Release,
}

impl Profile {
    /// Its name, and its directory below `target/`.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Dev => ("dev", "debug"),
            Self::Quick => ("quick", "quick"),
            Self::Release => ("release", "release"),
        }
    }

    /// Where the agent is once it is built.
    pub(crate) fn agent(self) -> PathBuf {
        target().join(self.names().1).join("goroscope")
    }
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    if args.target != ARCH && !args.bpf_only {
        bail!("only the kernel side is built for another architecture\n  remedy: add --bpf-only");
    }
    setup::ensure(yes, &[Need::Build])?;
    kernel_side(&args.target)?;
    if args.bpf_only { Ok(()) } else { agent(if args.release { Profile::Release } else { Profile::Dev }) }
}

/// Kernel side and agent, for this machine.
///
/// # Errors
/// Something is missing and may not be installed, or does not compile.
pub(crate) fn all(yes: bool, profile: Profile) -> Result<()> {
    setup::ensure(yes, &[Need::Build])?;
    // Most of the kernel side's build is one crate, `core`, which keeps one core busy: the others have something to do meanwhile.
    let (kernel, libraries) = thread::scope(|scope| {
        let kernel = scope.spawn(|| kernel_side(ARCH));
        let libraries = libraries(profile);
        (kernel.join(), libraries)
    });
    kernel.map_err(|_| anyhow!("the thread that builds the kernel side has panicked"))??;
    libraries?;
    agent(profile)
}

/// Builds what the agent uses from elsewhere, which needs no kernel side.
fn libraries(profile: Profile) -> Result<()> {
    let mut command = cargo();
    command.current_dir(root()).args(["build", "--lib", "--profile", profile.names().0]);
    command.args(dependencies()?.into_iter().flat_map(|id| ["--package".to_owned(), id]));
    step::run("build the agent's libraries", &mut command, "mend what rustc says above")?;
    Ok(())
}

/// The packages that the agent, and what it uses of this workspace, take from registries, as cargo's package ids.
///
/// None of the workspace itself: cargo would choose the features for those alone, and build everything twice.
fn dependencies() -> Result<BTreeSet<String>> {
    let mut command = cargo();
    command.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "host-tuple"]);
    let metadata: Metadata =
        serde_json::from_str(&step::output(&mut command)?).context("cargo metadata says something else than expected")?;
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<&str> = metadata.workspace_members.iter().filter(|id| id.contains("/agent#")).map(String::as_str).collect();
    while let Some(id) = open.pop().filter(|id| seen.insert(*id)) {
        let node = metadata.resolve.nodes.iter().find(|node| node.id == id).context("cargo metadata does not resolve the agent")?;
        for dependency in node.deps.iter().filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())) {
            if metadata.workspace_members.contains(&dependency.pkg) {
                open.push(&dependency.pkg);
            } else {
                found.insert(dependency.pkg.clone());
            }
        }
    }
    Ok(found)
}

/// What is read of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

/// `kind` is null for what the library and the program use.
#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Builds the agent; the kernel side must be there.
fn agent(profile: Profile) -> Result<()> {
    let mut command = cargo();
    command.current_dir(root()).args(["build", "--package", "goroscope", "--profile", profile.names().0]);
    step::run("build the agent", &mut command, "mend what rustc says above")?;
    Ok(())
}

/// Builds `ebpf/` for kernels of `architecture` and puts it where the agent's build takes it from.
///
/// # Errors
/// No compiler or linker for BPF, or the source does not compile.
pub(crate) fn kernel_side(architecture: &str) -> Result<()> {
    let source = root().join("ebpf");
    if !source.join("Cargo.toml").is_file() {
        bail!("there is no ebpf/Cargo.toml: the kernel side's source is missing");
    }
    let compiler = bpf::compiler()?;
    // One folder for each: cargo, told where sources are said to lie, takes other flags for a reason to build in the same place anew.
    let built = root().join("target/bpf-build").join(architecture);
    let mut command = compile(&compiler.kind);
    command.current_dir(&source).env("CARGO_TARGET_DIR", &built).env("PATH", setup::path());
    command.env("CARGO_TERM_PROGRESS_WHEN", "never"); // another cargo may be at work
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(architecture).join("\u{1f}")).env_remove("RUSTFLAGS");
    command.args(["--release", "--locked", "--target", TARGET]);
    let remedy = "mend what rustc or bpf-linker says above; if the linker cannot read the compiler's output: `cargo xtask setup`";
    step::run(&format!("build the kernel side ({compiler})"), &mut command, remedy)?;
    copy_if_changed(&built.join(TARGET).join("release/goroscope-ebpf"), &destination(architecture))
}

/// `cargo build` by the compiler found. rust-toolchain.toml names another one: it is asked of rustup by name, or not asked at all.
fn compile(kind: &Kind) -> Command {
    match kind {
        Kind::Distribution(rustc) => {
            let mut command = cargo();
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").arg("build");
            command
        }
        Kind::Nightly(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, "cargo", "build", "-Z", "build-std=core"]);
            for inherited in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER"] {
                command.env_remove(inherited);
            }
            command
        }
    }
}

/// rustc's flags for the BPF target. `bpf_target_arch` decides which registers the programs read.
fn flags(architecture: &str) -> [String; 7] {
    let [own, others] = remapped();
    [
        own,
        others,
        format!("--cfg=bpf_target_arch=\"{architecture}\""),
        format!("-Clinker={}", tools().join("bin/bpf-linker").display()),
        "-Clink-arg=--btf".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Cstrip=none".to_owned(),
    ]
}

/// rustc's flags for names of sources that are the same wherever they lie: those of this tree, and those of cargo.
pub(crate) fn remapped() -> [String; 2] {
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from);
    [(root(), "/goroscope"), (&cargo_home, "/cargo")].map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
}

/// The object of this machine's architecture is the one that the agent embeds; others lie beside it.
fn destination(architecture: &str) -> PathBuf {
    if architecture == ARCH { bpf_object() } else { bpf_object().with_file_name(format!("goroscope-{architecture}.bpf.o")) }
}

/// Copies only when the bytes differ, so that an unchanged object rebuilds nothing.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let fresh = fs::read(from).with_context(|| format!("the build left no {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == fresh) {
        return Ok(());
    }
    fs::create_dir_all(to.parent().unwrap_or(root()))?;
    fs::write(to, &fresh).with_context(|| format!("cannot write {}", to.display()))
}
