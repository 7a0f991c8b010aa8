//! What is inside a value: JSON, XML or GraphQL in a string, a bearer token. Recognition costs a look at one byte for most
//! values, and what is found becomes a task.
//!
//! It may not take anything apart itself.

use picket_request::{Place, Value};

use crate::{
    graphql, jwt,
    reader::{Kind, Reader, Task},
};

/// Looks into the values from number `from` on, and answers how many there are.
pub(crate) fn look(reader: &mut Reader<'_>, from: usize, depth: usize) -> usize {
    let end = reader.request.values().len();
    for index in from..end {
        let Some(&value) = reader.request.values().get(index) else { break };
        if let Some(kind) = kind(reader, &value, index) {
            let Value { text, name, location, .. } = value;
            reader.schedule(Task { text, name, location, depth: depth + 1, kind });
        }
    }
    end
}

fn kind(reader: &Reader<'_>, value: &Value, index: usize) -> Option<Kind> {
    const SHORT: usize = 3;
    if value.text.len() < SHORT {
        return None;
    }
    let text = reader.request.bytes(value.text);
    let first = text.first()?;
    if !matches!(first, b'{' | b'[' | b'<' | b'"' | b'#' | b'e' | b'q' | b'm' | b's' | b'f')
        && !first.is_ascii_whitespace()
    {
        return None;
    }
    let text = text.trim_ascii();
    // The JSON reader unwraps its strings itself, and what a file or a document holds was read as it was meant.
    let is_json = matches!(value.place, Place::Json | Place::JwtClaim);
    let whole = matches!(
        value.place,
        Place::Body
            | Place::FileContent
            | Place::Graphql
            | Place::Xml
            | Place::XmlMarkup
            | Place::Path
            | Place::Method
    );
    if whole {
        return None;
    }
    let document = || -> Option<Kind> {
        let carries = matches!(value.place, Place::Json | Place::Query | Place::Form | Place::Multipart);
        let named = carries && reader.request.bytes(value.name) == b"query";
        (named && graphql::is_plausible(text)).then_some(Kind::Graphql(index))
    };
    match (text.first()?, text.last()?) {
        (b'{', b'}') => document().or((!is_json).then_some(Kind::Json)),
        (b'[', b']') | (b'"', b'"') if !is_json => Some(Kind::Json),
        (b'<', b'>')
            if text.starts_with(b"<?xml")
                || text.starts_with(b"<!DOCTYPE ")
                || text.starts_with(b"<soap") =>
        {
            Some(Kind::Xml)
        }
        (b'e', _) if jwt::is_plausible(text) => Some(Kind::Token { bearer: false }),
        (b'q' | b'm' | b's' | b'f' | b'#', b'}') => document(),
        _ => None,
    }
}
