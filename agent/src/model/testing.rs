//! Real Go executables for unit tests. Input noun: none. Output noun: paths. Must not know what is tested.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock},
};

use goroscope_gobin::{Limits, VirtualAddress};

use super::{Executable, ExecutableId, Inode};

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

/// An executable, `plain` or `nobuildid`, to be run: a copy may still be open for writing in a child that another test forks.
pub(crate) fn path(name: &str) -> PathBuf {
    BUILT.path().join(name)
}

/// A new copy of an executable.
pub(crate) fn executable(name: &str, to: &Path) {
    fs::copy(path(name), to).unwrap();
}

/// The facts of an executable, under an id that says nothing.
pub(crate) fn open(path: &Path) -> Executable {
    let file = File::open(path).unwrap();
    let inode = Inode::from(&file.metadata().unwrap());
    let binary = Arc::new(goroscope_gobin::analyse(&fs::read(path).unwrap(), &Limits::default()).unwrap());
    Executable { id: ExecutableId { build_id: String::new(), size: inode.size, digest: [0; 32] }, inode, file, binary }
}

/// Its bytes.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// The return address of the call of `callee` that `main.write` makes.
pub(crate) fn call(callee: &str, executable: &Executable) -> VirtualAddress {
    let limits = Limits::default();
    let binary = goroscope_gobin::analyse_for(executable, &limits, &["main.write"]).unwrap();
    let (write, callee) = (binary.find("main.write").unwrap(), binary.find(callee).unwrap());
    let code = binary.code(executable, write).unwrap();
    let calls = code.windows(5).enumerate().filter(|(_, bytes)| bytes[0] == 0xe8);
    let mut returns = calls.filter_map(|(at, bytes)| {
        let back = VirtualAddress(write.entry.0 + at as u64 + 5);
        let distance = i32::from_le_bytes(bytes[1..5].try_into().unwrap());
        (back.0.wrapping_add_signed(distance.into()) == callee.entry.0).then_some(back)
    });
    returns.next().unwrap()
}
