//! For how long goroutines have been blocked without a break: what one look, two looks and a running agent say, against times at which the
//! program was told to block and to collect garbage. What is not known is absent.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::time::{Duration, Instant};

use common::{
    agent::{Agent, command},
    build::{Form, NEWEST, build},
    target::Target,
    wait_for,
};
use serde_json::Value;

/// Goroutines of which a group tells: all, those whose time is known, and the longest and the shortest of these.
type Told = (u64, Option<u64>, Option<Duration>, Option<Duration>);

/// What is told of those that were created to wait for ever. The command tells the place of the statement too.
fn told(groups: &Value) -> Told {
    let created_by =
        |group: &Value| group["created_by"].as_str().or_else(|| group["created_by"]["function"].as_str()) == Some("main.block");
    let of: Vec<&Value> = groups.as_array().into_iter().flatten().filter(|group| created_by(group)).collect();
    assert!(of.len() <= 1, "{of:?}");
    let Some(group) = of.first() else { return (0, None, None, None) };
    let time = |key: &str| group[key].as_f64().map(Duration::from_secs_f64);
    (group["count"].as_u64().unwrap(), group["blocked_known"].as_u64(), time("blocked_for_seconds"), time("blocked_for_shortest_seconds"))
}

fn tell(target: &mut Target, order: &str) -> (Instant, Instant) {
    let before = Instant::now();
    target.send(order);
    assert_eq!(target.line(), "done");
    (before, Instant::now())
}

fn look(target: &Target, arguments: &[&str]) -> Value {
    let pid = target.pid.to_string();
    let output = command(&[&["goroutines", &pid, "--json", "--no-stacks"], arguments].concat()).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    all["groups"].clone()
}

fn check(version: &str, form: Form) {
    let mut target = Target::spawn(&build("blocked", version, form).unwrap(), &[]);
    let blocking = tell(&mut target, "block");
    // Nobody has noted when.
    assert_eq!(told(&look(&target, &[])), (3, None, None, None), "{version}");
    // Two looks.
    let groups = look(&target, &["--for", "1s"]);
    let (count, known, longest, shortest) = told(&groups);
    assert_eq!((count, known), (3, Some(3)), "{version}");
    assert!(
        longest >= shortest && shortest >= Some(Duration::from_secs(1)) && longest <= Some(blocking.0.elapsed()),
        "{version}: {longest:?}"
    );
    let busy: Vec<&Value> = groups.as_array().unwrap().iter().filter(|group| group["wait_reason"] == "sleep").collect();
    assert!(busy.iter().all(|group| group["blocked_known"].is_null()), "{version}: {busy:?}");
    // The collector's notes, of those only that were blocked by then. The first time it notes nothing; the second time what came before.
    tell(&mut target, "gc");
    let second = tell(&mut target, "gc");
    tell(&mut target, "block");
    let third = tell(&mut target, "gc");
    tell(&mut target, "block");
    let asked = (second.1.elapsed(), third.1.elapsed());
    let (count, known, longest, shortest) = told(&look(&target, &[]));
    assert_eq!((count, known), (9, Some(6)), "{version}");
    assert!(longest >= Some(asked.0) && longest <= Some(second.0.elapsed()), "{version}: {longest:?}");
    assert!(shortest >= Some(asked.1) && shortest <= Some(third.0.elapsed()), "{version}: {shortest:?}");
    // A running agent.
    let started = Instant::now();
    let agent = Agent::start(&["--per-process", "--pid", &target.pid.to_string()]);
    let least = Duration::from_millis(700);
    let (known, longest) = wait_for("the agent has seen them wait", || {
        let processes: Value = serde_json::from_str(&agent.get("/debug/goroutines").body).unwrap();
        let (count, known, longest, _) = told(&processes[0]["groups"]);
        assert!(longest.is_none_or(|longest| longest <= started.elapsed() && count == 9), "{version}: {longest:?}");
        Some((known, longest?)).filter(|(_, longest)| *longest >= least)
    });
    assert_eq!(known, Some(9), "{version}: {longest:?}");
}

#[test]
fn times_are_those_of_the_program_or_absent() {
    check("1.19.13", Form::Stripped);
    check(NEWEST, Form::Plain);
}
