//! The body of a handler's answer as the client gets it, from the first bytes of the runtime's post: JSON escapes, base64 and compression
//! undone. It may not know what is looked for in it, nor the answer's head, which the proxy reads as it streams past.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    limits,
    members::{is_named, members},
};

/// The body, as far as the first bytes of the post tell. `payload` is where the payload of a streamed answer begins; `coding` is the
/// `Content-Encoding` that the handler gave.
///
/// An answer that is no HTTP answer is a body as a whole: a function URL and API Gateway serve it so.
#[must_use]
pub fn text<'p>(
    post: &'p [u8],
    payload: Option<u64>,
    streamed: bool,
    coding: Option<&[u8]>,
) -> Cow<'p, [u8]> {
    if streamed {
        let start = payload.and_then(|start| usize::try_from(start).ok()).unwrap_or(0);
        return inflate(Cow::Borrowed(post.get(start..).unwrap_or_default()), coding);
    }
    let start = post.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let Some((raw, encoded)) = body(post, start) else {
        return Cow::Owned(unescaped(post));
    };
    let text = unescaped(raw);
    let text = match encoded {
        Some(true) => decoded(&text).unwrap_or(text),
        // The flag stands behind what was kept. Text that is nothing but base64 is taken for it.
        None if coding.is_some() || looks_encoded(&text) => decoded(&text).unwrap_or(text),
        Some(false) | None => text,
    };
    inflate(Cow::Owned(text), coding)
}

/// The raw string of the member `body`, cut short where the text is, and whether it is base64, where that is said.
fn body(post: &[u8], start: usize) -> Option<(&[u8], Option<bool>)> {
    if post.get(start) != Some(&b'{') {
        return None;
    }
    let (mut raw, mut flag, mut http, mut end) = (None, None, false, start + 1);
    for member in members(post, start..post.len()) {
        end = member.value.end;
        if is_named(post, &member, |name| name == "body") {
            let value = post.get(member.value.clone())?;
            let string = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
            raw = Some(string.unwrap_or(value));
        } else if is_named(post, &member, |name| name == "isBase64Encoded") {
            flag = Some(post.get(member.value.clone()) == Some(b"true"));
        } else {
            http |= is_named(post, &member, |name| {
                matches!(name, "statusCode" | "headers" | "multiValueHeaders" | "cookies")
            });
        }
    }
    let rest = post.get(end..).unwrap_or_default().trim_ascii_start();
    let whole = rest.starts_with(b"}");
    if raw.is_none() && !whole {
        // The text ends within the body, which is no member yet.
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let rest = rest.strip_prefix(b"\"body\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        raw = Some(rest.strip_prefix(b"\"").unwrap_or(rest));
    }
    if raw.is_none() && http {
        raw = Some(&[]);
    }
    // Where all was seen and nothing was said, it is text.
    raw.map(|raw| (raw, flag.or(whole.then_some(false))))
}

fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    picket_content::json::unescape(raw, &mut out);
    out
}

/// Padding may be missing, and what was cut short ends anywhere.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    LENIENT.decode(text).or_else(|_| LENIENT.decode(text.get(..text.len() / 4 * 4).unwrap_or_default())).ok()
}

fn looks_encoded(text: &[u8]) -> bool {
    text.len() >= 64
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

fn inflate<'t>(text: Cow<'t, [u8]>, coding: Option<&[u8]>) -> Cow<'t, [u8]> {
    match coding.and_then(|coding| picket_content::inflated(coding, &text, limits::ANSWER_TEXT)) {
        Some(inflated) if !inflated.is_empty() => Cow::Owned(inflated),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn buffered(post: &str, coding: Option<&str>) -> String {
        String::from_utf8(text(post.as_bytes(), None, false, coding.map(str::as_bytes)).into_owned()).unwrap()
    }

    #[test]
    fn a_body_is_read_as_the_client_gets_it() {
        for (post, body) in [
            (r#"{"statusCode":200,"body":"<p>\"a\"\u003c/p\u003e"}"#, "<p>\"a\"</p>"),
            (r#" {"isBase64Encoded": true ,"body" : "PHA+aGk8L3A+", "statusCode":200}"#, "<p>hi</p>"),
            (r#"{"body":"PHA+aGk8L3A+","isBase64Encoded":false}"#, "PHA+aGk8L3A+"),
            (r#"{"body":"PHA+aGk8L3A+","statusCode":200}"#, "PHA+aGk8L3A+"),
            (r#"{"\u0062ody":"x","statusCode":200}"#, "x"),
            (r#"{"statusCode":204}"#, ""),
            (r#"{"body":{"a":"b\nc"}}"#, "{\"a\":\"b\nc\"}"),
            (r#"{"message":"a\"b"}"#, r#"{"message":"a"b"}"#),
            (r#""<b>x\/y<\/b>""#, "\"<b>x/y</b>\""),
            ("", ""),
        ] {
            assert_eq!(buffered(post, None), body, "{post}");
        }
    }

    #[test]
    fn what_was_cut_off_gives_what_is_there() {
        assert_eq!(buffered(r#"{"statusCode":200,"body":"<p>\"a"#, None), "<p>\"a");
        assert_eq!(buffered(r#"{"statusCode":200,"body":"#, None), "");
        let long = STANDARD.encode("<p>a page that was cut off</p>".repeat(10));
        let cut = format!(r#"{{"statusCode":200,"body":"{}"#, long.get(..102).unwrap());
        assert!(buffered(&cut, None).starts_with("<p>a page that was cut off</p>"));
        assert_eq!(
            buffered(r#"{"statusCode":200,"headers":{"a":"b"#, None),
            r#"{"statusCode":200,"headers":{"a":"b"#
        );
    }

    #[test]
    fn compression_is_undone_as_far_as_it_goes() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&b"<p>secret</p>".repeat(100_000)).unwrap();
        let packed = encoder.finish().unwrap();
        let post = format!(r#"{{"isBase64Encoded":true,"body":"{}"}}"#, STANDARD.encode(&packed));
        let out = buffered(&post, Some("gzip"));
        assert!(out.starts_with("<p>secret</p>") && out.len() == limits::ANSWER_TEXT);
        let cut = &post.as_bytes()[..post.len() / 2];
        assert!(text(cut, None, false, Some(b"gzip")).starts_with(b"<p>secret</p>"));
        // A body that is not what its head says is shown as it is.
        assert_eq!(buffered(r#"{"body":"plain","statusCode":200}"#, Some("gzip")), "plain");
        assert_eq!(buffered(r#"{"body":"plain","statusCode":200}"#, Some("rot13")), "plain");
    }

    #[test]
    fn a_stream_begins_behind_its_prelude() {
        let post = b"{\"statusCode\":200}\0\0\0\0\0\0\0\0<p>\\n</p>";
        assert_eq!(text(post, Some(26), true, None).as_ref(), b"<p>\\n</p>");
        assert_eq!(text(b"plain", None, true, None).as_ref(), b"plain");
        assert_eq!(text(b"plain", Some(900), true, None).as_ref(), b"");
    }
}
