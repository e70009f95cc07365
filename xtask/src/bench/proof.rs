//! What a proof takes: time, memory of the agent, and how late a ticker of the target is meanwhile.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::lab::{Lab, table};
use super::numbers::{median, mib, spread, time};
use super::target::Target;
use super::ticks::{self, Reader};
use super::{Section, Verdict};

/// Sizes of heaps, MB.
const SIZES: [u64; 3] = [10, 1000, 8000];
const SMALL: [u64; 2] = [10, 100];

/// What a proof may take where the agent's own limit refuses it, MiB: to see what a larger limit would cost.
const LARGER: u64 = 256;

/// What one heap came to.
struct Measured {
    took: Vec<f64>,
    read: u64,
    refused: Option<String>,
    peak: u64,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let reader = Reader::build()?;
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for size in if lab.quick { SMALL.as_slice() } else { SIZES.as_slice() } {
        // A third more for what the collector of the target takes while it is filled.
        let available = available()?;
        if size * 1_000_000 * 4 / 3 > available {
            let lacks = format!("not measured: {} of memory are free", mib(available));
            rows.push(vec![format!("{size} MB"), lacks, String::new(), String::new(), String::new(), String::new()]);
            continue;
        }
        let mut target = Target::start(&lab.program("heap"), &[&size.to_string(), "0"])?;
        let mut measure = |limit: Option<u64>| ticks::around(lab, &mut target, |pid| prove(&reader, pid, lab.rounds(10).max(3), limit));
        let (found, before, meanwhile) = measure(None)?;
        let refused = found.refused.is_some();
        if *size == 1000 {
            let took = median(&found.took);
            verdicts.push(Verdict::new("1 GB: <= 1 s", time(took), took <= 1e9 && !refused));
            verdicts.push(Verdict::new("1 GB: <= 64 MB of the agent's memory", mib(found.peak), found.peak <= 64_000_000));
        }
        rows.push(row(&format!("{size} MB"), found, before, meanwhile));
        if refused {
            let (found, before, meanwhile) = measure(Some(LARGER))?;
            rows.push(row(&format!("{size} MB, {LARGER} MiB allowed"), found, before, meanwhile));
        }
    }
    let text = "A heap of linked nodes of 64 bytes, each with 128 bytes that hold no pointer. The ticker is one of a millisecond; how late it \
                is: median, 99th percentile and the most, for 10 s without and then with a proof every 500 ms, which is 100 times more often than \
                the agent would. Memory is what the process of the prover takes at most, beyond what it had before the first proof.\n\n";
    let head = ["heap", "one proof takes", "reads", "memory", "ticks late, without", "and with proofs"];
    Ok(Section { text: text.to_owned() + &table(&head, &rows), verdicts })
}

fn row(heap: &str, found: Measured, before: [f64; 3], meanwhile: [f64; 3]) -> Vec<String> {
    let took = found.refused.unwrap_or_else(|| spread(&found.took, time));
    vec![heap.to_owned(), took, mib(found.read), mib(found.peak), ticks::cell(before), ticks::cell(meanwhile)]
}

fn prove(reader: &Reader, pid: u32, times: usize, limit: Option<u64>) -> Result<Measured> {
    let limit: Vec<String> = limit.iter().map(u64::to_string).collect();
    let mut measured = Measured { took: vec![], read: 0, refused: None, peak: 0 };
    for line in reader.read("proofs", pid, times, &limit)? {
        measured.took.extend(line.get("ns").and_then(Value::as_f64));
        let number = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0);
        (measured.read, measured.peak) = (measured.read.max(number("bytes")), measured.peak.max(number("peak")));
        measured.refused = line.get("refused").and_then(Value::as_str).map(|why| format!("refused: {why}")).or(measured.refused);
    }
    Ok(measured)
}

/// `MemAvailable`, bytes.
fn available() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("no MemAvailable")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
}
