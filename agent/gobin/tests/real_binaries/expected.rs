//! Where the stack check of each function ends, as measured on every Go release.

use goroscope_gobin::{Arch, GoBinary, Prologue, StackGuard};

/// A function, the offset behind its check on amd64 for Go 1.19 to 1.27 (0: not in that release), and that of the `b.ls` on arm64.
type Row = (&'static str, [u32; 9], [u32; 9]);

const ROWS: &[Row] = &[
    ("runtime.newproc", [6; 9], [8; 9]),
    ("runtime.newproc1", [10; 9], [8; 9]),
    ("runtime.goexit1", [6, 6, 6, 6, 6, 10, 10, 10, 10], [8; 9]),
    ("runtime.goexit0", [10, 10, 10, 6, 6, 6, 6, 6, 6], [8; 9]),
    ("runtime.gdestroy", [0, 0, 0, 10, 10, 10, 10, 10, 10], [0, 0, 0, 8, 8, 8, 8, 8, 8]),
    ("runtime.mapassign", [10, 10, 10, 10, 10, 15, 15, 15, 15], [12, 12, 12, 8, 8, 12, 12, 12, 12]),
    ("runtime.mapassign_fast32", [10; 9], [8; 9]),
    ("runtime.mapassign_fast64", [10; 9], [8; 9]),
    ("runtime.mapassign_fast64ptr", [10; 9], [8; 9]),
    ("runtime.mapassign_faststr", [10, 10, 10, 10, 10, 15, 15, 15, 15], [8, 8, 8, 8, 8, 12, 12, 12, 12]),
    ("runtime.mapdelete", [10, 10, 10, 10, 10, 6, 6, 6, 6], [8; 9]),
    ("runtime.mapdelete_fast32", [10, 10, 10, 10, 10, 6, 6, 6, 6], [8; 9]),
    ("runtime.mapdelete_fast64", [10, 10, 10, 10, 10, 6, 6, 6, 6], [8; 9]),
    ("runtime.mapdelete_faststr", [10, 10, 10, 10, 10, 6, 6, 6, 6], [8; 9]),
    ("runtime.mapclear", [10, 10, 10, 10, 10, 6, 6, 6, 6], [8; 9]),
    ("time.newTimer", [0, 0, 0, 0, 10, 10, 10, 10, 10], [0, 0, 0, 0, 8, 8, 8, 8, 8]),
    ("time.startTimer", [6, 6, 6, 6, 0, 0, 0, 0, 0], [8, 8, 8, 8, 0, 0, 0, 0, 0]),
    ("time.stopTimer", [6; 9], [8; 9]),
    ("time.resetTimer", [6; 9], [8; 9]),
    ("time.Sleep", [10; 9], [8; 9]),
    ("time.sendTime", [6; 9], [8; 9]),
    ("time.goFunc", [6; 9], [8; 9]),
];

/// Every function of the table is there or not, with its check where the table says.
pub(crate) fn check_functions(binary: &GoBinary, what: &str) {
    let column = usize::from(binary.version.minor - 19);
    for (name, amd64, arm64) in ROWS {
        let expected = match binary.arch {
            Arch::Amd64 => amd64[column],
            Arch::Arm64 => arm64[column],
        };
        let actual = binary.find(name).map_or(0, |function| match function.prologue {
            Prologue::StackCheck(check) => {
                assert_eq!(check.guard, StackGuard::G0, "{what}: {name}");
                let pushes = binary.arch == Arch::Amd64 && binary.version.minor >= 21;
                assert_eq!(check.after_is_push_rbp, pushes, "{what}: {name}");
                if binary.arch == Arch::Amd64 { check.after } else { check.branch }
            }
            other => panic!("{what}: {name} begins with {other:?}"),
        });
        assert_eq!(actual, expected, "{what}: {name}");
    }
}
