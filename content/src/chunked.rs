//! Bodies that still stand in their chunks (RFC 9112, 7.1), as recorded requests do.
//!
//! It may not know headers. A text that is not made of chunks is left alone.

use picket_request::{LocationId, Span};

use crate::reader::Reader;

/// The text without its chunk sizes; `None` where it does not consist of chunks.
pub(crate) fn joined(reader: &mut Reader<'_>, text: Span, location: LocationId) -> Option<Span> {
    let first = size(reader.request.bytes(text))?;
    if first.after + first.len > text.len() || text.len() > reader.budget() {
        return None;
    }
    reader.made(text, location, |mut bytes, out| {
        while let Some(chunk) = size(bytes) {
            let rest = bytes.get(chunk.after..).unwrap_or_default();
            let len = chunk.len.min(rest.len());
            out.extend_from_slice(rest.get(..len).unwrap_or_default());
            bytes = rest.get(len..).unwrap_or_default();
            bytes = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")).unwrap_or(bytes);
            if chunk.len == 0 {
                break;
            }
        }
        // Trailers, or what follows a size that is none, may be read by somebody.
        out.extend_from_slice(bytes);
    })
}

struct Size {
    len: usize,
    /// Where the chunk's bytes start.
    after: usize,
}

fn size(bytes: &[u8]) -> Option<Size> {
    const DIGITS: usize = 8;
    let digits = bytes.iter().take(DIGITS).take_while(|b| b.is_ascii_hexdigit()).count();
    let len = usize::from_str_radix(std::str::from_utf8(bytes.get(..digits)?).ok()?, 16).ok()?;
    let rest = bytes.get(digits..)?;
    // A line end or an extension follows the digits.
    if !matches!(rest.first(), Some(b'\r' | b'\n' | b';' | b' ' | b'\t')) {
        return None;
    }
    let line = memchr::memchr(b'\n', rest)?;
    Some(Size { len, after: digits + line + 1 })
}
