//! Which functions make a family. Input noun: [`Family`]. Output noun: [`Choice`]s. Must not know code.

use goroscope_abi::{Family, Kind};

/// Functions of which the first that the executable contains is probed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) kind: Kind,
    pub(super) names: &'static [&'static str],
    /// Whether the linker includes one of them in every program: if none is found then it is not absent but overlooked.
    pub(super) always_linked: bool,
}

const fn always(kind: Kind, names: &'static [&'static str]) -> Choice {
    Choice { kind, names, always_linked: true }
}

const fn if_linked(kind: Kind, names: &'static [&'static str]) -> Choice {
    Choice { kind, names, always_linked: false }
}

const GOROUTINE: &[Choice] = &[
    always(Kind::GoroutineStart, &["runtime.newproc1"]),
    // Since Go 1.22 goexit0 is one of several callers of gdestroy, which coroutines end in too.
    always(Kind::GoroutineExit, &["runtime.gdestroy", "runtime.goexit0"]),
];

// The compiler chooses by key type. mapassign_fast32ptr exists on 32-bit machines only, and is asked for in case that changes;
// there are no mapdelete_fast32ptr and _fast64ptr.
const MAP: &[Choice] = &[
    if_linked(Kind::MapAssignFast32, &["runtime.mapassign_fast32"]),
    if_linked(Kind::MapAssignFast32, &["runtime.mapassign_fast32ptr"]),
    if_linked(Kind::MapAssignFast64, &["runtime.mapassign_fast64"]),
    if_linked(Kind::MapAssignFast64, &["runtime.mapassign_fast64ptr"]),
    if_linked(Kind::MapAssignFaststr, &["runtime.mapassign_faststr"]),
    always(Kind::MapAssignGeneric, &["runtime.mapassign"]),
    if_linked(Kind::MapDelete, &["runtime.mapdelete"]),
    if_linked(Kind::MapDelete, &["runtime.mapdelete_fast32"]),
    if_linked(Kind::MapDelete, &["runtime.mapdelete_fast64"]),
    if_linked(Kind::MapDelete, &["runtime.mapdelete_faststr"]),
    if_linked(Kind::MapClear, &["runtime.mapclear"]),
];

const TIMER: &[Choice] = &[
    // NewTimer, AfterFunc and NewTicker call newTimer since Go 1.23, startTimer before.
    if_linked(Kind::TimerStart, &["time.newTimer", "time.startTimer"]),
    if_linked(Kind::TimerStop, &["time.stopTimer"]),
    if_linked(Kind::TimerReset, &["time.resetTimer"]),
    if_linked(Kind::Sleep, &["time.Sleep"]),
    // What a fired timer calls: for channels, and for AfterFunc.
    if_linked(Kind::TimerFire, &["time.sendTime"]),
    if_linked(Kind::TimerFire, &["time.goFunc"]),
];

/// The functions of a family.
pub(super) const fn choices(family: Family) -> &'static [Choice] {
    match family {
        Family::Goroutine => GOROUTINE,
        Family::Map => MAP,
        Family::Timer => TIMER,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goroscope_gobin::WANTED;

    use super::*;

    #[test]
    fn choices_are_complete_and_looked_for() {
        let mut kinds = BTreeSet::new();
        for family in Family::ALL {
            for choice in choices(family) {
                assert_eq!(choice.kind.family(), family);
                kinds.insert(choice.kind);
                for name in choice.names {
                    assert!(WANTED.iter().any(|wanted| wanted.name == *name), "{name} is not what gobin looks for");
                }
            }
        }
        assert_eq!(kinds, Kind::ALL.into());
    }
}
