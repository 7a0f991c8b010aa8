//! The report for people. What a sender wrote stands in it as the log has it: redacted and escaped.

use std::fmt::Write as _;

use super::judge::{Judgement, Report};

/// Places of one kind that are shown.
const SHOWN: usize = 20;

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    write(&mut text, report).ok();
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    let unknown = || "?".to_owned();
    writeln!(
        text,
        "{} to {} ({} days)",
        report.from.clone().unwrap_or_else(unknown),
        report.to.clone().unwrap_or_else(unknown),
        report.days
    )?;
    if report.inspected > 0 {
        write!(text, "{} requests inspected, ", report.inspected)?;
    }
    writeln!(text, "{} would have been blocked, {} were blocked", report.would_block, report.blocked)?;
    if report.excluded > 0 {
        writeln!(text, "{} more are covered by --exclude", report.excluded)?;
    }
    if report.fail_open > 0 {
        writeln!(text, "{} passed without a verdict: see docs/troubleshooting.md", report.fail_open)?;
    }
    for judgement in [Judgement::LooksFalse, Judgement::Unclear, Judgement::LooksHostile] {
        let places: Vec<_> = report.places.iter().filter(|place| place.judgement == judgement).collect();
        if places.is_empty() {
            continue;
        }
        writeln!(text, "\n{} ({})", judgement.words(), places.len())?;
        for place in places.iter().take(SHOWN) {
            writeln!(
                text,
                "  {} at {}: {} requests from {} clients on {} paths ({})",
                place.signal,
                place.location,
                place.requests,
                place.clients,
                place.paths,
                place.tiers.join(", ")
            )?;
            writeln!(text, "      {}", place.why)?;
            if !place.decoded.is_empty() {
                writeln!(text, "      seen after {}", place.decoded.join(", "))?;
            }
            for example in &place.examples {
                writeln!(text, "      for example: {example}")?;
            }
        }
        if places.len() > SHOWN {
            writeln!(text, "  and {} more; --json shows them all", places.len() - SHOWN)?;
        }
    }
    if !report.exclusions.is_empty() {
        writeln!(text, "\nexclusions to add, once you have looked at the examples:")?;
        writeln!(text, "  PICKET_EXCLUDE={}", report.exclusions.join(","))?;
    }
    writeln!(
        text,
        "\n{}",
        if report.safe { "blocking is safe to switch on:" } else { "blocking is not safe yet:" }
    )?;
    for why in &report.because {
        writeln!(text, "  {why}")?;
    }
    Ok(())
}
