//! Any file: the whole analysis.
#![no_main]

use goroscope_gobin::{Limits, analyse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let data = data.to_vec();
    if let Ok(binary) = analyse(&data, &Limits::default()) {
        assert!(binary.library_ranges.len() <= goroscope_gobin::LIBRARY_RANGES_MAX);
        assert!(binary.version.is_supported());
        for function in &binary.functions {
            assert!(function.entry <= function.end);
            assert!(function.code.len() <= goroscope_gobin::PROLOGUE_BYTES);
            let _ = binary.references(&data, function);
            let _ = binary.symbolizer().frame_size(&data, goroscope_gobin::Pc::Exact(function.entry));
        }
    }
});
