//! Processes of which only a part is followed: of goroutines a sample, of what timers lead to not all. Nobody is accused for that.

use super::{
    super::{Settings, Stretches, Watch},
    simulation::{CROWDED, lost, receiving},
    *,
};
use crate::model::{Goroutine, GoroutineState};

/// What is said after half a minute where five hundred are followed: by evidence, how many, each standing for how many.
fn sampled(lives: impl IntoIterator<Item = Life>, connections: &[f64]) -> Vec<(Evidence, u64, u64)> {
    let found = watch(&lives.into_iter().collect::<Vec<_>>(), connections, 30.0, 0.25, Settings { members: 500, ..Settings::default() });
    found.iter().map(|suspect| (suspect.evidence, suspect.count, suspect.one_in)).collect()
}

#[test]
fn more_goroutines_than_are_followed() {
    for (leak, evidence) in [(dead as fn(f64) -> Life, Evidence::Proven), (stuck, Evidence::Stuck)] {
        let found = sampled(every(0.01, 0.5, 30.0).map(leak), &[]);
        assert!(matches!(found[..], [(told, 1500..4000, 4..)] if told == evidence), "{found:?}");
    }
    let connections: Vec<f64> = every(0.01, 0.4, 30.0).collect();
    assert_eq!(sampled(every(0.01, 0.5, 30.0).map(stuck), &connections), [], "each has its connection");
    let child = |at: f64| Life::new(SITE + 1, at, vec![Stretch::wait(100.0, SLEEP, PLACE, at.to_bits())]);
    let families = every(0.02, 0.5, 30.0).flat_map(|at| [stuck(at), child(at)]);
    assert_eq!(sampled(families, &[]), [], "the child that sleeps may not be in the sample");
    let at_work = Life::looping(SITE, 0.3, vec![Stretch::wait(0.2, SLEEP, PLACE + 8, 7), Stretch::run(0.01)], 1000);
    let wait = |at: f64| Life::new(SITE, at, vec![Stretch::wait(FOREVER, LOCK, PLACE, 7)]);
    assert_eq!(sampled([at_work].into_iter().chain(every(0.01, 0.5, 30.0).map(wait)), &[]), [], "nor the one who has the lock");
}

#[test]
fn who_has_become_few_again_is_followed_whole() {
    let settings = Settings { members: 1000, stretches: Some(Stretches::default()), ..Settings::default() };
    let mut watch = Watch::new(0, settings);
    // Fifty that stay, five thousand for ten seconds, and then one more each five seconds that is lost.
    for second in 0..900_u64 {
        let ns = second * 1_000_000_000;
        watch.begin_census(ns);
        let burst = if (100..110).contains(&second) { 100..5_100 } else { 0..0 };
        let leak = (400..second).step_by(5).map(|second| 10_000 + second);
        let there: Vec<u64> = (1..50_u64).chain(burst).chain(leak.clone()).collect();
        for goid in there {
            watch.see(&receiving(goid));
        }
        watch.end_census();
        if second % 10 == 0 {
            watch.proof(&Proof { began_ns: ns, ended_ns: ns, waiters: leak.map(lost).collect(), ..Proof::default() }, 0);
        }
        let said = watch.look(ns);
        match second {
            105 => assert!(watch.one_in() >= 4),
            ..400 if second != 300 => assert!(said.suspects.is_empty(), "{second}: {said:?}"),
            300 => assert_eq!((watch.one_in(), watch.followed()), (1, 49)),
            890 => assert!(matches!(said.suspects[..], [Suspect { one_in: 1, count: 95..=98, .. }]), "{said:?}"),
            _ => {}
        }
    }
}

/// One that runs.
fn one(goid: u64) -> Goroutine {
    Goroutine { created_at: RuntimeAddress(SITE), ..Goroutine::bare(goid, GoroutineState::Runnable) }
}

#[test]
fn millions_take_no_more_room_than_those_who_are_followed() {
    let mut watch = Watch::new(0, Settings { members: 1000, ..Settings::default() });
    for second in 0..3 {
        watch.begin_census(second * 1_000_000_000);
        for goid in 1..200_000 {
            watch.see(&one(goid));
            assert!(watch.followed() <= 1500, "{}", watch.followed());
        }
        watch.end_census();
        assert!((300..=1000).contains(&watch.followed()), "{}", watch.followed());
    }
    // Ids that are all in every sample.
    let mut watch = Watch::new(0, Settings { members: 1000, ..Settings::default() });
    watch.begin_census(0);
    let inverse = 0xf1de_83e1_9937_733d_u64;
    assert_eq!(inverse.wrapping_mul(0x9e37_79b9_7f4a_7c15), 1);
    (1..5000_u64).for_each(|small| {
        watch.see(&one(small.wrapping_mul(inverse)));
    });
    assert!(watch.followed() <= 1500, "{}", watch.followed());
}

#[test]
fn a_proof_that_cannot_follow_all_that_timers_lead_to() {
    let crowd = || [Life::new(CROWDED, -1.0, vec![Stretch::wait(FOREVER, SLEEP, PLACE, 0)])].into_iter();
    check("who waits for long may wait for a timer", crowd().chain(every(1.0, 0.5, 60.0).map(stuck)), 60.0, &[]);
    let looping = |at: f64| Life::looping(SITE, at, vec![Stretch::wait(0.3, RECEIVE, PLACE, at.to_bits())], 1000);
    check_found("loops", every(1.0, 0.5, 60.0).map(looping), 60.0, Evidence::Live);
    check("who loops may have an end", crowd().chain(every(1.0, 0.5, 60.0).map(looping)), 60.0, &[]);
    check_found("what nothing leads to is dead", crowd().chain(every(1.0, 0.5, 60.0).map(dead)), 60.0, Evidence::Proven);
}

#[test]
fn tickers_that_were_forgotten_before_the_watch_count_and_have_no_pace() {
    let mut watch = Watch::new(0, Settings { stretches: Some(Stretches::default()), ..Settings::default() });
    let mut told = Vec::new();
    for second in (0..600_u64).step_by(10) {
        let ns = second * 1_000_000_000;
        // A hundred, then one each ten seconds, until they pause.
        let tickers = (0..100 + (second / 10).min(50)).map(|number| Ticker {
            channel: RuntimeAddress(0x1000 + number * 96),
            period_ns: 1_000_000_000,
            unreachable: true,
        });
        watch.proof(&Proof { began_ns: ns, ended_ns: ns, tickers: tickers.collect(), ..Proof::default() }, 0);
        told.extend(watch.look(ns).tickers.first().map(|suspect| (suspect.count, suspect.slope)));
    }
    assert!(told.len() > 20, "{told:?}");
    assert!(told.is_sorted_by_key(|(count, _)| *count), "{told:?}");
    assert!(told.iter().all(|(count, slope)| *count > 100 && *slope < 0.3), "{told:?}");
}
