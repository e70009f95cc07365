//! Loops whose lives a timer ends, however short their turns are.

use super::{
    Life, PLACE, SELECT, SITE, Stretch, check, check_found,
    endless::check_innocent,
    every,
    simulation::{RECEIVE, endless},
};
use crate::model::Evidence;

/// Loops of so many seconds a turn, on channels of its own, until a timer is due so many seconds after its beginning.
fn until(turn: f64, deadline: f64) -> impl Fn(f64) -> Life {
    let wait = move |number: u32| (Some(deadline - f64::from(number) * turn), turn);
    move |born| {
        let turns = (0..(deadline / turn) as u32).map(wait);
        let stretch = |(timer, seconds)| Stretch { timer, ..Stretch::wait(seconds, SELECT, PLACE, born.to_bits()) };
        Life::new(SITE, born, turns.map(stretch).collect())
    }
}

/// Loops for ever, of 0.9 s a turn, on channels of its own.
fn alone(born: f64) -> Life {
    Life::looping(SITE, born, vec![Stretch::wait(0.9, RECEIVE, PLACE, born.to_bits())], 1_000_000)
}

#[test]
fn a_deadline_that_outlasts_the_turns() {
    let limited = |at: f64| {
        let turn = |turn: u32| {
            let begin = f64::from(turn) * 0.7;
            [
                Stretch { timer: Some(90.0 - begin), ..Stretch::wait(0.3, SELECT, PLACE, at.to_bits()) },
                Stretch { timer: Some(90.3 - begin - 0.6), ..Stretch::wait(0.4, SELECT, PLACE, at.to_bits()) },
            ]
        };
        Life::new(SITE, at, (0..128).flat_map(turn).collect())
    };
    check("loops with a deadline of 90 s", every(1.0, 0.0, 60.0).map(limited), 60.0, &[]);
    check("nobody is seen to wait in two censuses", every(1.0, 0.0, 60.0).map(until(0.1, 600.0)), 60.0, &[]);
    // Each turn makes a timer of its own, that is no end.
    let renewed = |at: f64| {
        let wait = Stretch { timer: Some(30.0), ..Stretch::wait(0.1, SELECT, PLACE, at.to_bits()) };
        Life::looping(SITE, at, vec![wait], 10_000)
    };
    check_found("there is one, of each turn", every(1.0, 0.0, 60.0).map(renewed), 60.0, Evidence::Live);
}

#[test]
fn turns_that_are_shorter_than_the_time_between_two_looks() {
    check_innocent("deadlines of ten minutes", every(2.0, 0.5, 400.0).map(until(0.9, 600.0)), 400.0);
    let worker = |at| Life::looping(SITE, at, vec![Stretch::wait(0.9, RECEIVE, PLACE, 7)], 1000);
    check_innocent("workers of one queue", every(2.0, 0.5, 400.0).map(worker), 400.0);
    for period in [1.0, 5.0] {
        let said = endless(&every(2.0, 0.5, 400.0).map(alone).collect::<Vec<_>>(), 400.0, period);
        let first = said.iter().find(|(_, said)| !said.suspects.is_empty()).map(|(at, said)| (*at, said.suspects[0].evidence));
        assert!(first.is_some_and(|(at, evidence)| at < 230.0 && evidence == Evidence::Live), "{first:?}");
    }
}

#[test]
fn loops_that_begin_late_in_a_long_watch_are_told_as_soon_and_stay_told() {
    // Somebody waits all the time, so that proofs were made, long ago.
    let idle = || [Life::new(SITE + 1, 1.0, vec![Stretch::wait(1e6, RECEIVE, PLACE + 8, 3)])].into_iter();
    for (seconds, from) in [(1.0, 3600.0), (5.0, 3600.0), (1.0, 900.0), (2.0, 7200.0)] {
        let lives: Vec<Life> = idle().chain(every(seconds, from, from + 600.0).map(alone)).collect();
        let said = endless(&lives, from + 600.0, 5.0);
        let told: Vec<f64> = said.iter().filter(|(_, said)| !said.suspects.is_empty()).map(|(at, _)| *at - from).collect();
        let first = told.first().copied().unwrap_or(f64::MAX);
        assert!((165.0..215.0).contains(&first), "one in {seconds} s: {first}");
        assert!(said.iter().all(|(_, said)| said.cleared.is_empty()), "one in {seconds} s is told without a break");
    }
}
