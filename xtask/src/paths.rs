//! Where things are: the repository, what cargo builds, and the cache that outlives a clone.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// What cargo builds goes here: `CARGO_TARGET_DIR`, or `target/` of the repository.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The BPF object that the agent embeds. Always in the repository's own `target/`: agent/build.rs looks there.
pub(crate) fn bpf_object() -> PathBuf {
    root().join("target/bpf/goroscope.bpf.o")
}

/// What was fetched or built once for all clones: `$XDG_CACHE_HOME/goroscope`, else `~/.cache/goroscope`.
pub(crate) fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    base.unwrap_or_else(|| home().join(".cache")).join("goroscope")
}

/// Where `cargo install` puts our tools: `bin/` below it holds bpf-linker and cargo-fuzz.
pub(crate) fn tools() -> PathBuf {
    cache().join("tools")
}

/// The user's home directory.
pub(crate) fn home() -> PathBuf {
    env::home_dir().unwrap_or_else(|| PathBuf::from("/root"))
}

/// The first executable file called `program` on `PATH`.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(program)).find(|file| file.is_file())
}
