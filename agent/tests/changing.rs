//! Processes that execute other images, end, fork and grow while they are read, hundreds of times: no panic, no number that was never
//! true. What does not belong together is left out and counted.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use common::{
    build::{Form, NEWEST, build},
    target::Target,
};
use goroscope::{
    analysis::Analyser,
    discovery::{ProcRoot, Process},
    goruntime::{ProcessMemory, Runtime, RuntimeError},
    model::{Goroutine, GoroutineState, RuntimeAddress, RuntimeFigures},
    profile::Names,
    symbolize::Symbolizer,
};

/// Rounds of each way of changing.
const ROUNDS: usize = 250;
/// What one read may take. Not a measure of speed: an endless one must fail.
const LONG: Duration = Duration::from_secs(20);
/// Goroutines of a batch, and of a process that does not grow.
const BATCH: u64 = 150;
/// The runtime's own, and those of package os: far more than there are.
const OTHERS: u64 = 64;
/// How often figures are read until they belong together.
const FIGURE_TRIES: u64 = 16;
/// Stacks that are read in each round.
const STACKS: usize = 60;

/// How often something was, by what it was.
type Tally = BTreeMap<String, usize>;

/// What one round has read.
struct Read {
    figures: RuntimeFigures,
    alive: Vec<Goroutine>,
    torn: u64,
}

/// Who reads the processes of one executable.
struct Reader {
    root: ProcRoot,
    analyser: Analyser,
    /// Goroutines that there are at most.
    most: u64,
    said: Tally,
}

impl Reader {
    fn new(most: u64) -> Self {
        Self { root: ProcRoot::default(), analyser: Analyser::default(), most, said: Tally::new() }
    }

    fn note(&mut self, what: &str) {
        *self.said.entry(what.to_owned()).or_default() += 1;
    }

    fn said(&self, what: &str) -> usize {
        self.said.get(what).copied().unwrap_or(0)
    }

    /// Reads the process once, as the agent does: what was another process or another image before or after is nobody's.
    fn round(&mut self, pid: u32) -> Option<RuntimeFigures> {
        let began = Instant::now();
        let read = self.read(pid);
        assert!(began.elapsed() < LONG, "a read took {:?}", began.elapsed());
        match &read {
            Ok(_) => self.note("read"),
            Err(why) => self.note(why),
        }
        read.ok()
    }

    fn read(&mut self, pid: u32) -> Result<RuntimeFigures, String> {
        let process = self.root.observe(pid).map_err(|error| format!("observed: {}", error.reason()))?;
        let same = |now: &Process| (now.start_ticks, now.text, &now.exe) == (process.start_ticks, process.text, &process.exe);
        let file = process.file.try_clone().unwrap();
        // A process that is about to execute the first image of its own is still its parent's.
        let executable = self.analyser.analyse(file).map_err(|refusal| refusal.reason.to_owned())?;
        let facts = executable.binary.runtime.clone().unwrap();
        let bias = process.text.bias_from(executable.binary.text_base());
        let runtime = Runtime::new(ProcessMemory::new(pid), facts, executable.binary.version.minor, bias);
        let symbolizer = Symbolizer::new(executable.clone());
        let frame_size = |at: RuntimeAddress| symbolizer.frame_size(at.to_virtual(bias));
        // Nothing makes sense where the image has become another one.
        let is_same = || self.root.observe(pid).is_ok_and(|now| same(&now));
        let why = |error: RuntimeError| if is_same() { error.reason() } else { "replaced" }.to_owned();
        let figures = runtime.figures().map_err(why)?;
        let mut alive = Vec::new();
        let census = runtime.census(&mut |goroutine| alive.extend((goroutine.state != GoroutineState::Dead).then(|| goroutine.clone())));
        let torn = census.map_err(why)?.torn;
        let some: Vec<Goroutine> = alive.iter().rev().take(STACKS).cloned().collect();
        let stacks = runtime.stacks(&some, 1000, &frame_size).map_err(why)?;
        is_same().then_some(()).ok_or("replaced")?;
        self.said.entry("torn figures".to_owned()).and_modify(|torn| *torn += usize::try_from(runtime.torn()).unwrap()).or_default();
        self.said.entry("torn goroutines".to_owned()).and_modify(|all| *all += usize::try_from(torn).unwrap()).or_default();
        let names = Names::new(executable, bias);
        let read = Read { figures, alive, torn };
        // Of one that never rests, the last reading is handed out: it is off by what happened meanwhile, as runtime.NumGoroutine is.
        let settled = runtime.torn() < FIGURE_TRIES;
        read.check(&names, if settled { self.most } else { 4 * self.most });
        for (goroutine, stack) in some.iter().zip(&stacks) {
            let calls: Vec<String> =
                names.stack(stack).iter().flat_map(|call| call.frames.iter().map(|frame| frame.function.clone())).collect();
            let what = check_stack(goroutine, &names, &calls, stack.complete);
            self.note(what);
        }
        if settled { Ok(read.figures) } else { Err("unsettled".to_owned()) }
    }
}

impl Read {
    /// Numbers that may have been true, and places that exist.
    fn check(&self, names: &Names, most: u64) {
        let Self { figures, alive, torn } = self;
        assert!((1..=most).contains(&figures.goroutines) && figures.system_goroutines <= OTHERS, "{figures:?}");
        // One that is only just starting has a first goroutine by definition.
        assert!(figures.created.max(1) >= figures.goroutines && figures.ended <= figures.created, "{figures:?}");
        assert_eq!(figures.gomaxprocs.min(4), figures.gomaxprocs.max(1), "{figures:?}");
        // Those that end and begin between two parts of the list are in both.
        let count = alive.len() as u64;
        assert!(count <= 2 * most + OTHERS && *torn <= 2 * most + OTHERS, "{count} goroutines, {torn} torn");
        let ids: HashSet<u64> = alive.iter().map(|goroutine| goroutine.goid).collect();
        assert_eq!(ids.len(), alive.len(), "an id is never used twice");
        for goroutine in alive {
            let creator = names.site(goroutine.created_at).map(|site| site.function);
            let start = names.function(goroutine.start);
            let known = match start.as_deref() {
                Some("main.shallow" | "main.middle" | "main.deepest") => creator.as_deref() == Some("main.start"),
                // From Go 1.21 on, and before, what wraps the statement's arguments.
                Some(start) if start.starts_with("main.start.") => creator.as_deref() == Some("main.start"),
                Some(start) => ["runtime.", "os.", "os/"].iter().any(|package| start.starts_with(package)),
                // Of those that are only just made.
                None => goroutine.start.0 == 0,
            };
            assert!(known, "{start:?}, created by {creator:?}: {goroutine:?}");
        }
    }
}

/// Whoever waits on a channel does so at the bottom of a recursion whose depth is that of its function. What the stack is.
fn check_stack(goroutine: &Goroutine, names: &Names, calls: &[String], complete: bool) -> &'static str {
    let start = names.function(goroutine.start).unwrap_or_default();
    let waits = goroutine.state == GoroutineState::Waiting && goroutine.wait.is_some_and(|wait| wait.as_str() == "chan receive");
    if !waits || !start.starts_with("main.s") && !start.starts_with("main.middle") && !start.starts_with("main.deepest") {
        return "other stacks";
    }
    if calls.is_empty() {
        return "torn stacks";
    }
    assert!(complete, "{start}: {calls:?}");
    let depth = calls.iter().filter(|call| *call == "main.deep").count();
    let of = |function: &str| calls.iter().any(|call| call == function);
    let expected = match () {
        () if of("main.shallow") => 4,
        () if of("main.middle") => 40,
        () if of("main.deepest") => 300,
        () => panic!("{start}: {calls:?}"),
    };
    assert_eq!(depth, expected, "{start}: {calls:?}");
    "whole stacks"
}

const CELLS: [(&str, Form); 3] = [("1.19.13", Form::Stripped), ("1.24.11", Form::PieStripped), (NEWEST, Form::Plain)];

fn each(way: &str, most: u64, rounds: impl Fn(&Target, &mut Reader)) {
    for (version, form) in CELLS {
        let executable = build("changing", version, form).unwrap_or_else(|error| panic!("{error}"));
        let target = Target::spawn(&executable, &[way, &BATCH.to_string()]);
        let mut reader = Reader::new(most);
        rounds(&target, &mut reader);
        println!("{way}, Go {version} {form}: {:?}", reader.said);
        // Else nothing was tried.
        assert!(reader.said("read") > ROUNDS / 20, "{:?}", reader.said);
        assert!(reader.said("whole stacks") > STACKS, "{:?}", reader.said);
    }
}

#[test]
fn while_it_grows() {
    // A batch before the last two has said that it ends, and may not have ended.
    each("grow", 3 * BATCH + 2, |target, reader| {
        let (mut created, mut ended) = (0, 0);
        for _ in 0..ROUNDS {
            let Some(figures) = reader.round(target.pid) else { continue };
            assert!(figures.created >= created && figures.ended >= ended, "{} {} after {created} {ended}", figures.created, figures.ended);
            (created, ended) = (figures.created, figures.ended);
        }
        assert!(created > 10 * BATCH, "it does not grow: {created}");
    });
}

#[test]
fn while_it_executes_itself() {
    each("exec", BATCH + 2, |target, reader| {
        for _ in 0..ROUNDS {
            if let Some(figures) = reader.round(target.pid) {
                assert!(figures.created <= BATCH + OTHERS, "{figures:?}");
            }
        }
    });
}

#[test]
fn while_processes_begin_and_end() {
    each("spawn", BATCH + OTHERS, |target, reader| {
        let children = format!("/proc/{0}/task/{0}/children", target.pid);
        // Most rounds meet one that is only just made, or has ended and waits to be noticed.
        for _ in 0..100 * ROUNDS {
            if reader.said("read") > ROUNDS / 10 {
                break;
            }
            // There is one nearly always.
            let child = || std::fs::read_to_string(&children).unwrap().split_whitespace().next().and_then(|pid| pid.parse().ok());
            let pid = std::iter::repeat_with(child).flatten().next();
            reader.round(pid.unwrap());
        }
    });
}
