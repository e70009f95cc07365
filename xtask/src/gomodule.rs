//! Programs and files of Go modules, through the Go module proxy, built once for all clones. In: a [`Program`], or a module and its
//! version. Out: an executable in the cache, or the folder of the module. Must not know what they are for.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::go;
use crate::paths::cache;
use crate::step::{self, output};

/// A program of a module.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Program {
    /// The file that it becomes.
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    /// Without the `v`.
    pub(crate) version: &'static str,
    /// Its main package.
    pub(crate) package: &'static str,
    /// `old => new version`: a dependency's own replacements do not apply to who builds it, so those that matter are repeated.
    pub(crate) replaces: &'static [&'static str],
    pub(crate) ldflags: &'static str,
    /// Build tags, separated by commas.
    pub(crate) tags: &'static str,
    /// Go source of a main package of our own, where `package` is `.`; else empty.
    pub(crate) main: &'static str,
}

impl Program {
    /// The executable, whether it is there or not. Another version has another folder.
    pub(crate) fn path(&self) -> PathBuf {
        cache().join("go").join(format!("{}-{}", self.name, self.version)).join(self.name)
    }

    pub(crate) fn is_built(&self) -> bool {
        self.path().is_file()
    }

    /// Builds it, from a module of its own: what programs require contradicts each other.
    ///
    /// # Errors
    /// The proxy cannot be reached, or Go fails.
    pub(crate) fn build(&self) -> Result<()> {
        let path = self.path();
        let dir = path.parent().context("a program has a folder")?;
        let scratch = dir.with_file_name(format!(".new-{}-{}", self.name, std::process::id()));
        fs::create_dir_all(&scratch)?;
        fs::create_dir_all(dir)?;
        fs::write(scratch.join("go.mod"), self.go_mod())?;
        if !self.main.is_empty() {
            fs::write(scratch.join("main.go"), self.main)?;
        }
        let mut build = go::command(None)?;
        // A module may ask for a newer Go than the host has.
        build.current_dir(&scratch).env("GOTOOLCHAIN", "auto").env("CGO_ENABLED", "0");
        build.env("GOFLAGS", "-mod=mod -trimpath -buildvcs=false");
        build.args(["build", "-tags", self.tags, "-ldflags"]).arg(format!("-s -w {}", self.ldflags)).arg("-o").arg(scratch.join(self.name));
        build.arg(self.package);
        let what = format!("build {} {} (Go module proxy, into the cache)", self.name, self.version);
        step::run(&what, build.stdout(std::io::stderr()), "the Go module proxy must be reachable: see `go env GOPROXY`")?;
        // Whole or not at all: another clone may ask at this moment.
        fs::rename(scratch.join(self.name), &path).with_context(|| format!("cannot move {} to {}", self.name, path.display()))?;
        fs::remove_dir_all(&scratch)?;
        Ok(())
    }

    fn go_mod(&self) -> String {
        let mut text = format!("module build\n\ngo 1.26.0\n\nrequire {} v{}\n", self.module, self.version);
        for replace in self.replaces {
            let _ = writeln!(text, "replace {replace}");
        }
        text
    }
}

/// The folder of a module in Go's own cache, fetched if it is not there; read-only.
///
/// # Errors
/// The proxy cannot be reached or does not have it.
pub(crate) fn folder(module: &str, version: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        dir: PathBuf,
    }
    let mut download = go::command(None)?;
    // Outside any module, so that no go.mod has a say.
    fs::create_dir_all(cache())?;
    download.current_dir(cache()).env("GOTOOLCHAIN", "auto").args(["mod", "download", "-json"]).arg(format!("{module}@v{version}"));
    let Download { dir } = serde_json::from_str(&output(&mut download)?).with_context(|| format!("what Go says of {module}"))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_repeats_replacements() {
        let program = Program {
            name: "x",
            module: "example.org/x",
            version: "1.2.3",
            package: "example.org/x/cmd/x",
            replaces: &["a v1 => b v2"],
            ldflags: "",
            tags: "",
            main: "",
        };
        assert_eq!(program.go_mod(), "module build\n\ngo 1.26.0\n\nrequire example.org/x v1.2.3\nreplace a v1 => b v2\n");
        assert!(program.path().ends_with("go/x-1.2.3/x"));
    }
}
