//! What a target program does, told by itself, and what agents say of it.

use std::collections::BTreeMap;

use super::{
    agent::Agent,
    target::{Counts, Target},
};

/// Lets `target` work: what the counters of each agent rose by, and what the target says that it did.
pub fn work(agents: &[&Agent], target: &mut Target, seed: u64) -> (Vec<BTreeMap<String, u64>>, Counts) {
    for seed in (seed * 100).. {
        let counts = |target: &Target| agents.iter().map(|agent| agent.counts(target.pid)).collect::<Vec<_>>();
        let before = counts(target);
        let own = target.go(seed);
        let after = counts(target);
        if !own.ambiguous {
            return (before.iter().zip(&after).map(|(before, after)| after.risen_since(before)).collect(), own);
        }
    }
    unreachable!("a seed that is not ambiguous");
}

/// Lets `target` work, and asserts that the numbers of all agents rise by what it says, all of them.
pub fn assert_exact(agents: &[&Agent], target: &mut Target, seed: u64) {
    let (risen, own) = work(agents, target, seed);
    for risen in risen {
        assert_eq!(risen, own.totals, "pid {} of {}", target.pid, target.executable.display());
    }
}
