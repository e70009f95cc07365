//! Real Go executables for unit tests. Input noun: none. Output noun: paths. Must not know what is tested.

use std::{fs, path::Path, process::Command, sync::LazyLock};

/// What the executables are made from: a site of each sort that tests ask for.
const PROGRAM: &str = include_str!("testing/main.go");

/// Built once for each run of the tests; Go's own cache makes that a matter of a second.
static BUILT: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("main.go");
    fs::write(&main, PROGRAM).unwrap();
    for (name, flags) in [("plain", "-s -w"), ("nobuildid", "-s -w -buildid=")] {
        let mut go = Command::new("go");
        go.current_dir(directory.path()).args(["build", "-trimpath", "-ldflags", flags, "-o", name, "main.go"]);
        let built = go.env("CGO_ENABLED", "0").env("GOFLAGS", "").env("GOWORK", "off").output();
        let built = built.expect("unit tests need a Go toolchain on the path");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
    directory
});

/// A new copy of an executable: `plain` or `nobuildid`.
pub(crate) fn executable(name: &str, to: &Path) {
    fs::copy(BUILT.path().join(name), to).unwrap();
}

/// Its bytes.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(BUILT.path().join(name)).unwrap()
}
