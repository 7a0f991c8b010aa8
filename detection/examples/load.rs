//! What loading costs: the time and the memory from nothing to the first verdict, and what the first of a process pays over the second.
//!
//! `cargo run --release -p picket-detection --example load`; run it several times, the first page faults are the cost.

use std::{fs, time::Instant};

use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Profile, Scratch, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};

/// Resident kilobytes of this process: all, and those that no file backs. Zero where the system does not say.
fn resident() -> (u64, u64) {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    (field("VmRSS:"), field("RssAnon:"))
}

fn main() {
    let text = "/search?q=running shoes for O'Brien, size 42 <b>&amp; more</b> (thanks!); see https://example.org/a?b=%20c";
    let mut request = Request::new(Bytes::from(text));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    request.push_plain(Span::source(0, text.len()), Place::Query, Span::EMPTY, location);
    let fuel = Fuel::for_bytes(text.len());
    let before = resident();
    let start = Instant::now();
    let mut scratch = Scratch::default();
    let catalogue = Catalogue::built_in();
    let loaded = start.elapsed();
    let first = inspect(&catalogue, &request, &Profile::default(), &mut scratch, fuel);
    let to_first = start.elapsed();
    let start = Instant::now();
    let second = inspect(&catalogue, &request, &Profile::default(), &mut scratch, fuel);
    let again = start.elapsed();
    let after = resident();
    println!("loading: {loaded:?}; to the first verdict: {to_first:?}; the second: {again:?}");
    println!(
        "resident memory: {} KB more, of which {} KB are no pages of the program's file",
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1)
    );
    println!("findings: {} and {}", first.findings.len(), second.findings.len());
}
