//! Proves again and again over a running process, and prints what each proof took and read, and the memory that this process took:
//! `prove PID TIMES`. One line of JSON each.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use goroscope::{
    discovery::ProcRoot,
    goruntime::{ProcessMemory, Runtime},
    looks::clock,
    model::MemoryError,
    reach::{Limits, Prover},
};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).map(|word| word.parse::<u32>());
    let (pid, times) = (arguments.next().context("prove PID TIMES")??, arguments.next().context("prove PID TIMES")??);
    let process = ProcRoot::default().observe(pid)?;
    let binary = {
        let bytes = fs::read(format!("/proc/{pid}/exe"))?;
        goroscope_gobin::analyse(&bytes, &goroscope_gobin::Limits::default()).map_err(|refusal| anyhow!("{refusal}"))?
    };
    let bias = process.text.bias_from(binary.text_base());
    let facts = binary.runtime.clone()?;
    let runtime = Runtime::new(ProcessMemory::new(pid), facts, binary.version.minor, bias);
    let mut prover = Prover::new(facts, binary.version.minor, bias, Limits::default());
    let before = peak()?;
    for _ in 0..times {
        let start = Instant::now();
        let mut census =
            |visit: &mut dyn FnMut(&goroscope::model::Goroutine)| runtime.census(visit).map(drop).map_err(|_| MemoryError::NotMapped);
        // The collector's few stacks are read as well: that is not what takes time.
        let proof = prover.prove(runtime.memory(), &mut census, &|_| false, &clock);
        let ns = start.elapsed().as_nanos();
        match proof {
            Ok(proof) => println!(r#"{{"ns": {ns}, "bytes": {}, "waiters": {}}}"#, proof.bytes_read, proof.waiters.len()),
            Err(refusal) => println!(r#"{{"ns": {ns}, "refused": "{refusal}"}}"#),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    println!(r#"{{"peak": {}}}"#, peak()?.saturating_sub(before));
    Ok(())
}

/// Resident memory of this process at most, bytes; from here on.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
