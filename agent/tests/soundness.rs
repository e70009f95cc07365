//! The proof is sound: goroutines whose only pointers move while memory is read, or are held where only the runtime can see them,
//! are never proven dead; and those that are dead are, in the same proofs.
//!
//! The program says who waits, and at the end wakes every one but the dead. What is proven is what the agent would say, but for its
//! condition that the group grows: two proofs in a row call two of a group dead, and at least half of it. Nine programs and a minute in
//! CI; with `GOROSCOPE_SOUNDNESS`, seconds for each way of holding a pointer, all versions and forms (`cargo xtask test --soundness`).
//! `GOROSCOPE_RESULT_FILE` gets one line of JSON for each program.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    collections::BTreeMap,
    env,
    fs::OpenOptions,
    io::Write as _,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use common::{
    build::{Form, VERSIONS, build},
    proving::Proving,
    target::Target,
};
use goroscope::{
    model::Proof,
    reach::{Limits, NoProof},
};
use serde_json::json;

/// From the end of a proof to the next: the agent's shortest.
const PAUSE: Duration = Duration::from_millis(1500);
/// Waiters of each way.
const EACH: &str = "40";
/// The way of those who are dead.
const DEAD: &str = "dead";
/// Places where waiters of one way wait: a group each.
const KINDS: usize = 6;
/// Proofs of each program at least, however slow the machine is.
const PROOFS: u64 = 4;

/// What was seen of one way of holding pointers.
#[derive(Debug, Default)]
struct Way {
    /// Times that a waiter was seen to wait in two proofs in a row.
    waited: u64,
    /// Times that it was called dead.
    once: u64,
    /// And in the proof before as well, without having run.
    twice: u64,
    /// Times that a group was proven.
    proven: u64,
}

/// One program: Go version, build form, seconds, MiB of heap beside.
type Case = (&'static str, Form, Duration, &'static str);

fn dead(proof: &Proof, id: u64) -> Option<u8> {
    proof.waiters.get(&id).filter(|waiter| waiter.unreachable).map(|waiter| waiter.seq)
}

impl Way {
    /// Adds what the last two proofs say of these waiters.
    fn add(&mut self, ids: &[u64], now: &Proof, before: &Proof) {
        for kind in 0..KINDS {
            let (mut both, mut twice) = (0, 0);
            for id in ids.iter().skip(kind).step_by(KINDS) {
                let seq = |proof: &Proof| proof.waiters.get(id).map(|waiter| waiter.seq);
                both += u64::from(seq(now).is_some() && seq(now) == seq(before));
                self.once += u64::from(dead(now, *id).is_some());
                twice += u64::from(dead(now, *id).is_some() && dead(now, *id) == dead(before, *id));
            }
            self.waited += both;
            self.twice += twice;
            self.proven += u64::from(twice >= 2 && twice * 2 >= both);
        }
    }
}

/// Proves for `time`, and adds up. How many proofs there were.
fn watch(target: &Target, time: Duration, ways: &mut BTreeMap<String, Way>) -> u64 {
    let said: BTreeMap<String, Vec<u64>> = serde_json::from_str(&target.first).unwrap();
    let mut proving = Proving::new(target.pid, Limits::default());
    let (mut last, mut proofs) = (Proof::default(), 0);
    let start = Instant::now();
    while start.elapsed() < time || (proofs < PROOFS && start.elapsed() < time * 30) {
        match proving.prove() {
            Ok(proof) => {
                proofs += 1;
                for (way, ids) in &said {
                    ways.entry(way.clone()).or_default().add(ids, &proof, &last);
                }
                last = proof;
            }
            // The agent, too, begins anew: what it had seen before does not count.
            Err(NoProof::NeverPreempted { .. }) => last = Proof::default(),
            Err(error) => panic!("{error}"),
        }
        // wait: what happens meanwhile is what the next proof is to see
        thread::sleep(PAUSE);
    }
    proofs
}

/// Whether nobody alive was proven dead.
fn check((version, form, time, heap): Case) -> bool {
    let name = format!("Go {version} {form}");
    let mut target = Target::spawn(&build("moving", version, form).unwrap(), &[EACH, heap, "100"]);
    let mut ways = BTreeMap::new();
    let proofs = watch(&target, time, &mut ways);
    target.end();
    let woken = target.line();
    let all = woken.strip_prefix("woken ").and_then(|rest| rest.split_once(" of ")).is_some_and(|(woken, all)| woken == all);
    assert!(all, "{name}: not everybody was alive: {woken}");
    assert!(proofs >= PROOFS && ways.values().all(|way| way.waited > proofs), "{name}: {proofs} proofs saw too little: {ways:?}");
    // Else it would prove nothing that nothing is proven.
    let control = ways.remove(DEAD).unwrap_or_default();
    assert!(control.twice * 2 > control.waited && control.proven > 0, "{name}: the dead are not found: {control:?}");
    let sum = |of: fn(&Way) -> u64| ways.values().map(of).sum::<u64>();
    let wrong = sum(|way| way.proven);
    let once: Vec<String> = ways.iter().filter(|(_, way)| way.once > 0).map(|(name, way)| format!("{name} {}", way.once)).collect();
    let row = json!({
        "Go": version, "form": form.to_string(), "heap, MiB": heap, "s": time.as_secs(), "ways": ways.len(), "proofs": proofs,
        "waits in two proofs": sum(|way| way.waited), "called dead once": sum(|way| way.once), "twice": sum(|way| way.twice),
        "false proofs": wrong, "of the dead": format!("{} of {}", control.twice, control.waited),
        "verdict": if wrong == 0 { "ok" } else { "failed" }, "once, by way": once.join(", "),
    });
    println!("{row}");
    if let Some(path) = env::var_os("GOROSCOPE_RESULT_FILE") {
        writeln!(OpenOptions::new().create(true).append(true).open(path).unwrap(), "{row}").unwrap();
    }
    wrong == 0
}

/// Each way for `time`: all versions plain and stripped PIE, and those with cleanups once more, with C.
fn everything(time: Duration) -> Vec<Case> {
    let (forms, with_c) = (time / 18, time / 4);
    let plain = VERSIONS.into_iter().map(|version| (version, Form::Plain, forms, "100"));
    let stripped = VERSIONS.into_iter().map(|version| (version, Form::PieStripped, forms, "20"));
    let c = VERSIONS.into_iter().filter(|version| has_cleanups(version)).map(|version| (version, Form::Cgo, with_c, "20"));
    plain.chain(stripped).chain(c).collect()
}

/// All versions, in one form each, and C twice.
fn a_minute() -> Vec<Case> {
    let forms = [Form::Plain, Form::PieStripped].into_iter().cycle();
    let each = Duration::from_secs(4);
    let all = VERSIONS.into_iter().zip(forms).map(|(version, form)| (version, form, each, "4"));
    let c = VERSIONS.into_iter().rev().step_by(3).filter(|version| has_cleanups(version));
    all.chain(c.map(|version| (version, Form::Cgo, each, "4"))).collect()
}

fn has_cleanups(version: &str) -> bool {
    version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()) >= Some(24)
}

#[test]
fn nobody_alive_is_proven_dead() {
    let seconds = env::var("GOROSCOPE_SOUNDNESS").ok().map(|text| text.parse().unwrap());
    let cases = seconds.map_or_else(a_minute, |seconds| everything(Duration::from_secs(seconds)));
    let waiting = Mutex::new(cases.into_iter());
    let next = || waiting.lock().unwrap().next();
    let work = || std::iter::from_fn(next).filter(|case| !check(*case)).count();
    let wrong: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(wrong, 0, "somebody alive was proven dead");
}
