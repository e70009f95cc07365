//! Requests over real sockets.

mod secure;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::{Admin, Drained, Feeder, Limits, Security, bind, channel};
use crate::{
    config::Auth,
    metrics::{Metrics, SERIES_LIMIT},
    model::{AgentReport, GroupReport, Identity, Report},
};

/// Long enough for any machine: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(20);

struct Server {
    main: SocketAddr,
    health: SocketAddr,
    feeder: Feeder,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

fn start(limits: Limits) -> Server {
    start_at(Ipv4Addr::LOCALHOST, limits)
}

fn start_at(ip: Ipv4Addr, limits: Limits) -> Server {
    let (listener, health) = (bind((ip, 0).into()).unwrap(), bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
    let (main, health_address) = (listener.local_addr().unwrap(), health.local_addr().unwrap());
    let (feeder, reports) = channel();
    let (stop, stopped) = oneshot::channel();
    let metrics = Arc::new(Metrics::new(SERIES_LIMIT, "0.1.0", "abc"));
    let security = Security::load(None, Auth::None).unwrap();
    let admin = Admin { listener, health: Some(health), debug: None, security, reviewer: None, reports, metrics, limits };
    let serving = tokio::spawn(async move { admin.serve(async { drop(stopped.await) }).await.unwrap() });
    Server { main, health: health_address, feeder, stop, serving }
}

impl Server {
    fn publish(&self, starting: u64, losses: &[&str]) {
        let losses = losses.iter().map(ToString::to_string).collect();
        self.publish_groups(AgentReport { starting, losses, ..AgentReport::default() }, Vec::new());
    }

    fn publish_groups(&self, agent: AgentReport, groups: Vec<GroupReport>) {
        // Fresh for every request to come.
        let began = Instant::now() + LONG;
        self.feeder.publish(Arc::new(Report { taken_at: SystemTime::now(), processes: Vec::new(), groups, agent }), began);
    }
}

/// Sends a request and reads until the server closes.
async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut response)).await.expect("the server closes");
    // A connection that the server resets has ended, too.
    let _ = read;
    String::from_utf8(response).unwrap()
}

async fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    split(&send(address, &request).await)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let (status, _, body) = request(address, "GET", path, "").await;
    (status, body)
}

fn split(response: &str) -> (u16, String, String) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {response:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let server = start(Limits::default());
    server.publish(0, &[]);
    let (status, head, body) = request(server.main, "GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n").await;
    assert!(status == 200 && head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"), "{head}");
    assert!(body.ends_with("# EOF\n") && body.contains("process_cpu_seconds_total "), "{body}");
    let (status, head, body) = request(server.main, "GET", "/metrics", "Accept: */*\r\n").await;
    assert!(status == 200 && head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    assert!(body.contains("goroscope_agent_build_info{version=\"0.1.0\",commit=\"abc\"} 1\n") && !body.contains("# EOF"), "{body}");
    let (status, head, body) = request(server.main, "HEAD", "/metrics", "").await;
    assert!(status == 200 && body.is_empty() && head.contains("content-length: "), "{head}");
}

#[tokio::test]
async fn a_scrape_asks_the_collector() {
    let server = start(Limits::default());
    let address = server.main;
    let scrape = tokio::spawn(async move { get(address, "/metrics").await });
    tokio::time::timeout(LONG, server.feeder.requested()).await.unwrap();
    server.publish_groups(AgentReport { executables: 7, ..AgentReport::default() }, Vec::new());
    assert!(scrape.await.unwrap().1.contains("goroscope_agent_executables 7\n"));
}

#[tokio::test]
async fn readiness_is_told_with_what_is_left_and_lost() {
    let server = start(Limits::default());
    for address in [server.main, server.health] {
        assert_eq!(get(address, "/livez").await, (200, "ok\n".into()));
        assert_eq!(get(address, "/readyz").await, (503, "not ready: processes have not been looked for yet\n".into()));
    }
    server.publish(3, &["sites: no\nBTF"]);
    let left = "not ready: 3 of the processes found at start-up are not attached or refused yet\nlost: sites: no BTF\n";
    assert_eq!(get(server.health, "/readyz").await, (503, left.into()));
    server.publish(0, &[]);
    assert_eq!(get(server.health, "/readyz").await, (200, "ready\n".into()));
}

#[tokio::test]
async fn readiness_does_not_wait_for_the_collectors_beat() {
    let server = start(Limits::default());
    server.publish(3, &[]);
    let ask = async { while get(server.main, "/readyz").await.0 != 200 {} };
    let answer = async {
        server.feeder.requested().await;
        server.publish(0, &[]);
    };
    tokio::time::timeout(LONG, async { tokio::join!(ask, answer) }).await.expect("it is asked for a fresh one");
}

#[tokio::test]
async fn each_listener_has_its_routes() {
    let server = start(Limits::default());
    server.publish(0, &[]);
    assert_eq!(get(server.main, "/debug/processes").await, (200, "[]".into()));
    let (status, index) = get(server.main, "/").await;
    assert!(status == 200 && index.contains("/debug/processes"));
    for path in ["/metrics", "/debug/processes", "/"] {
        assert_eq!(get(server.health, path).await.0, 404, "{path}");
    }
    assert_eq!(get(server.main, "/nothing").await.0, 404);
    assert_eq!(request(server.main, "POST", "/metrics", "Content-Length: 0\r\n").await.0, 405);
}

#[tokio::test]
async fn debug_is_for_this_host_only() {
    let server = start_at(Ipv4Addr::UNSPECIFIED, Limits::default());
    server.publish(0, &[]);
    let port = server.main.port();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    assert_eq!(get(local, "/debug/processes").await.0, 200);
    assert_eq!(get(local, "/debug/goroutines?pid=1").await, (200, "[]".to_owned()));
    assert_eq!(get(local, "/debug/goroutines?pid=x").await.0, 400);
    for (host, expected) in [("localhost:1", 200), ("[::1]:1", 200), ("127.0.0.1", 200), ("evil.example:9640", 403), ("", 403)] {
        let request = format!("GET /debug/goroutines HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(split(&send(local, &request).await).0, expected, "{host}");
    }
    // Whoever connects to another address of this host comes from that address: to the server, a stranger.
    let outside = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    if outside.connect("192.0.2.1:9").is_ok() {
        let address = SocketAddr::from((outside.local_addr().unwrap().ip(), port));
        let (status, body) = get(address, "/debug/processes").await;
        assert!(status == 403 && body.contains("own host (loopback)") && body.contains(&address.ip().to_string()), "{body}");
        assert_eq!(get(address, "/metrics").await.0, 200);
    }
}

#[tokio::test]
async fn slow_clients_are_let_go() {
    let limits = Limits {
        connections: 2,
        head: Duration::from_millis(200),
        lifetime: Duration::from_millis(600),
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start(limits);
    server.publish(0, &[]);
    let mut slow = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(server.main).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:").await.unwrap();
        slow.push(stream);
    }
    // All slots are taken three times over, and still it is this one's turn.
    assert_eq!(tokio::time::timeout(LONG, get(server.main, "/livez")).await.unwrap().0, 200);
    for mut stream in slow {
        assert!(!read_all(&mut stream).await.contains(" 200 "));
    }
    // A connection that is kept busy ends as well.
    let mut busy = TcpStream::connect(server.main).await.unwrap();
    let spam = async {
        while busy.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok() {
            let mut answer = [0; 256];
            if matches!(busy.read(&mut answer).await, Ok(0) | Err(_)) {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, spam).await.expect("a lifetime ends");
}

#[tokio::test]
async fn a_request_head_that_does_not_come_is_not_waited_for() {
    let server = start(Limits { head: Duration::from_millis(100), lifetime: Duration::from_secs(3600), ..Limits::default() });
    let mut slow = TcpStream::connect(server.main).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
    assert!(!read_all(&mut slow).await.contains(" 200 "));
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let server = start(Limits::default());
    let response = send(server.main, &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000))).await;
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 4"), "{response}");
}

#[tokio::test]
async fn a_scrape_under_way_is_finished_on_shutdown() {
    let server = start(Limits::default());
    let address = server.main;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let scrape = tokio::spawn(async move { get(address, "/metrics").await });
    // It waits for a Report: now it is in flight.
    tokio::time::timeout(LONG, server.feeder.requested()).await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(read_all(&mut idle).await, "", "idle connections are closed at once");
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(LONG, refused).await.expect("no new ones are taken");
    let report = Report { taken_at: SystemTime::now(), processes: Vec::new(), groups: Vec::new(), agent: AgentReport::default() };
    server.feeder.publish(Arc::new(report), Instant::now());
    assert_eq!(scrape.await.unwrap().0, 200);
    assert_eq!(server.serving.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn who_does_not_read_is_cut_off_on_shutdown() {
    let server = start(Limits { drain: Duration::from_millis(50), ..Limits::default() });
    let groups = (0..20_000).map(|i| GroupReport {
        identity: Identity { process: format!("{i}{}", "x".repeat(200)), ..Identity::default() },
        counts: [(goroscope_abi::Kind::Sleep, crate::model::Count::exact(1))].into(),
        ..GroupReport::default()
    });
    server.publish_groups(AgentReport::default(), groups.collect());
    let mut stream = TcpStream::connect(server.main).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The head is here, the megabytes behind it fit into no socket buffer.
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(tokio::time::timeout(LONG, server.serving).await.unwrap().unwrap(), Drained::Cut(1));
}

#[test]
fn a_taken_port_is_an_error_with_a_remedy() {
    let taken = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = bind(taken.local_addr().unwrap()).unwrap_err().to_string();
    assert!(error.contains(&taken.local_addr().unwrap().to_string()) && error.contains("choose another address (--listen"), "{error}");
    let error = bind("192.0.2.1:1".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("no such address"), "{error}");
}
