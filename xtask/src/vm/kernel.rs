//! Debian's cloud kernels: which there are, and one of each series in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::apt::Suite;
use crate::arch::Arch;
use crate::paths::cache;

/// A series of kernels and the Debian suite that has it.
pub(super) struct Series {
    /// Major and minor version.
    pub(super) name: &'static str,
    suite: &'static str,
}

/// The kernels that are promised to work, oldest first.
pub(super) const SERIES: [Series; 4] = [
    Series { name: "5.10", suite: "bullseye" },
    Series { name: "6.1", suite: "bookworm" },
    Series { name: "6.12", suite: "trixie" },
    Series { name: "7.2", suite: "trixie-backports" },
];

/// A kernel in the cache.
pub(super) struct Kernel {
    /// Major and minor version.
    pub(super) series: &'static str,
    /// The Debian package that it came in.
    pub(super) package: String,
    /// The image that boots.
    pub(super) image: PathBuf,
}

impl Kernel {
    /// The kernel of this series for `arch` that is in the cache, else the newest of its suite.
    ///
    /// # Errors
    /// The mirror cannot be reached or has no such kernel.
    pub(super) fn fetch(series: &'static Series, arch: Arch) -> Result<Self> {
        let dir = cache().join("kernels").join(arch.name()).join(series.name);
        if let Ok(kernel) = Self::at(&dir, series.name) {
            return Ok(kernel);
        }
        let suite = Suite::open(series.suite, arch)?;
        let version = series.name.replace('.', "\\.");
        // Since 6.19 linux-image-* only depends on linux-binary-*, which holds the image.
        let names = |kind: &str| suite.names(&format!("^linux-{kind}-{version}[.].*-cloud-{}$", arch.name()));
        let (binaries, images) = (names("binary")?, names("image")?);
        let package = newest(if binaries.is_empty() { &images } else { &binaries });
        let package = package.with_context(|| format!("{} has no cloud kernel {}", series.suite, series.name))?;
        let files = dir.with_file_name(format!(".{}", series.name));
        suite.unpack(package, &files)?;
        // The image is in boot/, or, since 6.19, in usr/lib/modules/VERSION/; it needs no module to boot.
        let image = find_image(&files).with_context(|| format!("{package} holds no vmlinuz"))?;
        fs::create_dir_all(&dir)?;
        fs::rename(image, dir.join("vmlinuz"))?;
        fs::remove_dir_all(&files)?;
        fs::write(dir.join("package"), package)?;
        Self::at(&dir, series.name)
    }

    fn at(dir: &Path, series: &'static str) -> Result<Self> {
        let package = fs::read_to_string(dir.join("package"))?;
        let image = dir.join("vmlinuz");
        if !image.is_file() {
            bail!("{} is missing\n  remedy: remove {}", image.display(), dir.display());
        }
        Ok(Self { series, package, image })
    }
}

/// The kernel's image below `dir`.
fn find_image(dir: &Path) -> Option<PathBuf> {
    fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() {
            return find_image(&path);
        }
        let name = path.file_name()?.to_str()?;
        (name == "vmlinuz" || name.starts_with("vmlinuz-")).then_some(path)
    })
}

/// The package of the highest version.
fn newest(packages: &[String]) -> Option<&str> {
    let version = |name: &&String| name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect::<Vec<u32>>();
    packages.iter().filter(|name| !name.contains("unsigned")).max_by_key(version).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_by_number() {
        let names =
            ["linux-binary-7.2.9+deb13-cloud-amd64", "linux-binary-7.2.12+deb13-cloud-amd64", "linux-binary-unsigned-7.2.13-cloud-amd64"];
        let names = names.map(str::to_owned);
        assert_eq!(newest(&names), Some("linux-binary-7.2.12+deb13-cloud-amd64"));
        assert_eq!(newest(&[]), None);
    }
}
