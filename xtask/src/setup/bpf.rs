//! The compiler and the linker of the kernel side: a distribution's rustc with a compiled BPF `core`, or rustup's nightly with
//! rust-src, whichever is there; and bpf-linker with an LLVM not older than that compiler's.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::needs::package;
use super::{Lack, Remedy, cargo, cargo_install};
use crate::apt;
use crate::paths::{home, on_path, tools};
use crate::step::output;

const LINKER: &str = "0.13.0";
/// The oldest LLVM that we build bpf-linker with.
const LLVM: u32 = 22;
/// The target of the kernel side on little-endian machines.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// What compiles the kernel side.
pub(crate) struct Compiler {
    /// Where it comes from.
    pub(crate) kind: Kind,
    /// What it calls itself.
    version: String,
    /// Major version of its LLVM.
    llvm: u32,
}

/// Where a compiler of the kernel side comes from.
pub(crate) enum Kind {
    /// A distribution's rustc, with `core` compiled for BPF.
    Distribution(PathBuf),
    /// A nightly toolchain of rustup, which compiles `core` itself.
    Nightly(String),
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, version, llvm } = self;
        match kind {
            Kind::Distribution(rustc) => write!(f, "BPF by {} {version}, LLVM {llvm}", rustc.display()),
            Kind::Nightly(toolchain) => write!(f, "BPF by rustup's {toolchain} {version}, LLVM {llvm}"),
        }
    }
}

/// The compiler of the kernel side on this machine.
///
/// # Errors
/// There is none.
pub(crate) fn compiler() -> Result<Compiler> {
    let found = distribution().or_else(nightly);
    found.context("no compiler for BPF: neither a distribution's rustc with a BPF `core` nor rustup's nightly with rust-src\n  remedy: cargo xtask setup")
}

fn distribution() -> Option<Compiler> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    let core = Path::new("/usr/lib/rustlib").join(TARGET).join("lib");
    let core_is_there = fs::read_dir(core).ok()?.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"));
    if !core_is_there {
        return None;
    }
    let (version, llvm) = version(Command::new(&rustc).arg("-vV"))?;
    Some(Compiler { kind: Kind::Distribution(rustc), version, llvm })
}

fn nightly() -> Option<Compiler> {
    let rustup = std::env::var_os("RUSTUP_HOME").map_or_else(|| home().join(".rustup"), PathBuf::from);
    let mut toolchains: Vec<PathBuf> = fs::read_dir(rustup.join("toolchains")).ok()?.flatten().map(|entry| entry.path()).collect();
    toolchains.sort();
    let found = toolchains.into_iter().rev().find(|toolchain| {
        let name = toolchain.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("nightly") && toolchain.join("lib/rustlib/src/rust/library/core").is_dir()
    })?;
    let (version, llvm) = version(Command::new(found.join("bin/rustc")).arg("-vV"))?;
    Some(Compiler { kind: Kind::Nightly(found.file_name()?.to_str()?.to_owned()), version, llvm })
}

/// Release and LLVM's major version from `rustc -vV`.
fn version(rustc: &mut Command) -> Option<(String, u32)> {
    let text = output(rustc).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some((field("release:")?.to_owned(), field("LLVM version:")?.split('.').next()?.parse().ok()?))
}

pub(super) fn missing() -> Vec<Lack> {
    let compiler = compiler().ok();
    let mut lacks = vec![];
    if compiler.is_none() {
        lacks.extend(distribution_packages().iter().map(|name| package(name, "compiles the kernel side (BPF)")));
    }
    let llvm = compiler.map_or(LLVM, |compiler| compiler.llvm.max(LLVM));
    if linker_llvm().is_some_and(|linked| linked >= llvm) {
        return lacks;
    }
    for name in [format!("llvm-{llvm}-dev"), "libzstd-dev".to_owned(), "zlib1g-dev".to_owned(), "g++".to_owned()] {
        if !apt::is_here() || !apt::is_installed(&name) {
            lacks.push(package(&name, "bpf-linker is built with it"));
        }
    }
    let what = format!("bpf-linker {LINKER} with LLVM {llvm} (crates.io, into the cache)");
    lacks.push(Lack { what, why: "links the kernel side", remedy: Remedy::BpfLinker(llvm) });
    lacks
}

/// How this Debian calls a recent rustc and its BPF `core`: bookworm has a second, newer rustc for its browsers.
fn distribution_packages() -> &'static [&'static str] {
    if apt::candidate("libstd-rust-web-dev-bpf").is_none() && apt::candidate("libstd-rust-dev-bpf").is_some() {
        return &["rustc", "libstd-rust-dev-bpf", "rust-llvm"];
    }
    &["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-llvm"]
}

/// The major version of the LLVM that our bpf-linker was built with, as cargo recorded it.
fn linker_llvm() -> Option<u32> {
    if !tools().join("bin/bpf-linker").is_file() {
        return None;
    }
    let record: serde_json::Value = serde_json::from_str(&fs::read_to_string(tools().join(".crates2.json")).ok()?).ok()?;
    let installs = record.get("installs")?.as_object()?;
    let (_, linker) = installs.iter().find(|(name, _)| name.starts_with(&format!("bpf-linker {LINKER} ")))?;
    let features = linker.get("features")?.as_array()?;
    features.iter().find_map(|feature| feature.as_str()?.strip_prefix("llvm-")?.parse().ok())
}

pub(super) fn install_linker(llvm: u32) -> Result<()> {
    let feature = format!("llvm-{llvm}");
    let mut command = cargo();
    let prefix = format!("/usr/lib/llvm-{llvm}");
    if Path::new(&prefix).is_dir() || on_path("llvm-config").is_none() {
        command.env("LLVM_PREFIX", prefix);
    }
    cargo_install(&["bpf-linker", "--version", LINKER, "--no-default-features", "--features", &feature], &mut command)
}
