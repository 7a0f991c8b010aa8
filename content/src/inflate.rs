//! Content codings (RFC 9110, 8.4): gzip, deflate in both its readings, brotli and zstd, each within a limit.
//!
//! It may not know headers or bodies. Whatever could be inflated before a limit or an error is kept, because it is what
//! the target would see first.

use std::io::Read;

use picket_request::limits;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// gzip (RFC 1952).
    Gzip,
    /// deflate: zlib (RFC 1950), or the bare stream (RFC 1951) that some clients send.
    Deflate,
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Coding {
    /// The coding of a name in a `Content-Encoding` header.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        match name.len() {
            2 if is("br") => Some(Self::Brotli),
            4 if is("gzip") => Some(Self::Gzip),
            4 if is("zstd") => Some(Self::Zstd),
            6 if is("x-gzip") => Some(Self::Gzip),
            7 if is("deflate") => Some(Self::Deflate),
            9 if is("x-deflate") => Some(Self::Deflate),
            _ => None,
        }
    }

    /// The coding that a body's first bytes show.
    pub(crate) fn sniffed(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The word for a location.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// How inflating ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of it.
    Whole,
    /// The text is not of this coding, or breaks off; what came before is there.
    Broken,
    /// There is more than the limit.
    Limit,
}

/// How much a compressed text of `len` bytes may become, within `budget`.
pub(crate) fn allowance(len: usize, budget: usize) -> usize {
    len.saturating_mul(limits::INFLATE_RATIO).max(limits::INFLATE_FLOOR).min(budget)
}

/// Appends what `bytes` inflate to to `out`, up to `limit` bytes.
pub(crate) fn inflate(coding: Coding, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> End {
    match coding {
        Coding::Gzip => drain(flate2::read::MultiGzDecoder::new(bytes), limit, out),
        Coding::Deflate => {
            let end = drain(flate2::read::ZlibDecoder::new(bytes), limit, out);
            if end != End::Broken {
                return end;
            }
            let mut bare = Vec::new();
            let bare_end = drain(flate2::read::DeflateDecoder::new(bytes), limit, &mut bare);
            if bare.len() > out.len() {
                *out = bare;
                return bare_end;
            }
            end
        }
        Coding::Brotli => drain(brotli_decompressor::Decompressor::new(bytes, 4096), limit, out),
        Coding::Zstd => {
            match ruzstd::decoding::StreamingDecoder::new_with_max_window_size(bytes, limits::ZSTD_WINDOW) {
                Ok(decoder) => drain(decoder, limit, out),
                Err(_) => End::Broken,
            }
        }
    }
}

/// What bytes inflate to by the coding that a `Content-Encoding` names, as far as they go and up to `limit`; `None` where the name is of no
/// known coding.
#[must_use]
pub fn inflated(name: &[u8], bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    inflate(Coding::of(name.trim_ascii())?, bytes, limit, &mut out);
    Some(out)
}

fn drain(mut reader: impl Read, limit: usize, out: &mut Vec<u8>) -> End {
    let mut chunk = [0_u8; 8192];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return End::Whole,
            Ok(read) => {
                let room = limit.saturating_sub(out.len());
                let chunk = chunk.get(..read).unwrap_or_default();
                out.extend_from_slice(chunk.get(..read.min(room)).unwrap_or_default());
                if read > room {
                    return End::Limit;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return End::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn both_readings_of_deflate_inflate() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(b"a=1' or 1").unwrap();
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        bare.write_all(b"a=1' or 1").unwrap();
        for bytes in [zlib.finish().unwrap(), bare.finish().unwrap()] {
            let mut out = Vec::new();
            assert_eq!(inflate(Coding::Deflate, &bytes, 100, &mut out), End::Whole);
            assert_eq!(out, b"a=1' or 1");
        }
    }

    #[test]
    fn what_is_cut_or_too_large_is_kept_as_far_as_it_goes() {
        let packed = gzip(&vec![b'a'; 1_000_000]);
        let mut out = Vec::new();
        assert_eq!(inflate(Coding::Gzip, &packed, 5_000, &mut out), End::Limit);
        assert_eq!(out.len(), 5_000);
        let text: Vec<u8> =
            (0..20_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let packed = gzip(&text);
        out.clear();
        assert_eq!(inflate(Coding::Gzip, &packed[..packed.len() / 2], usize::MAX, &mut out), End::Broken);
        assert!(out.len() > 10_000 && text.starts_with(&out));
        for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            out.clear();
            assert_eq!(inflate(coding, b"{\"plain\": \"text\"}", 100, &mut out), End::Broken, "{coding:?}");
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        // Magic, no single segment, window descriptor for 1 GiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
        assert_eq!(inflate(Coding::Zstd, &frame, 1 << 30, &mut Vec::new()), End::Broken);
    }
}
