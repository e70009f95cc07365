//! The `goroscope` binary.

use std::process::ExitCode;

use clap::Parser;
use goroscope::args::{Args, Command, ExitStatus};

fn main() -> ExitCode {
    let status = match Args::parse().command {
        Command::Run(run) => run.config().map_or_else(|error| report(&error), |_| ExitStatus::Failure),
        Command::Inspect(_) | Command::Doctor(_) => ExitStatus::Failure,
    };
    status.into()
}

fn report(error: &impl std::fmt::Display) -> ExitStatus {
    eprintln!("goroscope: {error}");
    ExitStatus::Usage
}
