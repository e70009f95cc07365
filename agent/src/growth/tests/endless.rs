//! Simulated histories in a watch without end: when something is said of them, and when no more.

use super::{
    FOREVER, Life, PLACE, SELECT, SITE, Stretch, dead_after, every, looping,
    simulation::{NIL, RECEIVE, chance, endless},
    stuck,
};
use crate::{growth::Innocence, model::Evidence};

const HOUR: f64 = 3600.0;

/// Blocks for good on a channel that is nil.
fn nil(born: f64) -> Life {
    let wait = Stretch { unreachable: Some(0.0), ..Stretch::wait(FOREVER, NIL, PLACE, 0) };
    Life::new(SITE, born, vec![wait])
}

fn live(born: f64) -> Life {
    looping(born, 0.3, FOREVER)
}

/// Is stuck until so many seconds after the watch began.
fn until(end: f64) -> impl Fn(f64) -> Life {
    move |born| Life::new(SITE, born, vec![Stretch::wait(end - born, RECEIVE, PLACE, born.to_bits())])
}

/// What is said, and in which seconds: of evidence the first to be said, then when it is said no more and why.
fn history(lives: &[Life], seconds: f64, period: f64) -> Vec<(f64, Result<Evidence, Innocence>)> {
    let mut events = Vec::new();
    for (now, said) in endless(lives, seconds, period) {
        events.extend(said.cleared.iter().map(|(_, innocence)| (now, Err(*innocence))));
        let known = |evidence: Evidence| events.iter().any(|(_, event)| *event == Ok(evidence));
        let fresh: Vec<_> =
            said.suspects.iter().filter(|suspect| !known(suspect.evidence)).map(|suspect| (now, Ok(suspect.evidence))).collect();
        events.extend(fresh);
    }
    events
}

/// That something is said, from when to when.
fn check_found(name: &str, lives: impl IntoIterator<Item = Life>, expected: Evidence, after: f64, before: f64) {
    let lives: Vec<Life> = lives.into_iter().collect();
    let events = history(&lives, before, 1.0);
    assert!(matches!(events[..], [(at, Ok(evidence)), ..] if evidence == expected && at >= after), "{name}: {events:?}");
}

/// That nothing is ever said.
fn check_innocent(name: &str, lives: impl IntoIterator<Item = Life>, seconds: f64) {
    let lives: Vec<Life> = lives.into_iter().collect();
    assert_eq!(history(&lives, seconds, 1.0), [], "{name}");
}

/// When clients come back that try again after pauses that double, from 0.8 to 30 s, and are up to twice as long by chance: the server
/// is there from second `up` on, and all began to try at second 1.
fn retries(count: u32, up: f64) -> impl Iterator<Item = f64> + Clone {
    (0..count).map(move |client| {
        let (mut at, mut pause, mut tries) = (1.0, 0.8, 0);
        while at < up {
            at += pause * (1.0 + chance(client * 64 + tries));
            (pause, tries) = (f64::min(pause * 2.0, 30.0), tries + 1);
        }
        at
    })
}

#[test]
fn a_fast_leak_is_found_within_a_minute_of_its_start() {
    for (rate, name) in [(1.0, "1/s"), (8.0, "8/s")] {
        for start in [0.5, 100.0, 400.0] {
            let births = || every(1.0 / rate, start, start + 61.0);
            check_found(&format!("stuck, {name}, from {start} s on"), births().map(stuck), Evidence::Stuck, start + 30.0, start + 60.5);
            check_found(&format!("live, {name}, from {start} s on"), births().map(live), Evidence::Live, start + 30.0, start + 60.5);
        }
    }
    check_found("dead", every(1.0, 0.5, 20.0).map(|at| dead_after(at, 0.0)), Evidence::Proven, 1.0, 20.0);
    check_found("a nil channel", every(0.5, 0.5, 62.0).map(nil), Evidence::Proven, 30.0, 62.0);
    let unruly = || (0..300).map(|index| 0.5 + f64::from(index) * 0.4 + chance(index) * 3.0);
    check_found("by chance, 2.5/s", unruly().map(stuck), Evidence::Stuck, 30.0, 70.0);
}

#[test]
fn clients_that_come_back_are_innocent() {
    for count in [10, 47, 200] {
        for up in [5.0, 40.0, 100.0] {
            let name = format!("{count} clients, back after {up} s");
            check_innocent(&name, retries(count, up).map(stuck), 300.0);
            check_innocent(&name, retries(count, up).map(live), 300.0);
            check_innocent(&name, retries(count, up).map(nil), 300.0);
        }
    }
}

#[test]
fn a_server_that_warms_up_is_innocent() {
    // Its own informers first, then those of the nodes, then those of a controller that waited for its lease.
    let own = || (0..50).map(|index| 0.5 + chance(index) * 6.0);
    let controllers = || (0..60).map(|index| 55.0 + chance(index) * 2.0);
    let all = || own().chain(retries(200, 20.0)).chain(controllers());
    for make in [stuck as fn(f64) -> Life, live, nil] {
        check_innocent("waves", all().map(make), 300.0);
        check_innocent(
            "one wave in which each is later than the one before",
            (0..200).map(|index| 100.0 * f64::from(index) / 200.0).map(|at| 75.0 * (at / 100.0).powi(2)).map(make),
            300.0,
        );
        check_innocent("at once", own().map(make), 300.0);
    }
}

#[test]
fn the_slow_leak_of_working_days() {
    // Ten an hour between eight and twenty, one each three hours at night; a week, from midnight on.
    let by_day = |at: &f64| (8.0..20.0).contains(&(at / HOUR % 24.0));
    let leak: Vec<Life> =
        every(360.0, 100.0, 100.0 * HOUR).filter(|at| by_day(at) || ((at / 360.0) as u64).is_multiple_of(30)).map(stuck).collect();
    let said = endless(&leak, 60.0 * HOUR, 60.0);
    let first = said.iter().find(|(_, said)| !said.suspects.is_empty()).map(|(at, _)| at / HOUR);
    assert!(first.is_some_and(|first| first < 12.0), "within hours: {first:?}");
    let silent: Vec<f64> = said
        .iter()
        .filter(|(at, said)| first.is_some_and(|first| *at > first * HOUR) && said.suspects.is_empty())
        .map(|(at, _)| at / HOUR)
        .collect();
    assert!(silent.is_empty(), "it stands at night: {silent:?}");
}

#[test]
fn what_was_said_stands_until_the_goroutines_are_gone() {
    // One a second for three minutes, then none; all end in second 400.
    let lives: Vec<Life> = every(1.0, 0.5, 180.0).map(until(400.0)).collect();
    let events = history(&lives, 500.0, 1.0);
    assert!(matches!(events[..], [(_, Ok(Evidence::Stuck)), (at, Err(Innocence::Gone))] if at > 399.0 && at < 405.0), "{events:?}");
    let said = endless(&lives, 390.0, 1.0);
    let last = &said.last().unwrap().1.suspects;
    assert!(last.len() == 1 && last[0].count == 180, "and is brought up to date: {last:?}");
    let halves: Vec<Life> = every(1.0, 0.5, 120.0).map(|born| until(if born < 60.0 { 200.0 } else { 10_000.0 })(born)).collect();
    let events = history(&halves, 300.0, 1.0);
    assert!(
        matches!(events[..], [(_, Ok(_)), (at, Err(Innocence::OthersEnd))] if at > 199.0),
        "half of them end, so may the others: {events:?}"
    );
}

#[test]
fn what_has_come_to_rest_does_not_stand_for_ever() {
    // What grew for little longer than the shortest stretch is believed for little longer.
    // Who is dead is stuck, too: the last charge counts.
    let until_rest = [(stuck as fn(f64) -> Life, 190.0..330.0), (live, 190.0..330.0), (|at| dead_after(at, 0.0), 1050.0..1170.0)];
    for (make, expected) in until_rest {
        let lives: Vec<Life> = every(0.5, 0.5, 100.0).map(make).collect();
        let events = history(&lives, 1200.0, 5.0);
        let rest = events.iter().rfind(|(_, event)| *event == Err(Innocence::Rests));
        assert!(rest.is_some_and(|(at, _)| expected.contains(at)), "{events:?}");
        let said = endless(&lives, 1200.0, 5.0);
        assert!(said.last().unwrap().1.suspects.is_empty());
    }
}

#[test]
fn evidence_of_innocence_clears_at_once() {
    let reachable = |born: f64| {
        let lost = Stretch { unreachable: Some(0.0), ..Stretch::wait(300.0 - born, SELECT, PLACE, born.to_bits()) };
        Life::new(SITE, born, vec![lost, Stretch::wait(FOREVER, SELECT, PLACE, born.to_bits())])
    };
    let events = history(&every(1.0, 0.5, 250.0).map(reachable).collect::<Vec<_>>(), 305.0, 1.0);
    assert!(events.iter().any(|(at, event)| event.is_err() && *at < 303.0), "{events:?}");
}
