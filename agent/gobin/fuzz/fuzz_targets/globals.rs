//! Any code of the functions that lead to the runtime's variables, in equal parts.
#![no_main]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "the tests use all of it")]
#[path = "../../tests/hostile/fixture.rs"]
mod fixture;

use fixture::{Fixture, Op};
use goroscope_gobin::{Limits, RUNTIME_FUNCTIONS, analyse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Where inlining is on, as nearly everywhere, there is no atomicAllG.
    let names = RUNTIME_FUNCTIONS.into_iter().filter(|name| *name != "runtime.atomicAllG");
    let size = data.len().div_ceil(names.clone().count()).max(1);
    let mut parts = data.chunks(size);
    let mut code: Vec<_> = names.map(|name| (name, vec![Op::Bytes(parts.next().unwrap_or_default().to_vec())])).collect();
    let methods = ["runtime.(*gcControllerState).a", "runtime.(*consistentHeapStats).b", "runtime.(*mheap).c", "runtime.(*cleanupQueue).d"];
    code.extend(methods.map(|name| (name, Vec::new())));
    let bytes = Fixture { code, ..Fixture::default() }.build();
    let binary = analyse(&bytes, &Limits::default()).expect("only code differs");
    if let Ok(facts) = &binary.runtime {
        let globals = facts.globals;
        for address in [globals.allglen, globals.allgptr, globals.allp, globals.sched, globals.memstats, globals.gc_controller] {
            assert!(binary.is_writable(address));
        }
    }
});
