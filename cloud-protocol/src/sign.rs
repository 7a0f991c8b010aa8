//! How a request to the engine is signed. Knows the text and the header; the caller holds the key and the digest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::hex;
use crate::limits;

/// The header that carries the signature.
pub const HEADER: &str = "picket-signature";

/// The text that is signed with Ed25519. `path` is without a stage, `query` without its `?` and as sent, `body_sha256` is
/// of the body as sent, after compression.
#[must_use]
pub fn signing_text(
    method: &str,
    path: &str,
    query: &str,
    audience: &str,
    time: u64,
    body_sha256: &[u8; 32],
) -> String {
    format!("picket-v1\n{method}\n{path}\n{query}\n{audience}\n{time}\n{}", hex(body_sha256))
}

/// A path as both sides sign it: from `/v1/` on. A stage of API Gateway or a prefix of a proxy in front is left out.
#[must_use]
pub fn path_without_stage(path: &str) -> &str {
    path.find("/v1/").and_then(|start| path.get(start..)).unwrap_or(path)
}

/// The value of [`HEADER`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Which key.
    pub kid: String,
    /// When, in Unix seconds.
    pub time: u64,
    /// The Ed25519 signature.
    pub sig: [u8; 64],
}

impl Signature {
    /// As the header's value.
    #[must_use]
    pub fn to_header(&self) -> String {
        format!("v1 kid={},t={},sig={}", self.kid, self.time, URL_SAFE_NO_PAD.encode(self.sig))
    }

    /// Reads the header's value. Unknown parts are ignored; one that comes twice is refused.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (mut kid, mut time, mut sig) = (None, None, None);
        for part in header.strip_prefix("v1 ")?.split(',').take(8) {
            let (name, value) = part.trim().split_once('=')?;
            let twice = match name {
                "kid" => kid.replace(value).is_some(),
                "t" => time.replace(value).is_some(),
                "sig" => sig.replace(value).is_some(),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        let kid = kid.filter(|kid| is_id(kid))?.to_owned();
        let time = time.filter(|time| time.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
        let sig = URL_SAFE_NO_PAD.decode(sig.filter(|sig| sig.len() < 100)?).ok()?.try_into().ok()?;
        Some(Self { kid, time, sig })
    }

    /// Whether it was made at about `now`.
    #[must_use]
    pub const fn is_fresh(&self, now: u64) -> bool {
        self.time.abs_diff(now) <= limits::CLOCK_SECONDS
    }
}

/// Whether a text may be an id: of a key, a batch, an environment or an event.
pub(crate) fn is_id(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=limits::ID_BYTES).contains(&text.len()) && text.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let signature = Signature { kid: "k-1".to_owned(), time: 1_795_334_400, sig: [7; 64] };
        assert_eq!(Signature::parse(&signature.to_header()), Some(signature.clone()));
        assert_eq!(Signature::parse(&format!("{},later=1", signature.to_header())), Some(signature));
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        let sig = URL_SAFE_NO_PAD.encode([7; 64]);
        let table = [
            String::new(),
            "v1 ".to_owned(),
            format!("v2 kid=k,t=1,sig={sig}"),
            format!("v1 kid=,t=1,sig={sig}"),
            format!("v1 kid=a/b,t=1,sig={sig}"),
            format!("v1 kid=k,t=+1,sig={sig}"),
            format!("v1 kid=k,t=-1,sig={sig}"),
            format!("v1 kid=k,t=,sig={sig}"),
            format!("v1 kid=k,sig={sig}"),
            format!("v1 kid=k,kid=l,t=1,sig={sig}"),
            "v1 kid=k,t=1,sig=AAAA".to_owned(),
            format!("v1 kid={},t=1,sig={sig}", "k".repeat(65)),
        ];
        for header in table {
            assert_eq!(Signature::parse(&header), None, "{header}");
        }
    }

    #[test]
    fn a_signature_is_fresh_for_five_minutes_either_way() {
        let signature = Signature { kid: "k".to_owned(), time: 1_000, sig: [0; 64] };
        for (now, fresh) in [(1_300, true), (1_301, false), (700, true), (699, false)] {
            assert_eq!(signature.is_fresh(now), fresh, "{now}");
        }
    }

    #[test]
    fn a_stage_is_not_signed() {
        assert_eq!(path_without_stage("/prod/v1/batches"), "/v1/batches");
        assert_eq!(path_without_stage("/v1/flags"), "/v1/flags");
        assert_eq!(path_without_stage("/healthz"), "/healthz");
    }

    #[test]
    fn the_text_is_what_the_documentation_says() {
        let text = signing_text("POST", "/v1/batches", "", "engine", 5, &[0xab; 32]);
        assert_eq!(text, format!("picket-v1\nPOST\n/v1/batches\n\nengine\n5\n{}", "ab".repeat(32)));
    }
}
