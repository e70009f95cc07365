//! A prover of a running target program, put together as the agent does it.

use std::{collections::BTreeSet, fs};

use goroscope::{
    discovery::{Descriptors, ProcRoot},
    goruntime::{ProcessMemory, Runtime, RuntimeError},
    model::{Goroutine, GoroutineState, MemoryError, Proof, RuntimeAddress},
    reach::{Limits, NoProof, Prover},
};
use goroscope_gobin::{GoBinary, Pc, Source, analyse};

/// Goroutines of the collector: their stacks hold what was there before.
const COLLECTOR: [&str; 4] = ["runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge", "runtime.forcegchelper"];

/// What proves for one process.
pub struct Proving {
    pid: u32,
    runtime: Runtime<ProcessMemory>,
    prover: Prover,
    collector: BTreeSet<u64>,
}

impl Proving {
    /// For the process with this pid.
    pub fn new(pid: u32, limits: Limits) -> Self {
        let process = ProcRoot::new("/proc").observe(pid).unwrap();
        let file = fs::read(format!("/proc/{pid}/exe")).unwrap();
        let binary = analyse(&file, &goroscope_gobin::Limits::default()).unwrap();
        let bias = process.text.bias_from(binary.text_base());
        let facts = binary.runtime.clone().unwrap();
        let runtime = Runtime::new(ProcessMemory::new(pid), facts, binary.version.minor, bias);
        let collector = collector(&runtime, &binary, &file, bias);
        Self { pid, runtime, prover: Prover::new(facts, binary.version.minor, bias, limits), collector }
    }

    /// One proof.
    pub fn prove(&mut self) -> Result<Proof, NoProof> {
        let Self { pid, runtime, prover, collector } = self;
        let mut descriptors = Descriptors::default();
        let root = ProcRoot::new("/proc");
        descriptors.look(&root, *pid, clock()).unwrap();
        prover.own_ends(descriptors.own_ends(&root, *pid).0);
        prover.prove(
            runtime.memory(),
            &mut |visit| match runtime.census(visit) {
                Ok(_) => Ok(()),
                Err(RuntimeError::Gone) => Err(MemoryError::Gone),
                Err(RuntimeError::NotPermitted) => Err(MemoryError::NotPermitted),
                Err(_) => Err(MemoryError::NotMapped),
            },
            &|goroutine| collector.contains(&goroutine.start.0),
            &clock,
        )
    }

    /// Every goroutine that is not dead.
    pub fn goroutines(&self) -> Vec<Goroutine> {
        let mut all = Vec::new();
        self.runtime.census(&mut |goroutine| all.extend((goroutine.state != GoroutineState::Dead).then(|| goroutine.clone()))).unwrap();
        all
    }
}

/// The first addresses of the collector's functions, as far as they have goroutines.
fn collector(runtime: &Runtime<ProcessMemory>, binary: &GoBinary, file: &dyn Source, bias: u64) -> BTreeSet<u64> {
    let mut starts = BTreeSet::new();
    runtime.census(&mut |goroutine| starts.extend([goroutine.start.0])).unwrap();
    starts.retain(|start| {
        let frames = binary.frames(file, Pc::Exact(RuntimeAddress(*start).to_virtual(bias))).unwrap_or_default();
        frames.iter().any(|frame| COLLECTOR.iter().any(|name| frame.function.starts_with(name)))
    });
    starts
}

/// CLOCK_MONOTONIC, ns.
pub fn clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}
