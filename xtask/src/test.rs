//! `cargo xtask test`: sets up what the tests need, runs them all and sums up what each of cargo's test programs says. Knows
//! the form of their output; not the tests.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::process::{ExitStatus, Stdio};

use picket_tests::layout;

use crate::{command, setup};

/// What marks a skipped test that is not held against a strict run: data that is no part of this repository.
const OUTSIDE_DATA: &str = "../shared";

/// Characters of a line that are shown: an assertion about an event of 300 KB prints all of it.
const LONGEST_LINE: usize = 4000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install missing system packages first (Debian and Ubuntu)
    #[arg(long)]
    install: bool,
    /// Fail when a test was skipped because a tool is missing
    #[arg(long)]
    strict_skips: bool,
}

/// What a run of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// What the test programs call passed, with those among them that said that they skipped.
    called_passed: usize,
    said_skipped: usize,
    failed: usize,
    skipped: Vec<String>,
    /// Inside the part of the output that shows what passing tests printed.
    in_successes: bool,
}

/// Runs everything.
///
/// # Errors
/// When a test failed, or could not be built, or was skipped in a strict run.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let missing = setup::all(options.install)?;
    // One build with the libraries, the programs and the tests: what the programs are built with is then what the tests are
    // built with, and nothing is compiled twice.
    command::show(
        command::cargo()
            .args(["build", "--workspace", "--lib", "--bins", "--tests"])
            .current_dir(layout::repository()),
    )?;
    let (status, tally) = run_cargo()?;

    println!();
    for (name, why) in &missing {
        println!("not set up: {name}: {why}");
    }
    for skipped in &tally.skipped {
        println!("skipped: {skipped}");
    }
    let unexpected = tally.skipped.iter().filter(|skip| !skip.contains(OUTSIDE_DATA)).count();
    let unfinished = !status.success() && tally.failed == 0;
    if unfinished {
        println!("a test program ended without a result ({status})");
    }
    let failed = tally.failed + usize::from(unfinished);
    say(&format!("{} passed, {failed} failed, {} skipped", tally.passed(), tally.skipped.len()));
    if failed > 0 {
        Err("the tests failed".to_owned())
    } else if tally.passed() == 0 {
        Err("no test ran".to_owned())
    } else if options.strict_skips && unexpected > 0 {
        Err(format!("{unexpected} skipped in a run that allows none"))
    } else {
        Ok(())
    }
}

/// Prints a line of a test program, cut where it is longer than anybody reads. A runtime client that shares our pipe may have made it
/// non-blocking: a full pipe is waited for, because `println!` would give up.
fn say(line: &str) {
    let mut line: String = line.chars().take(LONGEST_LINE).collect();
    line.push('\n');
    let (mut rest, mut out) = (line.as_bytes(), std::io::stdout());
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return,
        }
    }
    while out.flush().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        std::thread::yield_now();
    }
}

fn run_cargo() -> Result<(ExitStatus, Tally), String> {
    let mut child = command::cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .current_dir(layout::repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo could not be run: {error}"))?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if tally.take(&line) {
                say(&line);
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cargo could not be waited for: {error}"))?;
    Ok((status, tally))
}

impl Tally {
    fn passed(&self) -> usize {
        self.called_passed.saturating_sub(self.said_skipped)
    }

    /// Takes a line of a test program's output into account; says whether it is for the reader.
    fn take(&mut self, line: &str) -> bool {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.called_passed += count_before(result, " passed");
            self.failed += count_before(result, " failed");
        } else if line == "successes:" {
            self.in_successes = true;
        } else if line == "failures:" {
            self.in_successes = false;
        } else if let Some(skip) = line.strip_prefix("SKIPPED ") {
            // The test program counts it as passed, which it is not: `passed` takes it off again.
            self.said_skipped += 1;
            self.skipped.push(skip.to_owned());
            return true;
        } else if let Some((name, how)) =
            line.strip_prefix("test ").and_then(|line| line.split_once(" ... ignored"))
        {
            self.skipped.push(format!("{name}: ignored{how}"));
        }
        !self.in_successes
    }
}

/// The number that stands before a word, as in `3 passed`.
fn count_before(text: &str, word: &str) -> usize {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.rsplit([' ', ';']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> (Tally, String) {
        let mut tally = Tally::default();
        let shown: Vec<&str> = output.lines().filter(|line| tally.take(line)).collect();
        (tally, shown.join("\n"))
    }

    const OUTPUT: &str = "\
running 4 tests
test one ... ok
test two ... FAILED
test three ... ignored, needs a lake
test four ... ok

successes:

---- one stdout ----
something long
---- four stdout ----
SKIPPED four: no java

successes:
    one
    four

failures:

---- two stdout ----
the reason

failures:
    two

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn skips_are_taken_off_the_passed_and_named() {
        let (tally, _) = tally(OUTPUT);
        assert_eq!((tally.passed(), tally.failed), (1, 1));
        assert_eq!(tally.skipped, ["three: ignored, needs a lake", "four: no java"]);
    }

    #[test]
    fn what_passing_tests_print_is_hidden_and_what_failing_ones_print_is_shown() {
        let (_, shown) = tally(OUTPUT);
        assert!(!shown.contains("something long"), "{shown}");
        assert!(shown.contains("the reason"), "{shown}");
        assert!(shown.contains("SKIPPED four"), "{shown}");
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let (tally, _) = tally(
            "test result: ok. 12 passed; 0 failed; 0 ignored;\nSKIPPED x: y\ntest result: ok. 30 passed; 0 failed; 0 ignored;",
        );
        assert_eq!((tally.passed(), tally.failed, tally.skipped.len()), (41, 0, 1));
    }
}
