//! `picket inspect`: one request, explained.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use picket_detection::Outcome;
use picket_request::Request;
use serde::Serialize;

use crate::{
    corpus,
    error::CliError,
    explain::{Explained, explain},
    verdict::{BlockOn, Inspector, blocks},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// An event as JSON; standard input where it is missing or `-`.
    #[arg(conflicts_with = "requests")]
    event: Option<PathBuf>,
    /// A file of labelled requests, from which `--id` picks.
    #[arg(long, requires = "id")]
    requests: Option<PathBuf>,
    /// Ids of requests in that file.
    #[arg(long, requires = "requests")]
    id: Vec<String>,
    /// Also prints every value that was inspected.
    #[arg(long)]
    values: bool,
    /// The tier from which on a request is blocked.
    #[arg(long, value_enum, default_value_t)]
    block_on: BlockOn,
    /// Prints JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    id: &'a str,
    blocked: bool,
    tier: Option<&'static str>,
    findings: Vec<Explained>,
    anomalies: Vec<(&'static str, String)>,
    spent: u64,
    unexamined: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut inspector = Inspector::new();
    let mut out = std::io::stdout().lock();
    let Some(path) = &arguments.requests else {
        let event = read_event(arguments.event.as_deref())?;
        let (outcome, us) = inspector.inspect_event(&event.into());
        let name = inspector.request.event.name;
        return report(arguments, &mut out, &inspector.request, &outcome, name, us);
    };
    let mut found = Vec::new();
    corpus::read(path, |row| {
        if arguments.id.contains(&row.id) {
            found.push(row);
        }
    })?;
    if let Some(id) = arguments.id.iter().find(|id| !found.iter().any(|row| row.id == **id)) {
        return Err(CliError::NoSuchRow { path: path.clone(), id: id.clone() });
    }
    for row in found {
        let (outcome, us) = inspector.inspect(&row.recorded());
        let id = format!("{} ({} {})", row.id, row.label, row.class);
        report(arguments, &mut out, &inspector.request, &outcome, &id, us)?;
    }
    Ok(())
}

pub(crate) fn read_event(path: Option<&Path>) -> Result<Vec<u8>, CliError> {
    match path.filter(|path| *path != Path::new("-")) {
        Some(path) => fs::read(path).map_err(|error| CliError::File { path: path.to_owned(), error }),
        None => {
            let mut event = Vec::new();
            let failed = |error| CliError::File { path: "standard input".into(), error };
            std::io::stdin().lock().read_to_end(&mut event).map_err(failed)?;
            Ok(event)
        }
    }
}

fn report(
    arguments: &Arguments,
    out: &mut impl Write,
    request: &Request,
    outcome: &Outcome,
    id: &str,
    us: f64,
) -> Result<(), CliError> {
    let report = Report {
        id,
        blocked: blocks(outcome, arguments.block_on),
        tier: outcome.strongest().map(|finding| finding.tier.name()),
        findings: explain(request, outcome),
        anomalies: request.anomalies.iter().map(|(a, l)| (a.id(), request.render(l))).collect(),
        spent: outcome.spent,
        unexamined: outcome.unexamined,
    };
    if arguments.json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
        return Ok(());
    }
    let word = if report.blocked { "is blocked" } else { "passes" };
    writeln!(out, "{id}: {word} in mode block; {us:.1} µs")?;
    for finding in &report.findings {
        write!(out, "{}", finding.text())?;
    }
    for (id, location) in &report.anomalies {
        writeln!(out, "{id} at {location}")?;
    }
    if arguments.values {
        for value in request.values() {
            let bytes = request.bytes(value.text);
            let shown = bytes.get(..600).unwrap_or(bytes);
            writeln!(
                out,
                "  {:?} {} = {}",
                value.place,
                request.render(value.location),
                shown.escape_ascii()
            )?;
        }
    }
    writeln!(out, "derived views: {} bytes; {} values left unexamined", report.spent, report.unexamined)?;
    Ok(())
}
