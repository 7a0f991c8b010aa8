//! `picket replay`: what another policy would have done about events that were seen, before it does it to anybody.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use picket_policy::{Exclusion, Policy, Reason};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    error::CliError,
    judge::{Answered, Circumstances, Judge, Judged, Known, now},
    policy::policy_of,
    replay_line::{self, Texts},
};

/// A line that is longer holds no event: the platform's largest has 6 MB.
const LONGEST_LINE: u64 = 16 << 20;
/// Examples that a group keeps.
const EXAMPLES: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder of events as `.json` files, or a file with one event or verdict line a line (also gzipped). Events may
    /// stand in an object under `event`, beside `time`, `function` and the handler's `answer`.
    #[arg(long)]
    events: PathBuf,
    /// The policy that holds: a policy file, or what `picket policy build` wrote.
    #[arg(long)]
    policy: PathBuf,
    /// The policy to compare with.
    #[arg(long)]
    against: PathBuf,
    /// The function that the events are for, where they do not say.
    #[arg(long, default_value = "")]
    function: String,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Ends with a failure where verdicts differ.
    #[arg(long)]
    exit_code: bool,
}

/// What one policy did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    verdict: &'static str,
    reason: &'static str,
    /// The rule or rate limit.
    rule: Option<String>,
    /// The signal and where it was seen, indices as `[*]`.
    signal: Option<String>,
    parameter: Option<String>,
}

impl Decided {
    fn of(judge: &Judge, judged: &Judged) -> Self {
        let finding = match judged.verdict.reason {
            Reason::Finding(index) => judged.outcome.findings.get(index),
            _ => None,
        };
        let place = finding.map(|finding| {
            let written = Exclusion::of(finding.signal, &judge.request.render(finding.location));
            written.split_once('@').map(|(_, place)| place.to_owned()).unwrap_or_default()
        });
        Self {
            verdict: judged.action().name(),
            reason: judged.verdict.reason.name(),
            rule: judged.rule().map(str::to_owned),
            signal: finding.map(|finding| finding.signal.id().to_owned()),
            parameter: place,
        }
    }

    fn words(&self) -> String {
        match (&self.rule, &self.signal, &self.parameter) {
            (Some(rule), _, _) => format!("rule {rule}"),
            (None, Some(signal), Some(parameter)) => format!("{signal} at {parameter}"),
            _ => self.reason.to_owned(),
        }
    }
}

/// Events about which both policies differ in the same way.
#[derive(Serialize)]
struct Group {
    from: Decided,
    to: Decided,
    count: u64,
    examples: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    events: u64,
    /// Those of them of which only a verdict line is left.
    lines: u64,
    /// Files and lines that hold no event.
    skipped: u64,
    differ: u64,
    /// How often each pair of verdicts came, also where both are the same.
    verdicts: BTreeMap<String, u64>,
    groups: Vec<Group>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let side = |path: &Path| policy_of(path).map(|policy| (Judge::under(&policy, path), policy));
    // Each has counts of its own: what one blocks, the other counts.
    let mut sides = [side(&arguments.policy)?, side(&arguments.against)?];
    let mut groups: BTreeMap<(Decided, Decided), (u64, Vec<String>)> = BTreeMap::new();
    let (mut events, mut lines, mut skipped, mut verdicts) = (0, 0, 0, BTreeMap::new());
    let mut texts = Texts::default();
    each_event(&arguments.events, &mut |name, text| {
        let Some(mut recorded) = recorded(&text, &mut texts) else {
            skipped += 1;
            return;
        };
        events += 1;
        lines += u64::from(recorded.known.is_some());
        let circumstances = &mut recorded.circumstances;
        circumstances.request_id = name.to_owned();
        if circumstances.function.is_empty() {
            circumstances.function.clone_from(&arguments.function);
        }
        let [from, to] = sides.each_mut().map(|side| decide(side, &recorded));
        *verdicts.entry(format!("{} > {}", from.verdict, to.verdict)).or_default() += 1;
        if from.verdict != to.verdict {
            let (count, examples) = groups.entry((from, to)).or_default();
            *count += 1;
            if examples.len() < EXAMPLES {
                examples.push(name.to_owned());
            }
        }
    })?;
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|((from, to), (count, examples))| Group { from, to, count, examples })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    let differ = groups.iter().map(|group| group.count).sum();
    let report = Report { events, lines, skipped, differ, verdicts, groups };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&mut out, &report)?;
    }
    if arguments.exit_code && differ > 0 {
        return Err(CliError::Refused(format!("{differ} of {events} verdicts differ")));
    }
    Ok(())
}

fn decide(
    (judge, policy): &mut (Judge, Policy),
    Recorded { event, known, answer, circumstances }: &Recorded,
) -> Decided {
    let judged = match known {
        Some(known) => judge.judge_again(policy, event, circumstances, known),
        None => judge.judge(policy, event, circumstances, answer.as_ref()),
    };
    Decided::of(judge, &judged)
}

fn print(out: &mut impl Write, report: &Report) -> Result<(), CliError> {
    writeln!(out, "{} events, {} verdicts differ", report.events, report.differ)?;
    if report.lines > 0 {
        let what =
            "of them are verdict lines: rules see their method, path, client and signals, and nothing else";
        writeln!(out, "{} {what}", report.lines)?;
    }
    if report.skipped > 0 {
        writeln!(out, "{} files or lines hold no event and were left out", report.skipped)?;
    }
    for (pair, count) in &report.verdicts {
        writeln!(out, "  {count:>8}  {pair}")?;
    }
    for group in &report.groups {
        writeln!(out)?;
        writeln!(
            out,
            "{} > {}: {} ({} > {})",
            group.from.verdict,
            group.to.verdict,
            group.count,
            group.from.words(),
            group.to.words()
        )?;
        for example in &group.examples {
            writeln!(out, "    {example}")?;
        }
    }
    Ok(())
}

/// An event, with what is said beside it.
struct Recorded {
    event: Bytes,
    /// What a verdict line says was found.
    known: Option<Vec<Known>>,
    /// What the handler answered.
    answer: Option<Answered>,
    circumstances: Circumstances,
}

fn recorded(text: &[u8], texts: &mut Texts) -> Option<Recorded> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let object = value.as_object()?;
    let mut circumstances = Circumstances { now: now(), ..Circumstances::default() };
    if object.contains_key("verdict") && object.contains_key("signals") {
        if let Some(function) = object.get("functionArn").and_then(Value::as_str) {
            // arn:aws:lambda:REGION:ACCOUNT:function:NAME
            function.split(':').nth(6).unwrap_or_default().clone_into(&mut circumstances.function);
        }
        let (event, known) = replay_line::read(&value, texts)?;
        return Some(Recorded { event, known: Some(known), answer: None, circumstances });
    }
    let Some(event) = object.get("event").filter(|event| event.is_object() || event.is_string()) else {
        let event = Bytes::copy_from_slice(text);
        return Some(Recorded { event, known: None, answer: None, circumstances });
    };
    if let Some(time) = object.get("time").and_then(Value::as_u64) {
        circumstances.now = time;
    }
    if let Some(function) = object.get("function").and_then(Value::as_str) {
        function.clone_into(&mut circumstances.function);
    }
    let bytes =
        event.as_str().map_or_else(|| event.to_string().into_bytes(), |text| text.as_bytes().to_vec());
    let answer = object.get("answer").and_then(Value::as_object).map(answered);
    Some(Recorded { event: bytes.into(), known: None, answer, circumstances })
}

/// An answer in the shape of a handler's: `statusCode`, `headers`, `body`, and `tookMs` beside them.
fn answered(answer: &Map<String, Value>) -> Answered {
    let headers = answer.get("headers").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Answered {
        status: answer
            .get("statusCode")
            .and_then(Value::as_u64)
            .and_then(|status| u16::try_from(status).ok()),
        headers: headers
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
            .collect(),
        body: answer.get("body").map(text).unwrap_or_default().into_bytes(),
        took_ms: answer.get("tookMs").and_then(Value::as_u64).unwrap_or(1),
    }
}

/// Calls `each` for every file of a folder, in the order of their names, or for every line of a file.
fn each_event(path: &Path, each: &mut dyn FnMut(&str, Vec<u8>)) -> Result<(), CliError> {
    let failed = |path: &Path, error| CliError::File { path: path.to_owned(), error };
    if path.is_dir() {
        let mut files: Vec<PathBuf> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| failed(path, error))?;
        files.retain(|file| {
            let name = file.to_string_lossy();
            name.ends_with(".json") && !name.ends_with(".expect.json")
        });
        files.sort();
        for file in files {
            let text = fs::read(&file).map_err(|error| failed(&file, error))?;
            each(&file.display().to_string(), text);
        }
        return Ok(());
    }
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut reader = BufReader::with_capacity(1 << 20, reader);
    for number in 1.. {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| failed(path, error))?;
        if read == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            each(&format!("{}:{number}", path.display()), line);
        }
    }
    Ok(())
}
