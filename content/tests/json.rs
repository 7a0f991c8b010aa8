//! The JSON scanner against serde_json for valid text, and against hand-made hostile text for the rest.

use picket_content::json::{Kind, Node, Root, Summary, Tape, scan, unescape, values};
use picket_request::{Anomaly, LocationId, Place, Request, limits};
use proptest::prelude::*;
use serde_json::Value as Json;

fn read(text: &[u8]) -> (Request, Summary) {
    let mut request = Request::new(bytes::Bytes::copy_from_slice(text));
    let span = picket_request::Span::source(0, text.len());
    let summary = values(&mut request, &mut Tape::new(), span, &Root::json(LocationId::ROOT));
    (request, summary)
}

/// Values as `location = text`, keys as `location = text (key)`.
fn listed(request: &Request) -> Vec<String> {
    let line = |value: &picket_request::Value| {
        let text = String::from_utf8_lossy(request.bytes(value.text)).into_owned();
        let key = if value.place == Place::JsonKey { " (key)" } else { "" };
        format!("{} = {text}{key}", request.render(value.location))
    };
    request.values().iter().map(line).collect()
}

fn scalars(text: &[u8]) -> Vec<String> {
    let (request, _) = read(text);
    let content = request.values().iter().filter(|value| value.place == Place::Json);
    content.map(|value| String::from_utf8_lossy(request.bytes(value.text)).into_owned()).collect()
}

#[test]
fn every_key_and_scalar_has_its_place() {
    let (request, summary) = read(br#"{"items":[{"note":"a\u0027b","n":-1.5e3},[true,null]],"":"x"}"#);
    assert!(summary.well_formed);
    let expected = [
        "items = items (key)",
        "items[0].note = note (key)",
        "items[0].note = a'b",
        "items[0].n = n (key)",
        "items[0].n = -1.5e3",
        "items[1][0] = true",
        "items[1][1] = null",
        " =  (key)",
        " = x",
    ];
    let listed: Vec<_> = listed(&request).iter().map(|line| line.replacen("event", "", 1)).collect();
    assert_eq!(listed, expected);
    let note = request.values().iter().find(|value| request.bytes(value.text) == b"a'b").unwrap();
    assert_eq!(request.bytes(note.name), b"note");
    assert_eq!(request.bytes(note.raw), br"a\u0027b");
    let in_array = request.values().iter().find(|value| request.bytes(value.text) == b"true").unwrap();
    assert_eq!(request.bytes(in_array.name), b"items", "the nearest key names elements of an array");
}

#[test]
fn broken_text_still_yields_its_strings() {
    for (why, text, expected) in [
        ("truncated in a string", r#"{"a":"1","b":"evil"#, vec!["1", "evil"]),
        ("truncated after a key", r#"{"a":"1","b""#, vec!["1"]),
        ("trailing commas", r#"{"a":["1",],}"#, vec!["1"]),
        ("single quotes", r"{'a':'x'' OR 1','b':'\'y'}", vec!["x", " OR 1", "'y"]),
        ("an unclosed single quote", r#"{"a":'x, "b":"evil"}"#, vec!["'x", "evil"]),
        ("unquoted words keep together", "{a: 1' OR '1'='1 , b: x}", vec!["1' OR '1'='1", "x"]),
        ("comments", "{/* \"c\" */\"a\":\"1\" // tail\n}", vec!["/* \"c\" */", "1", "// tail"]),
        ("an unclosed comment", "[1, /* evil]", vec!["1", "/* evil"]),
        (
            "NaN and friends",
            "[NaN,Infinity,-Infinity,+1,.5,01,0x1F]",
            vec!["NaN", "Infinity", "-Infinity", "+1", ".5", "01", "0x1F"],
        ),
        ("a byte order mark", "\u{feff}[\"1\"]", vec!["1"]),
        ("a raw control character", "[\"a\u{1}\nb\"]", vec!["a\u{1}\nb"]),
        ("a NUL after the text", "[\"a\"]\0", vec!["a", "\0"]),
        ("two texts", "{\"a\":\"1\"}\n{\"a\":\"2\"}", vec!["1", "2"]),
        ("brackets of the wrong kind", r#"{"a":["1"},"b":"2"]"#, vec!["1", "2"]),
        ("too many closing brackets", r#"]]}{"a":"1"}"#, vec!["1"]),
        ("a missing comma", r#"{"a":"1" "b":"2"}"#, vec!["1", "2"]),
        ("a missing colon", r#"{"a" "1"}"#, vec!["1"]),
        ("no JSON at all", "q=1%27&x=<script>", vec!["q=1%27&x=<script>"]),
        ("an unknown escape", r#"["\x27\q\'"]"#, vec!["'q'"]),
        ("a stray backslash", r#"[\u0027,"x"]"#, vec!["'", "x"]),
    ] {
        assert_eq!(scalars(text.as_bytes()), expected, "{why}");
        assert!(!read(text.as_bytes()).1.well_formed, "{why}");
    }
}

#[test]
fn all_duplicates_are_kept_and_said() {
    let text = br#"{"body":"first","b\u006fdy":"second","other":{"body":"third"},"body":"last"}"#;
    let mut tape = Tape::new();
    let summary = scan(text, &mut tape);
    assert!(summary.well_formed && summary.duplicate_keys);
    let root = tape.root().unwrap();
    let content = |node: Node| std::str::from_utf8(&text[tape.range(node)]).unwrap();
    assert_eq!(
        tape.member(text, root, b"body").map(content).collect::<Vec<_>>(),
        ["first", "second", "last"]
    );
    assert_eq!(tape.last(text, root, b"body").map(content), Some("last"));
    assert_eq!(tape.at(text, root, &[b"other", b"body"]).map(content), Some("third"));
    let flagged: Vec<_> = tape.members(root).map(|member| tape.is_duplicate(member.key)).collect();
    assert_eq!(flagged, [false, true, false, true]);
    let (request, _) = read(text);
    assert!(request.anomalies.contains(Anomaly::DuplicateKeys));
    assert_eq!(scalars(text), ["first", "second", "third", "last"]);
}

#[test]
fn duplicates_are_found_in_large_objects() {
    let member = |n: usize| format!("\"k{n}\":{n}");
    let many: Vec<_> = (0..5000).map(member).collect();
    let mut tape = Tape::new();
    assert!(!scan(format!("{{{}}}", many.join(",")).as_bytes(), &mut tape).duplicate_keys);
    let text = format!("{{{},{}}}", many.join(","), "\"k\\u00317\":0");
    assert!(scan(text.as_bytes(), &mut tape).duplicate_keys, "k17 stands escaped at the end");
}

#[test]
fn half_a_surrogate_pair_is_read_in_both_ways() {
    let text = br#"["<scr\ud800ipt>","\ud83d\ude00"]"#;
    assert_eq!(scalars(text), ["<scr\u{fffd}ipt>", "<script>", "😀"]);
    let summary = read(text).1;
    assert!(summary.well_formed && summary.lone_surrogates);
    assert!(!read(br#"["\ud83d\ude00"]"#).1.lone_surrogates);
}

#[test]
fn json_in_a_string_is_taken_apart_within_the_cap() {
    let mut text = r#"{"deepest":"evil"}"#.to_owned();
    for _ in 0..=limits::UNWRAPS {
        text = serde_json::json!({ "m": text }).to_string();
    }
    let (request, _) = read(text.as_bytes());
    let lines = listed(&request);
    let unwrapped = lines.iter().filter(|line| line.contains("(json)")).count();
    assert!(unwrapped >= 4, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("m(json).m(json).m(json).m(json).m = {")), "{lines:#?}");
    let (request, _) = read(br#"["{\"a\":\"b}","[not json]"]"#);
    assert_eq!(request.values().len(), 2, "what is not JSON stays a string");
}

#[test]
fn text_in_other_encodings_is_read() {
    let text = "{\"q\":\"1' OR 1\"}";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(scalars(&wide), ["1' OR 1"]);
    let (request, summary) = read(&wide);
    assert!(summary.well_formed && request.anomalies.contains(Anomaly::NotUtf8));
    assert_eq!(request.render(request.values()[1].location), "(utf-16).q");
}

#[test]
fn depth_is_capped_by_name_only() {
    let deep = 100_000;
    let text = format!("{}\"evil\"{}", "[".repeat(deep), "]".repeat(deep));
    let (request, summary) = read(text.as_bytes());
    assert_eq!(summary.depth as usize, deep);
    assert!(summary.well_formed);
    assert_eq!(scalars(text.as_bytes()), ["evil"]);
    let location = request.render(request.values()[0].location);
    assert_eq!(location.matches("[0]").count(), limits::DEPTH, "{location}");
    let text = format!("{}\"evil\"", "{\"k\":".repeat(deep));
    assert!(scalars(text.as_bytes()).iter().any(|text| text.contains("evil")));
}

#[test]
fn a_flood_is_bounded_and_hides_nothing() {
    // More tokens than fit, then an attack in the flood, then an attack after it.
    let flood = "[],".repeat(limits::JSON_TOKENS + 10);
    let text = format!(r#"{{"a":{{"b":{{"c":{{"d":[{flood}"deep\u0027evil"]}}}}}}}},"z":"late\u0027evil"}}"#);
    let mut tape = Tape::new();
    let summary = scan(text.as_bytes(), &mut tape);
    assert!(summary.truncated && tape.len() <= limits::JSON_TOKENS);
    let (request, _) = read(text.as_bytes());
    assert!(request.anomalies.contains(Anomaly::Oversize));
    let all: Vec<_> = request.values().iter().map(|value| request.bytes(value.text)).collect();
    assert!(all.contains(&b"late'evil".as_slice()), "the envelope stays readable");
    assert!(
        all.iter().any(|text| memchr::memmem::find(text, b"deep'evil").is_some()),
        "the flood is examined whole"
    );

    let text = format!("{}\"shallow\\u0027evil\"", "1,".repeat(limits::JSON_TOKENS + 10));
    let summary = scan(text.as_bytes(), &mut tape);
    assert!(summary.truncated && tape.len() <= limits::JSON_TOKENS);
    let (request, _) = read(text.as_bytes());
    assert!(request.values().len() <= limits::VALUES + limits::RESTS);
    let last = request.values().last().unwrap();
    assert!(memchr::memmem::find(request.bytes(last.text), b"shallow'evil").is_some());
}

#[test]
fn hostile_shapes_stay_linear() {
    // Each of these made a scanner quadratic once: 6 MB of it must take a moment, not minutes. There is no clock here;
    // a quadratic reading would not end within the test's patience.
    for unit in [
        "'\\", "/*", "\"\\u", "{\"a\" ", "\" ", "[", "{", "]", ",", ":", "\\", "{\"\":", "'", "#", "a ",
        "\"\":", "- ",
    ] {
        let text = unit.repeat(6_000_000 / unit.len());
        let mut tape = Tape::new();
        scan(text.as_bytes(), &mut tape);
        assert!(tape.len() <= limits::JSON_TOKENS, "{unit}");
    }
}

/// The same tree as serde_json's, as far as strings, numbers and shape go.
fn tree(tape: &Tape, text: &[u8], node: Node) -> Json {
    let content = |node| {
        let mut out = Vec::new();
        if tape.is_escaped(node) {
            unescape(&text[tape.range(node)], &mut out);
        } else {
            out.extend_from_slice(&text[tape.range(node)]);
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    match tape.kind(node) {
        Kind::Object => Json::Object(
            tape.members(node)
                .map(|member| {
                    (content(member.key), member.value.map_or(Json::Null, |value| tree(tape, text, value)))
                })
                .collect(),
        ),
        Kind::Array => tape.children(node).map(|child| tree(tape, text, child)).collect(),
        Kind::String => Json::String(content(node)),
        Kind::Number => content(node).parse::<serde_json::Number>().map_or(Json::Null, Json::Number),
        Kind::True => Json::Bool(true),
        Kind::False => Json::Bool(false),
        _ => Json::Null,
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![any::<String>(), "[a-z\"\\\\/\u{0}-\u{20}é😀]{0,80}"];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::from),
        (-1e300_f64..1e300).prop_map(Json::from),
        text.clone().prop_map(Json::String),
    ];
    leaf.prop_recursive(6, 64, 10, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..10).prop_map(Json::Array),
            prop::collection::vec((text.clone(), inner), 0..12)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// JSON text with parts knocked out of it.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6);
    let punctuation = prop::sample::select(b"{}[]\",:'\\/*# \nu1eE+-.0x".to_vec());
    (any_json(), edits, prop::collection::vec(punctuation, 0..40)).prop_map(|(json, edits, tail)| {
        let mut text = json.to_string().into_bytes();
        for (index, byte, action) in edits {
            if text.is_empty() {
                break;
            }
            let at = index.index(text.len());
            match action {
                0 => text[at] = byte,
                1 => drop(text.remove(at)),
                2 => text.insert(at, b"{}[]\",:'\\/"[usize::from(byte) % 10]),
                _ => text.truncate(at),
            }
        }
        text.extend(tail);
        text
    })
}

fn differs_by_more_than_depth_or_range(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    !text.contains("recursion limit")
        && !text.contains("out of range")
        && !text.contains("surrogate")
        && !text.contains("unexpected end of hex escape") // serde_json's words for half a pair
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_text_gives_the_same_tree(json in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&json).unwrap() } else { json.to_string() };
        let mut tape = Tape::new();
        let summary = scan(text.as_bytes(), &mut tape);
        prop_assert!(summary.well_formed, "{}", text);
        prop_assert!(!summary.duplicate_keys && !summary.truncated && !summary.not_utf8);
        // Numbers are compared after the same parser read them.
        let again: Json = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(tree(&tape, text.as_bytes(), tape.root().unwrap()), again);
    }

    #[test]
    fn well_formed_is_what_serde_json_says(text in mangled()) {
        let mut tape = Tape::new();
        let ours = scan(&text, &mut tape).well_formed;
        match serde_json::from_slice::<Json>(&text) {
            Ok(_) => prop_assert!(ours, "{}", String::from_utf8_lossy(&text)),
            Err(error) if differs_by_more_than_depth_or_range(&error) => {
                prop_assert!(!ours, "{error}: {}", String::from_utf8_lossy(&text));
            }
            Err(_) => {}
        }
    }

    #[test]
    fn hostile_bytes_never_panic_and_every_span_is_inside(text in prop_oneof![mangled(), any::<Vec<u8>>()]) {
        let mut tape = Tape::new();
        scan(&text, &mut tape);
        for root in tape.roots() {
            prop_assert!(tape.range(root).end <= text.len());
        }
        let (request, _) = read(&text);
        for value in request.values() {
            prop_assert!(value.text.len() <= text.len() * 2);
            prop_assert!(!request.render(value.location).is_empty());
        }
    }
}
