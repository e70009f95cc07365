//! The daemons of the node: started inside, told by name, stopped. In: a name and a command line. Out: a process that outlives this
//! one, and its log.

use std::fs::File;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::lab::{Life, inside, logs, pids};
use crate::step::warn;

/// How long one may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts `program` in the node's namespaces, as `name`.
///
/// # Errors
/// It cannot be started.
pub(super) fn start(name: &str, program: &str, arguments: &[String]) -> Result<()> {
    let mut command = inside(program)?;
    command.args(arguments);
    let life = spawn(name, &command)?;
    life.keep(name)
}

/// Starts `command` in a session of its own: Ctrl-C does not reach it, and it holds nothing of this process.
///
/// # Errors
/// It cannot be started.
pub(super) fn spawn(name: &str, command: &Command) -> Result<Life> {
    let log = File::create(logs().join(format!("{name}.log"))).context("cannot write a log")?;
    let mut session = Command::new("setsid");
    session.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        value.map(|value| session.env(key, value));
    }
    // setsid and nsenter become the program: the id is the daemon's own.
    let child = session.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    let child = child.with_context(|| format!("cannot start {name}"))?;
    Life::of(child.id()).with_context(|| format!("{name} has ended at once: see {}", logs().join(format!("{name}.log")).display()))
}

/// Ends those of `names` that run, all at once: SIGTERM, and SIGKILL to what is left after 10 seconds.
pub(super) fn stop(names: &[&str]) {
    let running: Vec<(&str, Life)> = names.iter().filter_map(|name| Some((*name, Life::kept(name)?))).collect();
    for (_, life) in &running {
        signal(*life, Signal::TERM);
    }
    let deadline = Instant::now() + PATIENCE;
    for (name, life) in running {
        while life.is_alive() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        if life.is_alive() {
            warn(&format!("{name} does not end: killed"));
            signal(life, Signal::KILL);
        }
        let _ = std::fs::remove_file(pids().join(name));
    }
}

/// Sends a signal, if the process is still the one that is meant.
pub(super) fn signal(life: Life, signal: Signal) {
    if life.is_alive()
        && let Some(pid) = i32::try_from(life.pid).ok().and_then(Pid::from_raw)
    {
        let _ = kill_process(pid, signal);
    }
}
