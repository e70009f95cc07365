//! What the agent is told to do: flags, environment and file become one checked [`Config`].
//!
//! In: a [`Layer`] of flags, the environment, a YAML file. Out: a [`Config`], or every problem found, each naming the key, where
//! it was set and what is expected. Must not know: clap, what a setting is for.
//!
//! A key that is set in several layers is taken from the first of: flag, environment, file, default. Lists are replaced, not joined.

mod environment;
mod excludes;
mod file;
mod key;
mod kubernetes;
mod parse;
mod problem;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Uri};

pub use self::{
    excludes::Excludes,
    key::Key,
    kubernetes::{ANNOTATION, Kubernetes, KubernetesMode, PodScope, PodSelector},
    parse::{AuthMode, LogFilter, LogFormat, time_span},
    problem::{ConfigError, Origin, Problem},
};

/// Where `/metrics` is served unless told otherwise: this host only.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9640";
/// Where snapshots are kept unless told otherwise.
pub const DEFAULT_SNAPSHOT_DIR: &str = "/var/lib/goroscope";
/// How often memory is read unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// How often metrics are exported unless told otherwise.
pub const DEFAULT_OTLP_INTERVAL: Duration = Duration::from_secs(15);
/// What is logged unless told otherwise.
pub const DEFAULT_LOG_LEVEL: &str = "info";

/// What `goroscope run` does, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is served.
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served too; none: only at `listen`.
    pub health_listen: Option<SocketAddr>,
    /// How often the memory of processes is read.
    pub interval: Duration,
    /// Count every event: no windows, whatever it costs the processes.
    pub exact: bool,
    /// Only these processes; empty: all.
    pub pids: Vec<u32>,
    /// Not these.
    pub excludes: Excludes,
    /// Label `pid` on every series.
    pub per_process: bool,
    /// Where what was seen when a leak was found is kept.
    pub snapshot_dir: PathBuf,
    /// With which certificate it is served; none: without TLS.
    pub tls: Option<Tls>,
    /// Who may ask.
    pub auth: Auth,
    /// Where everything is served to this host's root, too.
    pub debug_socket: Option<PathBuf>,
    /// Where metrics are exported to; none: nowhere.
    pub otlp: Option<Otlp>,
    /// Names from Kubernetes.
    pub kubernetes: Kubernetes,
    /// Where leaks are told: the URLs of Alertmanagers' lists of alerts.
    pub alertmanagers: Vec<Uri>,
    /// Room of maps of the kernel side that differs from its own, by the maps' names.
    pub map_entries: Vec<(&'static str, u32)>,
    /// What is logged.
    pub log_level: LogFilter,
    /// How.
    pub log_format: LogFormat,
    /// Show a live view, where there is a terminal for it.
    pub view: bool,
}

/// PEM files of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its certificate, and those that lead to its CA.
    pub cert: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// CAs of which a client must have a certificate; none: it needs none.
    pub client_ca: Option<PathBuf>,
}

/// Who may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Everybody who can connect.
    #[default]
    None,
    /// Whom the Kubernetes API server allows to.
    Kubernetes,
    /// Who has a token of this file.
    Token(PathBuf),
}

/// Export by OTLP/HTTP.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Where metrics are posted.
    pub endpoint: Uri,
    /// With each request. Values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How often.
    pub interval: Duration,
}

/// One value as it was given, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As text.
    pub value: String,
    /// For messages.
    pub origin: Origin,
}

/// What one source says: values by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer(std::collections::BTreeMap<Key, Vec<Setting>>);

impl Layer {
    /// One more value of a key.
    pub fn push(&mut self, key: Key, value: impl Into<String>, origin: Origin) {
        self.0.entry(key).or_default().push(Setting { value: value.into(), origin });
    }
}

impl Config {
    /// Puts the layers together. `file` is what `--config` says; `GOROSCOPE_CONFIG` is asked where it says nothing.
    ///
    /// # Errors
    /// Every unknown key and bad value of all layers at once, or why the file cannot be read.
    pub fn load(
        flags: Layer,
        file: Option<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let environment = environment::read(environment, &mut problems);
        let file = file.or(environment.config).map(|path| file::read(&path, &mut problems)).unwrap_or_default();
        let config = Self::from_layers(&[flags, environment.layer, file], &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// The first layer that has a key decides. What is wrong is told in `problems` and left at its default.
    fn from_layers(layers: &[Layer], problems: &mut Vec<Problem>) -> Self {
        let of = |key: Key| layers.iter().find_map(|layer| layer.0.get(&key)).map_or(&[][..], Vec::as_slice);
        let listen = parse::one(Key::Listen, of(Key::Listen), problems, parse::address).unwrap_or_else(default_listen);
        let health_listen = parse::one(Key::HealthListen, of(Key::HealthListen), problems, parse::address);
        Self {
            listen,
            // Port 0 is another port each time.
            health_listen: health_listen.filter(|health| *health != listen || health.port() == 0),
            interval: parse::one(Key::Interval, of(Key::Interval), problems, parse::duration).unwrap_or(DEFAULT_INTERVAL),
            exact: parse::one(Key::Exact, of(Key::Exact), problems, parse::boolean).unwrap_or_default(),
            pids: parse::list(Key::Pid, of(Key::Pid), problems, parse::pid),
            excludes: parse::list(Key::Exclude, of(Key::Exclude), problems, excludes::parse).into_iter().collect(),
            per_process: parse::one(Key::PerProcess, of(Key::PerProcess), problems, parse::boolean).unwrap_or_default(),
            snapshot_dir: parse::one(Key::SnapshotDir, of(Key::SnapshotDir), problems, parse::absolute)
                .unwrap_or_else(|| DEFAULT_SNAPSHOT_DIR.into()),
            tls: tls(&of, problems),
            auth: auth(&of, problems),
            debug_socket: parse::one(Key::DebugSocket, of(Key::DebugSocket), problems, parse::absolute),
            otlp: otlp(&of, problems),
            kubernetes: kubernetes::kubernetes(&of, problems),
            alertmanagers: parse::list(Key::Alertmanager, of(Key::Alertmanager), problems, parse::alertmanager),
            map_entries: parse::list(Key::MapEntries, of(Key::MapEntries), problems, parse::map_entries),
            log_level: parse::one(Key::LogLevel, of(Key::LogLevel), problems, LogFilter::parse).unwrap_or_default(),
            log_format: parse::one(Key::LogFormat, of(Key::LogFormat), problems, LogFormat::parse).unwrap_or_default(),
            view: parse::one(Key::View, of(Key::View), problems, parse::boolean).unwrap_or(true),
        }
    }
}

fn tls<'a>(of: &impl Fn(Key) -> &'a [Setting], problems: &mut Vec<Problem>) -> Option<Tls> {
    need(of, problems, Key::TlsCert, Key::TlsKey);
    need(of, problems, Key::TlsKey, Key::TlsCert);
    need(of, problems, Key::TlsClientCa, Key::TlsCert);
    let mut path = |key| parse::one(key, of(key), problems, parse::absolute);
    let (cert, key, client_ca) = (path(Key::TlsCert), path(Key::TlsKey), path(Key::TlsClientCa));
    Some(Tls { cert: cert?, key: key?, client_ca })
}

fn auth<'a>(of: &impl Fn(Key) -> &'a [Setting], problems: &mut Vec<Problem>) -> Auth {
    let file = parse::one(Key::AuthTokenFile, of(Key::AuthTokenFile), problems, parse::absolute);
    match parse::one(Key::Auth, of(Key::Auth), problems, AuthMode::parse).unwrap_or_default() {
        AuthMode::None => Auth::None,
        AuthMode::Kubernetes => Auth::Kubernetes,
        AuthMode::Token => {
            need(of, problems, Key::Auth, Key::AuthTokenFile);
            file.map_or(Auth::None, Auth::Token)
        }
    }
}

fn otlp<'a>(of: &impl Fn(Key) -> &'a [Setting], problems: &mut Vec<Problem>) -> Option<Otlp> {
    let headers = parse::list(Key::OtlpHeader, of(Key::OtlpHeader), problems, parse::header);
    let interval = parse::one(Key::OtlpInterval, of(Key::OtlpInterval), problems, parse::duration);
    let endpoint = parse::one(Key::OtlpEndpoint, of(Key::OtlpEndpoint), problems, parse::endpoint)?;
    Some(Otlp { endpoint, headers, interval: interval.unwrap_or(DEFAULT_OTLP_INTERVAL) })
}

/// Where `key` is set, `other` must be.
fn need<'a>(of: &impl Fn(Key) -> &'a [Setting], problems: &mut Vec<Problem>, key: Key, other: Key) {
    if let ([Setting { origin, .. }, ..], []) = (of(key), of(other)) {
        problems.push(Problem::Needs { origin: origin.clone(), key, other });
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from_layers(&[], &mut Vec::new())
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9640))
}

#[cfg(test)]
mod tests;
