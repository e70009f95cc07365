//! What a census and the stacks of all goroutines take, and how late a ticker of the target is meanwhile; beside a debugger.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::lab::{Lab, table};
use super::numbers::{median, mib, spread, time};
use super::target::Target;
use super::ticks::{self, Reader};
use super::{Section, Verdict};
use crate::gomodule::Program;

/// The debugger of Go, which stops the process while it looks.
pub(crate) static DELVE: Program = Program {
    name: "dlv",
    module: "github.com/go-delve/delve",
    version: "1.27.2",
    package: "github.com/go-delve/delve/cmd/dlv",
    replaces: &[],
    ldflags: "",
    tags: "",
    main: "",
};

/// Goroutines of the target.
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Delve takes minutes for more.
const DELVE_MAX: u64 = 10_000;
/// A tick that is later than this has seen something: the scheduler of a machine at rest is later now and then, too.
const SEEN_NS: f64 = 10e6;

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let reader = Reader::build()?;
    let (mut rows, mut verdicts) = (vec![], vec![]);
    for size in SIZES {
        let mut target = Target::start(&lab.program("heap"), &["1", &size.to_string()])?;
        let read = |pid| reader.read("goroutines", pid, lab.rounds(10).max(3), &[]);
        let (lines, before, meanwhile) = ticks::around(lab, &mut target, read)?;
        let numbers = |key: &str| -> Vec<f64> { lines.iter().filter_map(|line| line.get(key)?.as_f64()).collect() };
        let (censuses, stacks) = (numbers("census_ns"), numbers("stacks_ns"));
        let seen = lines.iter().filter_map(|line| line.get("goroutines")?.as_u64()).min().unwrap_or(0);
        ensure!(seen >= size, "{seen} goroutines were read of {size}");
        let peak = lines.iter().find_map(|line| line.get("peak").and_then(Value::as_u64)).unwrap_or(0);
        if size == 1_000_000 {
            let (census, stack) = (median(&censuses), median(&stacks));
            verdicts.push(Verdict::new("1M goroutines: census <= 0.3 s", time(census), census <= 0.3e9));
            verdicts.push(Verdict::new("1M goroutines: stacks <= 1 s", time(stack), stack <= 1e9));
            let [.., most] = meanwhile;
            let expected = "no stall: no tick later than 10 ms, nor twice as late as without";
            verdicts.push(Verdict::new(expected, time(most), most <= SEEN_NS.max(before[2] * 2.0)));
        }
        let debugged = if size <= DELVE_MAX { debugged(&mut target)? } else { "not run".into() };
        rows.push(vec![
            size.to_string(),
            spread(&censuses, time),
            spread(&stacks, time),
            mib(peak),
            ticks::cell(before),
            ticks::cell(meanwhile),
            debugged,
        ]);
    }
    let text = "Goroutines that wait for a channel, up to eight calls of their own deep. Stacks are a census and all calls of all goroutines. \
                The ticker is one of a millisecond; how late it is: median, 99th percentile and the most, for 10 s without, then with a census \
                and all stacks every 500 ms, then while `dlv attach` lists the goroutines once. Memory is what the reading process takes at \
                most, beyond what it had before.\n\n";
    let head = ["goroutines", "census", "stacks", "memory", "ticks late, without", "with goroscope", "with delve"];
    Ok(Section { text: text.to_owned() + &table(&head, &rows), verdicts })
}

/// How late the ticks are while Delve lists the goroutines.
fn debugged(target: &mut Target) -> Result<String> {
    ticks::late(target)?;
    let start = Instant::now();
    let mut delve = Command::new(DELVE.path())
        .args(["attach", &target.pid().to_string(), "--allow-non-terminal-interactive=true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start dlv")?;
    // The last answer: the process is not to be killed.
    delve.stdin.take().context("no standard input")?.write_all(b"goroutines\nexit\nn\n")?;
    delve.wait()?;
    #[expect(clippy::cast_precision_loss, reason = "seconds in ns fit")]
    let took = start.elapsed().as_nanos() as f64;
    Ok(format!("{}; it took {}", ticks::cell(ticks::late(target)?), time(took)))
}
