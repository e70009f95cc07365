//! Time and memory of analysing executables, with a stripped one of kubelet's size: `goroscope inspect` as a whole, start included.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::lab::{Lab, table};
use super::numbers::{median, mib, percentile, spread, time};
use super::{Section, Verdict};
use crate::go;
use crate::paths::cache;
use crate::step::{self, output};

/// Packages and functions of each. The compiler makes a second one for each `defer`: twice kubelet's 70,000, at its size.
const PACKAGES: usize = 95;
const FUNCTIONS: usize = 700;

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let big = generated()?;
    let mut rows = vec![];
    let mut verdicts = vec![];
    let empty = measure(lab, &["--version"])?;
    for (name, exe) in [("a small program", lab.program("work")), ("a generated program, stripped", big)] {
        let inspection = lab.inspect(&exe)?;
        let functions = inspection.pointer("/executable/functions_in_pclntab").and_then(Value::as_u64).context("not analysed")?;
        let path = exe.to_string_lossy().into_owned();
        let runs = measure(lab, &["inspect", "--json", &path])?;
        let of = |part: fn(&[f64; 3]) -> f64| runs.iter().map(part).collect::<Vec<_>>();
        let (cpu, memory) = (of(|run| run[1]), of(|run| run[2]));
        let size = fs::metadata(&exe)?.len();
        rows.push(vec![
            name.to_owned(),
            mib(size),
            functions.to_string(),
            spread(&of(|run| run[0]), time),
            spread(&cpu, time),
            megabytes(percentile(&memory, 100)),
        ]);
        if size > 50 << 20 {
            // One thread and a warm page cache: CPU time is what an idle machine needs, and other processes do not disturb it.
            let took = median(&cpu);
            verdicts.push(Verdict::new("kubelet's size: <= 50 ms of CPU time", time(took), took <= 50e6));
            let most = percentile(&memory, 100);
            verdicts.push(Verdict::new("kubelet's size: <= 20 MB", megabytes(most), most <= 20e6));
        }
    }
    let of = |part: fn(&[f64; 3]) -> f64| median(&empty.iter().map(part).collect::<Vec<_>>());
    let text = format!(
        "`goroscope inspect --json` as a process of its own, from exec to exit, {} times each; peak is its resident memory, the agent's \
         own code included. For comparison `goroscope --version`: {}, {}.\n\n",
        empty.len(),
        time(of(|run| run[0])),
        megabytes(of(|run| run[2]))
    );
    let head = ["executable", "size", "functions", "wall clock", "CPU", "peak memory"];
    Ok(Section { text: text + &table(&head, &rows), verdicts })
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

/// Runs of the agent: wall clock and CPU time in ns, peak memory in bytes.
fn measure(lab: &Lab, arguments: &[&str]) -> Result<Vec<[f64; 3]>> {
    let times = lab.rounds(20).max(3).to_string();
    let said = output(Command::new(lab.program("work")).args(["measure", &times]).arg(&lab.agent).args(arguments))?;
    let run = |line: &str| {
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        numbers.try_into().ok()
    };
    said.lines().map(run).collect::<Option<Vec<_>>>().context("not measured")
}

/// A stripped program of kubelet's size, built once: it takes minutes.
fn generated() -> Result<PathBuf> {
    let dir = cache().join(format!("bench-{PACKAGES}x{FUNCTIONS}"));
    let exe = dir.join("big");
    if exe.is_file() {
        return Ok(exe);
    }
    let source = dir.join("source");
    fs::create_dir_all(&source)?;
    fs::write(source.join("go.mod"), "module example.com/big\n\ngo 1.21\n")?;
    let mut main = String::from("package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n");
    (0..PACKAGES).try_for_each(|i| writeln!(main, "\t\"example.com/big/p{i}\""))?;
    main.push_str(")\n\nfunc main() {\n\tfmt.Println(http.StatusText(200))\n\tn := len(os.Args)\n");
    (0..PACKAGES).try_for_each(|i| writeln!(main, "\tn = p{i}.All(n)"))?;
    main.push_str("\tfmt.Println(n)\n}\n");
    fs::write(source.join("main.go"), main)?;
    for i in 0..PACKAGES {
        package(&source, i)?;
    }
    let mut build = go::command(None)?;
    build.current_dir(&source).env("CGO_ENABLED", "0").args(["build", "-ldflags=-s -w", "-o"]).arg(&exe).arg(".");
    step::run("build a Go program of 130,000 functions (once)", &mut build, "go's own message is above")?;
    fs::remove_dir_all(&source)?;
    Ok(exe)
}

fn package(source: &Path, i: usize) -> Result<()> {
    let dir = source.join(format!("p{i}"));
    fs::create_dir_all(&dir)?;
    let mut text = format!("package p{i}\n\nimport \"fmt\"\n\ntype record struct {{\n\tname string\n\tvalues map[string]int\n}}\n");
    for f in 0..FUNCTIONS {
        write!(text, "{}", FUNCTION.replace("NUMBER", &f.to_string()))?;
    }
    text.push_str("\n// All calls them all.\nfunc All(n int) int {\n\tr := &record{values: map[string]int{}}\n");
    (0..FUNCTIONS).try_for_each(|f| writeln!(text, "\tn += r.compute{f}(n, r.name)"))?;
    text.push_str("\treturn n\n}\n");
    Ok(fs::write(dir.join("p.go"), text)?)
}

/// About a kilobyte of machine code.
const FUNCTION: &str = "
//go:noinline
func (r *record) computeNUMBER(n int, key string) (sum int) {
	defer func() { r.values[key] += sum }()
	for i := 0; i < n; i++ {
		switch i % 5 {
		case 0:
			r.values[key] = i * NUMBER
		case 1:
			r.name += fmt.Sprintf(\"%d-%s\", i+NUMBER, key)
		case 2:
			if value, ok := r.values[r.name]; ok {
				sum += value
			}
		case 3:
			delete(r.values, key)
			r.values[fmt.Sprint(sum, key, NUMBER)] = sum
		default:
			sum += len(r.name) ^ NUMBER
		}
	}
	return sum
}
";
