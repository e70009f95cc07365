//! Targets unharmed: programs that do what observers have broken in Go run to the same output under all probes, and
//! whatever ends the agent, not a byte of a breakpoint stays behind.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use common::{
    agent::Agent,
    alone,
    build::{Form, build},
    target::Target,
    text::altered_bytes,
    wait_until,
};
use rustix::process::Signal;

const SEEDS: [u64; 3] = [3, 141, 59265];

/// One for each way that Go has had of making maps, timers and prologues, and both ways of being linked with C.
const CELLS: [(&str, Form); 6] = [
    ("1.19.13", Form::Plain),
    ("1.20.14", Form::Cgo),
    ("1.22.12", Form::PieStripped),
    ("1.24.11", Form::StaticPie),
    ("1.26.6", Form::Cgo),
    ("1.27.3", Form::Plain),
];

/// A program, and what it said before anybody watched it.
struct Watched {
    target: Target,
    expected: [String; SEEDS.len()],
}

impl Watched {
    fn spawn(version: &str, form: Form) -> Self {
        let executable = build("harm", version, form).unwrap_or_else(|error| panic!("{error}"));
        let mut target = Target::spawn(&executable, &[]);
        wait_until("no other agent on this host probes the program", || altered_bytes(target.pid, &executable) == 0);
        let expected = SEEDS.map(|seed| target.go_text(seed));
        Self { target, expected }
    }

    fn all() -> Vec<Self> {
        CELLS.into_iter().map(|(version, form)| Self::spawn(version, form)).collect()
    }

    fn breakpoints(&self) -> usize {
        altered_bytes(self.target.pid, &self.target.executable)
    }

    fn check_output(&mut self, when: &str) {
        for (seed, expected) in SEEDS.into_iter().zip(&self.expected) {
            let text = self.target.go_text(seed);
            assert_eq!(&text, expected, "{when}, seed {seed}: {}", self.target.executable.display());
        }
    }

    fn wait_clean(&self) {
        wait_until(&format!("no breakpoint is left in {}", self.target.executable.display()), || self.breakpoints() == 0);
    }
}

fn pids(watched: &[Watched]) -> Vec<u32> {
    watched.iter().map(|watched| watched.target.pid).collect()
}

/// Waits until the agent has counted something of what `target` does now.
fn wait_counted(agent: &Agent, pid: u32, before: u64) {
    wait_until("the program's work is counted", || agent.counts(pid).events() > before);
}

#[test]
fn output_is_the_same_under_all_probes() {
    let _alone = alone();
    let mut watched = Watched::all();
    let agent = Agent::exact(&pids(&watched));
    for watched in &mut watched {
        assert!(watched.breakpoints() > 0, "nothing is probed in {}", watched.target.executable.display());
        watched.check_output("under all probes");
        assert!(agent.counts(watched.target.pid).events() > 0, "nothing was counted in {}", watched.target.executable.display());
    }
    agent.stop();
    for watched in &mut watched {
        watched.wait_clean();
        watched.check_output("after the agent");
    }
}

#[test]
fn kill_nine_leaves_no_breakpoint() {
    let _alone = alone();
    let mut watched = Watched::all();
    let agent = Agent::exact(&pids(&watched));
    // The agent dies while every one of them is in the middle of it.
    for watched in &mut watched {
        let before = agent.counts(watched.target.pid).events();
        watched.target.send(&format!("go {}", SEEDS[0]));
        wait_counted(&agent, watched.target.pid, before);
    }
    agent.kill();
    for watched in &mut watched {
        assert_eq!(watched.target.line(), watched.expected[0], "killed in between: {}", watched.target.executable.display());
        watched.wait_clean();
        watched.check_output("after kill -9");
    }
}

#[test]
fn output_is_the_same_while_probes_come_and_go() {
    let _alone = alone();
    let mut watched = Watched::all();
    let agent = Agent::exact(&pids(&watched));
    for watched in &mut watched {
        for (seed, expected) in SEEDS.into_iter().zip(&watched.expected) {
            let before = agent.process(watched.target.pid).map(|process| process.attached_at());
            watched.target.send(&format!("go {seed}"));
            agent.signal(Signal::USR1);
            assert_eq!(&watched.target.line(), expected, "{}", watched.target.executable.display());
            let again = || agent.process(watched.target.pid).filter(|process| process.is_attached()).map(|process| process.attached_at());
            wait_until("the probes are back", || again().is_some_and(|now| Some(now) != before));
        }
    }
    agent.stop();
    for watched in &watched {
        watched.wait_clean();
    }
}
