//! `picket policy check`: messages, lints, and the file's own cases.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use picket_cli::policy_file::{Diagnostic, Severity};
use picket_policy::{Policy, compile::compile, document};
use serde_json::json;

use super::{Loaded, cases, counted, print, read_beside};
use crate::{
    error::CliError,
    judge::{now, shown},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, as YAML.
    file: PathBuf,
    /// Counts warnings as errors.
    #[arg(long)]
    strict: bool,
    /// Prints one JSON object a message and a case.
    #[arg(long)]
    json: bool,
    /// Writes each case as an event into this folder, `NAME.json`, with what is expected of it beside it, `NAME.expect.json`.
    #[arg(long, value_name = "FOLDER")]
    write_cases: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let print_json = |path: &Path, text: &str, found: &[Diagnostic]| {
        for diagnostic in found {
            println!("{}", diagnostic.to_json(&shown(path), text));
        }
    };
    let report: &dyn Fn(&Path, &str, &[Diagnostic]) = if arguments.json { &print_json } else { &print };
    let loaded = Loaded::read_or(&arguments.file, report)?;
    let mut found = loaded.file.lint(now());
    let mut out = std::io::stdout().lock();
    if let Some(folder) = &arguments.write_cases {
        write_cases(&loaded, folder)?;
    }
    let cases = &loaded.file.document.tests;
    let mut runner = runner(&loaded)?;
    let mut failed = 0;
    for (index, case) in cases.iter().enumerate() {
        let wrong = runner.run(case);
        if arguments.json {
            writeln!(out, "{}", json!({"case": case.name, "holds": wrong.is_empty(), "wrong": wrong}))?;
        }
        if wrong.is_empty() {
            continue;
        }
        failed += 1;
        let path = document::Path::default().key("tests").index(index).key("name");
        let span = loaded.file.locate(&path);
        let message = format!("the case `{}` fails", case.name.escape_debug());
        found.push(Diagnostic { help: wrong, ..Diagnostic::at(Severity::Error, message, span) });
    }
    report(&loaded.path, &loaded.text, &found);
    let errors = found.iter().any(|d| d.severity == Severity::Error || arguments.strict);
    if !arguments.json {
        let held = cases.len() - failed;
        let (name, version) = (&loaded.file.document.name, loaded.file.document.version);
        let said = if found.is_empty() { String::new() } else { format!(", {}", counted(&found)) };
        writeln!(out, "{name} version {version}: {held} of {} cases hold{said}", cases.len())?;
    }
    if errors {
        return Err(CliError::Refused(format!("{}: {}", shown(&arguments.file), counted(&found))));
    }
    Ok(())
}

/// What runs the cases: the policy, and one that tells which rules match.
fn runner(loaded: &Loaded) -> Result<cases::Cases, CliError> {
    let (document, ids) = cases::probed(&loaded.file.document);
    let refused = |what: String| CliError::Refused(format!("{}: {what}", loaded.path.display()));
    let probe = compile(&document, &|name| read_beside(&loaded.path, name))
        .map_err(|problems| refused(problems.first().map(ToString::to_string).unwrap_or_default()))?;
    let probe = Policy::load(&probe).map_err(|error| refused(error.to_string()))?;
    Ok(cases::Cases::new(loaded.policy()?, &loaded.path, probe, ids, now()))
}

fn write_cases(loaded: &Loaded, folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| CliError::File { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (index, case) in loaded.file.document.tests.iter().enumerate() {
        let name: String = case
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(80)
            .collect();
        let name = format!("{:03}-{name}", index + 1);
        let event = folder.join(format!("{name}.json"));
        fs::write(&event, cases::event(case).to_string()).map_err(failed(&event))?;
        let expected = json!({
            "name": case.name,
            "expect": case.expect,
            "response": case.response,
            "times": case.times.unwrap_or(1),
            "function": case.request.function,
            "at": case.request.at,
        });
        let beside = folder.join(format!("{name}.expect.json"));
        fs::write(&beside, expected.to_string()).map_err(failed(&beside))?;
    }
    Ok(())
}
