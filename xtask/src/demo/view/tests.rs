//! What a newcomer reads.

use super::*;
use crate::demo::agent::{Finding, Mode, Runtime};

fn process(pid: u32, name: &str, map_mode: &str, counters: &[(&str, Count)]) -> Process {
    let family = |family: &str, mode: &str| (family.to_owned(), Mode { mode: mode.to_owned() });
    Process {
        pid,
        process: name.into(),
        go_version: "go1.26.8".into(),
        state: "attached".into(),
        families: [family("goroutine", "exact"), family("timer", "exact"), family("map", map_mode)].into(),
        counters: counters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        ..Process::default()
    }
}

const fn point(value: u64) -> Count {
    Count { value, low: value, high: value }
}

fn site(family: &str, function: &str, line: u32, count: u64) -> Site {
    Site { family: family.into(), function: function.into(), file: "/src/leaky/main.go".into(), line, count }
}

fn leaky() -> Process {
    let mut leaky = process(
        10,
        "leaky",
        "sampled",
        &[
            ("goroutine_starts", point(240)),
            ("goroutine_exits", point(0)),
            ("map_writes_faststr", Count { value: 360_000, low: 331_000, high: 390_400 }),
            ("timer_starts", point(60)),
            ("timer_stops", point(0)),
            ("timer_fires", point(0)),
        ],
    );
    leaky.runtime = Some(Runtime { goroutines: 245, ..Runtime::default() });
    let goroutines = Finding {
        kind: "goroutine_leak".into(),
        creation_site: "leaky/main.go:35".into(),
        creation_function: "main.handle".into(),
        wait_reason: "chan receive".into(),
        blocking_function: Some("main.notify".into()),
        blocking_site: Some("leaky/main.go:43".into()),
        count: 238,
        slope: 20.0,
        evidence: "proven".into(),
    };
    let tickers = Finding {
        kind: "ticker".into(),
        creation_site: "leaky/main.go:50".into(),
        creation_function: "main.refresh".into(),
        count: 57,
        slope: 5.0,
        evidence: "proven".into(),
        ..Finding::default()
    };
    leaky.findings = vec![goroutines, tickers];
    leaky.sites =
        vec![site("goroutine", "main.handle", 35, 240), site("timer", "main.refresh", 50, 60), site("map", "main.remember", 56, 9)];
    leaky
}

fn wellbehaved() -> Process {
    let numbers = [("goroutine_starts", 1200), ("goroutine_exits", 1199), ("map_writes_faststr", 0)];
    let timers = [("timer_starts", 1200), ("timer_stops", 1150), ("timer_fires", 50)];
    let counters: Vec<_> = numbers.into_iter().chain(timers).map(|(name, number)| (name, point(number))).collect();
    process(11, "wellbehaved", "exact", &counters)
}

fn lines(processes: &[Process], columns: usize, rows: usize) -> Vec<String> {
    let mut rates = Rates::default();
    for second in 0..4_u32 {
        rates.note(10, "timer_starts", true, f64::from(second), u64::from(45 + 5 * second));
        rates.note(10, "goroutine_starts", true, f64::from(second), u64::from(200 + 20 * second));
        rates.note(10, "map_writes", false, f64::from(second), u64::from(30_000 * second));
    }
    let listen = "127.0.0.1:9640".parse().unwrap();
    let picture = Picture { processes, rates: &rates, services: &[10, 11], elapsed: Duration::from_secs(12), length: None, listen };
    picture.lines(columns, rows).into_iter().map(|Line(_, text)| text).collect()
}

#[test]
fn the_story() {
    let other = Process {
        state: "refused".into(),
        refusals: vec![Refusal { reason: "go_version".into(), ..Refusal::default() }],
        ..process(9, "a\x1b[2J", "exact", &[])
    };
    let text = lines(&[other, wellbehaved(), leaky()], 200, 60).join("\n");
    let expected = "\
process              pid  Go         started     ended     live  starts/s                 total  writes/s   started   stopped  most goroutines come from
leaky                 10  1.26.8         240         0      245      20.0    ~360k [331k, 390k]    ~30.0k        60         0  leaky/main.go:35 main.handle
wellbehaved           11  1.26.8       1,200     1,199        -         -                     0         -     1,200     1,150  -
a?[2J                  9  1.26.8           -         -        -         -                     0         -         -         -  not counted: go_version

What that tells
  LEAK    leaky 10: proven: the `go` statement in main.handle leaky/main.go:35: 238 goroutines in main.notify leaky/main.go:43 (chan receive), 20.0 more each second
  LEAK    leaky 10: proven: main.refresh leaky/main.go:50 starts tickers that nobody can stop any more: 57, 5.0 more each second
  TIMERS  leaky 10: main.refresh leaky/main.go:50 started 60 timers or tickers; 0 were stopped, 0 fired, and 5.0 more each second
  maps    leaky 10: main.remember leaky/main.go:56 makes most of ~360k [331k, 390k] map writes, ~30.0k a second
  fine    wellbehaved 11: of 1,200 goroutines 1,199 ended; of 1,200 timers 1,150 were stopped and 50 fired";
    assert!(text.ends_with(expected), "{text}");
    assert!(text.starts_with("goroscope demo: 12 s, Ctrl-C ends it   metrics: http://127.0.0.1:9640/metrics\n"), "{text}");
    assert!(!text.contains('\x1b'));
}

#[test]
fn small_terminals_show_less() {
    for columns in [80, 92, 100, 120, 160] {
        let table = lines(&[leaky(), wellbehaved()], columns, 40);
        let head = table.iter().find(|line| line.starts_with("process")).unwrap();
        assert!(head.chars().count() <= columns, "{columns}: {head}");
    }
    let many: Vec<Process> = (100..200).map(|pid| process(pid, "p", "exact", &[])).chain([leaky()]).collect();
    let text = lines(&many, 100, 24);
    assert!(text.len() <= 24, "{text:?}");
    assert!(text.iter().any(|line| line.starts_with("and 9")), "{text:?}");
    assert!(text.iter().any(|line| line.starts_with("  LEAK")), "{text:?}");
}
