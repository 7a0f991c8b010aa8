//! The form of a token (RFC 7515, section 3.1): three parts of base64url. It may not know keys, nor believe anything.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Fault, algorithm::Algorithm, json};

/// A token, taken apart.
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// What the signature is over.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
    claims: &'t [u8],
}

impl<'t> Token<'t> {
    /// Takes a token apart. The claims stay closed until the signature has been checked.
    pub(super) fn read(text: &'t [u8]) -> Result<Self, Fault> {
        let mut dots = text.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let (Some(first), second, None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Fault::Malformed);
        };
        let header = object(text.get(..first))?;
        let word = header.get("alg").and_then(Value::as_str).ok_or(Fault::Malformed)?;
        if word.is_empty() || word.eq_ignore_ascii_case("none") {
            return Err(Fault::Unsigned);
        }
        let second = second.ok_or(Fault::Unsigned)?;
        let signature = decoded(text.get(second + 1..))?;
        if signature.is_empty() {
            return Err(Fault::Unsigned);
        }
        // What a header calls critical must be understood, and nothing of it is (RFC 7515, section 4.1.11).
        if header.contains_key("crit") {
            return Err(Fault::Invalid);
        }
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(Fault::Malformed),
        };
        Ok(Self {
            algorithm: Algorithm::of(word).ok_or(Fault::Invalid)?,
            key_id,
            signed: text.get(..second).ok_or(Fault::Malformed)?,
            signature,
            claims: text.get(first + 1..second).ok_or(Fault::Malformed)?,
        })
    }

    /// The claims; to be asked for once the signature is known to be good.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Fault> {
        object(Some(self.claims))
    }
}

fn decoded(part: Option<&[u8]>) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(part.unwrap_or_default()).map_err(|_| Fault::Malformed)
}

/// An object in a part. One that names a member twice is refused: readers would differ in what it says.
fn object(part: Option<&[u8]>) -> Result<Map<String, Value>, Fault> {
    json::object(&decoded(part)?).ok_or(Fault::Malformed)
}
