//! The flags of `run`, as a [`Layer`] of the configuration.
//!
//! Flags are taken as text: [`crate::config`] checks them together with environment and file, in the same words.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::config::{Config, ConfigError, Key, Layer, Origin};

/// Flags of `run`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_help = "Every flag can also be set by its environment variable (lists with commas) or, by its name, in
the YAML file (--check-config, --no-view and --config: see README). A flag beats the environment,
the environment beats the file. Paths of files and directories are absolute. A file:

  listen: 0.0.0.0:9640
  exclude: ['kube*', '/opt/vendor/**']
  log-format: json")]
pub struct RunArgs {
    /// Where to serve /metrics, /livez, /readyz and, to this host only, /debug/* [env: GOROSCOPE_LISTEN] [default: 127.0.0.1:9640]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,

    /// Where to serve /livez and /readyz too, such as an address that the kubelet reaches [env: GOROSCOPE_HEALTH_LISTEN] [default: only at --listen]
    #[arg(long, value_name = "ADDR:PORT")]
    pub health_listen: Option<String>,

    /// How often to read the memory of processes: the age of goroutine counts and collector figures [env: GOROSCOPE_INTERVAL] [default: 5s]
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,

    /// Count every event, whatever that costs the processes, instead of estimating busy families from short random windows [env: GOROSCOPE_EXACT]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub exact: Option<String>,

    /// Watch only this process; repeat for several [env: GOROSCOPE_PID] [default: all]
    #[arg(long, value_name = "PID", allow_hyphen_values = true)]
    pub pid: Vec<String>,

    /// Leave processes alone whose executable's name (or, with a slash, path) matches; repeat for several [env: GOROSCOPE_EXCLUDE]
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Add label pid: one series a process instead of one a name and container [env: GOROSCOPE_PER_PROCESS]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub per_process: Option<String>,

    /// Read settings from this YAML file [env: GOROSCOPE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where what was seen when a leak was found is kept: findings, goroutines, stacks for go tool pprof; at most 256 MB, oldest first [env: GOROSCOPE_SNAPSHOT_DIR] [default: /var/lib/goroscope]
    #[arg(long, value_name = "DIR")]
    pub snapshot_dir: Option<String>,

    /// Serve with TLS: the PEM file of the certificate, read again when it changes [env: GOROSCOPE_TLS_CERT] [default: no TLS]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,

    /// The PEM file of the certificate's key [env: GOROSCOPE_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,

    /// Serve only clients that have a certificate of a CA in this PEM file [env: GOROSCOPE_TLS_CLIENT_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<String>,

    /// Who may read /metrics: none (everybody who can connect), token (who has one of --auth-token-file) or kubernetes (whom the API server allows to get the path; with TLS that opens /debug to other hosts, too) [env: GOROSCOPE_AUTH] [default: none]
    #[arg(long, value_name = "MODE")]
    pub auth: Option<String>,

    /// A file of bearer tokens, one a line, read again when it changes [env: GOROSCOPE_AUTH_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub auth_token_file: Option<String>,

    /// Serve everything at this unix socket too, to the agent's own user only, without TLS and token [env: GOROSCOPE_DEBUG_SOCKET] [default: none]
    #[arg(long, value_name = "PATH")]
    pub debug_socket: Option<String>,

    /// Export the metrics by OTLP/HTTP too: the URL of a receiver, to which /v1/metrics is added [env: GOROSCOPE_OTLP_ENDPOINT] [default: no export]
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Send this header with each export; repeat for several. A secret is better set in the environment or the file: arguments show in ps [env: GOROSCOPE_OTLP_HEADER]
    #[arg(long, value_name = "NAME=VALUE")]
    pub otlp_header: Vec<String>,

    /// How often to export [env: GOROSCOPE_OTLP_INTERVAL] [default: 15s]
    #[arg(long, value_name = "DURATION")]
    pub otlp_interval: Option<String>,

    /// Name processes by namespace, pod and container, as the Kubernetes API server tells: true, false, or auto: where there is a service account or --kubeconfig [env: GOROSCOPE_KUBERNETES] [default: auto]
    #[arg(long, value_name = "BOOL|auto", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub kubernetes: Option<String>,

    /// Reach the API server with this file [env: GOROSCOPE_KUBECONFIG] [default: the service account; with --kubernetes else KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,

    /// The name of this node, whose pods are asked for [env: GOROSCOPE_NODE_NAME] [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,

    /// Watch only the pods of these namespaces, as globs; repeat for several [env: GOROSCOPE_NAMESPACE] [default: all]
    #[arg(long, value_name = "GLOB")]
    pub namespace: Vec<String>,

    /// Leave the pods of these namespaces alone; repeat for several [env: GOROSCOPE_EXCLUDE_NAMESPACE]
    #[arg(long, value_name = "GLOB")]
    pub exclude_namespace: Vec<String>,

    /// Watch only pods with these labels, such as team=shop,tier!=test [env: GOROSCOPE_POD_SELECTOR] [default: all]
    #[arg(long, value_name = "SELECTOR")]
    pub pod_selector: Option<String>,

    /// Tell of a leak by an Event on the pod [env: GOROSCOPE_EVENTS] [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub events: Option<String>,

    /// Tell this Alertmanager of leaks, without a Prometheus in between; repeat for several [env: GOROSCOPE_ALERTMANAGER] [default: none]
    #[arg(long, value_name = "URL")]
    pub alertmanager: Vec<String>,

    /// Give a map of the kernel's side another size, where goroscope_agent_events_lost_total says that one is full: NAME=COUNT with processes, counters, sites or records; repeat for several [env: GOROSCOPE_MAP_ENTRIES]
    #[arg(long, value_name = "NAME=COUNT")]
    pub map_entries: Vec<String>,

    /// What to log: off, error, warn, info, debug, trace, or by room: info,goroscope::tracer=debug [env: GOROSCOPE_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Log as text or as JSON lines [env: GOROSCOPE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Show what is seen live, where standard input and output are a terminal; q ends it [env: GOROSCOPE_VIEW] [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub view: Option<String>,

    /// The same as --view=false: only the log
    #[arg(long, conflicts_with = "view")]
    pub no_view: bool,

    /// Check flags, environment and file, and end: 0 when `run` would take them, 2 when not, with everything that is wrong
    #[arg(long)]
    pub check_config: bool,
}

impl RunArgs {
    /// The flags together with this process's environment and the file, checked.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn config(self) -> Result<Config, ConfigError> {
        let (layer, file) = self.into_layer();
        Config::load(layer, file, std::env::vars_os())
    }

    /// The flags as a layer, and the file that they name.
    fn into_layer(self) -> (Layer, Option<PathBuf>) {
        let Self {
            listen,
            health_listen,
            interval,
            exact,
            pid,
            exclude,
            per_process,
            snapshot_dir,
            config,
            tls_cert,
            tls_key,
            tls_client_ca,
            auth,
            auth_token_file,
            debug_socket,
            otlp_endpoint,
            otlp_header,
            otlp_interval,
            kubernetes,
            kubeconfig,
            node_name,
            namespace,
            exclude_namespace,
            pod_selector,
            events,
            alertmanager,
            map_entries,
            log_level,
            log_format,
            view,
            no_view,
            check_config: _,
        } = self;
        let mut layer = Layer::default();
        let single = [
            (Key::Listen, listen),
            (Key::HealthListen, health_listen),
            (Key::Interval, interval),
            (Key::Exact, exact),
            (Key::PerProcess, per_process),
            (Key::SnapshotDir, snapshot_dir),
            (Key::TlsCert, tls_cert),
            (Key::TlsKey, tls_key),
            (Key::TlsClientCa, tls_client_ca),
            (Key::Auth, auth),
            (Key::AuthTokenFile, auth_token_file),
            (Key::DebugSocket, debug_socket),
            (Key::OtlpEndpoint, otlp_endpoint),
            (Key::OtlpInterval, otlp_interval),
            (Key::Kubernetes, kubernetes),
            (Key::Kubeconfig, kubeconfig),
            (Key::NodeName, node_name),
            (Key::PodSelector, pod_selector),
            (Key::Events, events),
            (Key::LogLevel, log_level),
            (Key::LogFormat, log_format),
            (Key::View, if no_view { Some("false".to_owned()) } else { view }),
        ];
        for (key, value) in single.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            layer.push(key, value, Origin::Flag);
        }
        for (key, values) in [
            (Key::Pid, pid),
            (Key::Exclude, exclude),
            (Key::Namespace, namespace),
            (Key::ExcludeNamespace, exclude_namespace),
            (Key::OtlpHeader, otlp_header),
            (Key::Alertmanager, alertmanager),
            (Key::MapEntries, map_entries),
        ] {
            values.into_iter().for_each(|value| layer.push(key, value, Origin::Flag));
        }
        (layer, config)
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::args::{Args, Command};

    fn run(args: &[&str]) -> RunArgs {
        let args = ["goroscope", "run"].iter().chain(args);
        match Args::try_parse_from(args).unwrap().command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_setting_has_a_flag_that_names_its_variable() {
        let command = Args::command();
        let run = command.find_subcommand("run").unwrap();
        for key in Key::ALL {
            let flag = run.get_arguments().find(|arg| arg.get_long() == Some(key.name())).unwrap_or_else(|| panic!("{key:?}"));
            let help = flag.get_help().unwrap().to_string();
            assert!(help.contains(&format!("[env: {}]", key.variable())), "{help}");
        }
        assert_eq!(
            run.get_arguments().filter(|arg| arg.get_long().is_some()).count(),
            Key::ALL.len() + 3,
            "--config, --no-view and --check-config are no settings"
        );
    }

    #[test]
    fn flags_reach_the_configuration() {
        let flags = ["--listen", "127.0.0.1:1", "--health-listen=127.0.0.1:2", "--exact", "--pid", "7", "--pid", "8"];
        let more = ["--interval", "2s", "--exclude", "a", "--per-process=false", "--log-level", "debug", "--log-format", "json"];
        let (layer, file) = run(&[&flags[..], &more[..]].concat()).into_layer();
        assert!(file.is_none());
        let config = Config::load(layer, None, []).unwrap();
        assert_eq!((config.listen.port(), config.health_listen.unwrap().port()), (1, 2));
        assert_eq!(config.interval.as_secs(), 2);
        assert_eq!((config.exact, config.per_process, &config.pids[..]), (true, false, &[7, 8][..]));
        assert!(config.excludes.excludes("a", "/b"));
        assert_eq!(config.log_level.as_str(), "debug");
        for (flag, expected) in [("--no-view", false), ("--view=false", false), ("--view", true)] {
            assert_eq!(Config::load(run(&[flag]).into_layer().0, None, []).unwrap().view, expected, "{flag}");
        }
    }

    #[test]
    fn a_wrong_value_names_its_flag() {
        let (layer, _) = run(&["--pid", "-1"]).into_layer();
        let error = Config::load(layer, None, []).unwrap_err().to_string();
        assert_eq!(error, "--pid: \"-1\" is not usable: expected a process id, a number from 1");
    }
}
