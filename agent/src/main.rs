//! The `goroscope` binary.

use std::process::ExitCode;

use clap::Parser as _;
use goroscope::{
    app,
    args::{Args, Command, ExitStatus},
};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(run) => run.config().map_or_else(|error| fail(&error, ExitStatus::Usage), app::run).into(),
        Command::Inspect(_) | Command::Doctor(_) => fail(&"not built in yet", ExitStatus::Failure).into(),
    }
}

fn fail(error: &impl std::fmt::Display, status: ExitStatus) -> ExitStatus {
    eprintln!("goroscope: {error}");
    status
}
