//! Throughput of the JSON scanner: long strings, structure, and the walk to values.

use divan::{Bencher, counter::BytesCount};
use picket_content::json::{Root, Tape, scan, values};
use picket_request::{LocationId, Request, Span};

fn main() {
    divan::main();
}

const SHAPES: &[&str] = &["one long string", "records", "numbers"];

fn text(shape: &str) -> String {
    match shape {
        "one long string" => format!("{{\"body\":\"{}\"}}", "all work and no play ".repeat(50_000)),
        "records" => {
            let record = |n: usize| {
                format!(
                    r#"{{"id":{n},"name":"Ada Lovelace","mail":"ada@example.org","tags":["a","b"],"ok":true}}"#
                )
            };
            format!("[{}]", (0..2_000).map(record).collect::<Vec<_>>().join(","))
        }
        _ => format!("[{}]", (0..50_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",")),
    }
}

#[divan::bench(args = SHAPES)]
fn tape(bencher: Bencher<'_, '_>, shape: &str) {
    let text = text(shape);
    let mut tape = Tape::new();
    bencher
        .counter(BytesCount::of_str(&text))
        .bench_local(|| scan(divan::black_box(text.as_bytes()), &mut tape));
}

#[divan::bench(args = SHAPES)]
fn walk(bencher: Bencher<'_, '_>, shape: &str) {
    let text = bytes::Bytes::from(text(shape));
    let mut tape = Tape::new();
    let mut request = Request::default();
    bencher.counter(BytesCount::new(text.len())).bench_local(|| {
        request.reset(text.clone());
        values(&mut request, &mut tape, Span::source(0, text.len()), &Root::json(LocationId::ROOT))
    });
}
