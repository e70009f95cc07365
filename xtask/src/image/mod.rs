//! `cargo xtask image`: the agent's container image, built without a daemon and without a base image. In: this tree. Out: an OCI
//! image layout in one file, its list of components beside it, and the files themselves for deploy/Containerfile. Must not know
//! where the image runs.

mod agent;
pub(crate) mod layout;
mod sbom;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::paths::{cache, root, target};
use crate::result::git;
use crate::setup::{self, Need, cargo};
use crate::step::{self, output};

pub(crate) use self::agent::missing_targets;
use self::sbom::Bill;

/// Builds the agent's image: one static program, no shell, no library; target/image/goroscope.tar for `ctr images import`.
///
/// The same commit gives the same bytes, wherever it is built. deploy/Containerfile makes the same of the built files with a builder.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For which machines (repeatable); by default this one's. Several go into one image.
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// What the image is called.
    #[arg(long, value_name = "NAME", default_value = NAME)]
    name: String,
    /// Build it once more, from a clone of this commit in another folder: the digests must agree.
    #[arg(long)]
    verify: bool,
}

/// Name and tag that the chart asks for by default.
pub(crate) const NAME: &str = concat!("localhost/goroscope:", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    let archs = if args.arch.is_empty() { vec![Arch::host()?] } else { args.arch.clone() };
    let built = build(&archs, &args.name, yes)?;
    println!("{}  {}", built.digest, built.file.display());
    if args.verify {
        verify(&archs, &args.name, &built.digest)?;
    }
    Ok(())
}

/// An image that was built.
#[derive(Clone)]
pub(crate) struct Built {
    /// The agent in it, for the first of its architectures.
    pub(crate) program: PathBuf,
    /// The OCI image layout, as a tar archive.
    pub(crate) file: PathBuf,
    /// Of its index, `sha256:...`: what pins the image.
    pub(crate) digest: String,
}

/// The program of the image, for `arch`: it needs no other file.
///
/// # Errors
/// As [`build`].
pub(crate) fn program(arch: Arch, yes: bool) -> Result<PathBuf> {
    setup::ensure(yes, &[Need::Build, Need::Image])?;
    Ok(agent::build(arch)?.program)
}

/// Builds the image `name` for `archs`.
///
/// # Errors
/// Something is missing and may not be installed, or does not compile.
pub(crate) fn build(archs: &[Arch], name: &str, yes: bool) -> Result<Built> {
    let mut archs = archs.to_vec();
    archs.sort_unstable();
    archs.dedup();
    setup::ensure(yes, &[Need::Build, Need::Image])?;
    let created = created()?;
    let mut images = vec![];
    for &arch in &archs {
        let agent = agent::build(arch)?;
        let bill = Bill::new(arch)?;
        bill.check(&agent.packages)?;
        let list = directory().join(format!("goroscope-{}.cdx.json", arch.name()));
        fs::write(&list, bill.text(created)?).with_context(|| format!("cannot write {}", list.display()))?;
        let files = stage(arch, &agent.program, &list)?;
        images.push(layout::Image { arch: arch.name(), files, packed: true });
    }
    let digest = layout::write(&archive(), name, &commit()?, created, &images)?;
    fs::write(archive().with_extension("digest"), &digest)?;
    built(archs.first().copied().context("an image is for one architecture at least")?)
}

/// The image that was built last.
///
/// # Errors
/// None was.
pub(crate) fn built(arch: Arch) -> Result<Built> {
    let digest = fs::read_to_string(archive().with_extension("digest")).context("no image is built\n  remedy: cargo xtask image")?;
    Ok(Built { program: directory().join(arch.name()).join("goroscope"), file: archive(), digest })
}

fn archive() -> PathBuf {
    directory().join("goroscope.tar")
}

/// Where everything of this command is.
fn directory() -> PathBuf {
    target().join("image")
}

/// Puts the image's files where deploy/Containerfile takes them from, and gives them with their places in the image.
fn stage(arch: Arch, program: &Path, bill: &Path) -> Result<Vec<layout::File>> {
    let base = directory().join(arch.name());
    if base.exists() {
        fs::remove_dir_all(&base)?;
    }
    let wanted = [
        (program.to_owned(), "goroscope", 0o755),
        (bill.to_owned(), "usr/share/sbom/goroscope.cdx.json", 0o644),
        (root().join("LICENSE-APACHE"), "usr/share/licenses/goroscope/LICENSE-APACHE", 0o644),
        (root().join("LICENSE-MIT"), "usr/share/licenses/goroscope/LICENSE-MIT", 0o644),
    ];
    let mut files = vec![];
    for (from, place, mode) in wanted {
        let to = base.join(place);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        files.push(layout::File { place, mode, bytes: fs::read(&from)? });
    }
    Ok(files)
}

/// When the image was made, in seconds since the epoch: the time of its commit, so that the same commit gives the same image.
fn created() -> Result<u64> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return epoch.parse().context("SOURCE_DATE_EPOCH is not a number of seconds");
    }
    let time = output(git().args(["show", "-s", "--format=%ct", "HEAD"]))?;
    time.trim().parse().context("git's time of the commit")
}

/// Seconds since the epoch, as layouts and lists of components write a time.
fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn commit() -> Result<String> {
    Ok(output(git().args(["rev-parse", "HEAD"]))?.trim().to_owned())
}

/// Builds the image from a clone of this commit in another folder, with nothing that was built here.
fn verify(archs: &[Arch], name: &str, digest: &str) -> Result<()> {
    if !output(git().args(["status", "--porcelain"]))?.is_empty() {
        bail!("--verify builds what is committed, and there are changes that are not\n  remedy: commit them");
    }
    // Not below this tree: cargo would take the clone's ebpf/ for a part of this workspace.
    let clone = cache().join("verify");
    if clone.exists() {
        fs::remove_dir_all(&clone)?;
    }
    output(Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&clone))?;
    let mut again = cargo();
    // Without network: all that it takes from elsewhere the first build took, too.
    again.current_dir(&clone).env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true").stdout(Stdio::null());
    again.args(["xtask", "image", "--name", name]);
    for arch in archs {
        again.args(["--arch", arch.name()]);
    }
    step::run("the same again, from a clone of this commit in another folder", &mut again, "see what the second build says above")?;
    let second = fs::read_to_string(clone.join("target/image/goroscope.digest")).context("the second build says no digest")?;
    if second != digest {
        bail!("two builds differ: {digest} here, {second} in {}\n  remedy: compare the files below target/image of both", clone.display());
    }
    fs::remove_dir_all(&clone)?;
    println!("{digest}  the same from a clone elsewhere");
    Ok(())
}
