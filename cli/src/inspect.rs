//! `picket inspect`: one request, explained.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use picket_detection::Outcome;
use picket_request::Request;
use serde::Serialize;
use serde_json::json;

use crate::{
    allow, corpus,
    error::CliError,
    explain::{Explained, explain},
    judge::{Circumstances, Judge, now},
    policy::{Loaded, policy_of},
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
    /// Explains what this policy does: a policy file, or what `picket policy build` wrote.
    #[arg(long, conflicts_with_all = ["requests", "block_on"])]
    policy: Option<PathBuf>,
    /// The function that the event is for.
    #[arg(long, default_value = "", requires = "policy")]
    function: String,
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
        if let Some(policy) = &arguments.policy {
            return under_policy(arguments, &mut out, policy, &event.into());
        }
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

/// The same event under a policy: what is found, what becomes of it, and what would let it pass.
fn under_policy(
    arguments: &Arguments,
    out: &mut impl Write,
    path: &Path,
    event: &bytes::Bytes,
) -> Result<(), CliError> {
    let loaded = match path.extension() {
        Some(extension) if extension == "policy" || extension == "json" => None,
        _ => Some(Loaded::read(path)?),
    };
    let policy = match &loaded {
        Some(loaded) => loaded.policy()?,
        None => policy_of(path)?,
    };
    let circumstances =
        Circumstances { function: arguments.function.clone(), now: now(), ..Circumstances::default() };
    let mut judge = Judge::under(&policy, path);
    let judged = judge.judge(&policy, event, &circumstances, None);
    let document = loaded.as_ref().map(|loaded| &loaded.file.document);
    let verdict = allow::explain(&judged, &judge.request, &policy, document);
    let findings = explain(&judge.request, &judged.outcome);
    if arguments.json {
        let report = json!({
            "event": judge.request.event.name, "findings": findings, "policy": verdict,
            "excluded": judged.verdict.excluded,
        });
        writeln!(out, "{report}")?;
        return Ok(());
    }
    writeln!(out, "{}: {} findings", judge.request.event.name, findings.len())?;
    for finding in &findings {
        write!(out, "{}", finding.text())?;
    }
    write!(out, "{}", verdict.text())?;
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
