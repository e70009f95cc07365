//! TLS, tokens, reviews and the debug socket, with real clients.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::{LONG, get, split};
use crate::{
    admin::{Admin, Drained, FileError, Limits, Security, bind, bind_socket, channel},
    config::{Auth, Tls},
    metrics::{Metrics, SERIES_LIMIT, Services},
    model::{AgentReport, Report, Review, ReviewError, Reviewer, Tally, Verdict},
};

/// A CA of a test.
struct Ca(Issuer<'static, KeyPair>, String);

/// A certificate and its key, both PEM.
struct Issued {
    cert: String,
    key: String,
}

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// Files of a server, in a directory of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new(issued: &Issued) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew(issued);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As one step, as far as two files can be.
    fn renew(&self, issued: &Issued) {
        self.write("key", &issued.key);
        self.write("cert", &issued.cert);
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path("new"), content).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn tls(&self, client_ca: Option<&str>) -> Option<Tls> {
        let client_ca = client_ca.map(|pem| {
            self.write("ca", pem);
            self.path("ca")
        });
        Some(Tls { cert: self.path("cert"), key: self.path("key"), client_ca })
    }
}

struct Secured {
    address: SocketAddr,
    health: SocketAddr,
    reload_failures: Option<Arc<Tally>>,
    refused: Option<Arc<Tally>>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

fn start(tls: Option<Tls>, auth: Auth, reviewer: Option<Arc<dyn Reviewer>>, socket: Option<&Path>) -> Secured {
    let security = Security::load(tls, auth).unwrap();
    let (reload_failures, refused) = (security.reload_failures.clone(), security.refused.clone());
    let (listener, health) = (bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap(), bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()));
    let health_address = health.local_addr().unwrap();
    let (feeder, reports) = channel();
    let report = Report { taken_at: SystemTime::now(), processes: Vec::new(), groups: Vec::new(), agent: AgentReport::default() };
    feeder.publish(Arc::new(report), std::time::Instant::now() + LONG);
    let services = Services { reload_failures: reload_failures.clone(), refused: refused.clone(), ..Services::default() };
    let metrics = Arc::new(Metrics::new(SERIES_LIMIT, "0.1.0", "abc").with_services(services));
    let limits = Limits { reload: Duration::from_millis(10), ..Limits::default() };
    let debug = socket.map(|path| bind_socket(path).unwrap());
    let admin = Admin { listener, health: Some(health), debug, security, reviewer, reports, metrics, limits };
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(async move {
        let _feeder = feeder;
        admin.serve(async { drop(stopped.await) }).await.unwrap()
    });
    Secured { address, health: health_address, reload_failures, refused, stop, serving }
}

fn count(tally: Option<&Arc<Tally>>, reason: &str) -> u64 {
    tally.unwrap().counts().find(|(known, _)| *known == reason).unwrap().1
}

/// A client that trusts `ca`, with a certificate of its own or without.
fn client(ca: &Ca, own: Option<&Issued>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.1.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        Some(Issued { cert, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

/// Status, head and body; or what went wrong on the way.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, headers: &str) -> Result<(u16, String, String), String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: agent.example\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut response = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut response)).await.expect("the server closes");
    read.map_err(|error| error.to_string())?;
    Ok(split(&String::from_utf8(response).unwrap()))
}

async fn over_tls(connector: &TlsConnector, address: SocketAddr, path: &str, headers: &str) -> Result<(u16, String, String), String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    ask(connector.connect(name, stream).await.map_err(|error| error.to_string())?, path, headers).await
}

async fn status(address: SocketAddr, path: &str, token: &str) -> u16 {
    let header = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    ask(TcpStream::connect(address).await.unwrap(), path, &header).await.unwrap().0
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn it_is_served_with_tls_only_and_health_without() {
    let (ca, other) = (Ca::new(), Ca::new());
    let files = Files::new(&ca.issue());
    let server = start(files.tls(None), Auth::None, None, None);
    let (status, _, body) = over_tls(&client(&ca, None), server.address, "/metrics", "").await.unwrap();
    assert!(status == 200 && body.contains("goroscope_agent_build_info") && body.contains("goroscope_agent_tls_reload_failures_total 0"));
    // Such a client does not trust the server; neither is an answer given in the clear.
    let error = over_tls(&client(&other, None), server.address, "/metrics", "").await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
    until("both are counted", async || count(server.refused.as_ref(), "handshake") == 2).await;
    assert_eq!(get(server.health, "/livez").await.0, 200);
    server.stop.send(()).unwrap();
    assert_eq!(server.serving.await.unwrap(), Drained::Whole);
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_are_served() {
    let (ca, clients, other) = (Ca::new(), Ca::new(), Ca::new());
    let files = Files::new(&ca.issue());
    let server = start(files.tls(Some(&clients.1)), Auth::None, None, None);
    let ask = async |own: Option<&Issued>| over_tls(&client(&ca, own), server.address, "/metrics", "").await;
    assert_eq!(ask(Some(&clients.issue())).await.unwrap().0, 200);
    for own in [None, Some(&other.issue())] {
        // It may see why, or only that the connection is gone.
        assert!(ask(own).await.is_err());
    }
    until("both are counted", async || count(server.refused.as_ref(), "handshake") == 2).await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_and_one_that_does_not_fit_is_not() {
    let (old, new) = (Ca::new(), Ca::new());
    let files = Files::new(&old.issue());
    let server = start(files.tls(None), Auth::None, None, None);
    let served = async |ca: &Ca| over_tls(&client(ca, None), server.address, "/livez", "").await.is_ok_and(|(status, ..)| status == 200);
    assert!(served(&old).await && !served(&new).await);
    // A connection from before goes on.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let kept = client(&old, None).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    files.renew(&new.issue());
    until("the new one is served", async || served(&new).await).await;
    assert!(!served(&old).await);
    assert_eq!(ask(kept, "/livez", "").await.unwrap().0, 200);
    // Between the two renames the key did not fit: that may have been seen.
    let before = count(server.reload_failures.as_ref(), "");
    files.write("key", &old.issue().key);
    until("it is counted", async || count(server.reload_failures.as_ref(), "") > before).await;
    fs::remove_file(files.path("cert")).unwrap();
    until("that, too", async || count(server.reload_failures.as_ref(), "") > before + 1).await;
    assert!(served(&new).await);
    files.renew(&old.issue());
    until("it recovers", async || served(&old).await).await;
}

#[test]
fn files_that_are_of_no_use_are_told_before_anything_is_served() {
    let ca = Ca::new();
    let (one, other) = (ca.issue(), ca.issue());
    let check = |cert: &str, key: &str, client_ca: Option<&str>, expected: &str| {
        let files = Files::new(&Issued { cert: cert.to_owned(), key: key.to_owned() });
        let error = Security::load(files.tls(client_ca), Auth::None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&one.cert, &other.key, None, "is not the key of the certificate in");
    check("", &one.key, None, "cert has no certificate in PEM");
    check(&one.cert, "", None, "key has no private key in PEM");
    check(&one.cert, &one.cert, None, "key has no private key in PEM");
    check(&one.cert, &one.key, Some("nothing"), "ca has no certificate in PEM");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(garbage, &one.key, None, "cannot use");
    check(&one.cert, &one.key, Some(garbage), "cannot use");
    check(&"x".repeat(5 << 20), &one.key, None, "more than 4194304 bytes");
    let missing = Security::load(None, Auth::Token("/nonexistent/token".into())).unwrap_err();
    assert!(matches!(missing, FileError::Read { .. }), "{missing}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let error = Security::load(None, Auth::Token(empty.path().to_owned())).unwrap_err().to_string();
    assert!(error.ends_with("has no token"), "{error}");
}

#[tokio::test]
async fn tokens_of_a_file_and_what_becomes_of_those_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, "first\n second \n\n").unwrap();
    let server = start(None, Auth::Token(file.clone()), None, None);
    for (token, expected) in [("first", 200), ("second", 200), ("", 401), ("firs", 401), ("first2", 401), ("first\nsecond", 400)] {
        assert_eq!(status(server.address, "/metrics", token).await, expected, "{token}");
    }
    let (_, head, _) =
        ask(TcpStream::connect(server.address).await.unwrap(), "/metrics", "Authorization: Basic Zmlyc3Q=\r\n").await.unwrap();
    assert!(head.starts_with("http/1.1 401 ") && head.contains("www-authenticate: bearer\r\n"), "{head}");
    assert_eq!(status(server.address, "/livez", "").await, 200);
    assert_eq!(count(server.refused.as_ref(), "unauthenticated"), 4);
    fs::write(&file, "third").unwrap();
    until("the new one is valid", async || status(server.address, "/metrics", "third").await == 200).await;
    assert_eq!(status(server.address, "/metrics", "first").await, 401);
    fs::write(&file, "").unwrap();
    until("none is valid", async || status(server.address, "/metrics", "third").await == 401).await;
}

/// Knows `prometheus`, who may get /metrics, and `admin`, who may get everything.
struct People;

impl Reviewer for People {
    fn review<'a>(&'a self, token: &'a str, path: &'a str) -> Review<'a> {
        let verdict = match token {
            "prometheus" if path == "/metrics" => Ok(Verdict::Allowed),
            "prometheus" => Ok(Verdict::Forbidden),
            "admin" => Ok(Verdict::Allowed),
            "away" => Err(ReviewError("nobody answers".to_owned())),
            _ => Ok(Verdict::Unknown),
        };
        Box::pin(async move { verdict })
    }
}

/// The server's address as a stranger sees it, where the host has one.
fn from_outside(address: SocketAddr) -> Option<SocketAddr> {
    let outside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    outside.connect("192.0.2.1:9").ok()?;
    Some(SocketAddr::from((outside.local_addr().unwrap().ip(), address.port())))
}

#[tokio::test]
async fn who_is_known_to_the_reviewer_gets_what_they_may() {
    let ca = Ca::new();
    let files = Files::new(&ca.issue());
    let server = start(files.tls(None), Auth::Kubernetes, Some(Arc::new(People)), None);
    let tls = client(&ca, None);
    let check = async |address: SocketAddr, rows: &[(&str, &str, u16)]| {
        for (path, token, expected) in rows {
            let header = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
            assert_eq!(over_tls(&tls, address, path, &header).await.unwrap().0, *expected, "{path} {token} {address}");
        }
    };
    let metrics = [
        ("/metrics", "prometheus", 200),
        ("/metrics", "admin", 200),
        ("/metrics", "", 401),
        ("/metrics", "expired", 401),
        ("/metrics", "away", 503),
        ("/readyz", "", 200),
    ];
    check(server.address, &metrics).await;
    assert_eq!(["unauthenticated", "forbidden", "unreviewed"].map(|reason| count(server.refused.as_ref(), reason)), [2, 0, 1]);
    // Whoever connects to another address of this host comes from that address: to the server, a stranger.
    if let Some(outside) = from_outside(server.address) {
        let debug = [
            ("/debug/processes", "admin", 200),
            ("/debug/goroutines?pid=1", "admin", 200),
            ("/debug/findings", "prometheus", 403),
            ("/debug/processes", "", 401),
            ("/debug/processes", "expired", 401),
        ];
        check(outside, &debug).await;
    }
}

#[tokio::test]
async fn a_token_alone_opens_no_debug_pages() {
    // Without TLS the API server is not even asked; a token of a file does not say whose it is.
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "admin").unwrap();
    let ca = Ca::new();
    let files = Files::new(&ca.issue());
    let plain = start(None, Auth::Kubernetes, Some(Arc::new(People)), None);
    let encrypted = start(files.tls(None), Auth::Token(token), None, None);
    assert_eq!(status(plain.address, "/metrics", "admin").await, 200);
    if let (Some(plain), Some(encrypted)) = (from_outside(plain.address), from_outside(encrypted.address)) {
        assert_eq!(status(plain, "/debug/processes", "admin").await, 403);
        let header = "Authorization: Bearer admin\r\n";
        let tls = client(&ca, None);
        assert_eq!(over_tls(&tls, encrypted, "/metrics", header).await.unwrap().0, 200);
        assert_eq!(over_tls(&tls, encrypted, "/debug/processes", header).await.unwrap().0, 403);
    }
}

#[tokio::test]
async fn the_debug_socket_is_for_its_owner_and_goes_with_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("debug.sock");
    // Left behind by an agent that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = start(None, Auth::Kubernetes, None, Some(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for page in ["/debug/processes", "/metrics", "/livez"] {
        assert_eq!(ask(UnixStream::connect(&path).await.unwrap(), page, "").await.unwrap().0, 200, "{page}");
    }
    assert_eq!(status(server.address, "/metrics", "admin").await, 503, "there is nobody to ask");
    let taken = bind_socket(&path).unwrap_err().to_string();
    assert!(taken.contains("another goroscope serves it"), "{taken}");
    server.stop.send(()).unwrap();
    assert_eq!(server.serving.await.unwrap(), Drained::Whole);
    assert!(!path.exists());
    fs::write(&path, "mine").unwrap();
    let error = bind_socket(&path).unwrap_err().to_string();
    assert!(error.contains("no socket") && fs::read_to_string(&path).unwrap() == "mine", "{error}");
}
