//! `cargo xtask demo`: two small Go services, the agent at its defaults, and what it sees of every Go process, live in the terminal.
//!
//! The services count their own doings and tell them at the end; the demo fails where the agent is wrong. They rest while the
//! agent's first and last numbers are read, so that both count the same time. Nothing is left behind: processes end when their
//! [`Child`] is dropped, after a panic too, and so go the agent's [`Snapshots`].

pub(crate) mod agent;
pub(crate) mod child;
mod compare;
mod interrupt;
mod rates;
mod screen;
mod services;
mod text;
mod verdict;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};

use self::agent::Process;
use self::child::Child;
use self::interrupt::Interrupts;
use self::rates::Rates;
use self::screen::Screen;
use self::services::Counts;
use self::view::Picture;
use crate::build::{self, Profile};
use crate::paths::target;
use crate::setup::{self, Need};
use crate::step;

/// How often the agent is asked: often enough to tell when an estimate grew, and so its rate.
const BEAT: Duration = Duration::from_millis(350);

/// How many answers make a picture.
const REDRAW: u32 = 3;

/// How long the agent and the services may take to come up, to attach, to come to rest.
const PATIENCE: Duration = Duration::from_secs(30);

/// The agent's answers may be so old; what is asked later is read anew.
const STALE: Duration = Duration::from_millis(300);

/// Shows live what the agent sees of two small Go services and of every other Go process here; Ctrl-C leaves nothing behind.
///
/// At the end the services' own counts are compared with the agent's: the exit status is 0 only if they are equal, and within the
/// interval shown where the agent estimates.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// End by itself after this time (30s, 2m) instead of with Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = text::duration)]
    length: Option<Duration>,
    /// Where the agent serves /metrics [default: the agent's own, 127.0.0.1:9640, or a free port where that is taken].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    privileged()?;
    setup::ensure(yes, &[Need::Build, Need::Demo])?;
    build::all(yes, Profile::Quick)?;
    let programs = services::build()?;
    let interrupts = Interrupts::catch()?;
    let mut stage = Stage::set(args, &programs, interrupts)?;
    let before = stage.attached()?;
    for service in &mut stage.services {
        service.tell("go")?;
    }
    let begin = Instant::now();
    stage.show(args.length, begin)?;
    let (own, after) = stage.rest()?;
    let length = begin.elapsed();
    let verdicts = stage.services.iter().zip(&own).map(|(service, own)| verdict::of(service, own, &before, &after));
    let verdicts = verdicts.collect::<Result<Vec<_>>>()?;
    drop(stage);
    verdict::print(&verdicts, length)
}

/// Everything that runs.
struct Stage {
    interrupts: Interrupts,
    services: Vec<Child>,
    agent: Child,
    listen: SocketAddr,
    /// Goes after the agent, which writes there.
    _snapshots: Snapshots,
}

/// Where the agent keeps what it saw when it found a leak.
struct Snapshots(PathBuf);

impl Drop for Snapshots {
    fn drop(&mut self) {
        // There is none where no leak was found.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    /// Starts the services, which rest, and the agent.
    fn set(args: &Args, programs: &[PathBuf], interrupts: Interrupts) -> Result<Self> {
        let services = programs.iter().map(|program| Child::start(program, &[])).collect::<Result<Vec<_>>>()?;
        for service in &services {
            interrupts.wait(&format!("{} is not ready", service.name), PATIENCE, || Ok(service.line().filter(|line| line == "ready")))?;
        }
        let (listen, elsewhere) = agent::address(args.listen)?;
        if elsewhere {
            step::warn(&format!("{} is taken (by another goroscope?): this demo's agent listens at {listen}", agent::DEFAULT));
        }
        let snapshots = Snapshots(target().join(format!("demo-{}", std::process::id())));
        // At its defaults, but for what would be left behind, and an address only when it must.
        let (address, directory) = (listen.to_string(), snapshots.0.to_string_lossy().into_owned());
        let mut options = vec!["run", "--snapshot-dir", &directory];
        if listen != agent::DEFAULT {
            options.extend(["--listen", &address]);
        }
        let agent = Child::start(&Profile::Quick.agent(), &options)?;
        step::note(&format!("{} {}: metrics at http://{listen}/metrics", agent.name, options.join(" ")));
        Ok(Self { interrupts, services, agent, listen, _snapshots: snapshots })
    }

    /// What the agent sees now.
    ///
    /// # Errors
    /// It does not answer, or something that the demo has started has ended.
    fn look(&mut self) -> Result<Vec<Process>> {
        self.check()?;
        let seen = agent::processes(agent::from_here(self.listen));
        if seen.is_err() {
            // It may have ended while it was asked; that says more.
            self.interrupts.sleep(STALE)?;
            self.check()?;
        }
        seen.with_context(|| format!("the agent does not answer{}", self.agent.said()))
    }

    fn check(&mut self) -> Result<()> {
        self.agent.check()?;
        self.services.iter_mut().try_for_each(Child::check)
    }

    /// Waits until the agent has attached all families to both services; its numbers of them, which rest still.
    fn attached(&mut self) -> Result<Vec<Process>> {
        let pids: Vec<u32> = self.services.iter().map(Child::pid).collect();
        let Self { interrupts, services, agent, listen, .. } = self;
        let begin = Instant::now();
        let mut last = String::new();
        let done = interrupts.wait("the agent has not attached to the services", PATIENCE, || {
            agent.check()?;
            services.iter_mut().try_for_each(Child::check)?;
            // It listens before it knows anything.
            let seen = match agent::processes(agent::from_here(*listen)) {
                Ok(seen) => seen,
                Err(error) => {
                    last = format!("{error:#}");
                    return Ok(None);
                }
            };
            last.clear();
            refused(&seen, &pids)?;
            let is_ready = |process: &&Process| FAMILIES.iter().all(|family| process.families.contains_key(*family));
            let ready = seen.iter().filter(|process| pids.contains(&process.pid)).filter(is_ready).count();
            Ok((ready == pids.len()).then_some(()))
        });
        if let Err(error) = done {
            // Without an answer the agent's own words are all there is.
            let said = if last.is_empty() { String::new() } else { format!("; {last}{}", agent.said()) };
            bail!("{error:#}{said}");
        }
        step::note(&format!("attached to both services after {}", step::seconds(begin.elapsed())));
        self.quiet()
    }

    /// The picture, about once a second, until the time is over or Ctrl-C.
    fn show(&mut self, length: Option<Duration>, begin: Instant) -> Result<()> {
        let pids: Vec<u32> = self.services.iter().map(Child::pid).collect();
        let mut rates = Rates::default();
        let mut screen = Screen::take();
        let mut beat = begin;
        for round in 0.. {
            let processes = self.look()?;
            let elapsed = begin.elapsed();
            note(&mut rates, &processes, elapsed);
            if u32::is_multiple_of(round, REDRAW) {
                let (columns, rows) = screen.size();
                let picture = Picture { processes: &processes, rates: &rates, services: &pids, elapsed, length, listen: self.listen };
                screen.draw(&picture.lines(columns, rows))?;
            }
            // A beat that was missed is not made up for.
            beat = (beat + BEAT).max(Instant::now());
            let end = length.map(|length| begin + length);
            let next = end.map_or(beat, |end| beat.min(end));
            if self.interrupts.came_within(next.saturating_duration_since(Instant::now())) || end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        Ok(())
    }

    /// Brings the services to rest; what they say they did, and what the agent says.
    fn rest(&mut self) -> Result<(Vec<Counts>, Vec<Process>)> {
        for service in &mut self.services {
            service.tell("stop")?;
        }
        let mut own = vec![];
        for service in &mut self.services {
            let line = self.interrupts.wait(&format!("{} does not come to rest", service.name), PATIENCE, || {
                service.check()?;
                Ok(service.line())
            })?;
            own.push(services::counts(service, &line)?);
        }
        Ok((own, self.quiet()?))
    }

    /// The agent's numbers while the services rest: from memory read since now, and counted ones that the next look finds again.
    fn quiet(&mut self) -> Result<Vec<Process>> {
        let pids: Vec<u32> = self.services.iter().map(Child::pid).collect();
        let (since, begin) = (SystemTime::now(), Instant::now());
        let mut last = None;
        while begin.elapsed() < PATIENCE {
            self.interrupts.sleep(STALE)?;
            let seen = self.look()?;
            let read = seen.iter().filter(|process| pids.contains(&process.pid) && process.is_read_since(since)).count();
            if read < pids.len() {
                continue;
            }
            let numbers = values(&seen, &pids);
            if last.as_ref() == Some(&numbers) {
                return Ok(seen);
            }
            last = Some(numbers);
        }
        bail!("the agent's numbers of services that rest keep changing");
    }
}

/// The families that the services use.
const FAMILIES: [&str; 3] = ["goroutine", "map", "timer"];

/// The exact numbers of some processes. An estimate is carried on at its last rate, and so never rests.
fn values(processes: &[Process], pids: &[u32]) -> BTreeMap<(u32, String), u64> {
    let mut values = BTreeMap::new();
    for process in processes.iter().filter(|process| pids.contains(&process.pid)) {
        for (name, count) in process.counters.iter().filter(|(_, count)| count.low == count.high) {
            values.insert((process.pid, name.clone()), count.value);
        }
    }
    values
}

/// # Errors
/// The agent refuses to count something of the services.
fn refused(seen: &[Process], pids: &[u32]) -> Result<()> {
    for process in seen.iter().filter(|process| pids.contains(&process.pid)) {
        if let Some(agent::Refusal { family, reason, detail }) = process.refusals.first() {
            let family = family.as_deref().unwrap_or("everything");
            bail!(
                "the agent refuses {family} of {}: {reason} {detail}\n  remedy: {} doctor",
                process.process,
                Profile::Quick.agent().display()
            );
        }
    }
    Ok(())
}

fn note(rates: &mut Rates, processes: &[Process], elapsed: Duration) {
    let now = elapsed.as_secs_f64();
    rates.keep(&processes.iter().map(|process| process.pid).collect::<BTreeSet<_>>());
    for process in processes {
        let counters = [
            ("goroutine_starts", "goroutine", process.count("goroutine_starts")),
            ("goroutine_exits", "goroutine", process.count("goroutine_exits")),
            ("timer_starts", "timer", process.count("timer_starts")),
            ("map_writes", "map", process.map_writes()),
        ];
        for (counter, family, count) in counters {
            if let Some(is_exact) = process.is_exact(family) {
                // What is read from memory grows in steps, as an estimate does.
                let is_smooth = is_exact && !(family == "goroutine" && process.runtime.is_some());
                rates.note(process.pid, counter, is_smooth, now, count.value);
            }
        }
    }
}

/// The agent needs three capabilities; root has them.
fn privileged() -> Result<()> {
    /// CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
    const NEEDED: u64 = 1 << 19 | 1 << 38 | 1 << 39;
    let status = fs::read_to_string(Path::new("/proc/self/status")).context("cannot read /proc/self/status")?;
    if capabilities(&status).is_some_and(|effective| effective & NEEDED != NEEDED) {
        bail!(
            "the agent needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE, and this user has not got them\n  \
             remedy: run `cargo xtask demo` as root (sudo -E env \"PATH=$PATH\" cargo xtask demo)"
        );
    }
    Ok(())
}

/// The effective capabilities in a /proc/PID/status.
fn capabilities(status: &str) -> Option<u64> {
    u64::from_str_radix(status.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        for (status, expected) in [("Name:\tx\nCapEff:\t000001ffffffffff\n", Some(0x1ff_ffff_ffff)), ("CapEff:\t0\n", Some(0)), ("", None)]
        {
            assert_eq!(capabilities(status), expected);
        }
    }

    #[test]
    fn a_refusal_ends_the_demo() {
        let refusal = agent::Refusal { family: Some("map".into()), reason: "no_stack_check".into(), detail: "x".into() };
        let process = Process { pid: 7, process: "leaky".into(), refusals: vec![refusal], ..Process::default() };
        assert!(refused(std::slice::from_ref(&process), &[8]).is_ok());
        let error = refused(&[process], &[7]).unwrap_err().to_string();
        assert!(error.starts_with("the agent refuses map of leaky: no_stack_check x\n  remedy: "), "{error}");
    }
}
