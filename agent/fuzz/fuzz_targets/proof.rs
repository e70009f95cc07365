//! Proofs over a heap that lies.
#![no_main]

#[allow(dead_code, missing_docs, unreachable_pub, unused_imports, reason = "each target uses its part")]
#[path = "../../tests/hostile_memory/world/mod.rs"]
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| world::proof(data));
