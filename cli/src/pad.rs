//! Wraps the attacks of requests in harmless text, to see whether that hides them. It changes the values that a finding names, in the
//! query, in a form and in JSON, and may not know detectors or decoders.

use picket_detection::{Outcome, Tier};
use picket_request::Request;

use crate::corpus::Recorded;

/// What is put around an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Padding {
    /// 8 KB of one letter, glued to its front.
    Junk,
    /// 8 KB of letters and digits without an order, glued to its front.
    JunkMixed,
    /// 8 KB of short words in front.
    JunkWords,
    /// A parameter of 8 KB in front of the others.
    JunkParameter,
    /// 10,000 parameters, half of them in front of the others and half behind.
    Parameters,
    /// 2 KB of sentences in front.
    ProseBefore,
    /// 2 KB of sentences behind.
    ProseAfter,
    /// A Markdown fence around it.
    Fence,
    /// A `<pre>` element around it.
    Pre,
}

const PROSE: &str = "The garden behind the house was quiet in the morning, and most of the neighbours had gone to the market. \
    We had a long breakfast on the terrace, talked about the journey, and decided to stay for another week. ";

impl Padding {
    fn before(self) -> String {
        match self {
            Self::Junk => "a".repeat(8192),
            Self::JunkMixed => {
                let mut state = 7_u64;
                let mut next = || {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    char::from(
                        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            [(state >> 33) as usize % 62],
                    )
                };
                (0..8192).map(|_| next()).collect()
            }
            Self::JunkWords => "xq vw ".repeat(1366),
            Self::ProseBefore => PROSE.repeat(2048 / PROSE.len() + 1),
            Self::Fence => "```\n".to_owned(),
            Self::Pre => "<pre>".to_owned(),
            Self::JunkParameter | Self::Parameters | Self::ProseAfter => String::new(),
        }
    }

    fn after(self) -> String {
        match self {
            Self::ProseAfter => format!(" {}", PROSE.repeat(2048 / PROSE.len() + 1)),
            Self::Fence => "\n```".to_owned(),
            Self::Pre => "</pre>".to_owned(),
            _ => String::new(),
        }
    }

    /// The request with its attacks wrapped; `None` where they stand in no value that can be padded.
    pub(crate) fn wrap(self, recorded: &Recorded, request: &Request, outcome: &Outcome) -> Option<Recorded> {
        let certain = outcome.findings.iter().filter(|finding| finding.tier == Tier::Certain);
        let attacks: Vec<&[u8]> = certain
            .filter_map(|finding| request.values().get(finding.value as usize))
            .map(|value| request.bytes(value.text))
            .collect();
        let mut wrapped = recorded.clone();
        let header = |name: &[u8]| {
            let found = recorded.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
        };
        let kind = header(b"content-type");
        let has = |word: &[u8]| kind.windows(word.len()).any(|window| window == word);
        let mut changed = self.pairs(&mut wrapped.query, &attacks);
        if has(b"urlencoded") {
            changed |= self.pairs(&mut wrapped.body, &attacks);
        } else if has(b"json")
            && !matches!(self, Self::JunkParameter | Self::Parameters)
            && let Ok(mut json) = serde_json::from_slice(&recorded.body)
            && self.json(&mut json, &attacks)
        {
            wrapped.body = json.to_string().into_bytes();
            changed = true;
        }
        let length = wrapped.body.len().to_string().into_bytes();
        for (name, value) in &mut wrapped.headers {
            if name.eq_ignore_ascii_case(b"content-length") {
                value.clone_from(&length);
            }
        }
        changed.then_some(wrapped)
    }

    fn pairs(self, text: &mut Vec<u8>, attacks: &[&[u8]]) -> bool {
        let encode = |text: &str| -> Vec<u8> {
            let mut out = Vec::new();
            for byte in text.bytes() {
                match byte {
                    b' ' => out.push(b'+'),
                    _ if byte.is_ascii_alphanumeric() => out.push(byte),
                    _ => out.extend(format!("%{byte:02X}").bytes()),
                }
            }
            out
        };
        let (before, after) = (encode(&self.before()), encode(&self.after()));
        let mut changed = false;
        let mut out = Vec::with_capacity(text.len() + before.len() + after.len());
        for (index, pair) in text.split(|&b| b == b'&').enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            let equals = pair.iter().position(|&b| b == b'=').map_or(0, |at| at + 1);
            let (name, value) = pair.split_at(equals);
            let hit = equals > 0 && attacks.contains(&decode(value).as_slice());
            changed |= hit;
            out.extend_from_slice(name);
            if hit {
                out.extend_from_slice(&before);
            }
            out.extend_from_slice(value);
            if hit {
                out.extend_from_slice(&after);
            }
        }
        if changed {
            let many = |from: usize| {
                let pairs: Vec<String> =
                    (from..from + 5000).map(|n| format!("filter{n}=blue+shoes%21")).collect();
                pairs.join("&").into_bytes()
            };
            *text = match self {
                Self::JunkParameter => {
                    [b"a=".to_vec(), "a".repeat(8192).into_bytes(), b"&".to_vec(), out].concat()
                }
                Self::Parameters => [many(0), out, many(5000)].join(&b'&'),
                _ => out,
            };
        }
        changed
    }

    /// Wraps strings of a JSON text; it is as deep as `serde_json` reads, which is bounded.
    fn json(self, json: &mut serde_json::Value, attacks: &[&[u8]]) -> bool {
        match json {
            serde_json::Value::String(text) if attacks.contains(&text.as_bytes()) => {
                *text = [&self.before(), text.as_str(), &self.after()].concat();
                true
            }
            serde_json::Value::Array(items) => {
                items.iter_mut().fold(false, |hit, item| self.json(item, attacks) | hit)
            }
            serde_json::Value::Object(fields) => {
                fields.values_mut().fold(false, |hit, item| self.json(item, attacks) | hit)
            }
            _ => false,
        }
    }
}

/// Undoes percent-encoding and plus signs.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(code)) => {
                out.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Inspector;

    fn wrapped(padding: Padding, recorded: &Recorded) -> Option<Recorded> {
        let mut inspector = Inspector::new();
        let (outcome, _) = inspector.inspect(recorded);
        padding.wrap(recorded, &inspector.request, &outcome)
    }

    #[test]
    fn only_the_value_that_attacks_is_wrapped() {
        let query = b"a=x&b=1%27+or+1%3D1+--+&c=y".to_vec();
        let recorded =
            Recorded { method: b"GET".to_vec(), path: b"/".to_vec(), query, ..Recorded::default() };
        let pre = wrapped(Padding::Pre, &recorded).unwrap();
        assert_eq!(pre.query, b"a=x&b=%3Cpre%3E1%27+or+1%3D1+--+%3C%2Fpre%3E&c=y");
        let many = wrapped(Padding::Parameters, &recorded).unwrap();
        assert_eq!(many.query.split(|&b| b == b'&').count(), 10_003);
        let harmless = Recorded { query: b"a=x".to_vec(), ..recorded };
        assert!(wrapped(Padding::Pre, &harmless).is_none());
    }

    #[test]
    fn a_string_in_json_is_wrapped_and_its_length_told() {
        let recorded = Recorded {
            method: b"POST".to_vec(),
            path: b"/".to_vec(),
            headers: vec![
                (b"Content-Type".to_vec(), b"application/json".to_vec()),
                (b"Content-Length".to_vec(), b"0".to_vec()),
            ],
            body: br#"{"a":["1' or 1=1 -- ","ok"]}"#.to_vec(),
            ..Recorded::default()
        };
        let fence = wrapped(Padding::Fence, &recorded).unwrap();
        assert_eq!(fence.body, br#"{"a":["```\n1' or 1=1 -- \n```","ok"]}"#);
        assert_eq!(fence.headers[1].1, fence.body.len().to_string().into_bytes());
    }
}
