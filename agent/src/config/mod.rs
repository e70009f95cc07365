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
mod parse;
mod problem;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

pub use self::{
    excludes::Excludes,
    key::Key,
    parse::{LogFilter, LogFormat, time_span},
    problem::{ConfigError, Origin, Problem},
};

/// Where `/metrics` is served unless told otherwise: this host only.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9640";
/// Where snapshots are kept unless told otherwise.
pub const DEFAULT_SNAPSHOT_DIR: &str = "/var/lib/goroscope";
/// How often memory is read unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
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
    /// What is logged.
    pub log_level: LogFilter,
    /// How.
    pub log_format: LogFormat,
    /// Show a live view, where there is a terminal for it.
    pub view: bool,
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
            log_level: parse::one(Key::LogLevel, of(Key::LogLevel), problems, LogFilter::parse).unwrap_or_default(),
            log_format: parse::one(Key::LogFormat, of(Key::LogFormat), problems, LogFormat::parse).unwrap_or_default(),
            view: parse::one(Key::View, of(Key::View), problems, parse::boolean).unwrap_or(true),
        }
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
