//! `picket`: the command line. It runs the same crates as the agent, so it gives the same verdicts.
//!
//! Each subcommand is one module. It is the place for arguments and for turning errors into an exit status; what a
//! verdict is may not be decided here.

mod corpus;
mod envelope;
mod error;
mod explain;
mod inspect;
mod pad;
mod score;
mod scramble;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;

/// Inspects requests as the agent does.
#[derive(Parser)]
#[command(name = "picket", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Gives a verdict on each request of a file of labelled requests.
    Score(score::Arguments),
    /// Explains what is found in one request.
    Inspect(inspect::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Score(arguments) => score::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picket: {error}");
            ExitCode::FAILURE
        }
    }
}
