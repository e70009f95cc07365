//! Reads a running process again and again, and prints what each reading took: `measure proofs|goroutines PID TIMES [MIB]`. One line
//! of JSON each; the last has the memory that this process took beyond what it had before. MIB is what a proof may take instead of the
//! agent's own limit.

use std::{
    env, fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use goroscope::{
    analysis::Analyser,
    discovery::ProcRoot,
    goruntime::{ProcessMemory, Runtime},
    looks::clock,
    model::{Goroutine, GoroutineState, MemoryError, RuntimeAddress},
    profile::{DEPTH, Group, Groups, Members},
    reach::{Limits, Prover},
    symbolize::Symbolizer,
};
use goroscope_gobin::GoBinary;

const USAGE: &str = "measure proofs|goroutines PID TIMES [MIB]";
/// Between two readings.
const PAUSE: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, pid, times, memory @ ..] = arguments.as_slice() else { bail!("{USAGE}") };
    let mut limits = Limits::default();
    if let Some(mib) = memory.first() {
        limits.memory = mib.parse::<u64>().context(USAGE)? << 20;
    }
    let (pid, times): (u32, u32) = (pid.parse().context(USAGE)?, times.parse().context(USAGE)?);
    let process = ProcRoot::default().observe(pid)?;
    let executable = Analyser::default().analyse(process.file).map_err(|refusal| anyhow!("{refusal}"))?;
    let binary = &executable.binary;
    let bias = process.text.bias_from(binary.text_base());
    let runtime = Runtime::new(ProcessMemory::new(pid), binary.runtime.clone()?, binary.version.minor, bias);
    let before = peak()?;
    match what.as_str() {
        "proofs" => proofs(&runtime, binary, bias, limits, times)?,
        "goroutines" => goroutines(&runtime, &Symbolizer::new(Arc::clone(&executable)), bias, times)?,
        _ => bail!("{USAGE}"),
    }
    println!(r#"{{"peak": {}}}"#, peak()?.saturating_sub(before));
    Ok(())
}

fn proofs(runtime: &Runtime<ProcessMemory>, binary: &GoBinary, bias: u64, limits: Limits, times: u32) -> Result<()> {
    let mut prover = Prover::new(binary.runtime.clone()?, binary.version.minor, bias, limits);
    for _ in 0..times {
        let start = Instant::now();
        let mut census = |visit: &mut dyn FnMut(&Goroutine)| runtime.census(visit).map(drop).map_err(|_| MemoryError::NotMapped);
        // The collector's few stacks are read as well: that is not what takes time.
        let proof = prover.prove(runtime.memory(), &mut census, &|_| false, &clock);
        let ns = start.elapsed().as_nanos();
        match proof {
            Ok(proof) => println!(r#"{{"ns": {ns}, "bytes": {}, "waiters": {}}}"#, proof.bytes_read, proof.waiters.len()),
            Err(refusal) => println!(r#"{{"ns": {ns}, "refused": "{refusal}"}}"#),
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn goroutines(runtime: &Runtime<ProcessMemory>, symbolizer: &Symbolizer, bias: u64, times: u32) -> Result<()> {
    let frame_size = |at: RuntimeAddress| symbolizer.frame_size(at.to_virtual(bias));
    for _ in 0..times {
        let start = Instant::now();
        let mut alive = 0_u64;
        runtime.census(&mut |goroutine| alive += u64::from(goroutine.state != GoroutineState::Dead))?;
        let census_ns = start.elapsed().as_nanos();
        let start = Instant::now();
        let groups = Groups::read(runtime, Some(DEPTH), &frame_size, &mut |_| None)?;
        let stacks_ns = start.elapsed().as_nanos();
        let calls = |(group, members): &(Group, Members)| group.stack.as_ref().map_or(0, |stack| stack.calls.len() as u64) * members.count;
        let calls: u64 = groups.list.iter().map(calls).sum();
        println!(r#"{{"goroutines": {alive}, "census_ns": {census_ns}, "stacks_ns": {stacks_ns}, "calls": {calls}}}"#);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Resident memory of this process at most, bytes; from here on.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
