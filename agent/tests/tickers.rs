//! Tickers that nobody stops: `goroscope check` and `goroscope run` name the statement that makes them, where the runtime keeps them, and
//! nothing where it does not, or where somebody stops them.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{fs, thread, time::Duration};

use common::{
    agent::Agent,
    build::{Form, build, sources},
    check::check,
    target::Target,
    wait_for,
};

/// How long is watched: long enough for proofs in each part of it.
const WATCH: Duration = Duration::from_secs(15);

/// The statement that makes the tickers which are forgotten.
fn site() -> String {
    let text = fs::read_to_string(sources("tickers").join("main.go")).unwrap();
    let line = text.lines().position(|line| line.ends_with("// TICKER")).unwrap() + 1;
    format!("tickers/main.go:{line}")
}

#[test]
fn forgotten_tickers_are_named_where_the_runtime_keeps_them() {
    // From Go 1.23 on the runtime forgets them itself, but, up to 1.26, in programs whose go.mod says an older version.
    let (plain, old) = (Form::Plain, Form::OldModule);
    let forgotten = [("1.19.13", plain), ("1.22.12", Form::PieStripped), ("1.23.12", old), ("1.26.6", old)];
    let forgotten = forgotten.map(|(version, form)| (version, form, "forget", true));
    let innocent = [
        ("1.19.13", plain, "stop"),
        ("1.22.12", plain, "stop"),
        ("1.24.11", plain, "forget"),
        ("1.24.11", old, "stop"),
        ("1.27.3", plain, "forget"),
        ("1.27.3", old, "forget"),
    ];
    let innocent = innocent.map(|(version, form, mode)| (version, form, mode, false));
    thread::scope(|scope| {
        for (version, form, mode, forgotten) in forgotten.into_iter().chain(innocent) {
            let executable = build("tickers", version, form).unwrap_or_else(|error| panic!("{error}"));
            scope.spawn(move || {
                let target = Target::spawn(&executable, &[mode]);
                let checked = check(target.pid, WATCH);
                let found: Vec<_> = checked.findings.iter().map(|found| (found.kind.as_str(), found.creation_site.as_str())).collect();
                let site = site();
                let expected: &[(&str, &str)] = if forgotten { &[("ticker", &site)] } else { &[] };
                assert_eq!(found, expected, "Go {version} {mode}: {}", checked.stderr);
                if let [found] = &checked.findings[..] {
                    assert_eq!(found.period_seconds, Some(0.03), "{found:?}");
                    assert!(found.count >= 50 && found.evidence == "proven" && found.creation_function == "main.poll", "{found:?}");
                }
                target.finish();
            });
        }
    });
}

#[test]
fn a_run_tells_of_tickers() {
    let executable = build("tickers", "1.19.13", Form::Stripped).unwrap_or_else(|error| panic!("{error}"));
    let target = Target::spawn(&executable, &["forget"]);
    let agent = Agent::start(&["--per-process", "--pid", &target.pid.to_string()]);
    let found = wait_for("tickers are found", || agent.scrape().select("goroscope_findings", &[("kind", "ticker")]).next().cloned());
    assert_eq!((found.labels["created_by"].as_str(), found.labels["site"].as_str()), ("main.poll", site().as_str()), "{found:?}");
    assert!(agent.log().contains("tickers are never stopped"), "it is said once");
    target.finish();
}
