//! Raw HTTP parts to values: path, query, headers, cookies and bodies of every usual kind, within caps.
//!
//! It knows no event envelope and no detection. Where runtimes disagree on how to read something, every reading becomes
//! values. It never fails: what cannot be taken apart becomes a value as a whole, plus an anomaly.

mod base64;
mod body;
mod charset;
mod chunked;
mod cookies;
mod disposition;
mod graphql;
mod headers;
mod inflate;
mod inside;
pub mod json;
mod jwt;
mod media;
mod multipart;
mod params;
mod parts;
mod path;
mod percent;
mod query;
mod quoted_printable;
mod reader;
mod sniff;
mod xml;

pub use inflate::inflated;
pub use parts::{HttpParts, Options, Query, RawHttp, Text, http_request, read_http};
