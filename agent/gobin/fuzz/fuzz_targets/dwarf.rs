//! Any units and abbreviations: layouts from DWARF.
#![no_main]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "the tests use all of it")]
#[path = "../../tests/hostile/sections.rs"]
mod sections;

use goroscope_gobin::Limits;
use goroscope_gobin::layout::{FIELDS, Layout, Offsets as _, described};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(file) = sections::wrap(data) else { return };
    let Ok(offsets) = described(&file, &Limits::default()) else { return };
    let of = |name: &str, field: &str| offsets.offset(name, field).unwrap_or_default();
    assert!(FIELDS.iter().all(|(name, fields)| fields.iter().all(|field| of(name, field) <= 1 << 20)));
    let _ = Layout::read(&offsets);
});
