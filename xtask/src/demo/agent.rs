//! The agent as the demo sees it: `/debug/processes` and `/debug/findings` over a plain connection to this host.
//!
//! Out: [`Process`]. Keys that the demo does not know are skipped: the agent may add some.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// Where the agent listens when nobody says anything.
pub(super) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9640);

/// How long an answer may take: the agent itself gives up after 2 s and serves what it has.
const TIMEOUT: Duration = Duration::from_secs(5);

/// No page is larger, bytes.
const LARGEST: u64 = 64 << 20;

/// A Go process as the agent sees it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) process: String,
    pub(super) go_version: String,
    pub(super) state: String,
    pub(super) refusals: Vec<Refusal>,
    pub(super) families: BTreeMap<String, Mode>,
    pub(super) counters: BTreeMap<String, Count>,
    pub(super) sites: Vec<Site>,
    /// What its memory said last.
    pub(super) runtime: Option<Runtime>,
    /// What leaks, from `/debug/findings`.
    #[serde(skip)]
    pub(super) findings: Vec<Finding>,
}

/// What the Go runtime itself knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Runtime {
    /// RFC 3339: when this was read.
    pub(super) read_at: String,
    /// runtime.NumGoroutine.
    pub(super) goroutines: u64,
}

/// A `go` statement whose goroutines leak, or a function whose tickers do (`kind`: "ticker"), and how that is known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) kind: String,
    pub(super) creation_site: String,
    pub(super) creation_function: String,
    pub(super) wait_reason: String,
    pub(super) blocking_function: Option<String>,
    pub(super) blocking_site: Option<String>,
    pub(super) count: u64,
    pub(super) slope: f64,
    pub(super) evidence: String,
}

/// What `/debug/findings` lists.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Findings {
    pid: u32,
    findings: Vec<Finding>,
}

/// Why something is not counted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refusal {
    pub(super) family: Option<String>,
    pub(super) reason: String,
    pub(super) detail: String,
}

/// `exact`, or `sampled`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mode {
    pub(super) mode: String,
}

/// Events since the agent is attached, and the interval that holds the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Count {
    pub(super) value: u64,
    pub(super) low: u64,
    pub(super) high: u64,
}

/// A statement, and how many events came from it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Site {
    pub(super) family: String,
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) count: u64,
}

impl Process {
    /// Whether every event of a family is counted one by one; none when the family is not counted.
    pub(super) fn is_exact(&self, family: &str) -> Option<bool> {
        self.families.get(family).map(|mode| mode.mode == "exact")
    }

    /// Whether its memory was read at `moment` or later.
    pub(super) fn is_read_since(&self, moment: SystemTime) -> bool {
        let read_at = self.runtime.as_ref().and_then(|runtime| humantime::parse_rfc3339(&runtime.read_at).ok());
        read_at.is_some_and(|read_at| read_at >= moment)
    }

    /// A counter, 0 where the agent names none.
    pub(super) fn count(&self, counter: &str) -> Count {
        self.counters.get(counter).copied().unwrap_or_default()
    }

    /// The sum of the four kinds of map writes. Sums of bounds are bounds of the sum.
    pub(super) fn map_writes(&self) -> Count {
        let writes = self.counters.iter().filter(|(name, _)| name.starts_with("map_writes_")).map(|(_, count)| count);
        writes.fold(Count::default(), |sum, count| Count {
            value: sum.value.saturating_add(count.value),
            low: sum.low.saturating_add(count.low),
            high: sum.high.saturating_add(count.high),
        })
    }

    /// The site of a family with most events.
    pub(super) fn top_site(&self, family: &str) -> Option<&Site> {
        self.sites.iter().filter(|site| site.family == family).max_by_key(|site| site.count)
    }
}

/// The family that a counter belongs to.
pub(super) fn family_of(counter: &str) -> &'static str {
    match counter.split('_').next() {
        Some("goroutine") => "goroutine",
        Some("map") => "map",
        _ => "timer",
    }
}

/// Every Go process of the host.
///
/// # Errors
/// The agent does not answer, or says something else.
pub(super) fn processes(agent: SocketAddr) -> Result<Vec<Process>> {
    let mut processes: Vec<Process> = page(agent, "/debug/processes")?;
    for Findings { pid, findings } in page(agent, "/debug/findings")? {
        if let Some(process) = processes.iter_mut().find(|process| process.pid == pid) {
            process.findings = findings;
        }
    }
    Ok(processes)
}

/// A page of JSON.
fn page<T: serde::de::DeserializeOwned>(agent: SocketAddr, path: &str) -> Result<Vec<T>> {
    serde_json::from_str(&get(agent, path)?).with_context(|| format!("the agent's {path} is not as expected"))
}

/// The body of a page.
///
/// # Errors
/// Nobody answers, or with another status than 200.
pub(crate) fn get(agent: SocketAddr, path: &str) -> Result<String> {
    let page = || format!("http://{agent}{path}");
    let mut stream = TcpStream::connect_timeout(&agent, TIMEOUT).with_context(page)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {agent}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(page)?;
    let mut answer = String::new();
    stream.take(LARGEST).read_to_string(&mut answer).with_context(page)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{}: no answer in HTTP", page()) };
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!("{}: {status}: {}", page(), super::text::printable(body.trim(), 200));
    }
    Ok(body.to_owned())
}

/// Where the agent shall listen: where it is told to, at its default, or, when that is taken, at a free port (the second is then true).
///
/// # Errors
/// The address asked for is taken or not of this host, or /debug/processes could not be read there.
pub(super) fn address(wanted: Option<SocketAddr>) -> Result<(SocketAddr, bool)> {
    if let Some(wanted) = wanted {
        let free = match TcpListener::bind(wanted) {
            Ok(free) => free,
            Err(error) => bail!("cannot listen at {wanted}: {error}\n  remedy: another --listen, or none: a free port is then found"),
        };
        let address = free.local_addr()?;
        if !(address.ip().is_loopback() || address.ip().is_unspecified()) {
            bail!("the agent shows processes to its own host only\n  remedy: --listen 127.0.0.1:PORT, or 0.0.0.0:PORT for everybody");
        }
        return Ok((address, false));
    }
    if TcpListener::bind(DEFAULT).is_ok() {
        return Ok((DEFAULT, false));
    }
    let free = TcpListener::bind((DEFAULT.ip(), 0)).context("there is no free port on this host's loopback")?;
    Ok((free.local_addr()?, true))
}

/// The address under which the agent is reached from this host.
pub(super) fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_says_is_understood() {
        let json = r#"[{"pid": 2, "process": "api", "go_version": "go1.26.8", "state": "attached", "attached_at": "2023-11-14T22:13:20.250Z",
            "refusals": [{"family": null, "reason": "go_version", "detail": "go1.99"}],
            "families": {"goroutine": {"mode": "exact", "ratio": 1.0}, "map": {"mode": "sampled", "ratio": 0.001}},
            "counters": {"map_writes_faststr": {"value": 10, "low": 9, "high": 12}, "map_writes_generic": {"value": 1, "low": 1, "high": 1},
                         "map_deletes": {"value": 5, "low": 5, "high": 5}},
            "runtime": {"read_at": "2023-11-14T22:13:25.250Z", "goroutines": 7, "timers": null},
            "sites": [{"family": "map", "function": "main.a", "file": "/m.go", "line": 1, "count": 3},
                      {"family": "map", "function": "main.b", "file": "/m.go", "line": 2, "count": 8}]}]"#;
        let processes: Vec<Process> = serde_json::from_str(json).unwrap();
        let process = processes.first().unwrap();
        assert_eq!(process.map_writes(), Count { value: 11, low: 10, high: 13 });
        assert_eq!((process.is_exact("goroutine"), process.is_exact("map"), process.is_exact("timer")), (Some(true), Some(false), None));
        assert_eq!(process.top_site("map").map(|site| site.function.as_str()), Some("main.b"));
        assert_eq!(process.count("sleeps"), Count::default());
        assert_eq!(process.runtime.as_ref().map(|runtime| runtime.goroutines), Some(7));
        let read_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_005_250);
        assert!(process.is_read_since(read_at) && !process.is_read_since(read_at + Duration::from_millis(1)));
        assert!(!Process::default().is_read_since(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn counters_have_families() {
        for (counter, expected) in [("goroutine_exits", "goroutine"), ("map_clears", "map"), ("timer_fires", "timer"), ("sleeps", "timer")]
        {
            assert_eq!(family_of(counter), expected);
        }
    }

    #[test]
    fn a_taken_port_is_told() {
        let taken = TcpListener::bind((DEFAULT.ip(), 0)).unwrap();
        assert!(address(Some(taken.local_addr().unwrap())).is_err());
        let everybody: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let (listen, elsewhere) = address(Some(everybody)).unwrap();
        assert!(listen.ip().is_unspecified() && !elsewhere);
        assert!(from_here(listen).ip().is_loopback());
    }

    #[test]
    fn pages_are_fetched() {
        let listener = TcpListener::bind((DEFAULT.ip(), 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let listed = [r#"[{"pid": 1}, {"pid": 2}]"#, r#"[{"pid": 2, "findings": [{"count": 5}]}]"#];
            for answer in listed
                .map(|body| format!("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{body}"))
                .iter()
                .map(String::as_str)
                .chain(["HTTP/1.0 403 Forbidden\r\n\r\nno\x1b\n"])
            {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let counts: Vec<_> = processes(at).unwrap().iter().map(|process| process.findings.first().map(|finding| finding.count)).collect();
        assert_eq!(counts, [None, Some(5)]);
        assert!(processes(at).unwrap_err().to_string().ends_with("/debug/processes: 403: no?"));
        server.join().unwrap();
    }
}
