//! Censuses of a runtime whose memory lies.
#![no_main]

#[allow(dead_code, missing_docs, unreachable_pub, unused_imports, reason = "each target uses its part")]
#[path = "../../tests/hostile_memory/world/mod.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| world::census(data));
