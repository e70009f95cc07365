//! Images for the node, of programs that are here: no registry is asked. In: executables. Out: images in the node's containerd.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::lab::{base, data};
use super::programs::{PROMETHEUS, RELOADER};
use super::settings::PAUSE;
use super::wait::until;
use crate::arch::Arch;
use crate::image::layout;
use crate::paths::root;
use crate::step::{self, output};
use crate::{go, paths};

/// The program that is observed.
pub(super) const APP: &str = "lab.local/app:1";
/// Prometheus, for the Operator's pods.
pub(super) const MONITOR: &str = "lab.local/prometheus:1";
/// What the Operator puts beside it.
pub(super) const RELOAD: &str = "lab.local/reloader:1";

/// Builds and imports what every pod needs, and the programs that are observed.
///
/// # Errors
/// Go fails, or containerd does.
pub(super) fn import_small() -> Result<()> {
    let (pause, app) = (build("pause")?, build("app")?);
    until("containerd", 60, || ctr(&["version"]).map(Some))?;
    import(PAUSE, "pause", &pause)?;
    import(APP, "app", &app)
}

/// Imports Prometheus and the Operator's helper. Its data volume is /prometheus, so the program is not there.
///
/// # Errors
/// containerd fails.
pub(super) fn import_monitoring() -> Result<()> {
    import(MONITOR, "bin/prometheus", &PROMETHEUS.path())?;
    import(RELOAD, "bin/prometheus-config-reloader", &RELOADER.path())
}

/// Imports the archive of an image.
///
/// # Errors
/// containerd fails.
pub(super) fn import_archive(archive: &Path) -> Result<()> {
    ctr(&["images", "import", "--local", &archive.display().to_string()]).map(drop)
}

/// Gives an image another name.
///
/// # Errors
/// There is no such image.
pub(super) fn tag(name: &str, other: &str) -> Result<()> {
    ctr(&["images", "tag", "--force", name, other]).map(drop)
}

fn import(name: &str, place: &'static str, program: &Path) -> Result<()> {
    let archive = base().join("image.tar");
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let files = vec![layout::File { place, mode: 0o755, bytes }];
    layout::write(&archive, name, "", 0, &[layout::Image { arch: Arch::host()?.name(), files, packed: false }])?;
    import_archive(&archive)?;
    fs::remove_file(&archive).context("cannot remove an archive")
}

fn ctr(words: &[&str]) -> Result<String> {
    let socket = data().join("run/containerd/containerd.sock");
    output(super::kubectl::command("ctr")?.arg("-a").arg(socket).args(["-n", "k8s.io"]).args(words))
}

/// Builds a program of xtask/cluster.
fn build(name: &str) -> Result<PathBuf> {
    let to = paths::target().join("cluster").join(name);
    let mut build = go::command(None)?;
    build.current_dir(root().join("xtask/cluster")).env("CGO_ENABLED", "0").args(["build", "-trimpath", "-o"]).arg(&to);
    build.arg(format!("./{name}"));
    step::run(&format!("build {name}"), &mut build, "mend what Go says above")?;
    Ok(to)
}
