//! Running other programs, with errors that a reader can act on. Knows no particular program.

use std::io;
use std::process::{Command, Stdio};

/// How many lines of a failed program's output are worth showing.
const SHOWN_LINES: usize = 15;

/// Whether a program of this name is on the path.
pub(crate) fn exists(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null 2>&1", program])
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a program quietly and gives what it printed on its standard output.
///
/// # Errors
/// That the program is missing, or how it ended and the end of what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(Stdio::null()).output().map_err(|error| could_not_run(&name, &error))?;
    let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
    if ran.status.success() {
        return Ok(stdout);
    }
    let text = format!("{stdout}\n{}", String::from_utf8_lossy(&ran.stderr));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n    ");
    Err(format!("`{}` failed ({}):\n    {shown}", line(command), ran.status))
}

/// Runs a program whose output is for the reader.
///
/// # Errors
/// That the program is missing, or how it ended.
pub(crate) fn show(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status().map_err(|error| could_not_run(&name, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// `cargo`, in the toolchain that the repository pins.
pub(crate) fn cargo() -> Command {
    Command::new("cargo")
}

fn could_not_run(name: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("{name} is not installed")
    } else {
        format!("{name} could not be run: {error}")
    }
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    let mut text = words.join(" ");
    if text.len() > 200 {
        text = text.chars().take(200).chain("...".chars()).collect();
    }
    text
}
