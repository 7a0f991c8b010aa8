//! Tags for the handler in the events of all sources: they are there, they replace what was forged, and no other byte changes.
#![expect(clippy::string_slice, reason = "a test that cannot go on has failed")]

mod common;

use std::{fs, path::Path};

use common::Fixture;
use picket_lambda_event::tags::{self, Tags};
use proptest::prelude::*;
use serde_json::Value;

const TAGS: Tags<'_> = Tags { verdict: "would_block", request_id: "r-17", signals: &["SQLI", "site.Odd"] };
const SINGLE: &str =
    r#""x-picket-verdict":"would_block","x-picket-request-id":"r-17","x-picket-signals":"SQLI,site.Odd""#;
const MULTI: &str = r#""x-picket-verdict":["would_block"],"x-picket-request-id":["r-17"],"x-picket-signals":["SQLI,site.Odd"]"#;

/// Takes out what was put in, by its text alone.
fn without_tags(text: &str) -> String {
    let mut text = text.to_owned();
    for written in [SINGLE, MULTI] {
        text = text.replace(&format!("{written},"), "").replace(written, "");
    }
    text
}

#[test]
fn events_of_all_sources_carry_tags_and_change_in_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut tagged_sources = std::collections::BTreeSet::new();
    for source in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(source.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let fixture = Fixture::load(&path);
            let event = fixture.bytes();
            let (_, envelope) = fixture.read();
            assert_eq!(
                tags::tag(envelope.source(), &event, None),
                None,
                "{}: nothing was forged",
                path.display()
            );
            let Some(tagged) = tags::tag(envelope.source(), &event, Some(&TAGS)) else {
                let text = String::from_utf8_lossy(&event).into_owned();
                let has_map = text.contains("eaders\":{") || text.contains("eaders\": {");
                assert!(!tags::can_tag(envelope.source()) || !has_map, "{}", path.display());
                continue;
            };
            tagged_sources.insert(envelope.source());
            let (tagged, event) =
                (String::from_utf8(tagged).unwrap(), String::from_utf8(event.to_vec()).unwrap());
            assert!(tagged.contains(SINGLE) || tagged.contains(MULTI), "{}", path.display());
            assert_eq!(without_tags(&tagged), event, "{}", path.display());
            if serde_json::from_str::<Value>(&event).is_ok() {
                serde_json::from_str::<Value>(&tagged)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
            // Put in over its own output, nothing stands twice.
            let again = tags::tag(envelope.source(), tagged.as_bytes(), Some(&TAGS)).unwrap();
            let count = |text: &str| text.matches("x-picket-verdict").count();
            assert_eq!(count(&String::from_utf8(again).unwrap()), count(&tagged), "{}", path.display());
        }
    }
    let expected: std::collections::BTreeSet<_> =
        picket_lambda_event::source_names().filter(|name| tags::can_tag(name)).collect();
    assert_eq!(tagged_sources, expected, "each source that can carry tags has a fixture that does");
}

/// A member of a header map: its text, and whether it is forged.
fn member() -> impl Strategy<Value = (String, bool)> {
    let blank = prop_oneof![Just(""), Just(" "), Just("\n\t")];
    let kept = ("[a-w][a-z0-9-]{0,12}", "[ -~&&[^\"\\\\]]{0,20}")
        .prop_map(|(name, value)| (format!("\"{name}\":\"{value}\""), false));
    let odd = prop_oneof![
        Just(("\"a\\u0062\\\"}\":[1,{\"}\":\"]\"}]".to_owned(), false)),
        Just(("\"x-picket\":\"no header of ours\"".to_owned(), false)),
        Just(("\"é\":null".to_owned(), false)),
    ];
    let forged = prop_oneof![
        Just("\"x-picket-verdict\":\"allow\""),
        Just("\"X-PICKET-SIGNALS\" : {\"a\":[\"}\"]}"),
        Just("\"x_picket-request_id\":\"\\\"\""),
        Just("\"x-picket-\\u0076erdict\":true"),
    ];
    let any = prop_oneof![4 => kept, 1 => odd, 2 => forged.prop_map(|text| (text.to_owned(), true))];
    (blank.clone(), any, blank)
        .prop_map(|(before, (text, forged), after)| (format!("{before}{text}{after}"), forged))
}

proptest! {
    #[test]
    fn only_forged_members_and_their_commas_go(
        members in prop::collection::vec(member(), 0..8),
        before in "[ -~&&[^\"\\\\]]{0,30}",
        after in "[ -~&&[^\"\\\\]]{0,30}",
    ) {
        let map = members.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
        let (head, tail) = (format!("{{\"rawPath\":\"{before}\", \"headers\" : {{"), format!("}} ,\"body\":\"{after}\"}}"));
        let event = format!("{head}{map}{tail}");
        let forged = members.iter().any(|(_, forged)| *forged);
        let stripped = tags::tag("http-v2", event.as_bytes(), None).map(|bytes| String::from_utf8(bytes).unwrap());
        prop_assert_eq!(stripped.is_some(), forged);
        let stripped = stripped.unwrap_or_else(|| event.clone());
        prop_assert!(stripped.starts_with(&head) && stripped.ends_with(&tail));
        let left = &stripped[head.len()..stripped.len() - tail.len()];
        // What is left are the kept members, in order and as they were written, but for the blanks and commas between them.
        let mut rest = left;
        for (text, _) in members.iter().filter(|(_, forged)| !forged) {
            let at = rest.find(text.trim());
            prop_assert!(at.is_some(), "{} lost {}", left, text);
            prop_assert!(rest[..at.unwrap()].trim_matches([',', ' ', '\n', '\t']).is_empty(), "{left}");
            rest = &rest[at.unwrap() + text.trim().len()..];
        }
        prop_assert!(rest.trim().is_empty(), "{left}");
        prop_assert!(serde_json::from_str::<Value>(&stripped).is_ok(), "{stripped}");
        let tagged = String::from_utf8(tags::tag("http-v2", event.as_bytes(), Some(&TAGS)).unwrap()).unwrap();
        prop_assert_eq!(without_tags(&tagged), stripped);
        prop_assert!(serde_json::from_str::<Value>(&tagged).is_ok(), "{tagged}");
    }

    #[test]
    fn nothing_panics_on_any_bytes(event in prop::collection::vec(any::<u8>(), 0..200)) {
        for source in picket_lambda_event::source_names() {
            drop(tags::tag(source, &event, Some(&TAGS)));
        }
    }

    #[test]
    fn nothing_panics_on_broken_events(cut in 0_usize..120, byte in any::<u8>(), at in 0_usize..120) {
        let mut event = br#"{"request":{"headers":{"a":"b","x-picket-verdict":["x"],"c":1}},"headers":{"X-Picket-Signals":"\"" }}"#.to_vec();
        if let Some(place) = event.get_mut(at) {
            *place = byte;
        }
        event.truncate(cut);
        for source in picket_lambda_event::source_names() {
            drop(tags::tag(source, &event, Some(&TAGS)));
        }
    }
}
