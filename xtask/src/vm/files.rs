//! The files of a virtual machine: programs with the shared libraries that they need, packed as an initramfs.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::step::output;

/// A folder that becomes the root of a virtual machine.
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// Adds an executable as `name`, and the shared libraries it needs where it looks for them.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub(super) fn program(&mut self, from: &Path, name: &str) -> Result<()> {
        self.file(from, name)?;
        // Scripts and static programs are "not a dynamic executable".
        let needed = output(Command::new("ldd").arg(from)).unwrap_or_default();
        for library in libraries(&needed) {
            self.file(Path::new(library), library.trim_start_matches('/'))?;
        }
        Ok(())
    }

    fn file(&self, from: &Path, name: &str) -> Result<()> {
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

/// The paths of libraries in what ldd prints.
fn libraries(ldd: &str) -> Vec<&str> {
    let path = |line: &'_ str| line.split_whitespace().position(|word| word.starts_with('/'));
    ldd.lines().filter_map(|line| line.split_whitespace().nth(path(line)?)).collect()
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

#[cfg(test)]
mod tests {
    use super::libraries;

    #[test]
    fn libraries_of_a_program() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0000)\n\t/lib64/ld-linux-x86-64.so.2 (0x0000)\n";
        assert_eq!(libraries(text), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        assert!(libraries("\tnot a dynamic executable\n").is_empty());
    }
}
