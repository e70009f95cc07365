//! Debian packages by apt's own tools: installed on the host, or unpacked into the cache without being installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::paths::{cache, on_path};
use crate::step::{self, output};

/// Whether this host has apt.
pub(crate) fn is_here() -> bool {
    on_path("apt-get").is_some()
}

/// Whether the package is installed on the host.
pub(crate) fn is_installed(package: &str) -> bool {
    let status = output(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}

/// The version that `apt-get install` would take, if apt knows the package.
pub(crate) fn candidate(package: &str) -> Option<String> {
    let policy = output(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package])).ok()?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}

/// Installs packages on the host. Never pass one that starts a service: [`unpack`] those.
///
/// # Errors
/// apt offers no such package, or apt-get fails.
pub(crate) fn install(packages: &[String]) -> Result<()> {
    update();
    let unknown: Vec<&str> = packages.iter().map(String::as_str).filter(|package| candidate(package).is_none()).collect();
    if !unknown.is_empty() {
        // Debian brings compilers for browsers by its security suite only, and a bare debootstrap does not name it.
        bail!(
            "apt offers no package {}\n  remedy: apt's sources must have the release's security and updates suites, on Debian 12:\n          \
             deb http://deb.debian.org/debian-security bookworm-security main\n          \
             deb http://deb.debian.org/debian bookworm-updates main",
            unknown.join(", ")
        );
    }
    let mut apt = as_root("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
    let remedy = format!("as root: apt-get update && apt-get install {}", packages.join(" "));
    step::run(&format!("apt-get install {}", packages.join(" ")), apt.stdout(std::io::stderr()), &remedy)?;
    Ok(())
}

/// Where [`unpack`] puts the package's files.
pub(crate) fn unpacked(package: &str) -> PathBuf {
    cache().join("debs").join(package)
}

/// The folders with programs of all unpacked packages.
pub(crate) fn unpacked_programs() -> Vec<PathBuf> {
    let packages = fs::read_dir(cache().join("debs")).into_iter().flatten().flatten().map(|entry| entry.path());
    packages.flat_map(|package| [package.join("usr/bin"), package.join("usr/sbin")]).filter(|dir| dir.is_dir()).collect()
}

/// Downloads a package and unpacks it into the cache: nothing is installed and no service starts.
///
/// # Errors
/// apt-get or dpkg fails.
pub(crate) fn unpack(package: &str) -> Result<()> {
    update();
    download_into(&unpacked(package), &[], package)
}

/// Where [`unpack_from`] puts the files of a package of another suite: not on `PATH`, as they are there beside the host's own.
pub(crate) fn unpacked_from(suite: &str, package: &str) -> PathBuf {
    cache().join("suites").join(suite).join(package)
}

/// As [`unpack`], from a suite that this host need not use.
///
/// # Errors
/// The suite's mirror cannot be reached, or apt-get or dpkg fails.
pub(crate) fn unpack_from(suite: &str, package: &str) -> Result<()> {
    Suite::open(suite, Arch::host()?)?.unpack(package, &unpacked_from(suite, package))
}

/// Downloads `package` with apt-get and `options`, and unpacks it as `dir`, which appears whole or not at all.
fn download_into(dir: &Path, options: &[String], package: &str) -> Result<()> {
    let parent = dir.parent().context("a folder of the cache has a parent")?;
    let fresh = parent.join(format!(".new-{package}-{}", std::process::id()));
    fs::create_dir_all(&fresh)?;
    let mut apt = Command::new("apt-get");
    apt.current_dir(&fresh).args(["-qq", "-o", "APT::Sandbox::User=root"]).args(options).args(["download", package]);
    step::run(&format!("download {package}"), apt.stdout(std::io::stderr()), "check the network and `apt-get update`")?;
    let deb = fs::read_dir(&fresh)?.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "deb"));
    let deb = deb.with_context(|| format!("apt-get download {package} left no .deb"))?;
    output(Command::new("dpkg").arg("-x").arg(&deb).arg(&fresh))?;
    fs::remove_file(&deb)?;
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::rename(&fresh, dir).with_context(|| format!("cannot move {package} to {}", dir.display()))
}

/// A Debian suite that this host need not use itself, read with apt under folders of its own in the cache.
pub(crate) struct Suite {
    options: Vec<String>,
}

impl Suite {
    /// Fetches the package lists of `suite` for `arch`, which need not be the host's, from the host's own mirror.
    ///
    /// # Errors
    /// The host names no Debian mirror, or it cannot be reached.
    pub(crate) fn open(suite: &str, arch: Arch) -> Result<Self> {
        let arch = arch.name();
        let dir = cache().join("apt").join(arch).join(suite);
        for part in ["lists/partial", "cache/archives/partial", "preferences.d"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let list = dir.join("sources.list");
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        fs::write(&list, format!("deb [signed-by={keyring}] {} {suite} main\n", mirror()?))?;
        fs::write(dir.join("status"), "")?;
        let at = |option: &str, path: &str| format!("{option}={}", dir.join(path).display());
        let options = [
            at("Dir::Etc::SourceList", "sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            at("Dir::Etc::Preferences", "preferences"),
            at("Dir::Etc::PreferencesParts", "preferences.d"),
            at("Dir::State::Lists", "lists"),
            at("Dir::State::Status", "status"),
            at("Dir::Cache", "cache"),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            format!("APT::Architecture={arch}"),
            format!("APT::Architectures={arch}"),
        ];
        let suite_of = Self { options: options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect() };
        let remedy = "check the network; GOROSCOPE_DEBIAN_MIRROR=URL names another mirror; `debian-archive-keyring` must be installed";
        let mut apt = Command::new("apt-get");
        step::run(
            &format!("package list of {suite} for {arch}"),
            apt.args(&suite_of.options).args(["update", "-qq"]).stdout(std::io::stderr()),
            remedy,
        )?;
        Ok(suite_of)
    }

    /// All packages whose name matches the regular expression.
    ///
    /// # Errors
    /// apt-cache fails.
    pub(crate) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let found = output(Command::new("apt-cache").args(&self.options).args(["search", "--names-only", pattern]))?;
        Ok(found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// As [`unpack`], into `dir`.
    ///
    /// # Errors
    /// apt-get or dpkg fails.
    pub(crate) fn unpack(&self, package: &str, dir: &Path) -> Result<()> {
        download_into(dir, &self.options, package)
    }
}

/// The Debian mirror of this host: the first that its own sources name, security archives aside.
fn mirror() -> Result<String> {
    if let Ok(mirror) = env::var("GOROSCOPE_DEBIAN_MIRROR") {
        return Ok(mirror);
    }
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let files = std::iter::once(PathBuf::from("/etc/apt/sources.list")).chain(parts);
    let mut found = files.filter_map(|file| mirror_in(&fs::read_to_string(file).ok()?));
    match found.next() {
        Some(mirror) => Ok(mirror),
        None => bail!("apt's sources name no Debian mirror\n  remedy: GOROSCOPE_DEBIAN_MIRROR=URL cargo xtask ..."),
    }
}

/// The first URL that ends in `/debian` in a sources.list or a deb822 file.
fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim).filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    let mut words = lines.flat_map(str::split_whitespace).map(|word| word.trim_end_matches('/'));
    words.find(|word| word.contains("://") && word.ends_with("/debian")).map(str::to_owned)
}

/// Fetches the host's package lists, once in this process; a failure shows when something is installed.
fn update() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Err(error) = step::run("apt-get update", as_root("apt-get").args(["update", "-qq"]), "check the network") {
            step::warn(&format!("{error:#}"));
        }
    });
}

fn as_root(program: &str) -> Command {
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_root || on_path("sudo").is_none() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg(program);
    sudo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors() {
        for (sources, expected) in [
            ("deb http://mirror.example/debian/ bookworm main\n", Some("http://mirror.example/debian")),
            (
                "Types: deb\n# http://old.example/debian\nURIs: https://m.example/debian\nSuites: bookworm\n",
                Some("https://m.example/debian"),
            ),
            ("URIs: https://m.example/debian-security\n", None),
            ("deb [arch=amd64] https://other.example/apt stable main\n", None),
        ] {
            assert_eq!(mirror_in(sources).as_deref(), expected, "{sources}");
        }
    }
}
