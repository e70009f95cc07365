//! The command line: subcommands, flags, help, exit statuses.
//!
//! In: arguments. Out: a [`Command`], with the flags of `run` as a [`Layer`]. Must not know: what a command does.
//!
//! Flags are taken as text: [`crate::config`] checks them together with environment and file, in the same words.

use std::{path::PathBuf, process::ExitCode, sync::LazyLock, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::config::{Config, ConfigError, Key, Layer, Origin, time_span};

/// The agent's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from, where the build could tell.
pub const COMMIT: &str = match option_env!("GOROSCOPE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

static LONG_VERSION: LazyLock<String> = LazyLock::new(|| format!("{VERSION} (commit {COMMIT})"));

const EXAMPLES: &str = "Examples:
  goroscope run                        every Go process, http://127.0.0.1:9640/metrics
  goroscope run --listen 0.0.0.0:9640  let Prometheus on another host scrape
  goroscope run --pid 4711 --exact     one process, every event counted
  goroscope check --pid 4711 --report leaks.json  which go statements leak
  goroscope inspect /usr/bin/etcd      what can be counted, and why not the rest
  goroscope doctor                     what this kernel and these capabilities allow";

/// How the program ends: one table for the code, `--help` and the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// Ended as asked.
    Ok = 0,
    /// Something failed while running.
    Failure = 1,
    /// A flag, variable or key is unknown or wrong.
    Usage = 2,
    /// Cannot listen.
    Listen = 3,
    /// Capabilities are missing.
    Permission = 4,
    /// The kernel lacks something.
    Kernel = 5,
}

impl ExitStatus {
    /// Every status, in the order of its number.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Failure, Self::Usage, Self::Listen, Self::Permission, Self::Kernel];

    /// What it means, for `--help`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "ended as asked (SIGTERM and Ctrl-C included)",
            Self::Failure => "something failed while running",
            Self::Usage => "a flag, an environment variable or a key of the file is unknown or wrong",
            Self::Listen => "the address is taken or not on this host",
            Self::Permission => "root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE, are needed",
            Self::Kernel => "the kernel lacks what is needed (goroscope doctor says what)",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "goroscope",
    version = LONG_VERSION.as_str(),
    about = "Sees inside every Go process on this host: no code change, no rebuild, no restart",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit_statuses()),
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch every Go process and serve what is counted to Prometheus, until SIGTERM
    Run(Box<RunArgs>),
    /// Explain one executable: Go version, functions found, probe sites, and what is refused and why
    Inspect(InspectArgs),
    /// Watch one process for a while and write down which go statements leak, with evidence
    Check(CheckArgs),
    /// Show every goroutine of a process: which statement made it, what it waits for, its stack
    Goroutines(GoroutinesArgs),
    /// Say what this kernel and these capabilities allow, what will not be collected, and how to mend it
    Doctor(DoctorArgs),
}

/// Flags of `run`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_help = "Every flag can also be set by its environment variable (lists with commas) or, by its name, in
the YAML file. A flag beats the environment, the environment beats the file. A file:

  listen: 0.0.0.0:9640
  exclude: ['kube*', '/opt/vendor/**']
  log-format: json")]
pub struct RunArgs {
    /// Where to serve /metrics, /livez, /readyz and, to this host only, /debug/processes [env: GOROSCOPE_LISTEN] [default: 127.0.0.1:9640]
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

    /// Name processes by namespace, pod and container, as the Kubernetes API server tells: true, false, or auto where there is a service account or a kubeconfig [env: GOROSCOPE_KUBERNETES] [default: auto]
    #[arg(long, value_name = "BOOL|auto", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub kubernetes: Option<String>,

    /// Reach the API server with this file [env: GOROSCOPE_KUBECONFIG] [default: the service account, else KUBECONFIG]
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

/// Flags of `inspect`.
#[derive(Clone, Debug, ClapArgs)]
pub struct InspectArgs {
    /// An executable, or the pid of a process
    #[arg(value_name = "PATH|PID")]
    pub target: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How `check` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CheckStatus {
    /// The report is empty.
    None = 0,
    /// There are findings in the report.
    Some = 1,
    /// There is no report.
    NotWatched = 2,
}

impl From<CheckStatus> for ExitCode {
    fn from(status: CheckStatus) -> Self {
        Self::from(status as u8)
    }
}

/// Flags of `check`.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_help = "SIGINT and SIGTERM end the watch early: the report is written within two seconds. It is a JSON list, [] if nothing
leaks, of kind (goroutine_leak, ticker), creation_site, creation_function, wait_reason, blocking_function, blocking_site,
count, slope (a second), evidence (proven: nothing that can run leads to what they wait on, or nothing to the ticker;
stuck: blocked for longer than ever seen to end; live: they loop and multiply) and since. Needs CAP_SYS_PTRACE, or the same user.

Exit statuses of check:
  0  nothing leaks, as far as could be seen in that time
  1  something leaks
  2  the process could not be watched, or the report not be written")]
pub struct CheckArgs {
    /// The process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pid: u32,

    /// How long to watch, such as 90s, 5m, 2h: what leaks slowly needs longer
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = span)]
    pub time: Duration,

    /// Where to write the report; it appears there as a whole
    #[arg(long, value_name = "FILE")]
    pub report: PathBuf,

    /// Time between two looks at all goroutines; longer when there are very many
    #[arg(long, value_name = "TIME", default_value = "250ms", value_parser = span)]
    pub interval: Duration,
}

fn span(text: &str) -> Result<Duration, &'static str> {
    time_span(text).filter(|span| !span.is_zero()).ok_or("expected a whole number of ms, s, m or h, such as 90s")
}

/// Flags of `goroutines`.
#[derive(Clone, Debug, ClapArgs)]
pub struct GoroutinesArgs {
    /// The process
    #[arg(value_name = "PID")]
    pub pid: u32,
    /// Print JSON: all of it, stacks and the runtime's figures included
    #[arg(long)]
    pub json: bool,
    /// Write a profile with the stacks to this file, for `go tool pprof` (instead of the table)
    #[arg(long, value_name = "FILE")]
    pub pprof: Option<PathBuf>,
    /// Read no stacks for JSON and profile
    #[arg(long)]
    pub no_stacks: bool,
    /// Calls of a stack at most
    #[arg(long, value_name = "CALLS", default_value_t = 128)]
    pub depth: usize,
    /// Rows of the table at most
    #[arg(long, value_name = "ROWS", default_value_t = 50)]
    pub top: usize,
}

/// Flags of `doctor`.
#[derive(Clone, Debug, ClapArgs)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// End with 0 also when something is degraded, such as a process that a security module protects, as long as nothing is missing
    #[arg(long)]
    pub tolerant: bool,
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

fn exit_statuses() -> String {
    let lines = ExitStatus::ALL.iter().map(|status| format!("  {}  {}", *status as u8, status.meaning()));
    format!("Exit statuses:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(args: &[&str]) -> RunArgs {
        let args = ["goroscope", "run"].iter().chain(args);
        match Args::try_parse_from(args).unwrap().command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
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
    fn wrong_flags_are_usage_errors_that_help() {
        let error = Args::try_parse_from(["goroscope", "run", "--listne", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(ExitStatus::Usage as u8));
        assert!(error.to_string().contains("--listen"), "{error}");
        let (layer, _) = run(&["--pid", "-1"]).into_layer();
        let error = Config::load(layer, None, []).unwrap_err().to_string();
        assert_eq!(error, "--pid: \"-1\" is not usable: expected a process id, a number from 1");
    }

    #[test]
    fn help_lists_every_exit_status() {
        let help = Args::command().render_long_help().to_string();
        assert!(ExitStatus::ALL.iter().enumerate().all(|(i, status)| *status as usize == i && help.contains(status.meaning())), "{help}");
    }
}
