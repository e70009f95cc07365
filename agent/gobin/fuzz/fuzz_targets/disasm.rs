//! Any code: the first byte chooses the architecture.
#![no_main]

use goroscope_gobin::{Arch, Prologue, classify, return_sites};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, code)) = data.split_first() else { return };
    let arch = if first & 1 == 0 { Arch::Amd64 } else { Arch::Arm64 };
    if let Prologue::StackCheck(check) = classify(code, code.len() as u64, arch) {
        assert!((check.after as usize) < code.len());
        assert_eq!(check.branch + check.branch_len, check.after);
    }
    let sites = return_sites(code, arch);
    assert!(sites.is_sorted() && sites.iter().all(|site| (*site as usize) < code.len()));
});
