//! GraphQL documents (GraphQL specification, October 2021, 2): inline arguments as values, and what is odd about an
//! operation. A document that is none stays what it was.
//!
//! It may not know a schema, and it does not recurse: brackets are counted on a stack of bits.

use std::ops::Range;

use picket_request::{Anomaly, LocationId, Place, Request, Segment, Span, limits};

use crate::{json, reader::Reader};

/// Whether a text may be a GraphQL document: it opens like one and has a selection.
pub(crate) fn is_plausible(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let opens = match text.first() {
        Some(b'{' | b'#') => true,
        Some(b'q' | b'm' | b's' | b'f') => {
            let word = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            matches!(text.get(..word), Some(b"query" | b"mutation" | b"subscription" | b"fragment"))
        }
        _ => false,
    };
    opens && memchr::memchr(b'{', text).is_some()
}

/// What kind of token stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Name,
    Number,
    Text { block: bool },
    Comment,
    Mark(u8),
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

impl Lexer<'_> {
    /// The next token; `Err` where the text is no GraphQL.
    fn next(&mut self) -> Option<Result<(Token, Range<usize>), ()>> {
        loop {
            let rest = self.text.get(self.at..)?;
            let byte = *rest.first()?;
            let start = self.at;
            let run = |is: fn(&u8) -> bool| rest.iter().take_while(|b| is(b)).count();
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => self.at += 1,
                0xef if rest.starts_with(b"\xef\xbb\xbf") => self.at += 3,
                b'#' => {
                    let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    self.at += len;
                    return Some(Ok((Token::Comment, start + 1..self.at)));
                }
                b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                    self.at += run(|b| b.is_ascii_alphanumeric() || *b == b'_');
                    return Some(Ok((Token::Name, start..self.at)));
                }
                b'-' | b'0'..=b'9' => {
                    let len = run(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'));
                    self.at += len;
                    let digits = rest.get(..len).unwrap_or_default().iter().any(u8::is_ascii_digit);
                    return Some(if digits { Ok((Token::Number, start..self.at)) } else { Err(()) });
                }
                b'"' => return Some(self.string(start)),
                b'.' if rest.starts_with(b"...") => {
                    self.at += 3;
                    return Some(Ok((Token::Mark(b'.'), start..self.at)));
                }
                b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                    self.at += 1;
                    return Some(Ok((Token::Mark(byte), start..self.at)));
                }
                _ => return Some(Err(())),
            }
        }
    }

    fn string(&mut self, start: usize) -> Result<(Token, Range<usize>), ()> {
        let rest = self.text.get(start..).unwrap_or_default();
        if rest.starts_with(b"\"\"\"") {
            let mut at = start + 3;
            loop {
                let found =
                    self.text.get(at..).and_then(|rest| memchr::memmem::find(rest, b"\"\"\"")).ok_or(())?;
                at += found;
                // `\"""` stands for three quotes.
                if found > 0 && self.text.get(at - 1) == Some(&b'\\') {
                    at += 3;
                    continue;
                }
                self.at = at + 3;
                return Ok((Token::Text { block: true }, start + 3..at));
            }
        }
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                None | Some(b'\n' | b'\r') => return Err(()),
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok((Token::Text { block: false }, start + 1..at))
    }
}

/// What a document came to.
#[derive(Default)]
struct Document {
    operations: usize,
    depth: usize,
    introspects: bool,
    /// Declared and used variables, each with the number of its operation.
    declared: Vec<(usize, Range<usize>)>,
    used: Vec<Range<usize>>,
    /// Texts, with the name of their argument.
    texts: Vec<(Token, Range<usize>, Range<usize>)>,
}

impl Document {
    fn read(text: &[u8]) -> Option<Self> {
        let mut document = Self::default();
        let mut lexer = Lexer { text, at: 0 };
        let mut braces = 0_usize;
        let mut parens = 0_usize;
        // Braces within parentheses are input objects, not selections.
        let mut objects = 0_usize;
        let mut before = Token::Mark(b'}');
        let mut last = 0..0;
        let mut argument = 0..0;
        let mut definitions = 0_usize;
        while let Some(next) = lexer.next() {
            let (token, range) = next.ok()?;
            match token {
                Token::Comment => {
                    document.texts.push((token, range, 0..0));
                    continue;
                }
                Token::Name => {
                    let word = text.get(range.clone())?;
                    if before == Token::Mark(b'$') {
                        if braces == 0 && parens > 0 {
                            document.declared.push((definitions, range.clone()));
                        } else {
                            document.used.push(range.clone());
                        }
                    } else if braces == 0 && parens == 0 {
                        if matches!(word, b"query" | b"mutation" | b"subscription")
                            && before == Token::Mark(b'}')
                        {
                            definitions += 1;
                            document.operations += 1;
                        } else if word == b"fragment" {
                            definitions += 1;
                        }
                    } else if matches!(word, b"__schema" | b"__type") {
                        document.introspects = true;
                    }
                }
                Token::Text { .. } => document.texts.push((token, range.clone(), argument.clone())),
                Token::Number => {}
                Token::Mark(mark) => match mark {
                    b'{' if parens > 0 => objects += 1,
                    b'{' => {
                        if braces == 0 && before == Token::Mark(b'}') {
                            definitions += 1;
                            document.operations += 1;
                        }
                        // A selection follows a name, a closed argument list or a directive, never another brace.
                        if before == Token::Mark(b'{') {
                            return None;
                        }
                        braces += 1;
                        document.depth = document.depth.max(braces);
                    }
                    b'}' if parens > 0 => objects = objects.checked_sub(1)?,
                    b'}' => braces = braces.checked_sub(1)?,
                    b'(' => parens += 1,
                    b')' => parens = parens.checked_sub(1)?,
                    b':' if before == Token::Name => argument = last.clone(),
                    _ => {}
                },
            }
            before = token;
            last = range;
        }
        let whole = braces == 0 && parens == 0 && objects == 0 && document.depth > 0;
        (whole && definitions > 0).then_some(document)
    }
}

/// Reads the document that value number `holder` holds. Where it is one, the value becomes one of GraphQL.
pub(crate) fn read(reader: &mut Reader<'_>, text: Span, holder: Option<usize>, location: LocationId) -> bool {
    let document = reader.lend(text, |reader, bytes| {
        let document = Document::read(bytes)?;
        for (token, range, argument) in &document.texts {
            if reader.is_full() {
                reader.push_rest(text.slice(range.start..bytes.len()), Place::Graphql, location);
                break;
            }
            let raw = text.slice(range.clone());
            let name = text.slice(argument.clone());
            let bytes = bytes.get(range.clone()).unwrap_or_default();
            if bytes.is_empty() {
                continue;
            }
            let escaped = *token == (Token::Text { block: false }) && memchr::memchr(b'\\', bytes).is_some();
            let shown =
                if escaped { reader.request.store_with(|out| json::unescape(bytes, out)) } else { raw };
            let location = if argument.is_empty() {
                location
            } else {
                reader.request.locations.add(location, Segment::Key(name))
            };
            reader.push(shown, raw, Place::Graphql, name, location);
        }
        variables(reader.request, bytes, &document, location);
        Some(document)
    });
    let Some(document) = document else { return false };
    if let Some(holder) = holder {
        reader.request.relabel(holder, Place::Graphql);
    }
    reader.state.documents += 1;
    let request = &mut *reader.request;
    request.anomalies.raise(Anomaly::GraphqlApi, location);
    if document.introspects {
        request.anomalies.raise(Anomaly::GraphqlIntrospection, location);
    }
    if document.depth > limits::GRAPHQL_DEPTH {
        request.anomalies.raise(Anomaly::GraphqlDepth, location);
    }
    batch(reader, location);
    if reader.state.documents == 1 {
        undeclared(reader, text, &document, location);
    }
    true
}

fn names<'t>(text: &'t [u8], ranges: impl Iterator<Item = &'t Range<usize>>) -> Vec<&'t [u8]> {
    let mut names: Vec<&[u8]> = ranges.map(|range| text.get(range.clone()).unwrap_or_default()).collect();
    names.sort_unstable();
    names
}

fn variables(request: &mut Request, text: &[u8], document: &Document, location: LocationId) {
    let mut declared: Vec<(usize, &[u8])> = document
        .declared
        .iter()
        .map(|(of, range)| (*of, text.get(range.clone()).unwrap_or_default()))
        .collect();
    declared.sort_unstable();
    if declared.windows(2).any(|pair| pair.first() == pair.last()) {
        request.anomalies.raise(Anomaly::GraphqlDuplicateVariables, location);
    }
    let known = names(text, document.declared.iter().map(|(_, range)| range));
    let unknown =
        |range: &Range<usize>| known.binary_search(&text.get(range.clone()).unwrap_or_default()).is_err();
    if document.used.iter().any(unknown) {
        request.anomalies.raise(Anomaly::GraphqlUndefinedVariables, location);
    }
}

/// Documents that are elements of an array are a batch, from the second on.
fn batch(reader: &mut Reader<'_>, location: LocationId) {
    let request = &mut *reader.request;
    let Some((parent, Segment::Key(_))) = request.locations.get(location) else { return };
    if !matches!(request.locations.get(parent), Some((_, Segment::Index(_)))) {
        return;
    }
    reader.state.batched += 1;
    if reader.state.batched > 1 {
        request.anomalies.raise(Anomaly::GraphqlBatch, parent);
    }
}

/// Whether the `variables` beside a document name some that it does not declare. Asked for the first document alone,
/// because it looks at every value.
fn undeclared(reader: &mut Reader<'_>, text: Span, document: &Document, location: LocationId) {
    let request = &*reader.request;
    let Some((parent, Segment::Key(_))) = request.locations.get(location) else { return };
    let key = |place: Place| matches!(place, Place::JsonKey);
    let object = request.values().iter().find(|v| {
        key(v.place)
            && request.locations.get(v.location).is_some_and(|(of, _)| of == parent)
            && request.bytes(v.text) == b"variables"
    });
    let Some(object) = object else { return };
    let bytes = request.bytes(text);
    let known = names(bytes, document.declared.iter().map(|(_, range)| range));
    let strange = request.values().iter().any(|v| {
        key(v.place)
            && request.locations.get(v.location).is_some_and(|(of, _)| of == object.location)
            && known.binary_search(&request.bytes(v.text)).is_err()
    });
    if strange {
        reader.request.anomalies.raise(Anomaly::GraphqlUndefinedVariables, location);
    }
}
