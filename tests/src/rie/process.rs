//! Processes as /proc shows them. Knows nothing of emulators.

use std::fs;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

/// Waits until `done` says so.
pub(super) fn wait_for(patience: Duration, mut done: impl FnMut() -> bool) -> io::Result<()> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > patience {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "waited too long"));
        }
        pause();
    }
    Ok(())
}

/// A moment between two looks.
#[expect(clippy::disallowed_methods, reason = "a test's own thread forwards no events")]
pub(super) fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Whether this process is root, which needs no user namespace.
pub(super) fn is_root() -> bool {
    status_field("self", "Uid").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

/// The direct children of a process.
pub(super) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|id| {
            status_field(&id.to_string(), "PPid").and_then(|id| id.parse::<u32>().ok()) == Some(parent)
        })
        .collect()
}

/// All processes below a process.
pub(super) fn descendants(parent: u32) -> Vec<u32> {
    let mut found = children(parent);
    let mut next = 0;
    while let Some(id) = found.get(next).copied() {
        found.extend(children(id));
        next += 1;
    }
    found
}

/// The file name of a process's program.
pub(super) fn name(id: u32) -> Option<String> {
    let program = fs::read_link(format!("/proc/{id}/exe")).ok()?;
    Some(program.file_name()?.to_str()?.to_owned())
}

/// Whether a process has ended (a zombie has).
pub(super) fn is_gone(id: u32) -> bool {
    status_field(&id.to_string(), "State").is_none_or(|state| state.starts_with('Z'))
}

/// Sends a signal by name to one process.
pub(super) fn signal(signal: &str, id: u32) -> io::Result<()> {
    let status = Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{signal} {id}: {status}"))) }
}

fn status_field(id: &str, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}
