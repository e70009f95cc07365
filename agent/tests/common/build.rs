//! Builds target programs with any Go release in any form, once: a build is kept under the hash of all that goes into it.

use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use super::elf;

/// One release of each Go version that goroscope supports, oldest first.
pub const VERSIONS: [&str; 9] = ["1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.11", "1.25.5", "1.26.6", "1.27.3"];

/// The release for tests that need only one.
pub const NEWEST: &str = "1.27.3";

/// How an executable is linked and stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `go build`.
    Plain,
    /// `-ldflags "-s -w"`.
    Stripped,
    /// `-buildmode=pie`.
    Pie,
    /// `-buildmode=pie -ldflags "-s -w"`.
    PieStripped,
    /// cgo, linked by the C linker.
    Cgo,
    /// cgo, a static position-independent executable.
    StaticPie,
    /// `go build`, then without its section headers.
    NoSections,
    /// `-race`, which needs cgo.
    Race,
    /// `-trimpath`.
    Trimmed,
    /// As part of a module whose go.mod says Go 1.22: later runtimes then behave as that one did.
    OldModule,
}

impl Form {
    /// How executables are shipped: what every version is tested in.
    pub const ALL: [Self; 7] = [Self::Plain, Self::Stripped, Self::Pie, Self::PieStripped, Self::Cgo, Self::StaticPie, Self::NoSections];

    /// Whether C is linked in.
    pub fn cgo(self) -> bool {
        matches!(self, Self::Cgo | Self::StaticPie | Self::Race)
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Plain | Self::NoSections | Self::OldModule => &[],
            Self::Stripped => &["-ldflags=-s -w"],
            Self::Pie => &["-buildmode=pie"],
            Self::PieStripped => &["-buildmode=pie", "-ldflags=-s -w"],
            Self::Race => &["-race"],
            Self::Trimmed => &["-trimpath"],
            Self::Cgo => &["-ldflags=-linkmode=external"],
            Self::StaticPie => &["-buildmode=pie", "-ldflags=-linkmode=external -extldflags=-static-pie"],
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Stripped => "stripped",
            Self::Pie => "pie",
            Self::PieStripped => "pie-stripped",
            Self::Cgo => "cgo",
            Self::StaticPie => "static-pie",
            Self::NoSections => "no-sections",
            Self::Race => "race",
            Self::Trimmed => "trimmed",
            Self::OldModule => "old-module",
        })
    }
}

/// The directory of the Go sources of target program `name`.
pub fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets").join(name)
}

/// Builds target program `name` with Go `version` in `form`.
///
/// # Errors
/// What the Go toolchain said.
pub fn build(name: &str, version: &str, form: Form) -> Result<PathBuf, String> {
    build_directory(&sources(name), version, form)
}

/// Builds the main package in `directory`, after which the program is called.
///
/// # Errors
/// What the Go toolchain said.
pub fn build_directory(directory: &Path, version: &str, form: Form) -> Result<PathBuf, String> {
    let name = directory.file_name().and_then(OsStr::to_str).ok_or_else(|| format!("no name for a program: {}", directory.display()))?;
    let files = select(directory, version, form.cgo())?;
    let mut hash = DefaultHasher::new();
    (name, version, form).hash(&mut hash);
    for file in &files {
        fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?.hash(&mut hash);
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("targets").join(format!("{name}-{version}-{form}-{:016x}", hash.finish()));
    let executable = directory.join(name);
    if executable.exists() {
        return Ok(executable);
    }
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;

    // Tests run beside each other: what is made has its own name until it is whole.
    let unfinished = tempfile::Builder::new().prefix("build-").tempdir_in(&directory).map_err(|error| error.to_string())?;
    let made = unfinished.path().join(name);
    if form == Form::OldModule {
        fs::write(unfinished.path().join("go.mod"), "module old\n\ngo 1.22\n").map_err(|error| error.to_string())?;
    }
    let mut go = go(version, unfinished.path(), form);
    go.arg("build").arg("-o").arg(&made).args(form.flags()).args(&files);
    run(&mut go).map_err(|error| format!("{name} with Go {version}, {form}: {error}"))?;
    if form == Form::NoSections {
        elf::edit(&made, |bytes| elf::remove_section_headers(bytes)).map_err(|error| format!("section headers: {error}"))?;
    }
    fs::rename(&made, &executable).map_err(|error| error.to_string())?;
    Ok(executable)
}

/// Builds a program that nobody here wrote: the main package `package` at `release`.
///
/// # Errors
/// What the Go toolchain said.
pub fn build_module(package: &str, release: &str, form: Form) -> Result<PathBuf, String> {
    let name = package.replace('/', "_");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules").join(format!("{name}-{release}-{form}"));
    let executable = directory.join("program");
    if executable.exists() {
        return Ok(executable);
    }
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    // A module of its own that needs the other: `go install` refuses modules with replacements, as etcd's is.
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let made = scratch.path().join("program");
    let out = format!("-o={}", made.display());
    let build = [&["build", out.as_str()], form.flags(), &[package]].concat();
    for arguments in [vec!["mod", "init", "scratch"], vec!["get", &format!("{package}@{release}")], build] {
        let mut go = go(NEWEST, scratch.path(), form);
        go.env("GOFLAGS", "-mod=mod").args(&arguments);
        run(&mut go).map_err(|error| format!("{package} {release}, go {}: {error}", arguments.join(" ")))?;
    }
    let unfinished = directory.join("unfinished");
    fs::copy(&made, &unfinished).and_then(|_| fs::rename(&unfinished, &executable)).map_err(|error| error.to_string())?;
    Ok(executable)
}

/// The Go on the path (or `GOROSCOPE_GO`) as release `version`, which may have experiments (`1.26.6+nogreenteagc`), deaf to the settings of
/// whoever runs the tests.
pub fn go(version: &str, directory: &Path, form: Form) -> Command {
    let mut go = Command::new(env::var_os("GOROSCOPE_GO").unwrap_or_else(|| "go".into()));
    let (release, experiments) = version.split_once('+').unwrap_or((version, ""));
    go.current_dir(directory).env("GOTOOLCHAIN", format!("go{release}")).env("CGO_ENABLED", if form.cgo() { "1" } else { "0" });
    for variable in ["GOFLAGS", "GOROOT", "GOWORK", "GODEBUG", "GOEXPERIMENT", "GOAMD64", "GOOS", "GOARCH"] {
        go.env_remove(variable);
    }
    if !experiments.is_empty() {
        go.env("GOEXPERIMENT", experiments);
    }
    go
}

/// Runs it.
///
/// # Errors
/// What it said.
pub fn run(go: &mut Command) -> Result<(), String> {
    let output = go.output().map_err(|error| format!("cannot run go ({error}); remedy: cargo xtask setup, or GOROSCOPE_GO=PATH"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The files of `directory` whose build constraint holds. They are named one by one, because Go 1.19 and 1.20 fetched
/// by a newer one fail on `go build .`, and go build heeds no constraint of a file that is named.
fn select(directory: &Path, version: &str, cgo: bool) -> Result<Vec<PathBuf>, String> {
    let minor: u32 = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).ok_or_else(|| format!("no Go version: {version}"))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "go") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let constraint = text.lines().find_map(|line| line.strip_prefix("//go:build ")).unwrap_or("");
            if constraint.split("&&").map(str::trim).filter(|term| !term.is_empty()).all(|term| holds(term, minor, cgo)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn holds(term: &str, minor: u32, cgo: bool) -> bool {
    if let Some(term) = term.strip_prefix('!') {
        return !holds(term, minor, cgo);
    }
    match term.strip_prefix("go1.") {
        Some(since) => since.parse().is_ok_and(|since: u32| minor >= since),
        None => term == "cgo_target" && cgo,
    }
}
