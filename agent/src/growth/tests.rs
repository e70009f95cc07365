//! Simulated histories of goroutines, and what must be said of them.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of a simulation are small")]

mod deadlines;
mod endless;
mod large;
mod simulation;

use self::simulation::{CALL, FOREVER, IO, LOCK, Life, RECEIVE, SELECT, SLEEP, Stretch, watch};
use super::{Settings, Stretches, TICKS_PER_SECOND, Watch};
use crate::model::{Evidence, Proof, RuntimeAddress, Suspect, Ticker};

const SITE: u64 = 0x1000;
const PLACE: u64 = 0x2000;

fn every(seconds: f64, from: f64, to: f64) -> impl Iterator<Item = f64> {
    (0..).map(move |index| from + f64::from(index) * seconds).take_while(move |at| *at < to)
}

/// Blocks for good on something of its own that others still lead to.
fn stuck(born: f64) -> Life {
    Life::new(SITE, born, vec![Stretch::wait(FOREVER, RECEIVE, PLACE, born.to_bits())])
}

/// Blocks for good on something that nobody leads to.
fn dead(born: f64) -> Life {
    dead_after(born, 0.0)
}

fn dead_after(born: f64, after: f64) -> Life {
    let wait = Stretch { unreachable: Some(after), ..Stretch::wait(FOREVER, RECEIVE, PLACE, born.to_bits()) };
    Life::new(SITE, born, vec![wait])
}

/// Waits for so long, and ends.
fn request(born: f64, seconds: f64) -> Life {
    Life::new(SITE, born, vec![Stretch::wait(seconds, RECEIVE, PLACE, born.to_bits())])
}

/// Wakes up each `gap` seconds until `life` is over; waits on something of its own.
fn looping(born: f64, gap: f64, life: f64) -> Life {
    let turns = (life.min(10_000.0) / gap) as usize;
    Life::looping(SITE, born, vec![Stretch::wait(gap, SELECT, PLACE, born.to_bits())], turns)
}

fn run(lives: &[Life], seconds: f64) -> Vec<Suspect> {
    watch(lives, &[], seconds, 0.25, Settings::default())
}

/// What is said after `seconds`, strongest first: evidence and count.
fn check(name: &str, lives: impl IntoIterator<Item = Life>, seconds: f64, expected: &[(Evidence, u64)]) {
    let lives: Vec<Life> = lives.into_iter().collect();
    let found: Vec<_> = run(&lives, seconds).iter().map(|suspect| (suspect.evidence, suspect.count)).collect();
    assert_eq!(found, expected, "{name}");
}

/// That something is said, and with which evidence: how many depends on when it was looked.
fn check_found(name: &str, lives: impl IntoIterator<Item = Life>, seconds: f64, expected: Evidence) {
    let lives: Vec<Life> = lives.into_iter().collect();
    let found = run(&lives, seconds);
    assert!(found.len() == 1 && found[0].evidence == expected && found[0].count >= 3, "{name}: {found:?}");
    assert_eq!(found[0].created_at, RuntimeAddress(SITE), "{name}");
}

#[test]
fn leaks_are_found() {
    check_found("dead, one a second, in 15 s", every(1.0, 0.5, 15.0).map(dead), 15.0, Evidence::Proven);
    check_found("stuck, one a second, in 15 s", every(1.0, 0.5, 15.0).map(stuck), 15.0, Evidence::Stuck);
    check_found(
        "dead, in bursts of 50",
        every(10.0, 3.0, 60.0).flat_map(|at| (0..50).map(move |i| dead(at + f64::from(i) * 0.01))),
        60.0,
        Evidence::Proven,
    );
    check_found(
        "stuck, in bursts of 50",
        every(10.0, 3.0, 60.0).flat_map(|at| (0..50).map(move |i| stuck(at + f64::from(i) * 0.01))),
        60.0,
        Evidence::Stuck,
    );
    let load = || every(0.02, 0.0, 60.0).map(|at| request(at, 0.05 + at % 0.4));
    check_found("one in 50 of short requests is stuck", load().chain(every(1.0, 0.5, 60.0).map(stuck)), 60.0, Evidence::Stuck);
    check_found("one in 50 of short requests is dead", load().chain(every(1.0, 0.5, 60.0).map(dead)), 60.0, Evidence::Proven);
    let tenth = |at: f64| if ((at * 10.0).round() as u64).is_multiple_of(10) { dead_after(at, 0.3) } else { request(at, 0.3) };
    check_found("a tenth of requests", every(0.1, 0.0, 30.0).map(tenth), 30.0, Evidence::Proven);
    check_found("loops", every(1.0, 0.5, 30.0).map(|at| looping(at, 0.3, FOREVER)), 30.0, Evidence::Live);
    check_found(
        "loops that never wait",
        every(1.0, 0.5, 30.0).map(|at| Life::looping(SITE, at, vec![Stretch::run(0.2)], 400)),
        30.0,
        Evidence::Live,
    );
    let patient =
        |at: f64| Life::looping(SITE, at, vec![Stretch { timer: Some(20.0), ..Stretch::wait(0.4, SELECT, PLACE, at.to_bits()) }], 200);
    check_found("loops that make a new timer of 20 s at each turn", every(1.0, 0.5, 60.0).map(patient), 60.0, Evidence::Live);
    let sleeper = |at| Life::looping(SITE, at, vec![Stretch::wait(0.7, SLEEP, PLACE, 0)], 400);
    check_found("loops that sleep", every(1.0, 0.5, 30.0).map(sleeper), 30.0, Evidence::Live);
}

#[test]
fn who_waits_in_the_kernel() {
    let waits = |reason, object: u64| move |at| Life::new(SITE, at, vec![Stretch::wait(FOREVER, reason, PLACE, object)]);
    check_found("for pipes whose other end the process holds", every(1.0, 0.5, 30.0).map(waits(IO, 7)), 30.0, Evidence::Stuck);
    check("for others", every(1.0, 0.5, 30.0).map(waits(IO, 0)), 30.0, &[]);
    check_found("in calls that do not end", every(1.0, 0.5, 30.0).map(waits(CALL, 0)), 30.0, Evidence::Stuck);
    let polls = |at| Life::looping(SITE, at, vec![Stretch::wait(0.3, CALL, PLACE, 0)], 1000);
    check("in one call after the other", every(1.0, 0.5, 30.0).map(polls), 30.0, &[]);
    let waits = |at| Life::new(SITE, at, vec![Stretch::wait(12.0, CALL, PLACE, 0)]);
    check("in calls of twelve seconds", every(1.0, 0.5, 60.0).map(waits), 60.0, &[]);
}

#[test]
fn a_watch_of_what_has_long_been_running() {
    let round = |at: f64| request(at, 40.0 - (at + 37.5) % 40.0);
    check("rounds that end together each 40 s, from 2.5 s before the end of one", every(0.125, -37.5, 25.0).map(round), 25.0, &[]);
    check("requests of 50 s, two a second", every(0.5, -60.0, 25.0).map(|at| request(at, 50.0)), 25.0, &[]);
    check("loops of 50 s, two a second", every(0.5, -60.0, 40.0).map(|at| looping(at, 0.3, 50.0)), 40.0, &[]);
    let beside = |make: fn(f64) -> Life| {
        let healthy = every(0.25, -60.0, 25.0).map(|at| (at, request(at, 1.5)));
        let mut lives: Vec<(f64, Life)> = healthy.chain(every(1.0, -59.9, 25.0).map(|at| (at, make(at)))).collect();
        lives.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        lives.into_iter().map(|(_, life)| life)
    };
    check_found("one a second beside requests of the same statement", beside(stuck), 25.0, Evidence::Stuck);
    check_found("loops beside them", beside(|at| looping(at, 0.3, FOREVER)), 25.0, Evidence::Live);
}

#[test]
fn a_short_watch_with_looks_that_are_far_apart() {
    // As where there are so many goroutines, on a machine so busy, that a look costs a twentieth of a second.
    let of = |make: fn(f64) -> Life, until: f64| -> Vec<Life> { every(0.1, 0.5, until).map(make).collect() };
    for period in [2.0, 3.0, 4.0] {
        let found = watch(&of(stuck, 25.0), &[], 25.0, period, Settings::default());
        assert!(matches!(found[..], [Suspect { evidence: Evidence::Stuck, .. }]), "each {period} s: {found:?}");
        let over = watch(&of(stuck, 8.0), &[], 25.0, period, Settings::default());
        assert_eq!(over, [], "no more after a third of the time, each {period} s");
        let requests: Vec<Life> = every(0.1, 0.5, 25.0).map(|at| request(at, 6.0)).collect();
        assert_eq!(watch(&requests, &[], 25.0, period, Settings::default()), [], "requests of six seconds, each {period} s");
    }
}

#[test]
fn loops_that_have_become_as_many_as_they_shall_be() {
    let workers = |until: f64| every(1.3, 0.5, until).map(|at| looping(at, 0.3, FOREVER));
    check_found("workers are added until the end", workers(30.0), 30.0, Evidence::Live);
    check("a warm-up that is over", workers(25.5), 30.0, &[]);
    let pairs = every(8.0, 0.5, 60.0).flat_map(|at| [at, at + 0.1].map(|at| looping(at, 0.3, FOREVER)));
    check_found("two in each eight seconds", pairs, 60.0, Evidence::Live);
}

#[test]
fn a_slow_leak_under_load_by_day_and_night() {
    let hour = 3600.0;
    // Requests: many by day, few by night, some of a minute; ten an hour are stuck.
    let load = every(5.0, 0.0, 4.0 * hour).filter(|at| (at / hour * 1.5).sin().abs() > 0.3 || ((at / 5.0) as u64).is_multiple_of(10));
    let load = load.map(|at| request(at, 1.0 + (at * 7.0) % 60.0));
    let lives: Vec<Life> = load.chain(every(360.0, 100.0, 4.0 * hour).map(stuck)).collect();
    let found = watch(&lives, &[], 3.0 * hour, 5.0, Settings::default());
    assert!(found.len() == 1 && found[0].evidence == Evidence::Stuck && found[0].count >= 25, "{found:?}");
    assert!((found[0].slope - 10.0 / hour).abs() < 1.0 / hour, "{found:?}");
}

#[test]
fn a_leak_that_begins_late_shows_in_a_part_of_the_watch() {
    let lives: Vec<Life> = every(5.0, 3000.0, 3600.0).map(stuck).collect();
    assert_eq!(watch(&lives, &[], 3600.0, 5.0, Settings::default()), []);
    let settings = Settings {
        stretches: Some(Stretches { lost_ns: 300_000_000_000, rush_ns: 300_000_000_000, waiting_ns: 300_000_000_000 }),
        ..Settings::default()
    };
    assert_eq!(watch(&lives, &[], 3600.0, 5.0, settings).len(), 1);
}

#[test]
fn the_innocent_are_not_accused() {
    let here = |lives: Vec<Life>| lives.into_iter();
    check("a burst", (0..100).map(|i| stuck(20.0 + f64::from(i) * 0.01)), 60.0, &[]);
    check("a fixed pool that idles", (0..100).map(|_| stuck(-5.0)), 60.0, &[]);
    check("a pool that is made and idles", (0..100).map(|_| stuck(1.0)), 60.0, &[]);
    check("a pool that is dropped", (0..100).map(|i| dead_after(1.0 + f64::from(i) * 0.01, 20.0)), 60.0, &[]);
    let dropped = (0..100).map(|i| dead_after(1.0, 20.0 + f64::from(i) * 0.2));
    check("a pool that is dropped, of which remnants keep some alive for a while", dropped, 60.0, &[]);
    check("requests", every(0.1, 0.0, 60.0).map(|at| request(at, 2.0 + at % 3.0)), 60.0, &[]);
    check(
        "load that doubles",
        every(0.2, 0.0, 60.0).flat_map(|at| (0..1 + (at / 15.0) as usize).map(move |_| request(at, 3.0))),
        60.0,
        &[],
    );
    let periodic = every(0.1, 0.0, 60.0).filter(|at| at % 20.0 < 8.0).map(|at| request(at, 4.0));
    check("periodic load", periodic, 60.0, &[]);
    check("a warm-up that slows down", (0..40).map(|i| stuck(40.0 * (1.0 - 0.9_f64.powi(i)))), 60.0, &[]);
    check("a warm-up that ended in the last third", every(1.0, 0.0, 44.0).map(stuck), 60.0, &[]);
    check("a warm-up that ends", every(1.0, 0.0, 24.0).map(stuck), 60.0, &[]);
    let long = |at: f64| Life::new(SITE, at, vec![Stretch { timer: Some(300.0), ..Stretch::wait(300.0, SELECT, PLACE, at.to_bits()) }]);
    check("deadlines of five minutes", every(1.0, 0.0, 60.0).map(long), 60.0, &[]);
    check("a first sleep", every(1.0, 0.0, 60.0).map(|at| Life::new(SITE, at, vec![Stretch::wait(300.0, SLEEP, PLACE, 0)])), 60.0, &[]);
    check("the network", every(1.0, 0.0, 60.0).map(|at| Life::new(SITE, at, vec![Stretch::wait(300.0, IO, PLACE, 0)])), 60.0, &[]);
    let family = |nap: f64| {
        let child =
            move |at: f64| Life::looping(SITE + 1, at + 0.1, vec![Stretch::wait(nap, SLEEP, PLACE, at.to_bits())], (200.0 / nap) as usize);
        every(1.0, 0.0, 60.0).flat_map(move |at| [stuck(at), child(at), child(at + 0.0)])
    };
    check("parents of children that sleep", family(100.0), 60.0, &[]);
    let mixed = run(&family(5.0).collect::<Vec<_>>(), 60.0);
    assert!(mixed.iter().any(|suspect| suspect.created_at.0 == SITE), "parents of children that loop: {mixed:?}");
    let job = |at| Life::looping(SITE, at, vec![Stretch::run(0.2)], 60);
    check("jobs of 12 s", every(1.0, 0.0, 60.0).map(job), 60.0, &[]);
    check("loops of 12 s", every(1.0, 0.0, 60.0).map(|at| looping(at, 0.3, 12.0)), 60.0, &[]);
    let worker = |at| Life::looping(SITE, at, vec![Stretch::wait(0.4, RECEIVE, PLACE, 7)], 400);
    check("a growing pool on one queue that moves", every(2.0, 0.0, 60.0).map(worker), 60.0, &[]);
    let supervised = |at| here(vec![Life::new(SITE, at, vec![Stretch::wait(4.0, RECEIVE, PLACE, 1)])]);
    check("something that is restarted", every(4.0, 0.0, 60.0).flat_map(supervised), 60.0, &[]);
    let served = |at: f64| Life::new(SITE, at, vec![Stretch::wait(5.0, RECEIVE, PLACE, 1), Stretch::wait(55.0, RECEIVE, PLACE, 1)]);
    check("waits at another place than those that were released", every(1.0, 0.0, 20.0).map(served), 40.0, &[]);
}

#[test]
fn timers_that_end_no_wait_are_no_excuse() {
    // Each on an object of its own, since long before the watch: `seconds` long, with a timer that is due after `timer`.
    let waits = |seconds: f64, timer: f64| {
        let wait = move |at: f64| Stretch { timer: Some(timer), ..Stretch::wait(seconds, SELECT, PLACE, at.to_bits()) };
        every(1.0, -70.0, 60.0).map(move |at| Life::new(SITE, at, vec![wait(at)]))
    };
    check_found("none of them ends one", waits(FOREVER, 90.0), 60.0, Evidence::Stuck);
    check("they end all", waits(90.0, 90.0), 60.0, &[]);
    check("they are due after the watch", waits(FOREVER, 200.0), 60.0, &[]);
    let last = |at: f64| Life::new(SITE, at, vec![Stretch { timer: Some(90.0), ..Stretch::wait(90.0, SELECT, PLACE, at.to_bits()) }]);
    check("one of them ends one", waits(FOREVER, 90.0).chain([last(-60.5)]), 60.0, &[]);
    let late = |at: f64| Stretch { timer: Some(90.0), late: FOREVER, ..Stretch::wait(FOREVER, SELECT, PLACE, at.to_bits()) };
    check("they are late", every(1.0, -70.0, 60.0).map(|at| Life::new(SITE, at, vec![late(at)])), 60.0, &[]);
    // Due at 20, 40 and 60, and put off until the end of the life.
    let put_off = |at: f64| Stretch { rearmed: Some(20.0), ..Stretch::wait(300.0, SELECT, PLACE, at.to_bits()) };
    check("they are put off", every(1.0, -70.0, 60.0).map(|at| Life::new(SITE, at, vec![put_off(at)])), 60.0, &[]);
}

#[test]
fn who_waits_for_one_of_his_kind_at_work_is_innocent() {
    // One object for all; who is at work with it sleeps a fifth of a second at a time.
    let waits = |reason: u8| every(0.5, 1.0, 60.0).map(move |at| Life::new(SITE, at, vec![Stretch::wait(FOREVER, reason, PLACE, 7)]));
    let works = |site: u64, born: f64| [Life::looping(site, born, vec![Stretch::wait(0.2, SLEEP, PLACE + 8, 7), Stretch::run(0.01)], 1000)];
    check("work that is done once", works(SITE, -20.0).into_iter().chain(waits(LOCK)), 60.0, &[]);
    check("and began while watched", works(SITE, 0.5).into_iter().chain(waits(LOCK)), 60.0, &[]);
    check_found("nobody is at work", waits(LOCK), 60.0, Evidence::Stuck);
    let other = run(&works(SITE + 1, -20.0).into_iter().chain(waits(LOCK)).collect::<Vec<_>>(), 60.0);
    assert_eq!(other.len(), 1, "somebody else is: {other:?}");
    let before = |at: f64| Life::new(SITE, at, vec![Stretch::wait(1.0, SLEEP, PLACE + 8, 7), Stretch::wait(FOREVER, LOCK, PLACE, 7)]);
    check_found("all sleep before they come for the lock", every(0.5, 1.0, 60.0).map(before), 60.0, Evidence::Stuck);
    check_found("a channel", works(SITE, -20.0).into_iter().chain(waits(RECEIVE)), 60.0, Evidence::Stuck);
}

#[test]
fn parents_of_whom_some_seem_to_be_known_to_others_are_innocent() {
    // A rest on the stack of somebody who has slept for long leads to what one parent in so many waits on.
    let families = |one_in: usize| {
        every(0.5, 0.5, 60.0).enumerate().flat_map(move |(number, at)| {
            let child = Life::new(SITE + 1, at, vec![Stretch::wait(100.0, SLEEP, PLACE, at.to_bits())]);
            let other = Life::new(SITE + 2, -1.0, vec![Stretch::wait(200.0, SLEEP, PLACE, at.to_bits())]);
            [stuck(at), child].into_iter().chain((number % one_in == 0).then_some(other))
        })
    };
    check("one in three", families(3), 60.0, &[]);
    check_found("all", families(1), 60.0, Evidence::Stuck);
}

#[test]
fn who_came_along_with_a_connection_is_innocent() {
    let lives: Vec<Life> = every(2.0, 1.0, 60.0).map(stuck).collect();
    let connections: Vec<f64> = every(2.0, 0.9, 60.0).collect();
    let found = |connections: &[f64]| watch(&lives, connections, 60.0, 0.25, Settings::default()).len();
    assert_eq!(found(&connections), 0);
    assert_eq!(found(&[]), 1);
    assert_eq!(found(&connections[..5]), 1, "too few");
    assert_eq!(found(&[0.3; 30]), 1, "at another time");
}

/// Waits for good on an object that a timer leads to, again and again.
fn rearmed(object: u64, born: f64) -> Life {
    Life::new(SITE, born, vec![Stretch { rearmed: Some(2.0), ..Stretch::wait(FOREVER, RECEIVE, PLACE, object) }])
}

#[test]
fn a_timer_that_serves_nobody() {
    // Five objects, on each of which one more waits every two seconds.
    let queues = || (0_u64..).zip(every(0.4, 0.5, 45.0)).map(|(index, at)| rearmed(index % 5, at));
    check_found("a check that arms itself again, and reports to nobody", queues(), 45.0, Evidence::Stuck);
    let alone = (0_u64..).zip(every(0.4, 0.5, 45.0)).map(|(index, at)| rearmed(index, at));
    check("sessions that look now and then whether they are over", alone, 45.0, &[]);
    let ends = queues().map(|mut life| {
        life.stretches[0].timer = Some(600.0);
        life
    });
    check("another timer will end it", ends, 45.0, &[]);
    let full = (0..100_u32).map(|index| rearmed(u64::from(index % 5), 1.0 + f64::from(index) * 0.01));
    check("nobody has come to wait since", full, 45.0, &[]);
}

#[test]
fn a_machine_that_stood_still_is_watched_well_again() {
    // Nobody looked for an hour, then each ten seconds.
    let (hour, settings) = (3600, Settings { stretches: Some(Stretches::default()), ..Settings::default() });
    let slack = |after: u64| {
        let mut watch = Watch::new(0, settings);
        for second in [0, hour].into_iter().chain((hour..hour + after).step_by(10)) {
            watch.begin_census(second * 1_000_000_000);
            watch.end_census();
        }
        watch.slack() / TICKS_PER_SECOND
    };
    assert_eq!(slack(10), 2 * 3600);
    assert!((3550..3650).contains(&slack(32 * hour)), "half is forgotten: {}", slack(32 * hour));
    assert_eq!(slack(65 * hour), 20, "what is usual is not");
}

#[test]
fn what_is_said_at_any_time_of_a_watch() {
    // Sessions of ten seconds, one a second: never a leak, whenever it is asked after the first have ended.
    let lives: Vec<Life> = every(1.0, 0.0, 100.0).map(|at| request(at, 10.0)).collect();
    for seconds in 12..90 {
        assert_eq!(run(&lives, f64::from(seconds)), [], "after {seconds} s");
    }
}

#[test]
fn a_census_that_was_cut_kills_nobody() {
    let mut watch = Watch::new(0, Settings::default());
    assert_eq!(watch.next_proof_ns(), None);
    for second in 0..5 {
        watch.begin_census(second * 1_000_000_000);
        if second == 0 { watch.end_census() } else { watch.cut_census() }
    }
    assert_eq!(watch.followed(), 0);
}

/// Tickers, each with its second of birth, when it is forgotten and when it is stopped: how many are said to be forgotten after a minute
/// with a proof each three seconds, and how many more each ten seconds.
fn check_tickers(name: &str, tickers: &[(f64, f64, f64)], expected: Option<(u64, u64)>) {
    let mut watch = Watch::new(0, Settings::default());
    for second in (0_u32..=60).step_by(3) {
        let (now, ns) = (f64::from(second), u64::from(second) * 1_000_000_000);
        let there = (0_u64..).zip(tickers).filter(|(_, (born, _, stopped))| (*born..*stopped).contains(&now));
        let told = there.map(|(index, (_, forgotten, _))| Ticker {
            channel: RuntimeAddress(0x1000 + index * 96),
            period_ns: 1_000_000_000,
            unreachable: *forgotten <= now,
        });
        watch.proof(&Proof { began_ns: ns, ended_ns: ns, tickers: told.collect(), ..Proof::default() }, 0);
    }
    let found = watch.ticker_suspects(60_000_000_000);
    let told = found.first().map(|suspect| (suspect.count, (suspect.slope * 10.0).round() as u64));
    assert!(told == expected && found.len() <= 1, "{name}: {found:?}");
}

#[test]
fn tickers_that_are_forgotten() {
    let each = |seconds, from, to, forgotten: f64, stopped: f64| -> Vec<(f64, f64, f64)> {
        every(seconds, from, to).map(|at| (at, at + forgotten, at + stopped)).collect()
    };
    check_tickers("one a second, from the second proof on", &each(1.0, 0.5, 60.0, 0.1, FOREVER), Some((57, 10)));
    check_tickers("used for a while, and forgotten", &each(2.0, 0.5, 60.0, 10.0, FOREVER), Some((24, 4)));
    check_tickers("used and stopped", &each(1.0, 0.5, 60.0, FOREVER, 20.0), None);
    check_tickers("used for ever", &each(1.0, 0.5, 60.0, FOREVER, FOREVER), None);
    check_tickers("called forgotten in single proofs", &each(1.0, 0.5, 60.0, 0.0, 2.9), None);
    check_tickers("made at once, and forgotten", &each(0.1, 20.0, 24.0, 1.0, FOREVER), None);
    let dropped: Vec<_> = every(1.0, 0.5, 55.0).map(|at| (at, 56.0, FOREVER)).collect();
    check_tickers("dropped with their owner", &dropped, None);
}

#[test]
fn the_slope_of_one_that_was_born_beside_others_that_were_there() {
    // Proofs begin with the first who waits and was born while watched.
    let other = Life { site: SITE + 1, ..stuck(50.0) };
    let lives: Vec<Life> = [-10.0, -9.0, -8.0, 100.0].into_iter().map(dead).chain([other]).collect();
    let found = watch(&lives, &[], 300.0, 1.0, Settings::default());
    assert!(found.len() == 1 && found[0].evidence == Evidence::Proven && found[0].count == 4, "{found:?}");
    assert!((1.0 / 300.0..1.0 / 200.0).contains(&found[0].slope), "one in all the time: {found:?}");
}
