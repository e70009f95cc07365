//! Code that refers to the runtime's variables, and code that only nearly does: what is found, and why not.

use goroscope_gobin::layout::{Layout, tabled};
use goroscope_gobin::{Arch, GoVersion, Limits, RUNTIME_FUNCTIONS, VirtualAddress, analyse};

use crate::fixture::{Fixture, Op, VARIABLES, VARIABLES_SIZE};

const ALLGLEN: u64 = 0x10;
const ALLGPTR: u64 = 0x28;
const ALLP: u64 = 0x40;
const SCHED: u64 = 0x1000;
const MEMSTATS: u64 = 0x4000;
const GC_CONTROLLER: u64 = 0x8000;
const MHEAP: u64 = 0x9000;
const SEMTABLE: u64 = 0xa000;
const ALLFIN: u64 = 0xa800;
const FIN_MASK: u64 = 0xa900;
const CLEANUPS: u64 = 0xac00;
/// A function only where inlining is off.
pub(crate) const INLINED: &str = "runtime.atomicAllG";
/// A variable that has nothing to do with it.
const OTHER: u64 = 0xb008;

/// All code as it should be.
pub(crate) fn fixture() -> Fixture {
    let version = GoVersion::parse(Fixture::default().version).unwrap();
    let layout = Layout::read(&tabled(&version, Arch::Amd64).unwrap()).unwrap();
    let gfree = SCHED + u64::from(layout.sched.gfree);
    let (collected, enabled) = (MEMSTATS + u64::from(layout.mstats.last_gc_nanotime), MEMSTATS + u64::from(layout.mstats.enablegc));
    let refer = |variables: &[u64]| -> Vec<Op> { variables.iter().map(|variable| Op::Refer(*variable)).collect() };
    let commit = Op::Call("runtime.(*gcControllerState).commit", GC_CONTROLLER);
    let acquire = Op::Call("runtime.(*consistentHeapStats).acquire", MEMSTATS);
    let allocate = Op::Call("runtime.(*mheap).allocManual", MHEAP);
    let enqueue = Op::Call("runtime.(*cleanupQueue).enqueue", CLEANUPS);
    let blocks = CLEANUPS + u64::from(layout.cleanup_queue.unwrap().all);
    let code = |name: &str| match name {
        "runtime.forEachGRace" => refer(&[ALLGLEN, ALLGPTR, ALLGLEN]),
        "runtime.allgadd" => refer(&[0, 8, 16, ALLGPTR, ALLGLEN]),
        "runtime.preemptall" | "runtime.gcMarkTinyAllocs" | "runtime.timeSleepUntil" => refer(&[ALLP, ALLP + 8]),
        "runtime.gfget" | "runtime.gfput" | "runtime.gfpurge" => refer(&[OTHER, gfree, gfree + 8, gfree + 40]),
        "runtime.newproc1" => refer(&[OTHER, SCHED]),
        "runtime.gcTrigger.test" => [refer(&[collected, enabled]), vec![commit.clone()]].concat(),
        "runtime.gcStart" | "runtime.gcMark" => vec![commit.clone()],
        "runtime.(*mcache).refill" => vec![acquire.clone(), acquire.clone()],
        "runtime.stackalloc" => vec![allocate.clone(), allocate.clone()],
        "runtime.semacquire1" => refer(&[SEMTABLE, OTHER]),
        "runtime.semrelease1" => refer(&[SEMTABLE]),
        "runtime.markroot" => refer(&[OTHER, ALLFIN, FIN_MASK, blocks]),
        "runtime.queuefinalizer" => refer(&[FIN_MASK, ALLFIN]),
        "runtime.freeSpecial" | "runtime.findRunnable" => vec![enqueue.clone()],
        _ => Vec::new(),
    };
    let methods = [
        "runtime.(*gcControllerState).commit",
        "runtime.(*consistentHeapStats).acquire",
        "runtime.(*mheap).allocManual",
        "runtime.(*cleanupQueue).enqueue",
    ];
    // It is inlined, so there is no such function.
    let functions = RUNTIME_FUNCTIONS.into_iter().filter(|name| *name != INLINED).chain(methods);
    Fixture { code: functions.map(|name| (name, code(name))).collect(), ..Fixture::default() }
}

/// The runtime of the fixture with the code of one function replaced: what is missing, or the refusal.
fn check(name: &str, code: &[Op], expected: &str) {
    let mut fixture = fixture();
    if name == INLINED {
        fixture.code.push((INLINED, Vec::new()));
    }
    fixture.code.iter_mut().filter(|(function, _)| *function == name).for_each(|(_, ops)| *ops = code.to_vec());
    let actual = match analyse(&fixture.build(), &Limits::default()).unwrap().runtime {
        Err(refusal) => refusal.to_string(),
        Ok(facts) => {
            let globals = facts.globals;
            let found = [globals.allglen, globals.allgptr, globals.allp, globals.sched, globals.memstats, globals.gc_controller];
            let expected = [ALLGLEN, ALLGPTR, ALLP, SCHED, MEMSTATS, GC_CONTROLLER];
            assert_eq!(found, expected.map(|variable| VirtualAddress(VARIABLES + variable)), "{name}");
            let optional = [
                (globals.mheap, MHEAP, "no mheap_"),
                (globals.semtable, SEMTABLE, "no semtable"),
                (globals.allfin, ALLFIN, "no allfin"),
                (globals.gc_cleanups, CLEANUPS, "no gcCleanups"),
            ];
            let missing = optional.into_iter().filter(|(found, variable, _)| *found != Some(VirtualAddress(VARIABLES + variable)));
            missing.map(|(_, _, what)| what).collect()
        }
    };
    assert_eq!(actual, expected, "{name} {code:x?}");
}

#[test]
fn variables() {
    use Op::{Bytes, Call, Refer};
    check("", &[], "");
    check(INLINED, &[Refer(ALLGLEN), Refer(ALLGPTR)], "");
    let missing = |global: &str, why: &str| format!("the global runtime.{global} is not found: {why}");
    let not_two = missing("allglen", "forEachGRace does not refer to two variables");
    check("runtime.forEachGRace", &[Refer(ALLGLEN)], &not_two);
    check("runtime.forEachGRace", &[Refer(ALLGLEN), Refer(ALLGPTR), Refer(OTHER)], &not_two);
    // What is not writable is no variable.
    check("runtime.forEachGRace", &[Refer(ALLGLEN), Refer(VARIABLES_SIZE as u64)], &not_two);
    // A function of its own, as where inlining is off, is asked first.
    check(INLINED, &[Refer(ALLGLEN)], &not_two);
    check("runtime.allgadd", &[Refer(ALLGLEN)], &missing("allglen", "forEachGRace and allgadd disagree"));
    let slices = "the loops refer to different slices";
    check("runtime.preemptall", &[Refer(OTHER), Refer(OTHER + 8)], &missing("allp", slices));
    check("runtime.preemptall", &[Refer(ALLP)], "");
    let gfree = "gfget, gfput and gfpurge disagree";
    check("runtime.gfput", &[Refer(SCHED + 8), Refer(SCHED)], &missing("sched", gfree));
    check("runtime.gfput", &[], &missing("sched", "no references to gFree"));
    check("runtime.newproc1", &[Refer(OTHER)], &missing("sched", "newproc1 does not take ids from there"));
    check("runtime.gcTrigger.test", &[], &missing("memstats", "gcTrigger.test does not refer to its fields"));
    let controller = "runtime.(*gcControllerState).commit";
    let several = "its methods are called on several variables";
    check("runtime.gcStart", &[Call(controller, OTHER)], &missing("gcController", several));
    let heap = "runtime.(*consistentHeapStats).acquire";
    check("runtime.(*mcache).refill", &[Call(heap, MEMSTATS)], &missing("memstats", "too few calls of its methods"));
    check("runtime.(*mcache).refill", &[Call(heap, OTHER), Call(heap, MEMSTATS)], &missing("memstats", several));
    check("runtime.stackalloc", &[Call("runtime.(*mheap).allocManual", MHEAP)], "no mheap_");
    check("runtime.semrelease1", &[Refer(SEMTABLE), Refer(OTHER)], "no semtable");
    check("runtime.semrelease1", &[Bytes(vec![0x06; 40])], "no semtable");
    check("runtime.queuefinalizer", &[], "no allfin");
    check("runtime.queuefinalizer", &[Refer(FIN_MASK), Refer(OTHER), Refer(ALLFIN)], "no allfin");
    check("runtime.freeSpecial", &[Call("runtime.(*cleanupQueue).enqueue", OTHER)], "no gcCleanups");
    check("runtime.markroot", &[Refer(ALLFIN), Refer(FIN_MASK)], "no gcCleanups");
}
