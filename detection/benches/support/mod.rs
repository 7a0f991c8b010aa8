//! Requests of one place, and a clock, for the benchmarks.

use std::time::Instant;

use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Profile, Scratch, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};

/// A request whose values are these texts.
pub(crate) fn request(values: &[(Place, &str, Vec<u8>)]) -> Request {
    let all: Vec<u8> = values.iter().flat_map(|(_, name, text)| [name.as_bytes(), text].concat()).collect();
    let mut request = Request::new(Bytes::from(all));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    let mut at = 0;
    for (place, name, text) in values {
        let (text_start, end) = (at + name.len(), at + name.len() + text.len());
        request.push_plain(Span::source(text_start, end), *place, Span::source(at, text_start), location);
        at = end;
    }
    request
}

/// Seconds that this thread has spent on a processor, where the system says so; on a busy machine the clock on the wall counts
/// what others do. The figure is brought up to date when the processor is offered to others.
fn on_processor() -> Option<f64> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(|nanoseconds: f64| nanoseconds / 1e9)
}

/// Seconds of the fastest of several inspections; slow ones are made fewer times.
pub(crate) fn seconds(catalogue: &Catalogue, request: &Request, scratch: &mut Scratch) -> f64 {
    let raw = request.values().iter().map(|value| value.text.len()).sum();
    let profile = Profile::default();
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    for pass in 0..200 {
        let before = on_processor();
        let start = Instant::now();
        std::hint::black_box(inspect(catalogue, request, &profile, scratch, Fuel::for_bytes(raw)));
        let wall = start.elapsed().as_secs_f64();
        let own = before.and_then(|before| Some(on_processor()? - before)).filter(|own| *own > 0.0);
        best = best.min(own.map_or(wall, |own| own.min(wall)));
        if pass >= 2 && begun.elapsed().as_secs_f64() > 0.02 {
            break;
        }
    }
    best
}
