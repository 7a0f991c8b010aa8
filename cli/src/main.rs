//! `picket`: the command line. It runs the same crates as the agent, so it gives the same verdicts.
//!
//! Each subcommand is one module. It is the place for arguments and for turning errors into an exit status; what a
//! verdict is may not be decided here.

mod allow;
mod corpus;
mod envelope;
mod error;
mod explain;
mod explain_upload;
mod fleet;
mod inspect;
mod judge;
mod learning;
mod pad;
mod policy;
mod replay;
mod replay_line;
mod score;
mod scramble;
mod seal;
mod verdict;
mod verify_layer;

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
    /// Builds, checks, signs and describes policy files.
    #[command(subcommand)]
    Policy(policy::Arguments),
    /// Says about which of many events another policy would decide differently.
    Replay(replay::Arguments),
    /// Says what the log of mode `log` teaches: what would be blocked, what looks false, and whether blocking is safe.
    Report(learning::Arguments),
    /// Checks a layer's zip against the digest that its sources give.
    VerifyLayer(verify_layer::Arguments),
    /// Lists every function with its agent, as the cloud engine knows them.
    Fleet(fleet::Arguments),
    /// Prints what would leave the agent for one event.
    ExplainUpload(explain_upload::Arguments),
    /// Makes a key pair for sealed values.
    SealKeygen,
    /// Opens sealed values with the private key.
    Unseal(seal::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Score(arguments) => score::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Report(arguments) => learning::run(&arguments),
        Command::VerifyLayer(arguments) => verify_layer::run(&arguments),
        Command::Fleet(arguments) => fleet::run(&arguments),
        Command::ExplainUpload(arguments) => explain_upload::run(&arguments),
        Command::SealKeygen => seal::keygen(),
        Command::Unseal(arguments) => seal::unseal(&arguments),
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
