//! Hostile inputs of growing size: nanoseconds per byte for each size, and the slope of time over size in a log-log plot.
//! A slope of 1 is linear time. `cargo bench -p picket-detection --bench hostile`; with `-- each` every detector is run
//! alone and those are printed that are steeper than linear; with `-- NAME` one detector alone.

mod support;

use picket_detection::{Catalogue, Scratch};
use picket_request::{Place, Request};

const SIZES: [usize; 4] = [2 * 1024, 8 * 1024, 32 * 1024, 128 * 1024];
/// Steeper than this is not linear, with room for what the clock and the caches do.
const STEEP: f64 = 1.25;

struct Hostile {
    name: &'static str,
    make: fn(usize) -> Vec<u8>,
}

fn repeat(text: &str, size: usize) -> Vec<u8> {
    text.bytes().cycle().take(size).collect()
}

fn nested(open: &str, inner: &str, close: &str, size: usize) -> Vec<u8> {
    let depth = size / (open.len() + close.len());
    [open.repeat(depth), inner.to_owned(), close.repeat(depth)].concat().into_bytes()
}

fn base64(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for group in text.chunks_exact(3) {
        let bits = group.iter().fold(0_u32, |bits, &b| bits << 8 | u32::from(b));
        out.extend([18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift) as usize & 63]));
    }
    out
}

macro_rules! repeated {
    ($($name:literal: $text:literal,)+) => {
        &[$(Hostile { name: $name, make: |size| repeat($text, size) },)+]
    };
}

const REPEATED: &[Hostile] = repeated! {
    "one long word": "a",
    "digits": "7",
    "spaces": " ",
    "line ends": "\n",
    "NUL bytes": "\0",
    "pluses and letters": "+A",
    "pluses": "+",
    "single quotes": "'",
    "double quotes": "\"",
    "backticks": "`",
    "mixed quotes": "'\"`",
    "quoted words": "' or '",
    "parentheses open": "(",
    "brackets open": "[",
    "braces open": "{",
    "double braces": "{{",
    "angles": "<",
    "tags": "<a ",
    "closed tags": "</a>",
    "attributes": "<a x=y ",
    "event handlers": "<b onx=",
    "HTML comments open": "<!--",
    "declarations": "<!ENTITY a ",
    "script URLs": "javascript:",
    "SQL comments open": "/*",
    "SQL comments": "/**/",
    "line comments": "--x\n",
    "hashes": "#",
    "semicolons": ";",
    "pipes": "|a",
    "commas": "1,",
    "operators": "1+",
    "comparisons": "1=1 or ",
    "selects": "select ",
    "unions": "union select ",
    "calls open": "concat(",
    "cases": "case when ",
    "substitutions open": "$(",
    "lookups open": "${",
    "nested lookups": "${a:-",
    "shell words": ";ls -la ",
    "globs": "/?*",
    "backslashes": "\\",
    "escapes": "\\u0027",
    "octal": "\\047",
    "percent signs": "%",
    "percent of percent": "%25",
    "percent quotes": "%27",
    "unicode percent": "%u0027",
    "ampersands": "&",
    "entities": "&lt;",
    "entities of entities": "&amp;",
    "numeric entities": "&#39",
    "climbing": "../",
    "climbing, encoded": "%2e%2e%2f",
    "URLs": "http://a/?b=",
    "addresses": "http://127.0.0.1/",
    "parameters in a URL": "/?a=%41&",
    "JSON keys": "{\"a\":",
    "JSON strings": "[\"'a'\",",
    "serialised objects": "O:1:\"a\":1:{",
    "magic": "rO0AB",
    "UTF-7": "+ADw-",
    "plus": "a+'b'+",
    "full width": "\u{ff07}",
    "zero width": "a\u{200b}",
    "dollars": "$ne",
    "filters": "(&(a=*)",
    "prototypes": "__proto__.",
    "includes": "<!--#exec ",
    "header lines": "\r\nSet-Cookie: a=b",
    "function imports": "() { :; }; ",
    "words": "select the users from our list where it is fine ",
};

const MADE: &[Hostile] = &[
    Hostile { name: "balanced parentheses", make: |size| nested("(", "1", ")", size) },
    Hostile { name: "balanced selects", make: |size| nested("(select ", "1", ")", size) },
    Hostile { name: "balanced braces", make: |size| nested("{{", "7*7", "}}", size) },
    Hostile { name: "balanced JSON", make: |size| nested("{\"a\":", "1", "}", size) },
    Hostile {
        name: "layers of percent",
        make: |size| [b"%".to_vec(), repeat("25", size), b"27".to_vec()].concat(),
    },
    Hostile {
        name: "layers of entities",
        make: |size| [b"&".to_vec(), repeat("amp;", size), b"lt;".to_vec()].concat(),
    },
    Hostile {
        name: "base64 of base64",
        make: |size| {
            let mut text = repeat("' or 1=1 -- ", size / 4);
            while text.len() * 4 / 3 <= size {
                text = base64(&text);
            }
            text
        },
    },
    Hostile {
        name: "base64 of many encodings",
        make: |size| base64(&repeat("%2527&lt;\\u0027' ", size * 3 / 4)),
    },
    Hostile { name: "broken UTF-8", make: |size| vec![0xc0; size] },
];

const PLACES: &[(&str, Place)] =
    &[("query", Place::Query), ("path", Place::Path), ("json", Place::Json), ("body", Place::Body)];

fn one(hostile: &Hostile, place: Place, size: usize) -> Request {
    support::request(&[(place, "q", (hostile.make)(size))])
}

/// Nanoseconds per byte for each size, and the slope between the first and the last.
fn measure(catalogue: &Catalogue, make: impl Fn(usize) -> Request, scratch: &mut Scratch) -> ([f64; 4], f64) {
    let times = SIZES.map(|size| support::seconds(catalogue, &make(size), scratch));
    let slope = (times[3] / times[1]).ln() / (SIZES[3] as f64 / SIZES[1] as f64).ln();
    let mut per_byte = [0.0; 4];
    for ((per, time), size) in per_byte.iter_mut().zip(times).zip(SIZES) {
        *per = time * 1e9 / size as f64;
    }
    (per_byte, slope)
}

fn line(name: &str, place: &str, (per_byte, slope): ([f64; 4], f64)) {
    let cells: Vec<String> = per_byte.iter().map(|ns| format!("{ns:.1}")).collect();
    let mark = if slope > STEEP { " steep" } else { "" };
    println!("| {name} | {place} | {} | {slope:.2}{mark} |", cells.join(" | "));
}

fn main() {
    let mut scratch = Scratch::default();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let all = || REPEATED.iter().chain(MADE);
    if arguments.iter().any(|argument| argument == "each") {
        println!(
            "| detector: input | place | ns/byte at 2 KB | 8 KB | 32 KB | 128 KB | slope |\n|---|---|---:|---:|---:|---:|---:|"
        );
        for detector in Catalogue::built_in().iter() {
            let Some(only) = Catalogue::only(detector.name) else { continue };
            for hostile in all() {
                let measured = measure(&only, |size| one(hostile, Place::Query, size), &mut scratch);
                if measured.1 > STEEP {
                    line(&format!("{}: {}", detector.name, hostile.name), "query", measured);
                }
            }
        }
        return;
    }
    let catalogue =
        arguments.iter().find_map(|name| Catalogue::only(name)).unwrap_or_else(Catalogue::built_in);
    println!(
        "| input | place | ns/byte at 2 KB | 8 KB | 32 KB | 128 KB | slope |\n|---|---|---:|---:|---:|---:|---:|"
    );
    for hostile in all() {
        for (name, place) in PLACES.iter().take(if arguments.is_empty() { 1 } else { PLACES.len() }) {
            line(hostile.name, name, measure(&catalogue, |size| one(hostile, *place, size), &mut scratch));
        }
    }
    for text in ["a%27b", "'or 1=1", "PHNjcmlwdD5hbGVydCgx", "plain"] {
        let many = |size: usize| {
            let values: Vec<_> =
                (0..size / 8).map(|_| (Place::Query, "q", text.as_bytes().to_vec())).collect();
            support::request(&values)
        };
        line(&format!("many parameters: {text}"), "query", measure(&catalogue, many, &mut scratch));
    }
}
