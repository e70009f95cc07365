//! The agent as one static program. In: an [`Arch`] and this tree. Out: an executable that needs no other file and holds no path of
//! the machine that built it. Must not know of images.
//!
//! musl, not a static glibc: names are resolved without libraries that would have to lie beside it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Arch, directory};
use crate::build;
use crate::paths::{home, root};
use crate::setup::cargo;
use crate::step::{self, output};

/// Rust's name of the platform that the agent is built for.
pub(super) const fn triple(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "x86_64-unknown-linux-musl",
        Arch::Arm64 => "aarch64-unknown-linux-musl",
    }
}

/// Those platforms whose standard library is not installed.
pub(crate) fn missing_targets() -> Vec<&'static str> {
    let sysroot = output(Command::new("rustc").current_dir(root()).args(["--print", "sysroot"])).unwrap_or_default();
    let library = |triple: &str| PathBuf::from(sysroot.trim()).join("lib/rustlib").join(triple).join("lib");
    [Arch::Amd64, Arch::Arm64].map(triple).into_iter().filter(|triple| !library(triple).is_dir()).collect()
}

/// Builds kernel side and agent for `arch`.
///
/// # Errors
/// One of them does not compile.
pub(super) fn build(arch: Arch) -> Result<PathBuf> {
    build::kernel_side(arch.rust())?;
    let triple = triple(arch);
    let built = directory().join("build");
    let mut command = cargo();
    command.current_dir(root()).args(["build", "--release", "--locked", "--package", "goroscope", "--target", triple]);
    command.env("CARGO_TARGET_DIR", &built).env("CARGO_ENCODED_RUSTFLAGS", flags().join("\u{1f}")).env_remove("RUSTFLAGS");
    // Names of functions stay, for what a panic prints.
    command.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    command.env(format!("CC_{}", triple.replace('-', "_")), compiler(arch));
    let remedy = "mend what rustc says above; `cargo xtask setup --for image` installs the platform and its C compiler";
    step::run(&format!("build the agent for {triple}"), &mut command, remedy)?;
    Ok(built.join(triple).join("release/goroscope"))
}

/// The C compiler for what dependencies bring in C. It links nothing.
const fn compiler(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "musl-gcc",
        Arch::Arm64 => "aarch64-linux-gnu-gcc",
    }
}

/// Nothing of this machine may be in the program: neither its paths nor what its C library and linker add.
fn flags() -> [String; 4] {
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from);
    [
        format!("--remap-path-prefix={}=/goroscope", root().display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home.display()),
        "-Clinker=rust-lld".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
    ]
}
