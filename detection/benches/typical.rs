//! Typical requests, whole and for each detector, beside libinjection's Rust port on the same values in the same run.
//! `cargo bench -p picket-detection --bench typical`.

mod support;

use std::time::Instant;

use picket_detection::{Catalogue, Scratch};
use picket_request::{Place, Request};

type Values = Vec<(Place, &'static str, Vec<u8>)>;

const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

fn headers(values: &mut Values) {
    for (name, value) in [
        ("Host", "shop.example.org"),
        ("User-Agent", AGENT),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Referer", "https://shop.example.org/shoes?size=42&colour=dark%20blue"),
    ] {
        values.push((Place::Header, name, value.as_bytes().to_vec()));
    }
}

fn requests() -> Vec<(&'static str, Values)> {
    let mut page = vec![(Place::Path, "", b"/shoes/running/model-x".to_vec())];
    headers(&mut page);
    let mut search = vec![
        (Place::Path, "", b"/search".to_vec()),
        (Place::QueryKey, "", b"q".to_vec()),
        (Place::Query, "q", b"running shoes for O'Brien, size 42".to_vec()),
        (Place::Query, "sort", b"price-asc".to_vec()),
        (Place::Cookie, "session", b"5f2c9a7e1b0d4c6fa1e2d3c4b5a69788".to_vec()),
    ];
    headers(&mut search);
    let mut order = vec![(Place::Path, "", b"/api/v1/orders".to_vec())];
    headers(&mut order);
    for index in 0..20 {
        order.push((Place::JsonKey, "", b"note".to_vec()));
        let note = format!("Please leave parcel {index} at the neighbour's door & ring twice (thanks!)");
        order.push((Place::Json, "note", note.into_bytes()));
    }
    let mut attack = vec![
        (Place::Path, "", b"/item".to_vec()),
        (Place::Query, "id", b"1' union select password, 2 from users where name = 'admin' -- ".to_vec()),
    ];
    headers(&mut attack);
    let article = "<p>The <b>new</b> release brings <a href=\"https://example.org/n\">many</a> changes. It's out now.</p>\n";
    let mut post = vec![(Place::Path, "", b"/articles".to_vec())];
    headers(&mut post);
    post.push((Place::Json, "content", article.repeat(40).into_bytes()));
    vec![
        ("page", page),
        ("search", search),
        ("order, JSON", order),
        ("attack", attack),
        ("article, 4 KB of HTML", post),
    ]
}

fn peer(request: &Request) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let start = Instant::now();
        for value in request.values() {
            let bytes = request.bytes(value.text);
            std::hint::black_box(libinjectionrs::detect_sqli(bytes));
            std::hint::black_box(libinjectionrs::detect_xss(bytes));
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn main() {
    let mut scratch = Scratch::default();
    let requests: Vec<(&str, Request)> =
        requests().into_iter().map(|(name, v)| (name, support::request(&v))).collect();
    println!("| request | bytes | values | Picket µs | libinjectionrs µs |\n|---|---:|---:|---:|---:|");
    for (name, request) in &requests {
        let own = support::seconds(&Catalogue::built_in(), request, &mut scratch) * 1e6;
        let bytes = request.source().len();
        println!("| {name} | {bytes} | {} | {own:.1} | {:.1} |", request.values().len(), peer(request) * 1e6);
    }
    println!(
        "\n| detector alone, µs | {} |",
        requests.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "---:|".repeat(requests.len()));
    for detector in Catalogue::built_in().iter() {
        let Some(only) = Catalogue::only(detector.name) else { continue };
        let cells =
            requests.iter().map(|(_, r)| format!("{:.1}", support::seconds(&only, r, &mut scratch) * 1e6));
        println!("| {} | {} |", detector.name, cells.collect::<Vec<_>>().join(" | "));
    }
}
