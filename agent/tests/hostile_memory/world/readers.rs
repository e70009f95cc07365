//! What must hold of everything that reads memory, whatever lies there. Input: any bytes, as a [`World`]. Must not know what lies there.

use goroscope::{
    goruntime::{Runtime, RuntimeError},
    model::{Goroutine, GoroutineState, MemoryError, RuntimeAddress, Waiter},
    reach::{Limits, Prover},
};

use super::{SLACK, TIME, World, process::CLOSES_IDLE};

fn runtime(world: &World) -> Runtime<&World> {
    Runtime::new(world, world.facts, world.minor, 0)
}

fn goroutines(world: &World) -> Vec<Goroutine> {
    let mut all = vec![];
    // What was visited before an error counts as well.
    let _ = runtime(world).census(&mut |goroutine| {
        if all.len() < 10_000 {
            all.push(goroutine.clone());
        }
    });
    all
}

/// A census ends, and what it hands out makes sense.
pub fn census(data: &[u8]) {
    let world = World::new(data, TIME);
    let mut visited = 0;
    let tally = runtime(&world).census(&mut |goroutine| {
        visited += 1;
        assert!(goroutine.state == GoroutineState::Dead || goroutine.stack.start < goroutine.stack.end);
        assert!(goroutine.wait.is_none() || goroutine.state == GoroutineState::Waiting);
    });
    assert!(tally.is_err() || tally.is_ok_and(|tally| tally.visited == visited));
}

/// Figures end.
pub fn figures(data: &[u8]) {
    let world = World::new(data, TIME);
    let runtime = runtime(&world);
    for _ in 0..2 {
        let _ = runtime.figures();
    }
}

/// Stacks end, with no more calls than were asked for, also when frames have any size.
pub fn stacks(data: &[u8]) {
    const DEPTH: usize = 64;
    let world = World::new(data, TIME);
    let all = goroutines(&world);
    world.now.set(1);
    let seed = u64::from(data.last().copied().unwrap_or(0));
    let size = |pc: RuntimeAddress| (!seed.is_multiple_of(2)).then(|| pc.0.wrapping_mul(seed) % 4096);
    if let Ok(stacks) = runtime(&world).stacks(&all, DEPTH, &size) {
        assert_eq!(stacks.len(), all.len());
        assert!(stacks.iter().all(|stack| stack.calls.len() <= DEPTH));
    }
}

/// Proofs end in their time, and speak of goroutines that were seen.
pub fn proof(data: &[u8]) {
    let limits = Limits { heap: 64 << 20, memory: 4 << 20, goroutines: 1000, crowd: 2, time_ns: TIME };
    let world = World::new(data, TIME);
    let runtime = runtime(&world);
    let mut prover = Prover::new(world.facts, world.minor, 0, limits);
    prover.closes_idle(Some(RuntimeAddress(CLOSES_IDLE)));
    for _ in 0..2 {
        // The two censuses are not part of what the prover bounds: who reads for long must be able to end them as well.
        let began = world.now.get();
        world.end.set(began + 2 * TIME);
        let mut census = |visit: &mut dyn FnMut(&Goroutine)| match runtime.census(visit) {
            Ok(_) => Ok(()),
            Err(RuntimeError::Gone) => Err(MemoryError::Gone),
            Err(_) => Err(MemoryError::NotMapped),
        };
        let proof = prover.prove(&world, &mut census, &|goroutine| goroutine.goid == 7, &|| world.clock());
        if let Ok(proof) = proof {
            assert!(proof.ended_ns - proof.began_ns <= limits.time_ns + 2 * SLACK);
            assert!(proof.waiters.len() <= 1000 && proof.waiters.values().all(|waiter| waiter.objects.len() <= Waiter::OBJECTS));
        }
    }
}
