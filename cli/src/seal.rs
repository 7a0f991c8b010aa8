//! `picket seal-keygen` and `picket unseal`: the owner's side of sealed values. The engine never has the private key.

use std::{
    fs,
    io::{BufRead as _, Write as _},
    path::PathBuf,
};

use picket_report::{Opener, SealError, generate};
use serde_json::Value;

use crate::error::CliError;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file that holds the private key, as `picket seal-keygen` printed it.
    #[arg(long)]
    key: PathBuf,
    /// The site that the agent was told by `PICKET_SITE`.
    #[arg(long, default_value = "default")]
    site: String,
    /// Events as the engine gives them out: JSON objects, one a line.
    events: PathBuf,
}

/// Prints a new pair of keys.
pub(crate) fn keygen() -> Result<(), CliError> {
    let (public, private) = generate()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "PICKET_SEAL_KEY={public}")?;
    writeln!(out, "private key, for `picket unseal` alone: {private}")?;
    Ok(())
}

/// Opens every sealed value of a file of events.
pub(crate) fn unseal(arguments: &Arguments) -> Result<(), CliError> {
    let file = |path: &PathBuf| {
        let path = path.clone();
        move |error| CliError::File { path, error }
    };
    let key = fs::read_to_string(&arguments.key).map_err(file(&arguments.key))?;
    // The line of `seal-keygen` may have been kept with its words.
    let opener = Opener::new(key.trim().rsplit(' ').next().unwrap_or_default())?;
    let events = fs::File::open(&arguments.events).map_err(file(&arguments.events))?;
    let mut out = std::io::stdout().lock();
    let mut found = false;
    for line in std::io::BufReader::new(events).lines() {
        let line = line.map_err(file(&arguments.events))?;
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let id = text(&event, "id");
        let signals = event.get("signals").and_then(Value::as_array);
        for signal in signals.into_iter().flatten() {
            let (sealed, location) = (text(signal, "sealed"), text(signal, "location"));
            if sealed.is_empty() {
                continue;
            }
            found = true;
            match opener.open(&sealed, &arguments.site, &id, &location) {
                Ok(value) => {
                    writeln!(out, "{id} {} {location}: {}", text(signal, "signal"), value.escape_ascii())?;
                }
                Err(error @ SealError::Foreign) => writeln!(out, "{id} {location}: {error}")?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    if found { Ok(()) } else { Err(CliError::NothingSealed { path: arguments.events.clone() }) }
}
