//! YAML text to a tree in which each node knows where it stands. It may not know what a policy is.

use std::{fmt, ops::Range};

use picket_policy::document;
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::{Location, Spanned, options::DuplicateKeyPolicy};

use super::diagnostic::Diagnostic;

/// The largest file that is read, in bytes.
pub const LARGEST: usize = 16 << 20;

/// Deeper nesting than any policy needs; conditions alone may nest [`document::CONDITION_DEPTH`] deep.
const DEPTH: usize = 16 + 4 * document::CONDITION_DEPTH;

/// A node of the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its bytes in the text.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing.
    Null,
    /// A text, number or truth.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    /// Its bytes in the text.
    pub(crate) span: Range<usize>,
    /// The key.
    pub(crate) text: String,
}

/// A text, number or truth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    /// As it was written, without quotes.
    pub(crate) text: String,
    /// What YAML takes it for.
    pub(crate) value: Value,
}

/// What YAML takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Text,
    Truth(bool),
    Whole(i128),
    Float(f64),
}

/// Reads a text.
///
/// # Errors
/// What is wrong with it as YAML, and where.
pub(crate) fn read(text: &str) -> Result<Node, Box<Diagnostic>> {
    if text.len() > LARGEST {
        let message = format!("the file has {} bytes; at most {LARGEST} are read", text.len());
        return Err(Box::new(Diagnostic::error(message, 0..0)));
    }
    if text.trim().is_empty() {
        return Err(Box::new(
            Diagnostic::error("the file is empty", 0..0)
                .help("begin with `picket: 1`, `name: …` and `version: 1`"),
        ));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH, max_documents: 1 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let read: Result<Located<Raw>, _> = serde_saphyr::from_str_with_options(text, options);
    match read {
        Ok(raw) => Ok(raw.0.node(text)),
        Err(error) => Err(Box::new(syntax(text, &error))),
    }
}

/// What the parser says, with what is usually meant where it is known.
fn syntax(text: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let at = error.location().map_or(0..0, |location| bytes(text, &location));
    let said = error.without_snippet().to_string();
    // The location stands in front of the source line; it need not be said in words as well.
    let said =
        said.split(" at line ").next().unwrap_or_default().trim_end_matches([':', ',', ' ']).to_owned();
    let said = said.lines().next().unwrap_or_default();
    let said = said.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned();
    let line_start = text.get(..at.start).and_then(|before| before.rfind('\n')).map_or(0, |nl| nl + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let help = if line.trim_start_matches(' ').starts_with('\t') {
        "YAML is indented with spaces: replace the tab".to_owned()
    } else if said.contains("duplicate") {
        "a key may stand once: merge the two blocks, or rename one of them".to_owned()
    } else if said.contains("alias") || line.contains(": *") || line.contains("- *") {
        "a value that begins with `*` must stand in quotes: \"*…\"".to_owned()
    } else if ['%', '@', '`', '&', '!', '|', '>'].iter().any(|sign| line.contains(&format!(": {sign}"))) {
        "a value that begins with a sign that YAML uses must stand in quotes".to_owned()
    } else if line.matches(": ").count() > 1 && !line.contains(['{', '"', '\'']) {
        "a text that holds `: ` must stand in quotes".to_owned()
    } else if said.contains("document") {
        "a policy is one document: take out the line `---`".to_owned()
    } else {
        "look for a missing bracket or quote, or for lines of one block with different indentation".to_owned()
    };
    Diagnostic::error(format!("this is not YAML: {said}"), at).help(help)
}

/// The bytes of a location.
fn bytes(text: &str, location: &Location) -> Range<usize> {
    let span = location.span();
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let range = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(len)) => number(start)..number(start).saturating_add(number(len)),
        _ => {
            let (mut start, mut line) = (0, 1);
            while line < location.line() {
                let Some(next) = text.get(start..).and_then(|rest| rest.find('\n')) else { break };
                (start, line) = (start + next + 1, line + 1);
            }
            let rest = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
            let column = number(location.column()).saturating_sub(1);
            start += rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
            start..start
        }
    };
    let mut start = range.start.min(text.len());
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// A value with its location. A type of our own, because `Spanned` cannot hold itself.
struct Located<T>(Spanned<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

/// A node as serde gives it.
enum Raw {
    Null,
    Scalar(Value, String),
    List(Vec<Located<Self>>),
    Map(Vec<(Located<RawKey>, Located<Self>)>),
}

struct RawKey(String);

trait IntoNode {
    fn node(self, text: &str) -> Node;
}

impl IntoNode for Spanned<Raw> {
    fn node(self, text: &str) -> Node {
        let span = bytes(text, &self.referenced);
        let kind = match self.value {
            Raw::Null => Kind::Null,
            Raw::Scalar(value, resolved) => {
                // A number is kept as it was written: `1.10` is a version before it is a number.
                let written = text.get(bytes(text, &self.defined)).unwrap_or_default().trim();
                let plain = !matches!(value, Value::Text) && !written.is_empty();
                Kind::Scalar(Scalar { text: if plain { written.to_owned() } else { resolved }, value })
            }
            Raw::List(items) => Kind::List(items.into_iter().map(|item| item.0.node(text)).collect()),
            Raw::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let span = bytes(text, &key.0.referenced);
                        (Key { span, text: key.0.value.0 }, value.0.node(text))
                    })
                    .collect(),
            ),
        };
        Node { span: shown(span, &kind), kind }
    }
}

/// A block has no sign of its own: its first entry stands for it.
fn shown(span: Range<usize>, kind: &Kind) -> Range<usize> {
    match kind {
        Kind::Map(entries) if span.is_empty() => entries.first().map_or(span, |(key, _)| key.span.clone()),
        Kind::List(items) if span.is_empty() => items.first().map_or(span, |item| item.span.clone()),
        _ => span,
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Truth(value), value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value.into()), value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value.into()), value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(value), value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Whole(i128::try_from(value).unwrap_or(i128::MAX)), value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value), value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text, value.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Node {
    /// What it is, for a message.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
            Kind::Scalar(scalar) => {
                let mut shown: String = scalar.text.chars().take(40).collect();
                if shown.len() < scalar.text.len() {
                    shown.push('…');
                }
                let what = match scalar.value {
                    Value::Text => "the text",
                    Value::Truth(_) => "the truth value",
                    Value::Whole(_) | Value::Float(_) => "the number",
                };
                format!("{what} `{}`", shown.escape_debug())
            }
        }
    }

    /// The member of this name, with its key.
    pub(crate) fn member(&self, name: &str) -> Option<(&Key, &Self)> {
        let Kind::Map(entries) = &self.kind else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(key, value)| (key, value))
    }

    /// The element at this index.
    pub(crate) fn element(&self, index: usize) -> Option<&Self> {
        let Kind::List(items) = &self.kind else { return None };
        items.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
        text.get(span.clone()).unwrap()
    }

    #[test]
    fn nodes_know_where_they_stand() {
        let text = "name: \"shop\"\nrules:\n  - id: ä\n    then: [block, log]\nversion: 1.10\n";
        let root = read(text).unwrap();
        let (key, name) = root.member("name").unwrap();
        assert_eq!((slice(text, &key.span), slice(text, &name.span)), ("name", "\"shop\""));
        let rule = root.member("rules").unwrap().1.element(0).unwrap();
        assert_eq!(slice(text, &rule.member("id").unwrap().1.span), "ä");
        assert_eq!(slice(text, &rule.member("then").unwrap().1.element(1).unwrap().span), "log");
        let Kind::Scalar(version) = &root.member("version").unwrap().1.kind else { panic!() };
        assert_eq!((version.text.as_str(), version.value), ("1.10", Value::Float(1.1)));
    }

    #[test]
    fn words_that_other_readers_take_for_truth_are_texts() {
        for word in ["off", "no", "yes", "on", "NO"] {
            let root = read(&format!("mode: {word}\n")).unwrap();
            let Kind::Scalar(scalar) = &root.member("mode").unwrap().1.kind else { panic!() };
            assert_eq!((scalar.text.as_str(), scalar.value), (word, Value::Text));
        }
    }

    #[test]
    fn aliases_are_followed_and_bombs_are_not() {
        let text = "a: &x [1, 2]\nb: *x\n";
        let root = read(text).unwrap();
        assert!(matches!(&root.member("b").unwrap().1.kind, Kind::List(items) if items.len() == 2));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let refs = vec![format!("*a{}", level - 1); 9].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
        }
        assert!(read(&bomb).is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
