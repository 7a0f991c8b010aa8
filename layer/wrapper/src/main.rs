//! The exec wrapper: points the runtime at the agent, if the agent is there, and becomes the runtime. Knows the agent's readiness
//! answer and nothing else of it; depends on the standard library alone, because it is loaded at every cold start.
//!
//! `AWS_LAMBDA_EXEC_WRAPPER=/opt/picket/wrapper` makes a managed runtime start itself through it. Whatever goes wrong here, the
//! runtime starts as if Picket were not attached, and one line says why.

mod probe;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use probe::shown;

/// The agent's port where `PICKET_PORT` does not say otherwise. The agent has the same default; a test compares them.
const DEFAULT_PORT: u16 = 9187;
/// Ports below are refused by the agent too.
const LOWEST_PORT: u16 = 1024;

/// The variable that tells a runtime where the Runtime API is.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// What a shell answers when there is no such command, and when it cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

fn main() -> ExitCode {
    let mut said = Vec::new();
    let command = match env::args_os().skip(1).collect::<Vec<_>>() {
        given if !given.is_empty() => given,
        _ => match handler_program() {
            Ok(program) => vec![program],
            Err(why) => {
                say("ERROR", &[why]);
                return ExitCode::from(NOT_FOUND);
            }
        },
    };

    let port = port(&mut said);
    let redirect = match probe::ready(port) {
        Ok(()) => {
            said.insert(0, format!("the runtime is redirected to 127.0.0.1:{port}"));
            Some(format!("127.0.0.1:{port}"))
        }
        Err(why) => {
            said.insert(0, format!("not redirected, the function runs UNPROTECTED: {why}"));
            None
        }
    };
    let next = next_wrapper(&mut said);
    say(if redirect.is_some() { "INFO" } else { "WARN" }, &said);

    let mut failed = None;
    if let Some(next) = next {
        let with_next: Vec<OsString> = std::iter::once(next).chain(command.iter().cloned()).collect();
        failed = become_program(&with_next, redirect.as_deref());
    }
    // Only reached without another wrapper, or when that one could not be run after all.
    failed = become_program(&command, redirect.as_deref()).or(failed);
    let Some(error) = failed else { return ExitCode::from(NOT_FOUND) };
    let program = command.first().map(|program| shown(program.as_bytes())).unwrap_or_default();
    say("ERROR", &[format!("{program} could not be run: {error}")]);
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE })
}

/// Replaces this process. Comes back only with the reason why it could not.
fn become_program(command: &[OsString], redirect: Option<&str>) -> Option<io::Error> {
    let (program, arguments) = command.split_first()?;
    let mut process = Command::new(program);
    process.args(arguments);
    if let Some(address) = redirect {
        process.env(RUNTIME_API, address);
    }
    Some(process.exec())
}

/// The program of an OS-only function whose `bootstrap` is this wrapper: `$LAMBDA_TASK_ROOT/$_HANDLER`.
fn handler_program() -> Result<OsString, String> {
    let (Some(root), Some(handler)) = (variable("LAMBDA_TASK_ROOT"), variable("_HANDLER")) else {
        return Err(
            "there is no command to run: give it as arguments, or set _HANDLER to the function's program"
                .to_owned(),
        );
    };
    let program = Path::new(&root).join(&handler);
    if program.is_file() {
        Ok(program.into_os_string())
    } else {
        Err(format!(
            "there is no command to run: no arguments, and {} is not a file",
            shown(program.as_os_str().as_bytes())
        ))
    }
}

/// The agent's port. A value that the agent refuses is refused here in the same way, and the default is used by both.
fn port(said: &mut Vec<String>) -> u16 {
    let Some(value) = variable("PICKET_PORT") else { return DEFAULT_PORT };
    let text = value.to_string_lossy();
    match text.trim().parse() {
        Ok(port) if port >= LOWEST_PORT => port,
        _ => {
            said.push(format!(
                "PICKET_PORT={} is not a port from {LOWEST_PORT} to 65535, {DEFAULT_PORT} is used",
                shown(text.as_bytes())
            ));
            DEFAULT_PORT
        }
    }
}

/// The wrapper of another layer, if there is one that can be run.
fn next_wrapper(said: &mut Vec<String>) -> Option<OsString> {
    let next = variable("PICKET_NEXT_WRAPPER")?;
    let why = match std::fs::metadata(&next) {
        Err(error) => format!("{error}"),
        Ok(file) if !file.is_file() => "it is not a file".to_owned(),
        Ok(file) if file.permissions().mode() & 0o111 == 0 => "it has no run bit".to_owned(),
        Ok(_) => return Some(next),
    };
    said.push(format!("PICKET_NEXT_WRAPPER={} is left out: {why}", shown(next.as_bytes())));
    None
}

/// A variable that is set and not empty.
fn variable(key: &str) -> Option<OsString> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapper is a program of its own, and the environment is all it is given"
    )]
    env::var_os(key).filter(|value| !value.is_empty())
}

/// Prints the one line, in the form that the function's log has.
fn say(level: &str, said: &[String]) {
    let text = said.join("; ");
    let json = variable("PICKET_LOG_FORMAT")
        .or_else(|| variable("AWS_LAMBDA_LOG_FORMAT"))
        .is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let line = if json {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("{{\"level\":\"{level}\",\"source\":\"picket\",\"message\":\"wrapper: {escaped}\"}}\n")
    } else {
        format!("picket {level} wrapper: {text}\n")
    };
    // Written at once, so that it stays one line beside what others write; and a closed log must not stop the function.
    let _unheard = io::stderr().write_all(line.as_bytes());
}
