//! `cargo xtask offsets`: the tables of agent/gobin/layouts, made anew from every Go release.
//!
//! A program is built with each of them, and its DWARF read by the same code as in the agent; the wait reasons come from the release's
//! source. `--check` compares with what the repository holds.

mod reasons;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use goroscope_gobin::Limits;
use goroscope_gobin::layout::{Described, FIELDS, described};

use crate::paths::{root, target};
use crate::setup::{self, Need};
use crate::{go, step};

/// Writes the tables of struct offsets and wait reasons (agent/gobin/layouts) anew from all nine Go releases.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing: fail when the repository's tables differ.
    #[arg(long)]
    check: bool,
}

/// Experiments that move fields, where a build of that release without them can be met.
const EXPERIMENTS: [(&str, &str); 2] = [("1.26.6", "nogreenteagc"), ("1.27.3", "nogreenteagc")];
/// What is built: it links everything whose layout is asked for.
const PROGRAM: &str = "agent/gobin/tests/program";

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    setup::ensure(yes, &[Need::Go, Need::Test])?;
    if args.check { check() } else { write() }
}

/// Fails when a table of the repository is not what the releases say.
pub(crate) fn check() -> Result<()> {
    let differing: Vec<String> = files()?
        .into_iter()
        .filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text))
        .map(|(path, _)| path.display().to_string())
        .collect();
    if !differing.is_empty() {
        bail!("not what the Go releases say: {}\n  remedy: cargo xtask offsets, and look at the difference", differing.join(", "));
    }
    Ok(())
}

fn write() -> Result<()> {
    let folder = folder();
    for entry in fs::read_dir(&folder)? {
        fs::remove_file(entry?.path())?;
    }
    let files = files()?;
    for (path, text) in &files {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    step::note(&format!("{} tables written to {}", files.len(), folder.display()));
    Ok(())
}

fn folder() -> PathBuf {
    root().join("agent/gobin/layouts")
}

/// One column of all tables: what the DWARF of one build says.
struct Column {
    /// `26` or `26+nogreenteagc`.
    name: String,
    /// `26`.
    minor: String,
    amd64: Described,
    arm64: Described,
}

/// Every table: its path, its text.
fn files() -> Result<Vec<(PathBuf, String)>> {
    let builds = go::MATRIX
        .iter()
        .map(|release| (*release, None))
        .chain(EXPERIMENTS.iter().map(|(release, experiment)| (*release, Some(*experiment))));
    let columns: Vec<Column> = builds.map(|(release, experiment)| column(release, experiment)).collect::<Result<_>>()?;
    let mut files: Vec<(PathBuf, String)> =
        FIELDS.iter().map(|(of, fields)| (folder().join(format!("{of}.txt")), table::text(of, fields, &columns))).collect();
    let texts: Vec<(u16, Vec<String>)> =
        go::MATRIX.iter().map(|release| Ok((minor(release)?.parse()?, reasons::of(&source(release)?)?))).collect::<Result<_>>()?;
    files.push((folder().join("waitReason.txt"), reasons::text(&texts)));
    Ok(files)
}

fn column(release: &str, experiment: Option<&str>) -> Result<Column> {
    let minor = minor(release)?;
    let name = experiment.map_or_else(|| minor.clone(), |experiment| format!("{minor}+{experiment}"));
    let describe = |arch| {
        let path = build(release, arch, experiment)?;
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        described(&bytes, &Limits::default()).with_context(|| format!("the DWARF of {}", path.display()))
    };
    Ok(Column { name, minor, amd64: describe("amd64")?, arm64: describe("arm64")? })
}

/// The middle of `1.26.6`.
fn minor(release: &str) -> Result<String> {
    let minor = release.split('.').nth(1).with_context(|| format!("`{release}` is no Go release"))?;
    Ok(minor.to_owned())
}

fn build(release: &str, arch: &str, experiment: Option<&str>) -> Result<PathBuf> {
    let folder = target().join("offsets");
    fs::create_dir_all(&folder)?;
    let program = folder.join([release, arch, experiment.unwrap_or("plain")].join("-"));
    let sources = root().join(PROGRAM);
    let mut go = go::command(Some(release))?;
    go.current_dir(&sources).env("GOARCH", arch).env("CGO_ENABLED", "0").args(["build", "-o"]).arg(&program).args(go::sources(&sources)?);
    if let Some(experiment) = experiment {
        go.env("GOEXPERIMENT", experiment);
    }
    step::output(&mut go)?;
    Ok(program)
}

/// `runtime2.go` of a release.
fn source(release: &str) -> Result<String> {
    let root = step::output(go::command(Some(release))?.args(["env", "GOROOT"]))?;
    let path = Path::new(root.trim()).join("src/runtime/runtime2.go");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
