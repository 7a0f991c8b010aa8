//! Labelled requests, one JSON object a line: id, source, label, class, method, path, query, headers, body_b64, note.
//!
//! Path and query are the raw, still percent-encoded request target; each character of a header value is one byte.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use base64::Engine;
use serde::Deserialize;

use crate::error::CliError;

/// One labelled request.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) class: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body_b64: String,
}

/// The bytes of one request, as a client sends them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Vec<u8>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Row {
    /// The bytes of the request. A body that is not base64 is taken as it stands.
    pub(crate) fn recorded(&self) -> Recorded {
        let body = base64::engine::general_purpose::STANDARD
            .decode(&self.body_b64)
            .unwrap_or_else(|_| self.body_b64.clone().into_bytes());
        Recorded {
            method: self.method.clone().into_bytes(),
            path: self.path.clone().into_bytes(),
            query: self.query.clone().into_bytes(),
            headers: self.headers.iter().map(|(name, value)| (latin1(name), latin1(value))).collect(),
            body,
        }
    }
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// Calls `each` for every request of a file, which may be gzipped.
pub(crate) fn read(path: &Path, mut each: impl FnMut(Row)) -> Result<(), CliError> {
    let failed = |error| CliError::File { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|ext| ext == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    for (index, line) in BufReader::with_capacity(1 << 20, reader).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        each(serde_json::from_str(&line).map_err(|error| CliError::Row {
            path: path.to_owned(),
            line: index + 1,
            error,
        })?);
    }
    Ok(())
}
