//! What inspecting costs in memory: a clean request is inspected without one allocation after the first of its kind.

use allocation_counter::measure;
use bytes::Bytes;
use picket_detection::{Catalogue, Fuel, Profile, Scratch, inspect};
use picket_request::{LocationId, Part, Place, Request, Segment, Span};

fn request(values: &[(Place, &str, &str)]) -> Request {
    let source: String = values.iter().flat_map(|(_, name, text)| [*name, *text]).collect();
    let mut request = Request::new(Bytes::from(source));
    let location = request.locations.add(LocationId::ROOT, Segment::Part(Part::Query));
    let mut at = 0;
    for (place, name, text) in values {
        let (from, to) = (at + name.len(), at + name.len() + text.len());
        request.push_plain(Span::source(from, to), *place, Span::source(at, from), location);
        at = to;
    }
    request
}

const CLEAN: &[&[(Place, &str, &str)]] = &[
    &[
        (Place::Path, "", "/shoes/running/model-x"),
        (Place::Header, "host", "shop.example.org"),
        (
            Place::Header,
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0",
        ),
        (Place::Header, "accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        (Place::Header, "referer", "https://shop.example.org/shoes?size=42&colour=dark%20blue"),
    ],
    &[
        (Place::Path, "", "/search"),
        (Place::Query, "q", "running shoes for O'Brien, size 42"),
        (Place::Query, "sort", "price-asc"),
        (Place::Cookie, "session", "5f2c9a7e1b0d4c6fa1e2d3c4b5a69788"),
        (Place::Query, "link", "https%3A%2F%2Fshop.example.org%2Fbasket%3Fa%3D1"),
    ],
    &[
        (Place::Json, "note", "Please leave it at the neighbour's door & ring twice (thanks!)"),
        (
            Place::Json,
            "token",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        ),
        (
            Place::Json,
            "html",
            "<p>The <b>new</b> release brings <a href=\"https://example.org/n\">many</a> changes.</p>",
        ),
        (Place::Json, "amount", "12.50"),
    ],
];

#[test]
fn a_clean_request_allocates_nothing_after_the_first() {
    let (catalogue, profile) = (Catalogue::built_in(), Profile::default());
    let mut scratch = Scratch::default();
    for values in CLEAN {
        let request = request(values);
        let fuel = Fuel::for_bytes(request.source().len());
        let mut clean = true;
        // The first time, buffers grow to what such requests need.
        for _ in 0..2 {
            clean &= inspect(&catalogue, &request, &profile, &mut scratch, fuel).findings.is_empty();
        }
        assert!(
            clean,
            "{values:?}: {:?}",
            inspect(&catalogue, &request, &profile, &mut scratch, fuel).findings
        );
        let again = measure(|| drop(inspect(&catalogue, &request, &profile, &mut scratch, fuel)));
        assert_eq!(again.count_total, 0, "{values:?}: {again:?}");
    }
}

#[test]
fn loading_allocates_less_than_a_tenth_of_a_megabyte() {
    let request = request(CLEAN[0]);
    let fuel = Fuel::for_bytes(request.source().len());
    let load = measure(|| {
        let mut scratch = Scratch::default();
        drop(inspect(&Catalogue::built_in(), &request, &Profile::default(), &mut scratch, fuel));
    });
    assert!(load.bytes_max < 100_000, "{load:?}");
}
