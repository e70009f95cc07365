//! Texts to values: one function a kind of value, none when the text is not one.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderName, HeaderValue, Uri, uri::PathAndQuery};

use super::{Key, Problem, Setting};

/// What is logged: a level, or levels by room. Checked; `tracing_subscriber::EnvFilter` reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Who may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthMode {
    /// Everybody who can connect.
    #[default]
    None,
    /// Whom the Kubernetes API server allows to.
    Kubernetes,
    /// Who has a token.
    Token,
}

impl AuthMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "kubernetes" => Some(Self::Kubernetes),
            "token" => Some(Self::Token),
            _ => None,
        }
    }
}

/// How is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; colours on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogFilter {
    fn default() -> Self {
        Self(super::DEFAULT_LOG_LEVEL.to_owned())
    }
}

impl LogFilter {
    /// `warn`, or `info,goroscope::tracer=debug`. Stricter than `EnvFilter`, for which a misspelt level is the name of a target.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_level = |level: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&level.to_ascii_lowercase().as_str());
        let is_target = |target: &str| !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
        let is_directive = |part: &str| match part.split_once('=') {
            Some((target, level)) => is_target(target) && is_level(level),
            None => is_level(part),
        };
        text.split(',').all(is_directive).then(|| Self(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LogFormat {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

pub(super) fn absolute(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text)).filter(|path| path.is_absolute())
}

/// Where metrics are posted: the base URL of a receiver and the path that OTLP/HTTP gives metrics, once.
pub(super) fn endpoint(text: &str) -> Option<Uri> {
    url(text, "/v1/metrics")
}

/// Where alerts are posted: the base URL of an Alertmanager and the path of its API, once.
pub(super) fn alertmanager(text: &str) -> Option<Uri> {
    url(text, "/api/v2/alerts")
}

/// A URL of HTTP that ends in `path`.
fn url(text: &str, end: &str) -> Option<Uri> {
    let mut parts = text.parse::<Uri>().ok()?.into_parts();
    let is_plain = |authority: &http::uri::Authority| !authority.as_str().contains('@');
    parts.authority.as_ref().filter(|authority| is_plain(authority))?;
    parts.scheme.as_ref().filter(|scheme| ["http", "https"].contains(&scheme.as_str()))?;
    let path = parts.path_and_query.as_ref().filter(|path| path.query().is_none())?.path().trim_end_matches('/');
    let path = if path.ends_with(end) { path.to_owned() } else { format!("{path}{end}") };
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// `Name=value`. The value does not show in any log.
pub(super) fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once('=')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number of ms, s, m or h, that a setting may have.
pub(super) fn duration(text: &str) -> Option<Duration> {
    time_span(text).filter(|span| (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(span))
}

/// A whole number of ms, s, m or h.
#[must_use]
pub fn time_span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// Maps that may be given more room, or less, as they are called here and in the kernel.
const MAPS: [(&str, &str); 4] = [("processes", "PROCESSES"), ("counters", "COUNTERS"), ("sites", "SITES"), ("records", "RECORDS")];

pub(super) fn map_entries(text: &str) -> Option<(&'static str, u32)> {
    let (name, count) = text.split_once('=')?;
    let (_, map) = MAPS.into_iter().find(|(known, _)| *known == name.trim())?;
    let count = count.trim().parse().ok().filter(|count| (1..=4_000_000).contains(count))?;
    Some((map, count))
}

pub(super) fn pid(text: &str) -> Option<u32> {
    // pid_t is signed.
    text.parse().ok().filter(|pid| (1..=i32::MAX.unsigned_abs()).contains(pid))
}

/// The value of a key that takes one; none when it is not set or wrong.
pub(super) fn one<T>(key: Key, settings: &[Setting], problems: &mut Vec<Problem>, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let [Setting { value, origin }, others @ ..] = settings else { return None };
    let origin = origin.clone();
    if !others.is_empty() {
        problems.push(Problem::Repeated { origin, key, times: settings.len() });
        return None;
    }
    let parsed = parse(value);
    if parsed.is_none() {
        let value = if key.is_secret() { "(not shown)".to_owned() } else { value.clone() };
        problems.push(Problem::Value { origin, key, value });
    }
    parsed
}

/// The values of a key that takes several, without the wrong ones.
pub(super) fn list<T>(key: Key, settings: &[Setting], problems: &mut Vec<Problem>, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    settings.iter().filter_map(|setting| one(key, std::slice::from_ref(setting), problems, &parse)).collect()
}
