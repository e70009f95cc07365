//! Simulated histories in a watch without end: when something is said of them, and when no more.

use super::{
    super::{Settings, Stretches, Watch},
    FOREVER, Life, PLACE, SELECT, SITE, SLEEP, Stretch, dead, dead_after, every, looping,
    simulation::{NIL, RECEIVE, chance, endless, lost, receiving},
    stuck,
};
use crate::{
    growth::{Innocence, Said},
    model::{Evidence, Proof, RuntimeAddress, Ticker},
};

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
pub(super) fn check_innocent(name: &str, lives: impl IntoIterator<Item = Life>, seconds: f64) {
    let lives: Vec<Life> = lives.into_iter().collect();
    for period in [1.0, 5.0] {
        assert_eq!(history(&lives, seconds, period), [], "{name}, looked at each {period} s");
    }
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

/// Who may only wait is told after so many seconds of growth at least.
const WAITING: f64 = 165.0;
/// Where they are many, and the process' own.
const RUSH: f64 = 45.0;

#[test]
fn a_fast_leak_is_found_soon() {
    check_found("dead", every(1.0, 0.5, 20.0).map(|at| dead_after(at, 0.0)), Evidence::Proven, 1.0, 20.0);
    check_found("dead, late", every(1.0, 400.5, 460.0).map(|at| dead_after(at, 0.0)), Evidence::Proven, 400.0, 460.0);
    let kinds = [
        ("stuck", stuck as fn(f64) -> Life, Evidence::Stuck),
        ("live", live, Evidence::Live),
        ("waits for nothing", nil, Evidence::Proven),
    ];
    for (name, make, evidence) in kinds {
        for start in [0.5, 100.0, 400.0] {
            let (from, to) = (start + WAITING - 1.0, start + WAITING + 5.0);
            check_found(&format!("{name}, 1/s, from {start} s on"), every(1.0, start, to).map(make), evidence, from, to);
        }
        let from = WAITING - 1.0;
        check_found(&format!("{name}, 8/s"), every(0.125, 0.5, 175.0).map(make), evidence, from, 172.0);
        check_found(
            &format!("{name}, more and more"),
            (0..400).map(|index| 20.0 * f64::from(index).sqrt()).map(make),
            evidence,
            from,
            400.0,
        );
        let unruly = || (0..600).map(|index| 0.5 + f64::from(index) * 0.4 + chance(index) * 3.0);
        check_found(&format!("{name}, by chance"), unruly().map(make), evidence, from, 180.0);
    }
}

/// Nothing that it holds leads outside.
fn inward(life: Life) -> Life {
    Life { inward: true, ..life }
}

/// Loops, and only sleeps in between.
fn sleeping(born: f64) -> Life {
    Life::looping(SITE, born, vec![Stretch::wait(0.7, SLEEP, PLACE, 0)], 1000)
}

#[test]
fn what_grows_by_many_within_the_process_is_told_within_a_minute() {
    let kinds =
        [("stuck", stuck as fn(f64) -> Life, Evidence::Stuck), ("live", live, Evidence::Live), ("sleeps", sleeping, Evidence::Live)];
    for (name, make, evidence) in kinds {
        for start in [0.5, 100.0] {
            let (from, to) = (start + RUSH - 1.0, start + 58.0);
            let lives = || every(0.04, start, to);
            check_found(&format!("{name}, 25/s, from {start} s on"), lives().map(make).map(inward), evidence, from, to);
            check_innocent(&format!("{name}, and clients may have brought them"), lives().map(make), to);
        }
        let unruly = || (0..1600).map(|index| 0.5 + f64::from(index) * 0.04 + chance(index) * 3.0);
        check_found(&format!("{name}, by chance"), unruly().map(make).map(inward), evidence, RUSH, 58.0);
        check_innocent(&format!("{name}, 5/s"), every(0.2, 0.5, 70.0).map(make).map(inward), 70.0);
        let told = endless(&every(0.04, 0.5, 60.0).map(make).map(inward).collect::<Vec<_>>(), 60.0, 5.0);
        assert!(told.iter().any(|(_, said)| !said.suspects.is_empty()), "{name}, looked at each five seconds");
    }
}

#[test]
fn what_clients_may_have_brought_is_told_no_sooner() {
    let rush = || every(0.04, 0.5, 62.0).map(stuck).map(inward);
    let check = |name: &str, others: &mut dyn Iterator<Item = Life>| check_innocent(name, rush().chain(others), 62.0);
    let elsewhere = |life: Life| Life { site: SITE + 64, ..life };
    check("others came along that lead outside", &mut every(0.05, 0.5, 62.0).map(stuck).map(elsewhere));
    // One that the clock wakes leads to what all of them wait on, and may be about to end the wait.
    let queue = |born: f64| Life::new(SITE, born, vec![Stretch::wait(FOREVER, RECEIVE, PLACE, 7)]);
    let flusher = Life { site: SITE + 64, ..Life::looping(SITE, 0.0, vec![Stretch::wait(100.0, SLEEP, PLACE, 7)], 10) };
    check_innocent("a batch", every(0.04, 0.5, 62.0).map(queue).map(inward).chain([flusher]), 62.0);
    let mixed = every(0.04, 20.0, 62.0).map(stuck).chain(every(0.02, 0.0, 4.0).map(stuck).map(inward));
    check_innocent("others of the statement were inward before", mixed, 62.0);
}

#[test]
fn a_leak_in_bursts_is_found_when_there_were_enough_of_them() {
    // Ten at once, once a minute, as a job does it that runs by the clock.
    let bursts = || every(60.0, 5.0, 1200.0).flat_map(|at| (0..10).map(move |index| at + f64::from(index) * 0.1));
    for (make, evidence) in [(stuck as fn(f64) -> Life, Evidence::Stuck), (live, Evidence::Live)] {
        check_found("ten a minute", bursts().map(make), evidence, WAITING, 900.0);
    }
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
fn many_clients_that_come_back_are_innocent() {
    for count in [1000, 3000] {
        for up in [5.0, 100.0] {
            // Each has a goroutine that leads to its stream. All were there before, and have ended.
            let earlier = || (0..count).map(|index| Life { site: SITE, ..until(200.0)(chance(index)) });
            let back = || retries(count, up).map(|at| 210.0 + at);
            let name = format!("{count} clients, back after {up} s");
            check_innocent(&name, earlier().chain(back().map(stuck)), 350.0);
            // Of the goroutines that hand on what they are told nobody can say whether they lead outside.
            check_innocent(&name, retries(count, up).map(live).map(inward), 200.0);
        }
        // gRPC's longest pause: 96 to 144 s.
        let residual = |share: f64| if share < 0.8 { share * 120.0 } else { 144.0 - (48.0 * 240.0 * (1.0 - share)).sqrt() };
        let back = || (0..count).map(|client| 0.5 + residual(f64::from(client) / f64::from(count)));
        check_innocent("gRPC", back().map(stuck), 200.0);
        check_innocent("gRPC", back().map(live), 200.0);
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
fn what_warms_up_is_innocent_however_it_does() {
    let ramp = |seconds: f64, count: u32| (0..count).map(move |index| 0.5 + f64::from(index) / f64::from(count) * seconds);
    let approach = |seconds: f64, count: u32| (0..count).map(move |index| 0.5 - seconds * (1.0 - f64::from(index) / f64::from(count)).ln());
    // Waves at any time of two and a half minutes, each some seconds wide.
    let waves = |number: u32, waves: u32| {
        (0..waves * 25).map(move |index| {
            let wave = number * 8 + index % waves;
            chance(wave) * 140.0 + chance(1000 + index) * (1.0 + 9.0 * chance(2000 + wave))
        })
    };
    for make in [stuck as fn(f64) -> Life, live, nil] {
        for seconds in [60.0, 100.0, 150.0] {
            for count in [20, 300] {
                check_innocent(&format!("{count} in {seconds} s"), ramp(seconds, count).map(make), 300.0);
            }
        }
        for seconds in [20.0, 60.0, 200.0] {
            check_innocent(&format!("fewer and fewer, {seconds} s"), approach(seconds, 150).map(make), 600.0);
        }
    }
    for number in 0..12 {
        check_innocent(&format!("waves {number}"), waves(number, 2 + number % 4).map(live), 350.0);
    }
}

#[test]
fn what_grows_for_longer_than_a_warm_up_is_said_and_falls_when_it_rests() {
    // Five minutes cannot be told from a leak while they last.
    for (make, evidence) in [(stuck as fn(f64) -> Life, Evidence::Stuck), (live, Evidence::Live)] {
        let events = history(&every(1.0, 0.5, 300.0).map(make).collect::<Vec<_>>(), 700.0, 1.0);
        let expected = |at: f64, rest: f64| (WAITING..172.0).contains(&at) && (600.0..612.0).contains(&rest);
        assert!(
            matches!(events[..], [(at, Ok(found)), (rest, Err(Innocence::Rests))] if found == evidence && expected(at, rest)),
            "{events:?}"
        );
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
    // One a second for four minutes, then none; all end in second 400.
    let lives: Vec<Life> = every(1.0, 0.5, 240.0).map(until(400.0)).collect();
    let events = history(&lives, 500.0, 1.0);
    assert!(matches!(events[..], [(_, Ok(Evidence::Stuck)), (at, Err(Innocence::Gone))] if at > 399.0 && at < 405.0), "{events:?}");
    let said = endless(&lives, 390.0, 1.0);
    let last = &said.last().unwrap().1.suspects;
    assert!(last.len() == 1 && last[0].count == 240, "and is brought up to date: {last:?}");
    let halves: Vec<Life> = every(1.0, 0.5, 240.0).map(|born| until(if born < 60.0 { 260.0 } else { 10_000.0 })(born)).collect();
    let events = history(&halves, 350.0, 1.0);
    assert!(
        matches!(events[..], [(_, Ok(_)), (at, Err(Innocence::OthersEnd))] if at > 259.0),
        "half of them end, so may the others: {events:?}"
    );
}

#[test]
fn what_has_come_to_rest_does_not_stand_for_ever() {
    // What grew for little longer than the shortest stretch is believed for little longer.
    // Who is dead is stuck, too: the last charge counts.
    let until_rest = [(stuck as fn(f64) -> Life, 390.0..420.0), (live, 390.0..420.0), (|at| dead_after(at, 0.0), 2150.0..2180.0)];
    for (make, expected) in until_rest {
        let lives: Vec<Life> = every(1.0, 0.5, 200.0).map(make).collect();
        let said = endless(&lives, expected.end + 20.0, 5.0);
        let rests = |said: &Said| said.cleared.iter().any(|(_, innocence)| *innocence == Innocence::Rests);
        let rest = said.iter().rfind(|(_, said)| rests(said)).map(|(at, _)| *at);
        assert!(rest.is_some_and(|at| expected.contains(&at)), "{rest:?}");
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

/// Tickers of one period, each with its second of birth and when it is stopped, forgotten from the start: what is said of them after each
/// of so many proofs, three seconds apart, as the second, the count and how many more in a hundred seconds.
fn tickers(tickers: &[(f64, f64)], seconds: u32) -> Vec<(u32, u64, u64)> {
    let mut watch = Watch::new(0, Settings { stretches: Some(Stretches::default()), ..Settings::default() });
    let mut said = Vec::new();
    for second in (0..=seconds).step_by(3) {
        let (now, ns) = (f64::from(second), u64::from(second) * 1_000_000_000);
        let there = (0_u64..).zip(tickers).filter(|(_, (born, stopped))| (*born..*stopped).contains(&now));
        let ticker = |index| Ticker { channel: RuntimeAddress(0x1000 + index * 96), period_ns: 1_000_000_000, unreachable: true };
        watch.proof(&Proof { began_ns: ns, ended_ns: ns, tickers: there.map(|(index, _)| ticker(index)).collect(), ..Proof::default() }, 0);
        let found = watch.look(ns).tickers;
        assert!(found.len() <= 1, "{found:?}");
        said.extend(found.iter().map(|suspect| (second, suspect.count, (suspect.slope * 100.0).round() as u64)));
    }
    said
}

#[test]
fn tickers_that_are_forgotten_stand_until_they_are_stopped() {
    // One each two seconds for a minute, then none; half are stopped in second 300, the others in second 400.
    let stopped = |index: usize| if index.is_multiple_of(2) { 300.0 } else { 400.0 };
    let all: Vec<(f64, f64)> = every(2.0, 0.5, 60.0).enumerate().map(|(index, at)| (at, stopped(index))).collect();
    let said = tickers(&all, 450);
    let at = |second: u32| said.iter().find(|(at, ..)| *at == second).map(|(_, count, slope)| (*count, *slope));
    assert!(said.first().is_some_and(|(second, ..)| *second <= 30), "{said:?}");
    assert_eq!(at(60), Some((29, 51)), "of the last two nothing is known yet");
    assert_eq!(at(90).map(|(count, _)| count), Some(30));
    assert_eq!(at(297), Some((30, 10)), "they stand though they have become no more, and the slope is that of all the time");
    assert_eq!(at(303).map(|(count, _)| count), Some(15), "and fewer when some are gone");
    assert_eq!(at(402), None, "until all are gone");
    let again: Vec<(f64, f64)> = all.iter().copied().chain(every(2.0, 500.5, 560.0).map(|at| (at, FOREVER))).collect();
    let said = tickers(&again, 600);
    assert!(said.iter().any(|(second, count, _)| (500..530).contains(second) && *count >= 3), "they are said anew: {said:?}");
}

#[test]
fn how_fast_a_leak_grows_is_told_between_two_proofs_too() {
    // Nothing for five minutes, then five a second, as seen by looks that find some at once.
    let dead = dead as fn(f64) -> Life;
    let cases = [
        ("dead", dead, 1.0, 330.0),
        ("dead", dead, 5.0, 355.0),
        ("stuck", stuck, 1.0, 480.0),
        ("stuck", stuck, 5.0, 480.0),
        ("live", live, 1.0, 480.0),
        ("live", live, 5.0, 480.0),
    ];
    for (name, make, period, before) in cases {
        let lives: Vec<Life> = every(0.2, 300.0, 500.0).map(make).collect();
        let said = endless(&lives, 500.0, period);
        let slopes: Vec<(f64, f64)> =
            said.iter().flat_map(|(second, said)| said.suspects.iter().map(|suspect| (*second, suspect.slope))).collect();
        assert!(slopes.first().is_some_and(|(second, _)| *second < before), "{name}, looked at each {period} s: {slopes:?}");
        assert!(slopes.iter().all(|(_, slope)| (4.5..5.5).contains(slope)), "{name}, looked at each {period} s: {slopes:?}");
    }
}

#[test]
fn days_of_proofs_one_soon_after_another() {
    let (mut watch, mut goid, mut all) =
        (Watch::new(0, Settings { stretches: Some(Stretches::default()), ..Settings::default() }), 0, Vec::new());
    // One more is lost each 500 proofs, with a ticker.
    for number in 0..26_000_u64 {
        let ns = number * 3_000_000_000;
        watch.begin_census(ns);
        if number % 500 == 1 {
            goid += 1;
            all.push(goid);
        }
        for goid in &all {
            watch.see(&receiving(*goid));
        }
        watch.end_census();
        let ticker = |goid: &u64| Ticker { channel: RuntimeAddress(*goid), period_ns: 1_000_000_000, unreachable: true };
        let (waiters, tickers) = (all.iter().copied().map(lost).collect(), all.iter().map(ticker).collect());
        watch.proof(&Proof { began_ns: ns, ended_ns: ns, waiters, tickers, ..Proof::default() }, 0);
        if number > 10_000 && number % 64 == 0 {
            let (said, many) = (watch.look(ns), u64::try_from(all.len()).unwrap());
            let found: Vec<_> = said.suspects.iter().map(|suspect| (suspect.evidence, suspect.count)).collect();
            assert_eq!(found, [(Evidence::Proven, many)], "after {number} proofs");
            let tickers: Vec<u64> = said.tickers.iter().map(|suspect| suspect.count).collect();
            assert_eq!(tickers, [many], "after {number} proofs");
        }
    }
}
