//! Any program counter (the first eight bytes) in any file: frames.
#![no_main]

use goroscope_gobin::{Limits, Pc, VirtualAddress, analyse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((pc, file)) = data.split_first_chunk::<8>() else { return };
    let file = file.to_vec();
    let limits = Limits::default();
    let Ok(binary) = analyse(&file, &limits) else { return };
    let text = binary.pclntab.text_start.0;
    for pc in [u64::from_le_bytes(*pc), text, text.saturating_add(data.len() as u64 / 2)] {
        for pc in [Pc::Exact(VirtualAddress(pc)), Pc::ReturnAddress(VirtualAddress(pc))] {
            let _ = binary.symbolizer().frame_size(&file, pc);
            if let Ok(frames) = binary.frames(&file, pc) {
                assert!(!frames.is_empty() && frames.len() <= limits.inline_depth);
            }
        }
    }
});
