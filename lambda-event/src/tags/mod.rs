//! Headers for the handler, spliced into the original bytes of an event: what was decided about it, under which request id, and which
//! signals it carries. Headers of those names that came with the event are taken out, in whatever letters and escapes they are written, so
//! that a handler can believe what it reads.
//!
//! Nothing else of the event changes, not by a byte: it is cut and spliced, never parsed and written again. It may not know what the words
//! in the headers mean.

use std::ops::Range;

use crate::{
    limits,
    members::{is_named, members},
};

/// What the handler is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags<'t> {
    /// `allow`, `would_block`, or what else the caller calls a verdict.
    pub verdict: &'t str,
    /// The id that stands in the log.
    pub request_id: &'t str,
    /// Ids of signals. What does not fit into [`SIGNALS_BYTES`] is left out.
    pub signals: &'t [&'t str],
}

/// The header that names the verdict.
pub const VERDICT: &str = "x-picket-verdict";
/// The header that names the request id.
pub const REQUEST_ID: &str = "x-picket-request-id";
/// The header that lists signals, separated by commas; it is left out where there are none.
pub const SIGNALS: &str = "x-picket-signals";
/// Bytes that the list of signals may have.
pub const SIGNALS_BYTES: usize = 1024;

/// How a header map holds its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// One string each.
    Single,
    /// A list of strings each.
    Multi,
}

/// A header map: names that lead to it from the event, or from each element where the event is a list.
type Map = (&'static [&'static str], Style);

/// The header maps of each source. A source that is not here has no headers to carry tags.
const MAPS: &[(&str, &[Map])] = &[
    ("http-v2", &[(&["headers"], Style::Single)]),
    ("function-url", &[(&["headers"], Style::Single)]),
    ("rest-v1", BOTH),
    ("alb", BOTH),
    ("websocket", BOTH),
    ("authorizer-request-v1", BOTH),
    ("authorizer-request-v2", &[(&["headers"], Style::Single)]),
    ("lattice-v1", &[(&["headers"], Style::Single)]),
    ("lattice-v2", &[(&["headers"], Style::Multi), (&["multiValueHeaders"], Style::Multi)]),
    ("appsync-resolver", &[(&["request", "headers"], Style::Single)]),
    ("appsync-batch", &[(&["request", "headers"], Style::Single)]),
    ("appsync-authorizer", &[(&["requestHeaders"], Style::Single)]),
];

const BOTH: &[Map] = &[(&["headers"], Style::Single), (&["multiValueHeaders"], Style::Multi)];

/// Whether events of a source have header maps.
#[must_use]
pub fn can_tag(source: &str) -> bool {
    MAPS.iter().any(|(name, _)| *name == source)
}

/// The event with `tags` in its header maps, or without any where there are none, and without inbound copies. `None` where that is the event
/// as it came: it has no header map, or there is nothing to take out and nothing to put in.
#[must_use]
pub fn tag(source: &str, event: &[u8], tags: Option<&Tags<'_>>) -> Option<Vec<u8>> {
    let (_, maps) = MAPS.iter().find(|(name, _)| *name == source)?;
    let mut cuts = Vec::new();
    let mut tagged = 0;
    for root in roots(event) {
        for (path, style) in *maps {
            for map in objects(event, root.clone(), path) {
                // A map that stands once more and once more is stripped each time, but must not make the event grow with it.
                let tags = tags.filter(|_| tagged < limits::TAGGED_MAPS);
                tagged += 1;
                splice(event, map, *style, tags, &mut cuts);
            }
        }
    }
    if cuts.is_empty() {
        return None;
    }
    cuts.sort_by_key(|cut| (cut.range.start, cut.range.end));
    let grown: usize = cuts.iter().map(|cut| cut.insert.len()).sum();
    let mut out = Vec::with_capacity(event.len() + grown);
    let mut at = 0;
    for cut in &cuts {
        out.extend_from_slice(event.get(at..cut.range.start)?);
        out.extend_from_slice(cut.insert.as_bytes());
        at = cut.range.end;
    }
    out.extend_from_slice(event.get(at..)?);
    Some(out)
}

/// A range of the event that gives way to a text.
struct Cut {
    range: Range<usize>,
    insert: String,
}

/// The event, or the elements of an event that is a list. Where the event breaks off, so does what is read of it.
fn roots(event: &[u8]) -> Vec<Range<usize>> {
    let start = event.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let whole = start..event.len();
    match event.get(start) {
        Some(b'[') => members(event, whole).map(|member| member.value).take(limits::BATCH).collect(),
        Some(b'{') => vec![whole],
        _ => Vec::new(),
    }
}

/// The objects that a path leads to; of a name that stands more than once, all, because runtimes differ in which they take.
fn objects(event: &[u8], root: Range<usize>, path: &[&str]) -> Vec<Range<usize>> {
    let mut found = vec![root];
    for name in path {
        found = found
            .into_iter()
            .filter(|range| is_object(event, range))
            .flat_map(|range| members(event, range))
            .filter(|member| is_named(event, member, |key| key == *name))
            .map(|member| member.value)
            .collect();
    }
    found.retain(|range| is_object(event, range));
    found
}

fn is_object(event: &[u8], range: &Range<usize>) -> bool {
    event.get(range.start) == Some(&b'{')
}

/// Whether a header would reach the handler under one of our names. Servers that hand headers on as variables (CGI, WSGI, Rack) make no
/// difference between `-` and `_`, nor do some between a name and the same name with white space around it.
fn is_ours(name: &str) -> bool {
    let name = name.trim();
    // A name that is much longer is none of ours in any spelling.
    if name.len() > 2 * REQUEST_ID.len() {
        return false;
    }
    let folded = name.chars().flat_map(char::to_lowercase).map(|character| match character {
        '_' => '-',
        // Their capitals are I and S, so a handler that compares capitals sees our names.
        'ı' => 'i',
        'ſ' => 's',
        other => other,
    });
    let folded: String = folded.collect();
    [VERDICT, REQUEST_ID, SIGNALS].into_iter().any(|ours| folded == ours)
}

/// What one header map gives way to.
fn splice(event: &[u8], map: Range<usize>, style: Style, tags: Option<&Tags<'_>>, cuts: &mut Vec<Cut>) {
    let inside = map.start + 1;
    let mut kept_before = None;
    let mut cut_from = None;
    let mut any_kept = false;
    for member in members(event, map) {
        let start = member.key.start.saturating_sub(1);
        if is_named(event, &member, is_ours) {
            cut_from.get_or_insert(start);
            // Stands until a kept member follows: then the comma goes with what is cut, else with what stands before.
            continue_cut(cuts, &mut cut_from, kept_before, member.value.end);
        } else {
            if let Some(from) = cut_from.take() {
                reach(cuts, from, start);
            }
            kept_before = Some(member.value.end);
            any_kept = true;
        }
    }
    if let Some(tags) = tags {
        let insert = written(tags, style, any_kept);
        cuts.push(Cut { range: inside..inside, insert });
    }
}

/// Cuts, for now, from what stands before to the end of a member of ours.
fn continue_cut(cuts: &mut Vec<Cut>, from: &mut Option<usize>, kept_before: Option<usize>, end: usize) {
    let Some(first) = *from else { return };
    let start = kept_before.unwrap_or(first);
    match cuts.last_mut() {
        Some(cut) if cut.insert.is_empty() && cut.range.start == start => cut.range.end = end,
        _ => cuts.push(Cut { range: start..end, insert: String::new() }),
    }
}

/// A member that is kept follows: the cut reaches from the first member of ours to it, so that the comma before stays.
fn reach(cuts: &mut [Cut], from: usize, to: usize) {
    if let Some(cut) = cuts.last_mut() {
        cut.range = from..to;
    }
}

/// The members of ours as JSON, with a comma behind them where others follow.
fn written(tags: &Tags<'_>, style: Style, others_follow: bool) -> String {
    let mut out = String::new();
    let mut member = |name: &str, value: &str| {
        // A string of ours always has a JSON form.
        let value = serde_json::to_string(value).unwrap_or_else(|_| "\"\"".to_owned());
        let separator = if out.is_empty() { "" } else { "," };
        match style {
            Style::Single => out.push_str(&format!("{separator}\"{name}\":{value}")),
            Style::Multi => out.push_str(&format!("{separator}\"{name}\":[{value}]")),
        }
    };
    member(VERDICT, tags.verdict);
    member(REQUEST_ID, tags.request_id);
    let mut list = String::new();
    for signal in tags.signals {
        if list.len() + signal.len() + 1 > SIGNALS_BYTES {
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        // A header's value has no room for anything else.
        list.extend(signal.chars().filter(char::is_ascii_graphic));
    }
    if !list.is_empty() {
        member(SIGNALS, &list);
    }
    if others_follow {
        out.push(',');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: Tags<'_> = Tags { verdict: "allow", request_id: "r-1", signals: &["SQLI", "site.odd"] };
    const WRITTEN: &str =
        r#""x-picket-verdict":"allow","x-picket-request-id":"r-1","x-picket-signals":"SQLI,site.odd""#;

    fn tagged(source: &str, event: &str, tags: Option<&Tags<'_>>) -> Option<String> {
        tag(source, event.as_bytes(), tags).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn headers_are_put_in_and_nothing_else_changes() {
        let event = "{ \"rawPath\" : \"/\",\n\"headers\":{ \"a\":\"\\u0062\" , \"c\" :\"d\" }, \"isBase64Encoded\" :false}\n";
        let expected = event.replace("\"headers\":{", &format!("\"headers\":{{{WRITTEN},"));
        assert_eq!(tagged("http-v2", event, Some(&TAGS)), Some(expected));
        assert_eq!(
            tagged("http-v2", r#"{"headers":{ }}"#, Some(&TAGS)),
            Some(format!(r#"{{"headers":{{{WRITTEN} }}}}"#))
        );
    }

    #[test]
    fn both_maps_carry_them_each_in_its_form() {
        let event = r#"{"headers":{"a":"b"},"multiValueHeaders":{"a":["b"]}}"#;
        let multi = r#""x-picket-verdict":["allow"],"x-picket-request-id":["r-1"],"x-picket-signals":["SQLI,site.odd"]"#;
        let expected =
            format!(r#"{{"headers":{{{WRITTEN},"a":"b"}},"multiValueHeaders":{{{multi},"a":["b"]}}}}"#);
        assert_eq!(tagged("rest-v1", event, Some(&TAGS)), Some(expected));
    }

    #[test]
    fn inbound_copies_go_wherever_they_stand_and_however_they_are_written() {
        let forged = [
            r#""x-picket-verdict":"allow""#,
            r#""X-Picket-Verdict" : [ "allow", {"}":"{"} ]"#,
            r#""x_picket_verdict":null"#,
            r#""\u0078-picket-signals":"a,\"b\"""#,
            r#"" x-picket-request-id ":1"#,
            "\"x-pic\u{212a}et-\u{17f}\u{131}gnals\":1",
        ];
        for forged in forged {
            for (event, expected) in [
                (format!(r#"{{"headers":{{{forged}}}}}"#), r#"{"headers":{}}"#),
                (format!(r#"{{"headers":{{{forged}, "a":"b"}}}}"#), r#"{"headers":{"a":"b"}}"#),
                (format!(r#"{{"headers":{{"a":"b" , {forged}}}}}"#), r#"{"headers":{"a":"b"}}"#),
                (
                    format!(r#"{{"headers":{{"a":"b",{forged},"c":"d"}}}}"#),
                    r#"{"headers":{"a":"b","c":"d"}}"#,
                ),
                (
                    format!(r#"{{"headers":{{{forged},{forged},"c":"d",{forged} , {forged}}}}}"#),
                    r#"{"headers":{"c":"d"}}"#,
                ),
                (
                    format!(r#"{{"headers":{{"a":"b",{forged}}},"headers":{{{forged},"c":"d"}}}}"#),
                    r#"{"headers":{"a":"b"},"headers":{"c":"d"}}"#,
                ),
            ] {
                assert_eq!(tagged("http-v2", &event, None).as_deref(), Some(expected), "{event}");
                let both = tagged("http-v2", &event, Some(&TAGS)).unwrap();
                let value: serde_json::Value = serde_json::from_str(&both).unwrap();
                assert_eq!(value["headers"][VERDICT], "allow", "{both}");
                assert_eq!(
                    both.matches("x-picket-verdict").count(),
                    expected.matches("headers").count(),
                    "{both}"
                );
            }
        }
    }

    #[test]
    fn what_has_no_header_map_stays_as_it_came() {
        for (source, event) in [
            ("http-v2", r#"{"body":"{\"headers\":{}}"}"#),
            ("http-v2", r#"{"headers":null}"#),
            ("http-v2", r#"{"headers":"x"}"#),
            ("http-v2", ""),
            ("http-v2", "[]"),
            ("unknown", r#"{"headers":{}}"#),
            ("authorizer-token", r#"{"headers":{}}"#),
        ] {
            assert_eq!(tagged(source, event, Some(&TAGS)), None, "{event}");
        }
        assert_eq!(tagged("http-v2", r#"{"headers":{"a":"x-picket-verdict"}}"#, None), None);
    }

    #[test]
    fn every_element_of_a_batch_carries_them() {
        let event = r#"[{"request":{"headers":{"a":"b"}}},{"request":{"headers":{}}}]"#;
        let expected = format!(
            r#"[{{"request":{{"headers":{{{WRITTEN},"a":"b"}}}}}},{{"request":{{"headers":{{{WRITTEN}}}}}}}]"#
        );
        assert_eq!(tagged("appsync-batch", event, Some(&TAGS)), Some(expected));
    }

    #[test]
    fn lists_are_bounded_and_fit_into_a_header() {
        let many: Vec<String> = (0..1000).map(|number| format!("site.s\n{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let out = written(&Tags { signals: &many, ..TAGS }, Style::Single, false);
        assert!(out.len() < SIGNALS_BYTES + 200 && !out.contains("\\n"), "{out}");
        assert!(!written(&Tags { signals: &[], ..TAGS }, Style::Single, false).contains(SIGNALS));
    }

    #[test]
    fn every_source_has_its_maps_or_no_headers() {
        let without = ["authorizer-token", "unknown"];
        for name in crate::source_names() {
            assert_eq!(can_tag(name), !without.contains(&name), "{name}");
        }
    }

    /// A forged header behind more members than any reader keeps is found all the same.
    #[test]
    fn no_cap_hides_a_forged_header() {
        let padding = r#""p":"q","#.repeat(200_000);
        let event = format!(r#"{{{padding}"headers":{{{padding}"X-Picket-Verdict":"allow"}}}}"#);
        let out = tagged("http-v2", &event, None).unwrap();
        assert!(!out.contains("icket"));
    }
}
