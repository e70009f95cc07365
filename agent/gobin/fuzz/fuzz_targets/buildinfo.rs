//! Any module text in build info.
#![no_main]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "the tests use all of it")]
#[path = "../../tests/hostile/fixture.rs"]
mod fixture;

use fixture::Fixture;
use goroscope_gobin::{Limits, analyse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Fixture { module_text: data.to_vec(), ..Fixture::default() }.build();
    let binary = analyse(&bytes, &Limits::default()).expect("only the module text differs");
    let build = binary.build.expect("build info is there");
    assert!(build.settings.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= 3 * data.len());
});
