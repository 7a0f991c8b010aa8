//! `picket report`: what days in mode `log` teach. Reads verdict lines as they come out of CloudWatch Logs, in whatever wrapping, and
//! answers what would have been blocked, on which parameters, from how many addresses, what of it looks false, which exclusions to
//! add, and whether blocking is safe.
//!
//! It knows lines, not requests: what a line does not say, it does not know either.

mod engine;
mod judge;
mod lines;
mod render;
mod tally;

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::error::CliError;

/// Places whose tallies are kept; what lies beyond is counted together.
const GROUPS: usize = 2_000;
/// Clients that are told apart for one place; more than that is "many" all the same.
const CLIENTS: usize = 10_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Exports of log lines: lines as they are, or JSON of `aws logs filter-log-events`, `get-query-results` or the console.
    /// Standard input where none is named.
    files: Vec<PathBuf>,
    /// Asks the engine at this address for what it kept, instead of reading lines.
    #[arg(long, conflicts_with = "files")]
    engine: Option<String>,
    /// The name of the environment variable that holds an admin token of any role.
    #[arg(long, default_value = "PICKET_ADMIN_TOKEN")]
    token_from: String,
    /// Days that the lines must span before blocking can be called safe, and for which the engine is asked.
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// Takes findings for excluded, as PICKET_EXCLUDE does: pairs like SQLI@body.note, separated by commas.
    #[arg(long, value_delimiter = ',')]
    exclude: Vec<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Ends with status 1 where blocking is not safe yet, for a pipeline.
    #[arg(long)]
    require_safe: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut tally = tally::Tally::new(&arguments.exclude);
    for path in &arguments.files {
        let file = File::open(path).map_err(|error| CliError::File { path: path.clone(), error })?;
        feed(&mut tally, path, file)?;
    }
    if let Some(engine) = &arguments.engine {
        #[expect(
            clippy::disallowed_methods,
            reason = "a token in an argument would show in the list of processes"
        )]
        let token = std::env::var(&arguments.token_from)
            .map_err(|_unset| CliError::Refused(format!("{} is not set", arguments.token_from)))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        engine::each(engine, &token, arguments.days, now, |line| tally.take(&line))?;
    } else if arguments.files.is_empty() {
        feed(&mut tally, Path::new("standard input"), std::io::stdin().lock())?;
    }
    let report = judge::report(tally, arguments.days);
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", render::text(&report))?;
    }
    if arguments.require_safe && !report.safe {
        return Err(CliError::Refused("blocking is not safe yet".to_owned()));
    }
    Ok(())
}

fn feed(tally: &mut tally::Tally, path: &Path, file: impl Read) -> Result<(), CliError> {
    lines::each(BufReader::new(file), |line| tally.take(&line))
        .map_err(|error| CliError::File { path: path.to_owned(), error })
}
