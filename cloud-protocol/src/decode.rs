//! A batch from the bytes that came, within caps. Knows gzip and JSON; not where the bytes are from.

use std::fmt;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::{Batch, Refusal, limits};

/// Why bytes are no batch. It repeats nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// More than [`limits::BATCH_BYTES`] as sent, or [`limits::BATCH_INFLATED_BYTES`] inflated.
    TooLarge,
    /// A content coding other than gzip and identity.
    Coding,
    /// No gzip.
    Gzip,
    /// No JSON of a batch, from about this byte on.
    Json(usize),
    /// A batch that no honest agent sends.
    Shape(Refusal),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("too large"),
            Self::Coding => f.write_str("the content coding is neither gzip nor identity"),
            Self::Gzip => f.write_str("the body is no gzip"),
            Self::Json(byte) => write!(f, "the body is no batch, at byte {byte}"),
            Self::Shape(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads a batch, and checks its shape.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(coding: Option<&[u8]>, body: &[u8]) -> Result<Batch, DecodeError> {
    if body.len() > limits::BATCH_BYTES {
        return Err(DecodeError::TooLarge);
    }
    match coding {
        None | Some(b"identity") => parse(body),
        Some(b"gzip") => {
            let mut inflated = Vec::new();
            let cap = limits::BATCH_INFLATED_BYTES;
            let decoder = MultiGzDecoder::new(body).take(cap as u64 + 1);
            { decoder }.read_to_end(&mut inflated).map_err(|_broken| DecodeError::Gzip)?;
            if inflated.len() > cap { Err(DecodeError::TooLarge) } else { parse(&inflated) }
        }
        Some(_) => Err(DecodeError::Coding),
    }
}

fn parse(bytes: &[u8]) -> Result<Batch, DecodeError> {
    let batch: Batch = serde_json::from_slice(bytes).map_err(|error| DecodeError::Json(error.column()))?;
    batch.check().map_err(DecodeError::Shape)?;
    Ok(batch)
}
