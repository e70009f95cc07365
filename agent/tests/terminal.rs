//! The live view on a terminal of its own: it shows processes, obeys keys and signals, and leaves the terminal as it was.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    thread,
};

use common::{
    agent::{command, free_port},
    alone,
    build::{Form, NEWEST, build},
    target::Target,
    wait_for, wait_until,
};
use rustix::{
    fs::OFlags,
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};

/// The other screen that programs draw on, and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// An agent with a terminal of its own, and what it has written there.
struct OnTerminal {
    keys: File,
    /// Our own end of what the agent has, to look at its settings.
    terminal: File,
    before: Termios,
    written: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl OnTerminal {
    /// Starts `goroscope run ARGUMENTS` that watches one process.
    fn start(target: &Target, arguments: &[&str]) -> Self {
        let keys = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        tcsetwinsize(&keys, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(path.to_bytes()).to_owned();
        let open = || {
            use std::os::unix::fs::OpenOptionsExt as _;
            let no_ctty = OFlags::NOCTTY.bits().cast_signed();
            OpenOptions::new().read(true).write(true).custom_flags(no_ctty).open(&path).unwrap()
        };
        let terminal = open();
        let before = tcgetattr(&terminal).unwrap();
        // A session of its own, whose terminal this is, as a login has it.
        let mut session = Command::new("setsid");
        let agent = command(&[]);
        session.args(["--ctty", "--wait"]).arg(agent.get_program());
        session.args(["run", "--listen", &free_port().to_string(), "--interval", "1s", "--pid", &target.pid.to_string()]).args(arguments);
        session.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        for (name, _) in agent.get_envs().filter(|(_, value)| value.is_none()) {
            session.env_remove(name);
        }
        let child = session.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (keys.try_clone().unwrap(), Arc::clone(&written));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                sink.lock().unwrap().extend_from_slice(&bytes[..length]);
            }
        });
        Self { keys, terminal, before, written, child }
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    fn wait_written(&self, text: &str) {
        wait_until(&format!("{text:?} is on the terminal"), || self.written().contains(text));
    }

    /// Waits until the process is shown with the goroutines that it has.
    fn wait_shown(&self) {
        self.wait_written(ENTER);
        self.wait_written("eager");
        self.wait_written("created by");
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The agent itself, which `setsid` waits for.
    fn signal(&self, signal: Signal) {
        let setsid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{setsid}/task/{setsid}/children")).unwrap();
        // It only forks where it leads a process group.
        let pid = children.split_whitespace().next().map_or(setsid, |pid| pid.parse().unwrap());
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for("the agent ends", || self.child.try_wait().unwrap())
    }

    /// The agent ends well, the terminal is as it was, and what is said at last is said there.
    fn assert_given_back(mut self, why: &str) {
        let status = self.ended();
        self.wait_written("served");
        let written = self.written();
        assert!(status.success(), "{status}: {written}");
        let after = tcgetattr(&self.terminal).unwrap();
        let modes = |termios: &Termios| (termios.input_modes, termios.output_modes, termios.control_modes, termios.local_modes);
        assert_eq!(modes(&after), modes(&self.before));
        let (_, last) = written.rsplit_once(LEAVE).expect("the other screen is left");
        assert!(last.contains(why) && last.contains("\x1b[?25h") && !last.contains("created by"), "{last:?}");
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn target() -> Target {
    Target::spawn(&build("eager", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}")), &[])
}

#[test]
fn q_ends_the_agent() {
    let (_alone, target) = (alone(), target());
    let mut agent = OnTerminal::start(&target, &[]);
    agent.wait_shown();
    assert!(tcgetattr(&agent.terminal).unwrap().local_modes != agent.before.local_modes, "keys come as they are pressed");
    agent.press("q");
    agent.assert_given_back("the view was left: draining");
}

#[test]
fn control_c_and_signals_end_it_as_well() {
    let (_alone, target) = (alone(), target());
    let mut agent = OnTerminal::start(&target, &[]);
    agent.wait_shown();
    agent.press("\x03");
    agent.assert_given_back("the view was left: draining");
    for (signal, why) in [(Signal::TERM, "SIGTERM: draining"), (Signal::HUP, "SIGHUP: draining")] {
        let agent = OnTerminal::start(&target, &[]);
        agent.wait_shown();
        agent.signal(signal);
        agent.assert_given_back(why);
    }
}

#[test]
fn without_a_view_there_is_the_log() {
    let (_alone, target) = (alone(), target());
    let mut agent = OnTerminal::start(&target, &["--no-view"]);
    agent.wait_written("every process found at start-up is attached or refused");
    agent.press("\x03");
    assert!(agent.ended().success());
    agent.wait_written("SIGINT: draining");
    assert!(!agent.written().contains(ENTER), "{}", agent.written());
}
