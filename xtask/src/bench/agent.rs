//! The agent that is measured, as a running program, and what it says of a process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::lab::{Lab, wait_until};
use super::target::Guard;

/// The families of every plan: all of them are on before anything is measured.
const FAMILIES: usize = 3;

/// `goroscope run`.
pub(super) struct Agent {
    guard: Guard,
    address: SocketAddr,
    log: PathBuf,
}

impl Agent {
    /// Starts it and waits until it is ready: what runs is attached or refused.
    pub(super) fn start(lab: &Lab, arguments: &[&str]) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = lab.dir.join("agent.log");
        let file = fs::File::create(&log)?;
        let guard = Guard::spawn(&lab.agent, |command| {
            command.args(["run", "--listen", &address.to_string()]).args(arguments).stdout(Stdio::null()).stderr(file);
        })?;
        let agent = Self { guard, address, log };
        wait_until("the agent is ready", || agent.get("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))
            .with_context(|| agent.tail())?;
        Ok(agent)
    }

    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// What it said to standard error.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of that.
    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    /// A page of it, with its head.
    pub(super) fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// `/debug/processes`, by pid.
    pub(super) fn processes(&self) -> Result<Vec<Value>> {
        let answer = self.get("/debug/processes")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
        ensure!(head.starts_with("HTTP/1.1 200") && !head.to_ascii_lowercase().contains("chunked"), "/debug/processes: {head}");
        match serde_json::from_str(body)? {
            Value::Array(list) => Ok(list),
            other => bail!("/debug/processes: {other}"),
        }
    }

    /// One process of it.
    pub(super) fn process(&self, pid: u32) -> Result<Value> {
        let list = self.processes()?;
        let found = list.into_iter().find(|process| process.get("pid").and_then(Value::as_u64) == Some(pid.into()));
        found.with_context(|| format!("process {pid} is not seen"))
    }

    /// Waits until every family of a process is on.
    pub(super) fn attached(&self, pid: u32) -> Result<()> {
        let mut last = String::new();
        let attached = || {
            let process = self.process(pid);
            last = process.as_ref().map_or_else(|error| format!("{error:#}"), Value::to_string);
            process.is_ok_and(|process| families(&process) == FAMILIES)
        };
        let done = wait_until("the target is attached", attached);
        done.with_context(|| format!("last seen: {last}; the agent's log ends:\n{}", self.tail()))
    }

    /// The counters of a process, once its memory has been read after this call: creations and ends of goroutines are as old as that.
    pub(super) fn counters(&self, pid: u32) -> Result<Counters> {
        let asked = SystemTime::now();
        let mut last = Value::Null;
        let is_new = || {
            last = self.process(pid).unwrap_or_default();
            let read_at = last.pointer("/runtime/read_at").and_then(Value::as_str);
            read_at.and_then(|at| humantime::parse_rfc3339(at).ok()).is_some_and(|read_at| read_at > asked)
        };
        wait_until("the target's memory is read", is_new).with_context(|| self.tail())?;
        Ok(Counters(last))
    }

    /// Asks it to end, and waits.
    pub(super) fn stop(mut self) -> Result<()> {
        self.guard.end_by("TERM")
    }
}

/// For which share of the time each family of a process is counted.
pub(super) fn modes(process: &Value) -> BTreeMap<String, f64> {
    let families = process.get("families").and_then(Value::as_object).into_iter().flatten();
    families.filter_map(|(name, mode)| Some((name.clone(), mode.get("ratio")?.as_f64()?))).collect()
}

/// How many families of a process are counted.
pub(super) fn families(process: &Value) -> usize {
    process.get("families").and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// What the agent says of one process.
pub(super) struct Counters(Value);

impl Counters {
    /// `value`, `low` or `high` of a counter.
    pub(super) fn get(&self, counter: &str, what: &str) -> Result<f64> {
        let number = self.0.pointer(&format!("/counters/{counter}/{what}")).and_then(Value::as_f64);
        number.with_context(|| format!("no counter {counter}"))
    }

    /// All events.
    pub(super) fn sum(&self) -> f64 {
        let counters = self.0.get("counters").and_then(Value::as_object).into_iter().flatten();
        counters.filter_map(|(_, counter)| counter.get("value")?.as_f64()).sum()
    }
}
