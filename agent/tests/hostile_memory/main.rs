//! What reads the memory of targets, on memory that lies: no panic, and an end within the time that was given.
//!
//! `cargo xtask fuzz` does the same with bytes that it learns to choose (agent/fuzz).

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "as in the harness of the other tests")]
#[allow(unreachable_pub, reason = "shared with the fuzz targets")]
mod world;

use goroscope::{
    model::Goroutine,
    reach::{Limits, Prover},
};
use goroscope_gobin::WaitKind;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use world::World;

/// Worlds with up to 40 lies, always the same ones.
fn check(read: fn(&[u8])) {
    let mut random = SmallRng::seed_from_u64(1);
    for _ in 0..500 {
        let mut bytes = vec![0; 2 + 4 * random.random_range(0..40)];
        random.fill(bytes.as_mut_slice());
        read(&bytes);
    }
}

#[test]
fn censuses_end() {
    check(world::census);
}

#[test]
fn figures_end() {
    check(world::figures);
}

#[test]
fn stacks_end() {
    check(world::stacks);
}

#[test]
fn proofs_end() {
    check(world::proof);
}

/// Otherwise the lies would be about nothing.
#[test]
fn without_lies_goroutines_are_understood() {
    for minor in 19..=27 {
        let world = World::new(&[minor - 19, 3], u64::MAX >> 1);
        let runtime = goroscope::goruntime::Runtime::new(&world, world.facts, world.minor, 0);
        let mut kinds = vec![];
        let mut census = |visit: &mut dyn FnMut(&Goroutine)| {
            let _ = runtime.census(&mut |goroutine| {
                kinds.extend(goroutine.wait.map(goroscope_gobin::WaitReason::kind));
                visit(goroutine);
            });
            Ok(())
        };
        let limits = Limits { crowd: 3, ..Limits::default() };
        let mut prover = Prover::new(world.facts, world.minor, 0, limits);
        let proof = prover.prove(&world, &mut census, &|_| false, &|| world.clock()).unwrap();
        assert!(kinds.contains(&WaitKind::Channel) && kinds.contains(&WaitKind::Semaphore) && kinds.contains(&WaitKind::Cond));
        assert_eq!(proof.inward.len(), 3, "Go 1.{minor}: {:?}", proof.inward);
        assert!(proof.waiters.len() >= 9, "Go 1.{minor}: {proof:?}");
    }
}
