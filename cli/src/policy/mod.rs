//! `picket policy`: builds, checks, signs and describes policy files.

mod bundle;
mod cases;
mod check;

use std::{
    fs,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use picket_cli::policy_file::{Diagnostic, PolicyFile, Severity};
use picket_policy::{Policy, canonical::Canonical};

use crate::{
    error::CliError,
    judge::{read_beside, shown},
};

#[derive(clap::Subcommand)]
pub(crate) enum Arguments {
    /// Checks a policy file and writes what the agent reads.
    Build {
        /// The policy file, as YAML.
        file: PathBuf,
        /// Where to write; `picket.policy` beside the file where it is missing.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Checks a policy file, says what is probably not meant, and runs its own cases.
    Check(check::Arguments),
    /// Prints the JSON Schema of the policy file, for editors.
    Schema,
    /// Makes a key pair for signing policies.
    Keygen {
        /// Where the private key is written; nobody else may read it.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Signs a policy, so that agents take it from the engine.
    Sign(bundle::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match arguments {
        Arguments::Build { file, output } => build(file, output.as_deref()),
        Arguments::Check(arguments) => check::run(arguments),
        Arguments::Schema => {
            let schema = serde_json::to_string_pretty(&picket_policy::document::schema())?;
            writeln!(std::io::stdout().lock(), "{schema}")?;
            Ok(())
        }
        Arguments::Keygen { output } => bundle::keygen(output),
        Arguments::Sign(arguments) => bundle::sign(arguments),
    }
}

fn build(file: &Path, output: Option<&Path>) -> Result<(), CliError> {
    let loaded = Loaded::read(file)?;
    let output = output.map_or_else(|| file.with_file_name("picket.policy"), Path::to_path_buf);
    let bytes = loaded.canonical.write();
    fs::write(&output, &bytes).map_err(|error| CliError::File { path: output.clone(), error })?;
    let document = &loaded.file.document;
    writeln!(
        std::io::stdout().lock(),
        "{}: {} version {}, {} rules, {} limits, {} bytes",
        output.display(),
        document.name,
        document.version,
        document.rules.len(),
        document.rate_limits.len(),
        bytes.len()
    )?;
    Ok(())
}

/// A policy file that was read and compiled.
pub(crate) struct Loaded {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) file: PolicyFile,
    pub(crate) canonical: Canonical,
}

impl Loaded {
    /// Reads a policy file. What is wrong is printed to standard error.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        Self::read_or(path, &print)
    }

    /// The same; what is wrong is handed to `report`.
    pub(crate) fn read_or(
        path: &Path,
        report: &dyn Fn(&Path, &str, &[Diagnostic]),
    ) -> Result<Self, CliError> {
        let text =
            fs::read_to_string(path).map_err(|error| CliError::File { path: path.to_owned(), error })?;
        let read = PolicyFile::read(&text).and_then(|file| {
            let canonical = file.compile(&|name| read_beside(path, name))?;
            Ok((file, canonical))
        });
        match read {
            Ok((file, canonical)) => Ok(Self { path: path.to_owned(), text, file, canonical }),
            Err(found) => {
                report(path, &text, &found);
                Err(CliError::Refused(format!("{}: {}", shown(path), counted(&found))))
            }
        }
    }

    /// The policy as the agent has it.
    pub(crate) fn policy(&self) -> Result<Policy, CliError> {
        Policy::load(&self.canonical)
            .map_err(|error| CliError::Refused(format!("{}: {error}", self.path.display())))
    }
}

/// A policy from a policy file, or from what was built of one.
pub(crate) fn policy_of(path: &Path) -> Result<Policy, CliError> {
    let is_built = path.extension().is_some_and(|extension| extension == "policy" || extension == "json");
    if !is_built {
        return Loaded::read(path)?.policy();
    }
    let bytes = fs::read(path).map_err(|error| CliError::File { path: path.to_owned(), error })?;
    let refused = |error| CliError::Refused(format!("{}: {error}", path.display()));
    Policy::load(&Canonical::read(&bytes).map_err(refused)?).map_err(refused)
}

/// Prints messages as a compiler does.
fn print(path: &Path, text: &str, found: &[Diagnostic]) {
    let colour = std::io::stderr().is_terminal();
    for diagnostic in found {
        eprintln!("{}\n", diagnostic.render(&shown(path), text, colour));
    }
}

/// `2 errors`, `1 error and 3 warnings`.
fn counted(found: &[Diagnostic]) -> String {
    let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let words = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    match (count(Severity::Error), count(Severity::Warning)) {
        (errors, 0) => words(errors, "error"),
        (0, warnings) => words(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", words(errors, "error"), words(warnings, "warning")),
    }
}
