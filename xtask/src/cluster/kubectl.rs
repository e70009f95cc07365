//! kubectl and helm, as an administrator of the cluster. In: words, or manifests. Out: text or JSON.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::lab::{base, kubeconfig};
use super::programs;
use crate::step::output;

/// A program that speaks to the cluster, such as `kubectl` or `helm`; run on this host, not on the node.
///
/// # Errors
/// A folder's name has a colon.
pub(super) fn command(program: &str) -> Result<Command> {
    let mut command = Command::new(programs::path().map(|path| find(program, &path))?);
    let helm = base().join("helm");
    command.env("KUBECONFIG", kubeconfig()).env("PATH", programs::path()?);
    for (variable, part) in [("HELM_CONFIG_HOME", "config"), ("HELM_CACHE_HOME", "cache"), ("HELM_DATA_HOME", "data")] {
        command.env(variable, helm.join(part));
    }
    Ok(command)
}

/// The first of that name: the path of the parent, not of the child, decides for a name without a slash.
fn find(program: &str, path: &std::ffi::OsStr) -> std::path::PathBuf {
    std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file()).unwrap_or_else(|| program.into())
}

/// Runs kubectl.
///
/// # Errors
/// It fails, with what it said.
pub(super) fn run(words: &[&str]) -> Result<String> {
    output(command("kubectl")?.args(words))
}

/// `kubectl get ... -o json`.
///
/// # Errors
/// There is no such thing.
pub(super) fn get(words: &[&str]) -> Result<Value> {
    let text = run(&[&["get"], words, &["-o", "json"]].concat())?;
    serde_json::from_str(&text).context("what kubectl says")
}

/// Applies manifests.
///
/// # Errors
/// The API server refuses one.
pub(super) fn apply(manifests: &str) -> Result<()> {
    let mut kubectl = command("kubectl")?;
    kubectl.args(["apply", "--server-side", "--force-conflicts", "-f", "-"]);
    let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start kubectl")?;
    child.stdin.take().context("kubectl has a standard input")?.write_all(manifests.as_bytes())?;
    let done = child.wait_with_output()?;
    if !done.status.success() {
        bail!("kubectl apply: {}", String::from_utf8_lossy(&done.stderr).trim_end());
    }
    Ok(())
}

/// Runs helm.
///
/// # Errors
/// It fails, with what it said.
pub(super) fn helm(words: &[&str]) -> Result<String> {
    output(command("helm")?.args(words))
}
