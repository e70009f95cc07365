//! `cargo xtask cluster`: a real Kubernetes of one node, made of programs from the Go module proxy, on this machine and without a
//! registry. In: this tree. Out: a cluster that is up, tested, or gone without a trace.

mod certificates;
mod daemon;
mod down;
mod images;
mod kubectl;
mod lab;
mod machine;
mod programs;
mod settings;
pub(crate) mod test;
mod up;
mod wait;

use anyhow::{Result, bail};

use crate::interrupted;
use crate::setup::{self, Need};

pub(crate) use self::programs::{PROGRAMS, PROMETHEUS};

/// Starts, tests and stops a real single-node Kubernetes on this machine, as root.
///
/// Its programs are built once into the cache, which takes 20 minutes and up to 19 GB of Go's own caches on two cores. It needs 1 GB of
/// memory and lives in a network and a mount namespace of its own: `down` leaves nothing, whatever has happened.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Starts it. Does nothing if it is up.
    Up {
        /// Which cgroups the node sees: this machine's, or version 2 only.
        #[arg(long, value_enum, default_value_t)]
        cgroup: Cgroup,
    },
    /// Installs the chart and tests everything that is told of it, in the cluster that is up.
    Test(test::Args),
    /// Stops it, and leaves nothing but its logs.
    Down,
    /// Runs a program as the cluster's administrator: `cargo xtask cluster run kubectl get pods -A`.
    #[command(trailing_var_arg = true)]
    Run {
        /// kubectl, helm, or what else is on the path.
        #[arg(required = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// Which cgroups the node sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cgroup {
    /// As this machine has them.
    #[default]
    Host,
    /// Version 2 only: what version 1 has is hidden. Where all controllers belong to version 1, containers have no limits.
    V2,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    must_be_root()?;
    match &args.action {
        Action::Up { cgroup } => {
            setup::ensure(yes, &[Need::Go, Need::Cluster])?;
            interrupted::notice()?;
            up::run(*cgroup)?;
            println!("the cluster is up; export KUBECONFIG={}", lab::kubeconfig().display());
            Ok(())
        }
        Action::Test(args) => test::run(args, yes),
        Action::Down => down::run(),
        Action::Run { words } => {
            let Some((program, arguments)) = words.split_first() else { bail!("nothing to run") };
            let status = kubectl::command(program)?.args(arguments).status()?;
            if status.success() { Ok(()) } else { bail!("{program} ended with {status}") }
        }
    }
}

fn must_be_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("a node needs root\n  remedy: run it with sudo -E");
    }
    Ok(())
}
