//! One virtual machine from power-on to its verdict.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::kernel::Kernel;
use crate::arch::Arch;
use crate::step;

/// A machine that has not powered off by then hangs. Emulation is slow; a boot takes 2 to 20 s.
const LIMIT: Duration = Duration::from_secs(420);

/// What the machine said at its end.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    /// `ok`, or what went wrong.
    pub(super) word: String,
    /// Each family as counted/own.
    pub(super) detail: String,
    /// From power-on to power-off.
    pub(super) took: Duration,
}

/// What all machines of a run have in common.
pub(super) struct Machine<'a> {
    /// Its processor.
    pub(super) arch: Arch,
    /// The files of the machine.
    pub(super) initramfs: &'a Path,
    /// Where consoles are kept.
    pub(super) dir: &'a Path,
    /// Seed of the program's numbers.
    pub(super) seed: u64,
    /// Number of processors.
    pub(super) cpus: u8,
    /// `agent`, or `program` for the program alone.
    pub(super) payload: &'static str,
}

/// Boots `kernel` and waits for its verdict; the console is kept.
///
/// # Errors
/// QEMU cannot be started, the machine hangs, or it ends without a verdict.
pub(super) fn boot(kernel: &Kernel, machine: &Machine<'_>) -> Result<Verdict> {
    let Machine { arch, initramfs, dir, seed, cpus, payload } = machine;
    let console = dir.join(format!("console-{}-{}.log", kernel.series, arch.name()));
    step::note(&format!("boot {} ({})", kernel.series, kernel.package));
    let (board, serial): (&[&str], _) = match arch {
        // `-cpu max` panics 6.12, and QEMU 7.2 at times leaves garbage in the flags after cmpxchg16b, which panics any kernel that
        // allocates with it.
        Arch::Amd64 => (&["-cpu", "Haswell,-cx16"], "ttyS0"),
        Arch::Arm64 => (&["-machine", "virt", "-cpu", "neoverse-n1"], "ttyAMA0"),
    };
    let program = format!("qemu-system-{}", arch.rust());
    let mut qemu = Command::new(&program);
    // KVM hangs inside other virtual machines.
    qemu.args(["-accel", "tcg"]).args(board).args(["-smp", &cpus.to_string()]);
    qemu.args(["-m", "1G", "-nographic", "-no-reboot", "-net", "none"]);
    qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initramfs).arg("-append");
    qemu.arg(format!("console={serial} panic=-1 oops=panic loglevel=4 goroscope.seed={seed} goroscope.payload={payload}"));
    let start = Instant::now();
    let log = File::create(&console)?;
    let child =
        qemu.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log).spawn().with_context(|| format!("cannot start {program}"))?;
    let in_time = ends_in_time(child, start)?;
    let log = String::from_utf8_lossy(&fs::read(&console)?).into_owned();
    let found = parse(&log, start.elapsed());
    if found.as_ref().is_none_or(|verdict| verdict.word != "ok") {
        eprintln!("{}", last_lines(&log, 80));
    }
    match found {
        Some(verdict) => Ok(verdict),
        None if in_time => bail!("the machine ended without a verdict: see {}", console.display()),
        None => bail!("no verdict within {}: see {}", step::seconds(LIMIT), console.display()),
    }
}

/// Waits for the machine to power off; after the limit it is ended, and the answer is no.
fn ends_in_time(mut machine: Child, start: Instant) -> Result<bool> {
    while machine.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            machine.kill()?;
            machine.wait()?;
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(true)
}

fn parse(log: &str, took: Duration) -> Option<Verdict> {
    let (_, rest) = log.rsplit_once("GOROSCOPE-VERDICT ")?;
    let mut words = rest.lines().next()?.split_whitespace();
    let word = words.next()?.to_owned();
    let detail = words.filter(|word| !word.starts_with("seconds=") && !word.starts_with("kernel=")).collect::<Vec<_>>().join(" ");
    Some(Verdict { word, detail, took })
}

fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n").replace('\x1b', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let log = "[ 1.0] booting\r\nGOROSCOPE-VERDICT ok kernel=5.10.0 seconds=9 starts=5/5 exits=5/5 \r\n[ 3.0] reboot: Power down\r\n";
        let expected = Verdict { word: "ok".into(), detail: "starts=5/5 exits=5/5".into(), took: Duration::ZERO };
        assert_eq!(parse(log, Duration::ZERO), Some(expected));
        assert_eq!(parse("Kernel panic", Duration::ZERO), None);
    }
}
