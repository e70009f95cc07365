//! The command line: subcommands, flags, help, exit statuses.
//!
//! In: arguments. Out: a [`Command`]. Must not know: what a command does.

mod run;
mod status;

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand};

use self::status::exit_statuses;
pub use self::{
    run::RunArgs,
    status::{CheckStatus, ExitStatus},
};
use crate::config::time_span;

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
  goroscope goroutines 4711            every goroutine of a process: who made it, what it waits for
  goroscope inspect /usr/bin/etcd      what can be counted, and why not the rest
  goroscope doctor                     what this kernel and these capabilities allow";

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

/// Flags of `check`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    after_help = "SIGINT and SIGTERM end the watch early: the report is written within two seconds. Needs CAP_SYS_PTRACE, or the same user.

The report is a JSON list, [] if nothing leaks. Each entry has:
  kind                  goroutine_leak or ticker
  creation_site         the go statement: folder/file.go:line; with creation_function
  blocking_site         where they wait; with blocking_function and wait_reason
  count                 goroutines, or tickers, that leak
  slope                 how many more in a second
  evidence              proven: nothing that can run leads to what they wait on, or to the ticker
                        stuck: blocked for longer than such waits were ever seen to last
                        live: they loop, never end, and multiply
  since                 when the first of them was seen to begin
  watched_seconds       how long was watched
  followed_one_in       above 1 only every so many-th goroutine was followed: count and slope are estimates
  period_seconds        of a ticker
  restarts              0: one process is watched
  memory_limit          of a process that grows, and has one: which, and in how many seconds it is reached

Exit statuses of check:
  0  nothing leaks, as far as could be seen in that time
  1  something leaks
  2  the process could not be watched, what waits or loops in it not be judged, or the report not be written"
)]
pub struct CheckArgs {
    /// The process
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub pid: u32,

    /// How long to watch, such as 90s, 5m, 2h: what leaks slowly needs longer
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = span)]
    pub time: Duration,

    /// Where to write the report; a file appears as a whole. - is standard output
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
    /// Write a profile with the stacks to this file, for `go tool pprof` (instead of the table). - is standard output
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
    /// Look twice, so long apart, to tell who has not run in between: "5s (607)" in the column BLOCKED are 607 who have not for 5 s. With one
    /// look that is known of those only that garbage collections of the process have met; "-": of nobody
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    pub time: Option<Duration>,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn wrong_flags_are_usage_errors_that_help() {
        let error = Args::try_parse_from(["goroscope", "run", "--listne", "x"]).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(ExitStatus::Usage as u8));
        assert!(error.to_string().contains("--listen"), "{error}");
    }

    #[test]
    fn help_lists_every_exit_status() {
        let help = Args::command().render_long_help().to_string();
        assert!(ExitStatus::ALL.iter().enumerate().all(|(i, status)| *status as usize == i && help.contains(status.meaning())), "{help}");
    }
}
