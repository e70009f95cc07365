//! The `goroscope` binary.

use std::{fmt::Display, process::ExitCode};

use clap::Parser as _;
use goroscope::{
    app,
    args::{Args, CheckArgs, CheckStatus, Command, ExitStatus, GoroutinesArgs},
    commands::{self, GoroutinesError, Question},
    tracer,
};

fn main() -> ExitCode {
    let status = match Args::parse().command {
        Command::Run(run) => {
            let run_or_end = if run.check_config { |_| ExitStatus::Ok } else { app::run };
            run.config().map_or_else(|error| fail(error, ExitStatus::Usage), run_or_end)
        }
        Command::Check(args) => return check(args).into(),
        Command::Inspect(args) => match commands::inspect(&args.target, args.json) {
            Ok(()) => ExitStatus::Ok,
            Err(error) if commands::lacks_right(&error) => fail(format!("{error:#}"), ExitStatus::Permission),
            Err(error) => fail(format!("{error:#}"), ExitStatus::Failure),
        },
        Command::Goroutines(args) => goroutines(args),
        Command::Doctor(args) => match commands::doctor(&tracer::features(), args.json, args.tolerant) {
            Ok(true) => ExitStatus::Ok,
            Ok(false) => ExitStatus::Failure,
            Err(error) => fail(format!("{error:#}"), ExitStatus::Failure),
        },
    };
    status.into()
}

fn check(CheckArgs { pid, time, report, interval }: CheckArgs) -> CheckStatus {
    match commands::check(&commands::Check { pid, time, interval, report }) {
        Ok(0) => CheckStatus::None,
        Ok(_) => CheckStatus::Some,
        Err(error) => {
            eprintln!("goroscope: {error:#}");
            CheckStatus::NotWatched
        }
    }
}

fn goroutines(args: GoroutinesArgs) -> ExitStatus {
    let GoroutinesArgs { pid, json, pprof, no_stacks, depth, top, time } = args;
    match commands::goroutines(&Question { pid, json, pprof, stacks: !no_stacks, depth, top, time }) {
        Ok(()) => ExitStatus::Ok,
        Err(error @ GoroutinesError::NotPermitted { .. }) => fail(error, ExitStatus::Permission),
        Err(error) => fail(error, ExitStatus::Failure),
    }
}

fn fail(error: impl Display, status: ExitStatus) -> ExitStatus {
    eprintln!("goroscope: {error}");
    status
}
