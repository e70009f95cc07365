//! `cargo xtask COMMAND`: the project's chores, one file per command.

mod apt;
mod arch;
mod bench;
mod build;
mod chart;
mod ci;
mod cluster;
mod demo;
mod fuzz;
mod go;
mod gomodule;
mod image;
mod interrupted;
mod monitoring;
mod offsets;
mod paths;
mod result;
mod setup;
mod step;
mod table;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// The project's chores. Each command first installs what it lacks: it says what and why, and asks.
///
/// On a fresh machine: `cargo xtask setup`, then `cargo xtask build --release` leaves target/release/goroscope.
/// What CI runs: `cargo xtask ci`. Long commands write their last result to docs/; `tidy` says when one is old.
#[derive(Parser)]
#[command(name = "cargo xtask", version, arg_required_else_help = true)]
struct Cli {
    /// Install what is missing without asking (CI=true says so, too).
    #[arg(long, short, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Setup(setup::Args),
    Build(build::Args),
    Ci(ci::Args),
    Tidy(tidy::Args),
    Test(test::Args),
    Vm(vm::Args),
    Fuzz(fuzz::Args),
    Offsets(offsets::Args),
    Bench(bench::Args),
    Demo(demo::Args),
    Monitoring(monitoring::Args),
    Chart(chart::Args),
    Image(image::Args),
    Cluster(cluster::Args),
}

fn main() -> ExitCode {
    let Cli { yes, command } = Cli::parse();
    let done = match command {
        Command::Setup(args) => setup::run(&args, yes),
        Command::Build(args) => build::run(&args, yes),
        Command::Tidy(args) => tidy::run(&args),
        Command::Ci(args) => ci::run(&args, yes),
        Command::Test(args) => test::run(&args, yes),
        Command::Vm(args) => vm::run(&args, yes),
        Command::Fuzz(args) => fuzz::run(&args, yes),
        Command::Offsets(args) => offsets::run(&args, yes),
        Command::Bench(args) => bench::run(&args, yes),
        Command::Demo(args) => demo::run(&args, yes),
        Command::Monitoring(args) => monitoring::run(&args, yes),
        Command::Chart(args) => chart::run(&args, yes),
        Command::Image(args) => image::run(&args, yes),
        Command::Cluster(args) => cluster::run(&args, yes),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
