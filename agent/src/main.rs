//! The `goroscope` binary.

use std::{fmt::Display, process::ExitCode};

use clap::Parser as _;
use goroscope::{
    app,
    args::{Args, Command, ExitStatus},
    commands, tracer,
};

fn main() -> ExitCode {
    let status = match Args::parse().command {
        Command::Run(run) => run.config().map_or_else(|error| fail(error, ExitStatus::Usage), app::run),
        Command::Inspect(args) => commands::inspect(&args.target, args.json)
            .map_or_else(|error| fail(format!("{error:#}"), ExitStatus::Failure), |()| ExitStatus::Ok),
        Command::Doctor(args) => match commands::doctor(&tracer::features(), args.json) {
            Ok(true) => ExitStatus::Ok,
            Ok(false) => ExitStatus::Failure,
            Err(error) => fail(format!("{error:#}"), ExitStatus::Failure),
        },
    };
    status.into()
}

fn fail(error: impl Display, status: ExitStatus) -> ExitStatus {
    eprintln!("goroscope: {error}");
    status
}
