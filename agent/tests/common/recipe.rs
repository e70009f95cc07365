//! Builds programs from modules that others wrote, as they are, with a main package of ours, or with one patch.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use super::build::{Form, NEWEST, go, run};

/// What to build.
#[derive(Clone, Hash)]
pub struct Recipe {
    /// What the program is called, and the folder that its main package is in.
    pub name: &'static str,
    /// Modules and releases that it needs.
    pub modules: &'static [(&'static str, &'static str)],
    /// What the program is.
    pub main: Main,
    /// Build tags, by comma.
    pub tags: &'static str,
    /// What is changed in the first module.
    pub patch: Option<Patch>,
}

/// Where the main package is.
#[derive(Clone, Hash)]
pub enum Main {
    /// A package of the modules.
    Package(&'static str),
    /// A folder of ours, with one main.go.
    Folder(PathBuf),
}

/// A text that occurs once in a file of a module, and the one that takes its place.
#[derive(Clone, Hash)]
pub struct Patch {
    /// From the module's root.
    pub file: &'static str,
    /// The text of the release.
    pub from: &'static str,
    /// Ours.
    pub to: &'static str,
}

impl Recipe {
    /// Builds it, or finds what was built before; gives the executable.
    ///
    /// # Errors
    /// What the Go toolchain said, or a patch that does not fit.
    pub fn build(&self) -> Result<PathBuf, String> {
        let mut hash = DefaultHasher::new();
        self.hash(&mut hash);
        if let Main::Folder(folder) = &self.main {
            fs::read(folder.join("main.go")).map_err(|error| format!("{}: {error}", folder.display()))?.hash(&mut hash);
        }
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes").join(format!("{}-{:016x}", self.name, hash.finish()));
        let executable = directory.join("program");
        if executable.exists() {
            return Ok(executable);
        }
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let made = self.make(&scratch.path().join(self.name)).map_err(|error| format!("{}: {error}", self.name))?;
        let unfinished = directory.join("unfinished");
        fs::copy(&made, &unfinished).and_then(|_| fs::rename(&unfinished, &executable)).map_err(|error| error.to_string())?;
        Ok(executable)
    }

    fn make(&self, directory: &Path) -> Result<PathBuf, String> {
        fs::create_dir(directory).map_err(|error| error.to_string())?;
        let go = |arguments: &[&str]| {
            let mut go = go(NEWEST, directory, Form::Plain);
            run(go.env("GOFLAGS", "-mod=mod").args(arguments)).map_err(|error| format!("go {}: {error}", arguments.join(" ")))
        };
        go(&["mod", "init", "scratch"])?;
        let modules: Vec<String> = self.modules.iter().map(|(module, release)| format!("{module}@{release}")).collect();
        // With nothing to get, `go get` asks for a package in the folder, which is empty yet.
        if !modules.is_empty() {
            go(&[&["get"], &modules.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())?;
        }
        if let (Some(patch), Some((module, _))) = (&self.patch, self.modules.first()) {
            patch.apply(module, directory)?;
            go(&["mod", "edit", &format!("-replace={module}=./patched")])?;
        }
        let package = match &self.main {
            Main::Package(package) => package,
            Main::Folder(folder) => {
                fs::copy(folder.join("main.go"), directory.join("main.go")).map_err(|error| error.to_string())?;
                "."
            }
        };
        go(&["build", "-tags", self.tags, "-o", "program", package])?;
        Ok(directory.join("program"))
    }
}

impl Patch {
    /// Puts a copy of `module` with the patch into `directory/patched`.
    fn apply(&self, module: &str, directory: &Path) -> Result<(), String> {
        let listed = go(NEWEST, directory, Form::Plain).args(["list", "-m", "-f", "{{.Dir}}", module]).output();
        let from = String::from_utf8_lossy(&listed.map_err(|error| error.to_string())?.stdout).trim().to_owned();
        let patched = directory.join("patched");
        let copied = Command::new("cp").args(["-r", "--no-preserve=mode", &from]).arg(&patched).status();
        if !copied.is_ok_and(|status| status.success()) {
            return Err(format!("cannot copy {module} from {from:?}"));
        }
        let file = patched.join(self.file);
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let times = text.matches(self.from).count();
        if times != 1 {
            return Err(format!("{} holds {:?} {times} times", self.file, self.from));
        }
        fs::write(&file, text.replace(self.from, self.to)).map_err(|error| error.to_string())
    }
}
