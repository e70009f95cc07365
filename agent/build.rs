//! Embeds the kernel side, which `cargo xtask build` leaves in target/bpf, and the commit.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    // `cargo xtask build` calls the object of its own machine so; those of others have their architecture's name.
    let (target, host) = (env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it"), env::var("HOST").expect("cargo sets it"));
    let own = host.split('-').next() == Some(target.as_str());
    let name = if own { "goroscope.bpf.o".to_owned() } else { format!("goroscope-{target}.bpf.o") };
    let object = root.join("target/bpf").join(name);
    println!("cargo::rerun-if-changed={}", object.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("goroscope.bpf.o");
    if let Err(error) = fs::copy(&object, &out) {
        println!("cargo::error=the kernel side is not built ({}: {error}): run `cargo xtask build`", object.display());
    }

    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(&root).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Each commit, in a work tree too.
    if let Some(log) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    println!("cargo::rustc-env=GOROSCOPE_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
}
