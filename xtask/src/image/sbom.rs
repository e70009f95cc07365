//! What the agent is made of, as CycloneDX JSON, by cargo-cyclonedx. In: Cargo.lock. Out: a file. Must not know of images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Arch, agent::triple};
use crate::paths::{root, tools};
use crate::setup;
use crate::step::output;

/// Writes the list of the agent's components for `arch`, with `created` (seconds since the epoch) as its time.
///
/// # Errors
/// cargo-cyclonedx fails.
pub(super) fn write(arch: Arch, created: u64, to: &Path) -> Result<PathBuf> {
    // It writes beside each Cargo.toml of the workspace: .gitignore knows that.
    let mut tool = Command::new(tools().join("bin/cargo-cyclonedx"));
    tool.current_dir(root()).env("PATH", setup::path()).env("SOURCE_DATE_EPOCH", created.to_string());
    tool.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]);
    tool.args(["--no-build-deps", "--target", triple(arch), "--override-filename", NAME, "--manifest-path", "agent/Cargo.toml"]);
    output(&mut tool)?;
    let made = |member: &str| root().join(member).join(format!("{NAME}.json"));
    let text = fs::read_to_string(made("agent")).context("cargo-cyclonedx left no list for the agent")?;
    for member in ["agent", "agent/gobin", "ebpf/abi", "xtask"] {
        let _ = fs::remove_file(made(member));
    }
    fs::create_dir_all(to.parent().context("a file has a folder")?)?;
    // The workspace's own crates are named by where they are, which is no property of theirs.
    fs::write(to, text.replace(&format!("file://{}", root().display()), "file:///goroscope"))?;
    Ok(to.to_owned())
}

/// What cargo-cyclonedx calls its files.
const NAME: &str = "goroscope.cdx";
