//! The seeds of the fuzz targets, and the check that those in git are these. `GOBIN_UPDATE_CORPUS=1 cargo test` writes them.

use std::fs;
use std::path::Path;

use crate::fixture::{Fixture, Op};

/// Fixtures that lead to different code.
pub(crate) fn fixtures() -> Vec<(&'static str, Fixture)> {
    let usual = Fixture::default;
    vec![
        ("usual", usual()),
        ("runtime", crate::runtime::fixture()),
        ("no-sections", Fixture { sections: false, ..usual() }),
        ("no-build-info", Fixture { build_info: false, ..usual() }),
        ("relocated", Fixture { relocated: true, ..usual() }),
        ("bare", Fixture { relocated: true, sections: false, build_info: false, ..usual() }),
        ("go1.27", Fixture { version: "go1.27.3", ..usual() }),
        ("endless", Fixture { endless_inlining: true, ..usual() }),
        ("library", Fixture { more_functions: vec!["internal/a.F[go.shape.int]", "main.(*T).a", "reflect.H"], ..usual() }),
    ]
}

#[test]
fn seeds_of_the_fuzz_targets_are_current() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, fixture) in fixtures() {
        seed(&corpus.join("analyse").join(name), &fixture.build());
        // The target takes a program counter in front.
        let main = 0x40_01c0u64 + 16 + 8 + 16 + 16 + 5;
        seed(&corpus.join("pclntab").join(name), &[&main.to_le_bytes()[..], &fixture.build()].concat());
    }
    for (name, bytes) in crate::dwarf::seeds() {
        seed(&corpus.join("dwarf").join(name), &bytes);
    }
    seed(&corpus.join("globals/amd64"), &runtime_code());
    seed(&corpus.join("buildinfo/usual"), &Fixture::default().module_text);
    seed(&corpus.join("buildinfo/quoted"), b"path\ta\nmod\ta\tv1\nbuild\t\"a b\"=\"\\x41\\u00e9\\n\"\nbuild\tc=`raw`\n");
    seed(&corpus.join("disasm/amd64"), &[0, 0x49, 0x3b, 0x66, 0x10, 0x76, 0x08, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0x90, 0xc3]);
    let arm64 = [0x90, 0x0b, 0x40, 0xf9, 0xff, 0x63, 0x30, 0xeb, 0x89, 0, 0, 0x54, 0xfe, 0x0f, 0x1e, 0xf8, 0xc0, 3, 0x5f, 0xd6];
    seed(&corpus.join("disasm/arm64"), &[&[1][..], &arm64].concat());
}

/// The code of [`crate::runtime::fixture`] as the target takes it apart: a part of the same length for each function.
fn runtime_code() -> Vec<u8> {
    let mut fixture = crate::runtime::fixture();
    let length = |ops: &[Op]| ops.iter().map(|op| op.assemble(0, |_| 0).len()).sum::<usize>();
    let longest = fixture.code.iter().map(|(_, ops)| length(ops)).max().unwrap();
    // Without the methods, which come last.
    let parts = fixture.code.len() - 3;
    for (_, ops) in fixture.code.iter_mut().take(parts) {
        ops.push(Op::Bytes(vec![0x90; longest - length(ops)]));
    }
    // The usual functions come first; each part ends with a return.
    let start = 0x1c0 + 5 * 16 + 8;
    let file = fixture.build();
    (0..parts).flat_map(|part| file[start + part * (longest + 1)..][..longest].to_vec()).collect()
}

fn seed(path: &Path, expected: &[u8]) {
    if std::env::var_os("GOBIN_UPDATE_CORPUS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
    }
    let actual = fs::read(path).unwrap_or_default();
    assert!(actual == expected, "{} is not current: GOBIN_UPDATE_CORPUS=1 cargo test -p goroscope-gobin", path.display());
}
