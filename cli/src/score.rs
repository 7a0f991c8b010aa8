//! `picket score`: one verdict line for each labelled request.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use picket_detection::{Catalogue, Outcome};
use picket_request::Request;
use serde::Serialize;

use crate::{
    corpus::{self, Recorded, Row},
    envelope::{Shape, event},
    error::CliError,
    explain::{Explained, explain},
    pad::Padding,
    scramble::Scrambler,
    verdict::{BlockOn, Inspector, blocks},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Labelled requests, one JSON object a line, gzipped or not.
    #[arg(long)]
    requests: PathBuf,
    /// Where the verdicts go, one JSON object a line.
    #[arg(long)]
    verdicts: PathBuf,
    /// The tier from which on a request is blocked.
    #[arg(long, value_enum, default_value_t)]
    block_on: BlockOn,
    /// Only requests with one of these labels.
    #[arg(long)]
    only_label: Vec<String>,
    /// Only requests of one of these classes.
    #[arg(long)]
    only_class: Vec<String>,
    /// Only requests of one of these sources.
    #[arg(long)]
    only_source: Vec<String>,
    /// Threads; times are comparable only with one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// How often all requests are inspected, one after another; the fastest pass of each gives `us`.
    #[arg(long, default_value_t = 3)]
    passes: u32,
    /// Forgets after each request which headers were clean, as if each came from another client.
    #[arg(long)]
    cold: bool,
    /// Sends each request through the event shape of a source and the agent's whole path.
    #[arg(long = "as", value_enum)]
    shape: Option<Shape>,
    /// Replaces parameter names, hosts and path words at random before inspecting.
    #[arg(long)]
    scramble: bool,
    /// The seed of `--scramble`.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Wraps the attacks that are blocked in harmless text, and inspects those requests alone: each that is not blocked was hidden.
    #[arg(long, value_enum)]
    pad: Option<Padding>,
    /// Prints to standard error what each detector costs by itself, beyond scanning and decoding.
    #[arg(long)]
    costs: bool,
    /// Adds detector, decode chain, span and facts to each signal.
    #[arg(long)]
    explain: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    blocked: bool,
    tier: Option<&'static str>,
    signals: Vec<Seen>,
    us: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Seen {
    Short { id: &'static str, location: String, tier: &'static str },
    Long(Explained),
}

fn signals(request: &Request, outcome: &Outcome, long: bool) -> Vec<Seen> {
    let mut seen: Vec<Seen> = if long {
        explain(request, outcome).into_iter().map(Seen::Long).collect()
    } else {
        let short = outcome.findings.iter().map(|finding| Seen::Short {
            id: finding.signal.id(),
            location: request.render(finding.location),
            tier: finding.tier.name(),
        });
        short.collect()
    };
    seen.extend(request.anomalies.iter().map(|(anomaly, location)| Seen::Short {
        id: anomaly.id(),
        location: request.render(location),
        tier: "possible",
    }));
    seen
}

fn score(rows: &[(Row, Recorded)], arguments: &Arguments) -> Result<Vec<u8>, CliError> {
    let mut inspector = Inspector::new();
    let mut lines = Vec::new();
    let mut fastest = vec![f64::INFINITY; rows.len()];
    for pass in 1..=arguments.passes.max(1) {
        for ((row, recorded), fastest) in rows.iter().zip(&mut fastest) {
            if arguments.cold {
                inspector.forget();
            }
            let (outcome, us) = match arguments.shape {
                Some(shape) => inspector.inspect_event(&event(shape, recorded).into()),
                None => inspector.inspect(recorded),
            };
            *fastest = fastest.min(us);
            if pass < arguments.passes {
                continue;
            }
            let line = Line {
                id: &row.id,
                blocked: blocks(&outcome, arguments.block_on),
                tier: outcome.strongest().map(|finding| finding.tier.name()),
                signals: signals(&inspector.request, &outcome, arguments.explain),
                us: (*fastest * 10.0).round() / 10.0,
            };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
    }
    Ok(lines)
}

/// Mean microseconds for each request: of parsing, scanning and decoding, and what each detector adds to them.
fn costs(rows: &[(Row, Recorded)]) {
    let mean = |catalogue| {
        let mut inspector = Inspector::with(catalogue);
        let mut pass = || rows.iter().map(|(_, recorded)| inspector.inspect(recorded).1).sum::<f64>();
        let fastest = (0..5).map(|_| pass()).fold(f64::INFINITY, f64::min);
        fastest / rows.len().max(1) as f64
    };
    let base = mean(Catalogue::none());
    eprintln!("{base:8.2} µs without detectors");
    for detector in Catalogue::built_in().iter() {
        if let Some(only) = Catalogue::only(detector.name) {
            eprintln!("{:8.2} µs {}", mean(only) - base, detector.name);
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let wanted = |list: &[String], value: &String| list.is_empty() || list.contains(value);
    let mut rows = Vec::new();
    corpus::read(&arguments.requests, |row| {
        if wanted(&arguments.only_label, &row.label)
            && wanted(&arguments.only_class, &row.class)
            && wanted(&arguments.only_source, &row.source)
        {
            let mut recorded = row.recorded();
            if arguments.scramble {
                recorded = Scrambler::new(arguments.seed).scramble(&recorded);
            }
            rows.push((row, recorded));
        }
    })?;
    if let Some(padding) = arguments.pad {
        let mut inspector = Inspector::new();
        rows = rows
            .into_iter()
            .filter_map(|(row, recorded)| {
                let (outcome, _) = inspector.inspect(&recorded);
                let blocked = blocks(&outcome, arguments.block_on);
                let wrapped = blocked.then(|| padding.wrap(&recorded, &inspector.request, &outcome))??;
                Some((row, wrapped))
            })
            .collect();
    }
    if arguments.costs {
        costs(&rows);
    }
    let failed = |error| CliError::File { path: arguments.verdicts.clone(), error };
    let mut file = BufWriter::new(File::create(&arguments.verdicts).map_err(failed)?);
    let share = rows.len().div_ceil(arguments.threads.max(1)).max(1);
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = rows.chunks(share).map(|part| scope.spawn(|| score(part, arguments))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| CliError::Panicked)?)
            .collect::<Result<Vec<_>, _>>()
    })?;
    for part in parts {
        file.write_all(&part)?;
    }
    file.flush()?;
    Ok(())
}
