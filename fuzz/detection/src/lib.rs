//! What every fuzz target of one detector asserts of a value that it looked at.

use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Outcome, Profile, Scratch, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};

/// The places that detectors treat differently.
const PLACES: &[Place] = &[
    Place::Query, Place::QueryKey, Place::Path, Place::Header, Place::Json, Place::JsonKey, Place::Body, Place::FileName,
    Place::FileContent, Place::Xml,
];

/// Shows a value to one detector at a place that its first byte names, and asserts that the findings are the same a
/// second time and that their spans lie inside the value. That it returns in time is libFuzzer's to watch.
pub fn look(detector: &str, data: &[u8]) {
    let Some((&first, text)) = data.split_first() else { return };
    let place = PLACES[usize::from(first) % PLACES.len()];
    let catalogue = Catalogue::only(detector).expect("a detector of that name");
    let mut scratch = Scratch::default();
    let one = run(&catalogue, text, place, &mut scratch);
    let other = run(&catalogue, text, place, &mut scratch);
    assert_eq!(one.findings.len(), other.findings.len());
    for (a, b) in one.findings.iter().zip(&other.findings) {
        assert_eq!((a.tier, &a.span, &a.facts), (b.tier, &b.span, &b.facts));
        assert!(a.span.start <= a.span.end && a.span.end as usize <= text.len(), "{:?} of {}", a.span, text.len());
    }
}

fn run(catalogue: &Catalogue, text: &[u8], place: Place, scratch: &mut Scratch) -> Outcome {
    let mut request = Request::new(Bytes::copy_from_slice(text));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    request.push_plain(Span::source(0, text.len()), place, Span::EMPTY, location);
    inspect(catalogue, &request, &Profile::default(), scratch, Fuel(0))
}
