//! Against a small HTTP server that answers as it is told.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Exporter, WAITING};

/// Long enough for any machine: a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(20);

struct Receiver(TcpListener);

impl Receiver {
    async fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    fn exporter(&self) -> Exporter {
        let endpoint = format!("http://{}/v1/metrics", self.0.local_addr().unwrap());
        let header = ("x-tenant".parse().unwrap(), "a".parse().unwrap());
        Exporter::start(endpoint.parse().unwrap(), vec![header]).unwrap()
    }

    /// The next request's head and body, answered with `answer` and a closed connection.
    async fn answer(&self, answer: &str) -> (String, String) {
        let (mut stream, request) = self.request().await;
        stream.write_all(format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.unwrap();
        request
    }

    async fn request(&self) -> (TcpStream, (String, String)) {
        let (mut stream, _) = timeout(LONG, self.0.accept()).await.expect("a request").unwrap();
        let mut text = Vec::new();
        loop {
            text.push(stream.read_u8().await.unwrap());
            let Some(head) = text.strip_suffix(b"\r\n\r\n") else { continue };
            let head = String::from_utf8(head.to_vec()).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            return (stream, (head, String::from_utf8(body).unwrap()));
        }
    }
}

fn count(exporter: &Exporter, reason: &str) -> u64 {
    let tally = if reason.is_empty() { &exporter.exports } else { &exporter.failures };
    tally.counts().find(|(known, _)| *known == reason).unwrap().1
}

async fn until(exporter: &Exporter, reason: &str, expected: u64) {
    let reached = async {
        while count(exporter, reason) != expected {
            tokio::time::sleep(Duration::from_millis(5)).await; // wait: the exporter's task has no event to offer
        }
    };
    let message = format!("{reason:?} is {} and not {expected}", count(exporter, reason));
    timeout(LONG, reached).await.expect(&message);
}

#[tokio::test]
async fn exports_arrive_in_their_order() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"one".to_vec());
    exporter.offer(b"two".to_vec());
    let (head, body) = receiver.answer("200 OK").await;
    assert_eq!(body, "one");
    for line in ["post /v1/metrics http/1.1", "content-type: application/x-protobuf", "content-encoding: gzip", "x-tenant: a"] {
        assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
    }
    assert!(head.contains("user-agent: goroscope/"), "{head}");
    assert_eq!(receiver.answer("200 OK").await.1, "two");
    until(&exporter, "", 2).await;
    assert_eq!(exporter.failures.counts().map(|(_, count)| count).sum::<u64>(), 0);
}

#[tokio::test]
async fn what_may_work_later_is_tried_again() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"one".to_vec());
    for answer in ["503 Service Unavailable", "502 Bad Gateway", "429 Too Many Requests\r\nRetry-After: 0"] {
        assert_eq!(receiver.answer(answer).await.1, "one");
    }
    // A receiver that hangs up has said nothing.
    drop(receiver.request().await);
    assert_eq!(receiver.answer("200 OK").await.1, "one");
    until(&exporter, "", 1).await;
    assert_eq!(["unavailable", "throttled", "unreachable", "rejected"].map(|reason| count(&exporter, reason)), [2, 1, 1, 0]);
}

#[tokio::test]
async fn a_receiver_says_when_to_come_back() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"one".to_vec());
    receiver.answer("429 Too Many Requests\r\nRetry-After: 2").await;
    let asked = std::time::Instant::now();
    receiver.answer("200 OK").await;
    assert!(asked.elapsed() >= Duration::from_millis(1900), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn what_is_refused_is_not_sent_again() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"one".to_vec());
    exporter.offer(b"two".to_vec());
    assert_eq!(receiver.answer("400 Bad Request").await.1, "one");
    assert_eq!(receiver.answer("200 OK").await.1, "two");
    until(&exporter, "", 1).await;
    assert_eq!(count(&exporter, "rejected"), 1);
}

#[tokio::test]
async fn a_receiver_that_is_away_costs_the_oldest_and_no_memory() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"0".to_vec());
    // It hangs over the first: what comes meanwhile waits, as far as there is room.
    let (hanging, _) = receiver.request().await;
    for export in 1..=20 {
        exporter.offer(export.to_string().into_bytes());
        tokio::task::yield_now().await;
    }
    until(&exporter, "queue_full", 20 - WAITING as u64).await;
    drop(hanging);
    // The first was given up for those that wait.
    let mut taken = Vec::new();
    for _ in 0..WAITING {
        taken.push(receiver.answer("200 OK").await.1);
    }
    assert_eq!(taken.last().map(String::as_str), Some("20"));
    until(&exporter, "queue_full", 21 - WAITING as u64).await;
}

#[tokio::test]
async fn the_newest_is_sent_at_the_end_and_the_end_is_bounded() {
    let receiver = Receiver::new().await;
    let exporter = receiver.exporter();
    exporter.offer(b"old".to_vec());
    receiver.answer("503 Service Unavailable\r\nRetry-After: 200").await;
    exporter.offer(b"newer".to_vec());
    exporter.offer(b"last".to_vec());
    let (done, (_, body)) = tokio::join!(exporter.finish(LONG), receiver.answer("200 OK"));
    assert_eq!((done, body.as_str()), (true, "last"));

    let exporter = receiver.exporter();
    exporter.offer(b"last".to_vec());
    let (done, _hanging) = tokio::join!(exporter.finish(Duration::from_millis(300)), receiver.request());
    assert!(!done, "a receiver that does not answer is not waited for");
}
