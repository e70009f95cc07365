//! What one counted event costs the target, and whether it is counted once: bare, agent at defaults, agent exact, bpftrace.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::agent::Agent;
use super::bpftrace::Bpftrace;
use super::lab::{Lab, table};
use super::numbers::{median, spread, time};
use super::target::{Sample, Target, pinned};
use super::{Section, Verdict};
use crate::step::{self, output};

/// What a target does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// A loop that writes a map.
    Map,
    /// A loop that starts a goroutine and waits for it.
    Spawn,
    /// HTTP requests, as many as the machine carries.
    HttpFull,
    /// 200 HTTP requests a second.
    HttpFixed,
}

impl Load {
    pub(super) const ALL: [Self; 4] = [Self::Map, Self::Spawn, Self::HttpFull, Self::HttpFixed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Map => "map write loop",
            Self::Spawn => "`go f()` and wait",
            Self::HttpFull => "HTTP at full speed",
            Self::HttpFixed => "HTTP at 200 requests/s",
        }
    }

    /// Starts it, held where it can be; `length` 0 is for ever.
    pub(super) fn start(self, lab: &Lab, length: Duration) -> Result<Target> {
        let (program, arguments) = self.program(lab, length);
        Target::start(&program, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts it for ever, on processor `cpu` only.
    pub(super) fn start_on(self, lab: &Lab, cpu: usize) -> Result<Target> {
        let (program, arguments) = self.program(lab, Duration::ZERO);
        let pinned = pinned(cpu, &program.to_string_lossy(), arguments);
        Target::start("taskset".as_ref(), &pinned.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn program(self, lab: &Lab, length: Duration) -> (PathBuf, Vec<String>) {
        let seconds = format!("{}s", length.as_secs());
        match self {
            Self::Map => (lab.program("work"), vec!["map".to_owned(), seconds]),
            Self::Spawn => (lab.program("work"), vec!["spawn".to_owned(), seconds]),
            Self::HttpFull | Self::HttpFixed => (lab.program("serve"), vec![]),
        }
    }

    /// The program that sends requests for so long.
    pub(super) fn client(self, lab: &Lab, address: &str, length: Duration) -> Option<Command> {
        let rate = match self {
            Self::Map | Self::Spawn => return None,
            Self::HttpFull => "0",
            Self::HttpFixed => "200",
        };
        let mut client = Command::new(lab.program("load"));
        client.args([address, rate, &format!("{}s", length.as_secs())]);
        Some(client)
    }

    fn executable(self) -> &'static str {
        match self {
            Self::Map | Self::Spawn => "work",
            Self::HttpFull | Self::HttpFixed => "serve",
        }
    }

    /// What is compared with the program's own count: the agent's counter, the function, and how many it did.
    fn truth(self, from: &Sample, to: &Sample) -> (&'static str, &'static str, f64) {
        let operations = to.operations - from.operations;
        match self {
            Self::Map => ("map_writes_fast64", "runtime.mapassign_fast64", operations),
            Self::Spawn if to.goroutines < 0.0 => ("goroutine_starts", "runtime.newproc1", operations),
            Self::Spawn => ("goroutine_starts", "runtime.newproc1", to.goroutines - from.goroutines),
            Self::HttpFull | Self::HttpFixed => ("map_writes_fast32", "runtime.mapassign_fast32", 20.0 * operations),
        }
    }
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Observer {
    None,
    Defaults,
    Exact,
    Bpftrace,
}

impl Observer {
    const ALL: [Self; 4] = [Self::None, Self::Defaults, Self::Exact, Self::Bpftrace];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Defaults => "agent, defaults",
            Self::Exact => "agent --exact",
            Self::Bpftrace => "bpftrace",
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
struct Run {
    /// CPU time of an operation, ns.
    cost: f64,
    /// Events counted for each operation, all kinds; 0 where nobody counted all.
    events: f64,
    /// Counted less what the program did; none where nobody counted all.
    miscount: Option<f64>,
    /// What the program did.
    truth: f64,
    /// At defaults: the estimate's error, and whether its interval held the truth.
    estimate: Option<(f64, bool)>,
}

pub(super) fn run(lab: &Lab) -> Result<Section> {
    let mut text = format!(
        "Each row: a fresh process, held until the observer is attached, then {} s of work; median of {} runs in turns (smallest to \
         largest). bpftrace counts at the entries of the same functions, with one `count()` each. The first seconds at defaults are in \
         this table; the steady state is in the next section. An estimate held where the interval that the agent tells with it contained the truth.\n\n",
        lab.length(8).as_secs(),
        lab.rounds(3)
    );
    let mut verdicts = vec![];
    let mut rows = vec![];
    for load in Load::ALL {
        let mut runs: [Vec<Run>; 4] = Default::default();
        for round in 0..lab.rounds(3) {
            for (observer, runs) in Observer::ALL.into_iter().zip(&mut runs) {
                let run = lab
                    .undisturbed(|| measure(lab, load, observer))
                    .with_context(|| format!("{} under {}", load.name(), observer.name()))?;
                step::note(&format!("{} {round}: {}: {} per operation, {run:?}", load.name(), observer.name(), time(run.cost)));
                runs.push(run);
            }
        }
        rows.extend(judge(load, &runs, &mut verdicts));
    }
    let head = ["target", "observer", "CPU per operation", "x bare", "events per operation", "cost per event", "miscounts"];
    text.push_str(&table(&head, &rows));
    Ok(Section { text, verdicts })
}

fn judge(load: Load, runs: &[Vec<Run>; 4], verdicts: &mut Vec<Verdict>) -> Vec<Vec<String>> {
    let costs = |runs: &[Run]| runs.iter().map(|run| run.cost).collect::<Vec<_>>();
    let bare = median(&costs(runs.first().map_or(&[], Vec::as_slice)));
    let mut per_event = vec![];
    let mut rows = vec![];
    for (observer, runs) in Observer::ALL.into_iter().zip(runs) {
        let costs = costs(runs);
        let events = median(&runs.iter().map(|run| run.events).collect::<Vec<_>>());
        let each = (median(&costs) - bare) / events.max(f64::MIN_POSITIVE);
        per_event.push(each);
        rows.push(vec![
            load.name().to_owned(),
            observer.name().to_owned(),
            spread(&costs, time),
            format!("{:.2}", median(&costs) / bare),
            if events > 0.0 { format!("{events:.2}") } else { "-".into() },
            if events > 0.0 { time(each) } else { "-".into() },
            miscounts(runs),
        ]);
    }
    if let [_, _, exact, bpftrace] = per_event[..] {
        let found = format!("{} against {}: {:.3}", time(exact), time(bpftrace), exact / bpftrace);
        verdicts.push(Verdict::new(
            format!("{}: exact <= 1/10 of bpftrace's cost per event", load.name()),
            found,
            exact * 10.0 <= bpftrace,
        ));
    }
    let exact: f64 = runs.get(2).into_iter().flatten().filter_map(|run| run.miscount).map(f64::abs).sum();
    verdicts.push(Verdict::new(format!("{}: exact miscounts 0", load.name()), format!("{exact}"), exact == 0.0));
    rows
}

fn miscounts(runs: &[Run]) -> String {
    let say = |run: &Run| match (run.miscount, run.estimate) {
        (Some(miscount), _) => format!("{miscount:+} of {}", run.truth),
        (None, Some((error, held))) => format!("estimate {:+.0} %, {}", error * 100.0, if held { "held" } else { "not held" }),
        (None, None) => "-".to_owned(),
    };
    runs.iter().map(say).collect::<Vec<_>>().join("; ")
}

fn measure(lab: &Lab, load: Load, observer: Observer) -> Result<Run> {
    let length = lab.length(8);
    let exe = lab.program(load.executable());
    let mut target = load.start(lab, length)?;
    let pid = target.pid();
    match observer {
        Observer::None => {
            let (from, to) = work(lab, load, &mut target, length)?;
            Ok(Run { cost: to.cost_since(&from), events: 0.0, miscount: None, truth: 0.0, estimate: None })
        }
        Observer::Defaults | Observer::Exact => {
            let pid_text = pid.to_string();
            let exact = observer == Observer::Exact;
            let agent = Agent::start(lab, &["--pid", &pid_text, if exact { "--exact=true" } else { "--exact=false" }])?;
            agent.attached(pid)?;
            let before = agent.counters(pid)?;
            let (from, to) = work(lab, load, &mut target, length)?;
            let after = agent.counters(pid)?;
            agent.stop()?;
            let (counter, _, truth) = load.truth(&from, &to);
            let begin = before.get(counter, "value")?;
            let of = |what: &str| Ok::<_, anyhow::Error>(after.get(counter, what)? - begin);
            let (cost, value) = (to.cost_since(&from), of("value")?);
            if observer == Observer::Exact {
                let events = (after.sum() - before.sum()) / (to.operations - from.operations).max(1.0);
                return Ok(Run { cost, events, miscount: Some(value - truth), truth, estimate: None });
            }
            let held = (of("low")?..=of("high")?).contains(&truth);
            Ok(Run { cost, events: 0.0, miscount: None, truth, estimate: Some(((value - truth) / truth.max(1.0), held)) })
        }
        Observer::Bpftrace => {
            let bpftrace = Bpftrace::start(lab, &exe, pid)?;
            let (from, to) = work(lab, load, &mut target, length)?;
            let hits = bpftrace.stop()?;
            let (_, function, truth) = load.truth(&from, &to);
            let value = hits.iter().find(|(name, _)| name == function).map_or(0.0, |(_, hits)| *hits);
            let events = hits.iter().map(|(_, hits)| hits).sum::<f64>() / (to.operations - from.operations).max(1.0);
            Ok(Run { cost: to.cost_since(&from), events, miscount: Some(value - truth), truth, estimate: None })
        }
    }
}

/// Lets the target work; how far it was at the beginning and the end.
fn work(lab: &Lab, load: Load, target: &mut Target, length: Duration) -> Result<(Sample, Sample)> {
    if let Some(mut client) = load.client(lab, &target.word, length) {
        // A sample of its rest, before and after.
        thread::sleep(Duration::from_millis(200));
        let from = target.now();
        output(&mut client)?;
        thread::sleep(Duration::from_millis(500));
        return Ok((from, target.now()));
    }
    let from = target.now();
    target.go()?;
    Ok((from, target.done(length + Duration::from_secs(60))?))
}
