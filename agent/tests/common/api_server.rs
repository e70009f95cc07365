//! A Kubernetes API server, as far as the agent asks one: pods by list and watch, Events, reviews. It listens on a real port.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Well,
    /// Connections are cut at once, those that are open too.
    Down,
    /// Connections are taken and nothing is answered.
    Hanging,
    /// Everything is answered by 403.
    Forbidding,
}

/// A server with no pods. Goes with the process.
pub struct ApiServer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    directory: TempDir,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mood: Mood,
    version: u64,
    /// Watches from before this version are answered by 410.
    oldest: u64,
    /// Current pods by uid.
    pods: BTreeMap<String, Value>,
    /// What watches are told: version, type, object.
    log: Vec<(u64, &'static str, Value)>,
    /// Bodies of POST requests, by path.
    posted: Vec<(String, Value)>,
    /// Paths of GET requests.
    asked: Vec<String>,
    /// What a POST to a path that contains the text is answered with.
    answers: BTreeMap<String, (u16, Value)>,
}

impl ApiServer {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            mood: Mood::Well,
            version: 1,
            oldest: 0,
            pods: BTreeMap::new(),
            log: Vec::new(),
            posted: Vec::new(),
            asked: Vec::new(),
            answers: BTreeMap::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                thread::spawn(move || {
                    // A client that has gone is no failure of the server's.
                    let _ = serve(&shared, stream);
                });
            }
        });
        let directory = TempDir::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "test", "user": {"token": "secret"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        fs::write(directory.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { address, shared, directory }
    }

    /// A file by which it is reached.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// The flags of an agent of the node `node-1`.
    pub fn flags(&self) -> Vec<String> {
        vec!["--kubernetes".to_owned(), format!("--kubeconfig={}", self.kubeconfig().display()), "--node-name=node-1".to_owned()]
    }

    /// From now on it behaves so.
    pub fn set_mood(&self, mood: Mood) {
        self.state().mood = mood;
        self.shared.changed.notify_all();
    }

    /// A pod is new or has changed.
    pub fn put(&self, pod: &Value) {
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut state = self.state();
        let what = if state.pods.contains_key(&uid) { "MODIFIED" } else { "ADDED" };
        let pod = state.note(what, pod.clone());
        state.pods.insert(uid, pod);
        self.shared.changed.notify_all();
    }

    /// A pod is deleted.
    pub fn delete(&self, uid: &str) {
        let mut state = self.state();
        if let Some(pod) = state.pods.remove(uid) {
            state.note("DELETED", pod);
        }
        self.shared.changed.notify_all();
    }

    /// Forgets what watches could still be told: they end with 410.
    pub fn forget(&self) {
        let mut state = self.state();
        state.version += 1;
        state.oldest = state.version;
        state.log.clear();
        self.shared.changed.notify_all();
    }

    /// From now on a POST to a path that contains `path` is answered so.
    pub fn answer(&self, path: &str, status: u16, body: Value) {
        self.state().answers.insert(path.to_owned(), (status, body));
    }

    /// The bodies that were posted to paths which contain `path`.
    pub fn posted(&self, path: &str) -> Vec<Value> {
        self.state().posted.iter().filter(|(to, _)| to.contains(path)).map(|(_, body)| body.clone()).collect()
    }

    /// The paths, with their questions, that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl State {
    fn note(&mut self, what: &'static str, mut pod: Value) -> Value {
        self.version += 1;
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.log.push((self.version, what, pod.clone()));
        pod
    }
}

/// What a client asks for.
struct Asked {
    method: String,
    /// Path and question.
    target: String,
    body: Vec<u8>,
}

impl Asked {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { method, target, body })
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let Asked { method, target, body } = Asked::read(&stream)?;
    let mut state = shared.state.lock().unwrap();
    match state.mood {
        Mood::Well => {}
        Mood::Down => return Ok(()),
        Mood::Hanging => {
            while state.mood == Mood::Hanging {
                state = shared.changed.wait(state).unwrap();
            }
            return Ok(());
        }
        Mood::Forbidding => return respond(stream, 403, &status(403, "Forbidden")),
    }
    if method == "POST" {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let answer = state.answers.iter().find(|(known, _)| path.contains(known.as_str())).map(|(_, answer)| answer.clone());
        state.posted.push((path, body.clone()));
        let (code, answer) = answer.unwrap_or((201, body));
        drop(state);
        return respond(stream, code, &answer);
    }
    state.asked.push(target.clone());
    if !target.starts_with("/api/v1/pods?") || !target.contains("fieldSelector=spec.nodeName%3Dnode-1") {
        drop(state);
        return respond(stream, 404, &status(404, "NotFound"));
    }
    if target.contains("watch=true") {
        drop(state);
        return watch(shared, stream, &target);
    }
    let list = json!({
        "kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": state.version.to_string()},
        "items": state.pods.values().collect::<Vec<_>>(),
    });
    drop(state);
    respond(stream, 200, &list)
}

fn watch(shared: &Shared, mut stream: TcpStream, target: &str) -> std::io::Result<()> {
    let parameter = |name: &str| target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut seen: u64 = parameter("resourceVersion").unwrap().parse().unwrap();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")?;
    let mut state = shared.state.lock().unwrap();
    loop {
        if state.mood == Mood::Down {
            return Ok(());
        }
        if state.mood == Mood::Well {
            if seen < state.oldest {
                chunk(&mut stream, &json!({"type": "ERROR", "object": status(410, "Expired")}))?;
                return write!(stream, "0\r\n\r\n");
            }
            let news = state.log.partition_point(|(version, ..)| *version <= seen);
            for (version, what, pod) in &state.log[news..] {
                chunk(&mut stream, &json!({"type": what, "object": pod}))?;
                seen = *version;
            }
        }
        // A client that has gone is noticed when there is something to tell it.
        state = shared.changed.wait_timeout(state, Duration::from_secs(60)).unwrap().0;
    }
}

fn chunk(stream: &mut TcpStream, event: &Value) -> std::io::Result<()> {
    let text = format!("{event}\n");
    write!(stream, "{:x}\r\n{text}\r\n", text.len())?;
    stream.flush()
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn respond(mut stream: TcpStream, code: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
