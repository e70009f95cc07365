//! The agent as one static program. In: an [`Arch`] and this tree. Out: an executable that needs no other file and holds no path of
//! the machine that built it. Must not know of images.
//!
//! musl, not a static glibc: names are resolved without libraries that would have to lie beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::directory;
use crate::arch::Arch;
use crate::build;
use crate::paths::root;
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
    Arch::ALL.map(triple).into_iter().filter(|triple| !library(triple).is_dir()).collect()
}

/// An agent that was built.
pub(super) struct Agent {
    pub(super) program: PathBuf,
    /// What was compiled for its platform: each package as `NAME@VERSION`.
    pub(super) packages: BTreeSet<String>,
}

/// Builds kernel side and agent for `arch`.
///
/// # Errors
/// One of them does not compile.
pub(super) fn build(arch: Arch) -> Result<Agent> {
    build::kernel_side(arch.rust())?;
    let triple = triple(arch);
    let built = directory().join("build");
    let mut command = cargo();
    command.current_dir(root()).args(["build", "--release", "--locked", "--package", "goroscope", "--target", triple]);
    command.env("CARGO_TARGET_DIR", &built).env("CARGO_ENCODED_RUSTFLAGS", flags(&built).join("\u{1f}")).env_remove("RUSTFLAGS");
    // Names of functions stay, for what a panic prints.
    command.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    command.env(format!("CC_{}", triple.replace('-', "_")), compiler(arch));
    let remedy = "mend what rustc says above; `cargo xtask setup --for image` installs the platform and its C compiler";
    step::run(&format!("build the agent for {triple}"), &mut command, remedy)?;
    let built = built.join(triple);
    // All is built: the same command again only tells of what.
    let told = output(command.arg("--message-format=json"))?;
    Ok(Agent { program: built.join("release/goroscope"), packages: packages(&told, &built)? })
}

/// Of cargo's messages, one a line, the packages whose artifacts lie below `folder`: those for the agent's platform. Macros and build
/// scripts lie elsewhere.
fn packages(messages: &str, folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("cargo's message")?;
        if message.reason != "compiler-artifact" || !message.filenames.iter().any(|file| file.starts_with(folder)) {
            continue;
        }
        // `registry+URL#NAME@VERSION`, `path+file://FOLDER#NAME@VERSION`, or `path+file://FOLDER#VERSION` when the folder has the name.
        let (from, id) = message.package_id.rsplit_once('#').context("a package id has a version")?;
        let folder = from.rsplit('/').next().unwrap_or(from);
        found.insert(if id.contains('@') { id.to_owned() } else { format!("{folder}@{id}") });
    }
    Ok(found)
}

/// What is read of a message of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The C compiler for what dependencies bring in C. It links nothing.
const fn compiler(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "musl-gcc",
        Arch::Arm64 => "aarch64-linux-gnu-gcc",
    }
}

/// Nothing of this machine may be in the program: neither its paths nor what its C library and linker add. `built` may lie outside
/// this tree.
fn flags(built: &Path) -> [String; 5] {
    let [own, others] = build::remapped();
    [
        own,
        others,
        format!("--remap-path-prefix={}=/goroscope/target/image/build", built.display()),
        "-Clinker=rust-lld".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_with_artifacts_for_the_platform() {
        let artifact = |id: &str, file: &str| {
            serde_json::json!({"reason": "compiler-artifact", "package_id": id, "filenames": [format!("/b/{file}")]}).to_string()
        };
        let messages = [
            artifact("registry+https://example.org/index#aya@0.14.0", "musl/release/deps/libaya.rlib"),
            artifact("registry+https://example.org/index#syn@2.0.1", "release/deps/libsyn.rlib"),
            artifact("path+file:///src/agent#goroscope@0.1.0", "musl/release/goroscope"),
            artifact("path+file:///src/gobin#0.1.0", "musl/release/deps/libgobin.rlib"),
            r#"{"reason":"build-script-executed","package_id":"registry+https://example.org/index#ring@0.17.0"}"#.to_owned(),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = packages(&messages.join("\n"), Path::new("/b/musl")).expect("messages");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["aya@0.14.0", "gobin@0.1.0", "goroscope@0.1.0"]);
        assert!(packages("no message", Path::new("/b/musl")).is_err());
    }
}
