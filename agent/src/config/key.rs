//! The settings there are: one name each, for flag, environment and file.

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `listen`.
    Listen,
    /// `health-listen`.
    HealthListen,
    /// `interval`.
    Interval,
    /// `exact`.
    Exact,
    /// `pid`.
    Pid,
    /// `exclude`.
    Exclude,
    /// `per-process`.
    PerProcess,
    /// `snapshot-dir`.
    SnapshotDir,
    /// `tls-cert`.
    TlsCert,
    /// `tls-key`.
    TlsKey,
    /// `tls-client-ca`.
    TlsClientCa,
    /// `auth`.
    Auth,
    /// `auth-token-file`.
    AuthTokenFile,
    /// `debug-socket`.
    DebugSocket,
    /// `otlp-endpoint`.
    OtlpEndpoint,
    /// `otlp-header`.
    OtlpHeader,
    /// `otlp-interval`.
    OtlpInterval,
    /// `kubernetes`.
    Kubernetes,
    /// `kubeconfig`.
    Kubeconfig,
    /// `node-name`.
    NodeName,
    /// `namespace`.
    Namespace,
    /// `exclude-namespace`.
    ExcludeNamespace,
    /// `pod-selector`.
    PodSelector,
    /// `events`.
    Events,
    /// `alertmanager`.
    Alertmanager,
    /// `map-entries`.
    MapEntries,
    /// `log-level`.
    LogLevel,
    /// `log-format`.
    LogFormat,
    /// `view`.
    View,
}

/// The prefix of every environment variable of the agent.
pub(super) const PREFIX: &str = "GOROSCOPE_";

impl Key {
    /// Every setting.
    pub const ALL: [Self; 29] = [
        Self::Listen,
        Self::HealthListen,
        Self::Interval,
        Self::Exact,
        Self::Pid,
        Self::Exclude,
        Self::PerProcess,
        Self::SnapshotDir,
        Self::TlsCert,
        Self::TlsKey,
        Self::TlsClientCa,
        Self::Auth,
        Self::AuthTokenFile,
        Self::DebugSocket,
        Self::OtlpEndpoint,
        Self::OtlpHeader,
        Self::OtlpInterval,
        Self::Kubernetes,
        Self::Kubeconfig,
        Self::NodeName,
        Self::Namespace,
        Self::ExcludeNamespace,
        Self::PodSelector,
        Self::Events,
        Self::Alertmanager,
        Self::MapEntries,
        Self::LogLevel,
        Self::LogFormat,
        Self::View,
    ];

    /// As the file has it, and the flag behind `--`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::HealthListen => "health-listen",
            Self::Interval => "interval",
            Self::Exact => "exact",
            Self::Pid => "pid",
            Self::Exclude => "exclude",
            Self::PerProcess => "per-process",
            Self::SnapshotDir => "snapshot-dir",
            Self::TlsCert => "tls-cert",
            Self::TlsKey => "tls-key",
            Self::TlsClientCa => "tls-client-ca",
            Self::Auth => "auth",
            Self::AuthTokenFile => "auth-token-file",
            Self::DebugSocket => "debug-socket",
            Self::OtlpEndpoint => "otlp-endpoint",
            Self::OtlpHeader => "otlp-header",
            Self::OtlpInterval => "otlp-interval",
            Self::Kubernetes => "kubernetes",
            Self::Kubeconfig => "kubeconfig",
            Self::NodeName => "node-name",
            Self::Namespace => "namespace",
            Self::ExcludeNamespace => "exclude-namespace",
            Self::PodSelector => "pod-selector",
            Self::Events => "events",
            Self::Alertmanager => "alertmanager",
            Self::MapEntries => "map-entries",
            Self::LogLevel => "log-level",
            Self::LogFormat => "log-format",
            Self::View => "view",
        }
    }

    /// As the environment has it.
    #[must_use]
    pub fn variable(self) -> String {
        format!("{PREFIX}{}", self.name().replace('-', "_").to_ascii_uppercase())
    }

    /// Whether it takes several values.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Self::Pid | Self::Exclude | Self::Namespace | Self::ExcludeNamespace | Self::OtlpHeader | Self::Alertmanager | Self::MapEntries
        )
    }

    /// Whether a value must not be shown.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::OtlpHeader)
    }

    /// What a value must be: ends the sentence "expected ...".
    #[must_use]
    pub const fn expects(self) -> &'static str {
        match self {
            Self::Listen | Self::HealthListen => "ADDRESS:PORT with a numeric address, such as 127.0.0.1:9640, 0.0.0.0:9640 or [::1]:9640",
            Self::Interval | Self::OtlpInterval => "a duration from 100ms to 1h, such as 5s, 500ms or 1m",
            Self::Exact | Self::PerProcess | Self::Events | Self::View => "true or false",
            Self::Pid => "a process id, a number from 1",
            Self::Exclude => "a glob: of a name, such as 'kube*', or with a slash of a path, such as '/opt/vendor/**'",
            Self::SnapshotDir
            | Self::Kubeconfig
            | Self::TlsCert
            | Self::TlsKey
            | Self::TlsClientCa
            | Self::AuthTokenFile
            | Self::DebugSocket => "an absolute path",
            Self::Auth => "none, kubernetes or token",
            Self::OtlpEndpoint => {
                "the http:// or https:// URL of an OTLP/HTTP receiver without user or query, such as http://127.0.0.1:4318"
            }
            Self::Alertmanager => "the http:// or https:// URL of an Alertmanager without user or query, such as http://127.0.0.1:9093",
            Self::OtlpHeader => "Name=value, such as 'Authorization=Bearer abc'",
            Self::Kubernetes => "auto, true or false",
            Self::NodeName => "the name of a node, such as node-1",
            Self::Namespace | Self::ExcludeNamespace => "the name of a namespace or a glob, such as 'team-*'",
            Self::PodSelector => "a label selector, such as team=shop,tier!=test,env in (a,b)",
            Self::MapEntries => {
                "NAME=COUNT, a map of the kernel's (processes, counters, sites or records) and a number from 1 to 4000000, such as sites=65536"
            }
            Self::LogLevel => "off, error, warn, info, debug or trace, optionally per room: info,goroscope::tracer=debug",
            Self::LogFormat => "text or json",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// The known name that is most like `name`.
pub(super) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> String {
    let likeness = |known: &String| strsim::normalized_damerau_levenshtein(name, known);
    known.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}
