//! What can be wrong with a configuration, said so that it can be mended.

use std::{fmt, io, path::PathBuf};

use super::Key;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag,
    /// In the environment.
    Environment,
    /// In the configuration file.
    File {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1; 0 when that is not known.
        line: u64,
    },
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no such setting.
    #[error("{}: there is no such setting; the nearest is {nearest}", place(.origin, .name))]
    Unknown {
        /// Where.
        origin: Origin,
        /// As it was written.
        name: String,
        /// The known one that is most like it.
        nearest: String,
    },
    /// The value cannot be used.
    #[error("{}: {value:?} is not usable: expected {}", place(.origin, &.key.written(.origin)), .key.expects())]
    Value {
        /// Where.
        origin: Origin,
        /// Which setting.
        key: Key,
        /// As it was written.
        value: String,
    },
    /// A setting that takes one value has several.
    #[error("{}: is set {times} times; it takes one value", place(.origin, &.key.written(.origin)))]
    Repeated {
        /// Where.
        origin: Origin,
        /// Which setting.
        key: Key,
        /// How many values.
        times: usize,
    },
    /// A setting that is nothing without another one, which is not there.
    #[error("{}: needs {} too", place(.origin, &.key.written(.origin)), .other.written(.origin))]
    Needs {
        /// Where.
        origin: Origin,
        /// Which setting.
        key: Key,
        /// What it needs.
        other: Key,
    },
    /// The file cannot be read.
    #[error("configuration file {}: {error}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is no YAML mapping of settings.
    #[error("{}: {message}", file(path, *line))]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1; 0 when that is not known.
        line: u64,
        /// What the parser says.
        message: String,
    },
}

/// Everything that is wrong with a configuration. Never empty; one line each.
#[derive(Debug)]
pub struct ConfigError(pub Vec<Problem>);

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl Key {
    /// The key as one writes it in that place.
    fn written(self, origin: &Origin) -> String {
        match origin {
            Origin::Flag => format!("--{}", self.name()),
            Origin::Environment => self.variable(),
            Origin::File { .. } => self.name().to_owned(),
        }
    }
}

fn place(origin: &Origin, name: &str) -> String {
    match origin {
        Origin::Flag => name.to_owned(),
        Origin::Environment => format!("environment variable {name}"),
        Origin::File { path, line } => format!("{}: {name}", file(path, *line)),
    }
}

fn file(path: &std::path::Path, line: u64) -> String {
    if line == 0 { path.display().to_string() } else { format!("{}:{line}", path.display()) }
}
