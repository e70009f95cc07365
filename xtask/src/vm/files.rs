//! The files of a virtual machine: static programs, packed as an initramfs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A folder that becomes the root of a virtual machine.
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// Adds a file as `name`. Programs must be static: there are no libraries.
    ///
    /// # Errors
    /// It cannot be copied.
    pub(super) fn add(&self, from: &Path, name: &str) -> Result<()> {
        let to = self.root.join(name);
        fs::create_dir_all(to.parent().unwrap_or(&self.root))?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        Ok(())
    }

    /// Packs everything as a cpio archive, the form that kernels unpack.
    ///
    /// # Errors
    /// cpio fails.
    pub(super) fn pack(self, archive: &Path) -> Result<PathBuf> {
        let mut names = vec![];
        list(&self.root, &self.root, &mut names)?;
        let mut cpio = Command::new("cpio");
        cpio.args(["--quiet", "--create", "--format=newc", "--owner=0:0"]).current_dir(&self.root);
        let mut child = cpio.stdin(Stdio::piped()).stdout(File::create(archive)?).spawn().context("cannot start cpio")?;
        child.stdin.take().context("cpio has no input")?.write_all(names.join("\n").as_bytes())?;
        if !child.wait()?.success() {
            bail!("cpio failed on {}", self.root.display());
        }
        Ok(archive.to_owned())
    }
}

/// All names below `dir`, folders before what is in them.
fn list(root: &Path, dir: &Path, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        names.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
        if path.is_dir() {
            list(root, &path, names)?;
        }
    }
    Ok(())
}
