//! The proof, in real programs: goroutines that are dead in many ways are found, and none is that only looks so.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{
    build::{Form, NEWEST, VERSIONS, build},
    proving::{Proving, clock},
    target::Target,
    wait_for, wait_until,
};
use goroscope::{
    model::{GoroutineState, Proof},
    reach::{Limits, NoProof},
};

/// How many goroutines of each way.
const EACH: &str = "25";
/// What a timer of the program is set to, at most.
const LATE_NS: u64 = 600_000_000_000;

/// Class to way to ids.
type Said = BTreeMap<String, BTreeMap<String, BTreeSet<u64>>>;

fn said(target: &Target) -> Said {
    serde_json::from_str(&target.first).unwrap_or_else(|error| panic!("{error}: {}", target.first))
}

/// Those of a class that `is` holds for, by way.
fn by_way(said: &Said, class: &str, is: impl Fn(u64) -> bool) -> BTreeMap<String, usize> {
    let ways = said[class].iter().map(|(way, ids)| (way.clone(), ids.iter().filter(|id| is(**id)).count()));
    ways.filter(|(_, count)| *count > 0).collect()
}

fn is_dead(proof: &Proof, id: u64) -> bool {
    proof.waiters.get(&id).is_some_and(|waiter| waiter.unreachable)
}

fn check(version: &str, form: Form) {
    let target = Target::spawn(&build("reach", version, form).unwrap(), &[EACH]);
    let said = said(&target);
    let ids = |class: &str| said[class].values().flatten().copied().collect::<Vec<_>>();
    let mut proving = Proving::new(target.pid, Limits::default());
    let mut last: Option<Proof> = None;
    // Two in a row in which everybody has come to wait. A goroutine that is about to wait is no waiter yet.
    let (first, second) = wait_for("two proofs in a row", || {
        let proof = match proving.prove() {
            Ok(proof) => proof,
            Err(NoProof::NeverPreempted { .. }) => return None,
            Err(error) => panic!("{version} {form}: {error}"),
        };
        let waits = |class: &str| ids(class).iter().all(|id| proof.waiters.contains_key(id));
        let before = last.replace(proof.clone());
        (waits("dead") && waits("timed")).then_some(())?;
        before.map(|before| (before, proof))
    });
    let both = |id: u64| is_dead(&first, id) && is_dead(&second, id);
    for class in ["live", "timed"] {
        let wrong = by_way(&said, class, both);
        assert!(wrong.is_empty(), "{version} {form}: called dead, and are {class}: {wrong:?}");
    }
    let missed = by_way(&said, "dead", |id| !both(id));
    let (missed_count, all) = (missed.values().sum::<usize>(), ids("dead").len());
    assert!(missed_count * 100 <= all * 3, "{version} {form}: {missed_count} of {all} dead ones are not found: {missed:?}");

    let now = clock();
    let due = |id: u64| second.waiters.get(&id).and_then(|waiter| waiter.deadline_ns).is_some_and(|due| due > now && due < now + LATE_NS);
    let untimed = by_way(&said, "timed", |id| !due(id));
    assert!(untimed.is_empty(), "{version} {form}: no deadline found: {untimed:?}");
    let timed = by_way(&said, "dead", |id| both(id) && second.waiters[&id].deadline_ns.is_some());
    assert!(timed.is_empty(), "{version} {form}: a deadline for what is dead: {timed:?}");
    println!(
        "{version} {form}: {missed_count} of {all} missed {missed:?}, {} waiters, {} KiB read",
        second.waiters.len(),
        second.bytes_read >> 10
    );
}

/// Which `go` statements have crowds that lead to nothing outside of the process, and which do not, is told right.
fn check_inward(version: &str, form: Form) {
    let target = Target::spawn(&build("inward", version, form).unwrap(), &["200"]);
    let said: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(&target.first).unwrap();
    let mut proving = Proving::new(target.pid, Limits::default());
    // A few sleepers may be awake.
    let awake = || proving.goroutines().iter().filter(|goroutine| goroutine.state != GoroutineState::Waiting).count();
    wait_until("they wait", || awake() < 20);
    let proof = wait_for("a proof", || match proving.prove() {
        Ok(proof) => Some(proof),
        Err(NoProof::NeverPreempted { .. }) => None,
        Err(error) => panic!("{version} {form}: {error}"),
    });
    let created_at: BTreeMap<u64, _> = proving.goroutines().iter().map(|goroutine| (goroutine.goid, goroutine.created_at)).collect();
    for (class, ways) in &said {
        for (way, id) in ways {
            assert_eq!(proof.inward.contains(&created_at[id]), class == "inward", "{version} {form}: {way} is {class}");
        }
    }
}

#[test]
fn crowds_that_lead_to_nothing_outside_are_told_from_others() {
    for version in VERSIONS {
        check_inward(version, Form::Plain);
    }
    check_inward("1.19.13", Form::PieStripped);
    check_inward(NEWEST, Form::PieStripped);
}

#[test]
fn the_dead_are_found_and_nobody_else() {
    for version in VERSIONS {
        check(version, Form::Plain);
    }
}

#[test]
fn stripped_and_moved_executables() {
    for version in ["1.19.13", "1.23.12", "1.27.3"] {
        check(version, Form::PieStripped);
    }
    check("1.25.5", Form::Cgo);
}
