//! Embeds the kernel side, which `cargo xtask build` leaves in target/bpf, and the commit.

use std::{env, fs, path::PathBuf, process::Command};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let object = root.join("target/bpf/goroscope.bpf.o");
    println!("cargo::rerun-if-changed={}", object.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("goroscope.bpf.o");
    if let Err(error) = fs::copy(&object, &out) {
        println!("cargo::error=the kernel side is not built ({}: {error}): run `cargo xtask build`", object.display());
    }

    println!("cargo::rerun-if-changed={}", root.join(".git/HEAD").display());
    println!("cargo::rerun-if-changed={}", root.join(".git/logs/HEAD").display());
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(&root).output().ok();
    let commit = commit.filter(|output| output.status.success()).map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo::rustc-env=GOROSCOPE_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned()));
}
