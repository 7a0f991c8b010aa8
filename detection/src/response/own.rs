//! The credentials of this very environment, as marks: enough to know them again in an answer, and no byte of them.
//!
//! A mark is two fingerprints of a run of letters and digits of the credential, which survives the escaping of HTML, JSON and URLs. One pass
//! over a text compares every window of that length.

use std::{fmt, ops::Range};

/// Which credential a mark is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The access key's id, which is no secret by itself.
    AccessKeyId,
    /// The secret key.
    SecretKey,
    /// The session token.
    SessionToken,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    of: Credential,
    length: usize,
    first: u64,
    second: u64,
}

/// Marks of the environment's credentials.
#[derive(Clone, Default)]
pub struct OwnCredentials {
    marks: Vec<Mark>,
}

/// Two odd multipliers of large order (the multiplier of splitmix64 and the golden ratio).
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x9e37_79b9_7f4a_7c15;
/// Shorter runs would be found by chance.
const SHORTEST: usize = 14;
const LONGEST: usize = 40;

impl OwnCredentials {
    /// Marks of these credentials. One without a run that is long enough gets no mark.
    #[must_use]
    pub fn new<'b>(credentials: impl IntoIterator<Item = (Credential, &'b [u8])>) -> Self {
        let marks = credentials.into_iter().filter_map(|(of, secret)| {
            // All tokens begin alike; the longest run is seldom there, and never short.
            let secret = if of == Credential::SessionToken { secret.get(32..)? } else { secret };
            let run = secret.split(|byte| !byte.is_ascii_alphanumeric()).max_by_key(|run| run.len())?;
            let run = run.get(..LONGEST).unwrap_or(run);
            let mark = Mark { of, length: run.len(), first: print(run, FIRST), second: print(run, SECOND) };
            (run.len() >= SHORTEST).then_some(mark)
        });
        Self { marks: marks.collect() }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The credentials that stand in a text, and where.
    pub(super) fn find(&self, text: &[u8]) -> Vec<(Credential, Range<usize>)> {
        self.marks.iter().filter_map(|mark| Some((mark.of, mark.find(text)?))).collect()
    }
}

impl Mark {
    fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        let head = text.get(..self.length)?;
        // What the byte that leaves a window counts for.
        let leaving = (1..self.length).fold(1_u64, |power, _| power.wrapping_mul(FIRST));
        let mut rolling = print(head, FIRST);
        let mut start = 0;
        loop {
            if rolling == self.first {
                let window = start..start + self.length;
                if print(text.get(window.clone())?, SECOND) == self.second {
                    return Some(window);
                }
            }
            let (gone, come) = (*text.get(start)?, *text.get(start + self.length)?);
            rolling = rolling
                .wrapping_sub(byte(gone).wrapping_mul(leaving))
                .wrapping_mul(FIRST)
                .wrapping_add(byte(come));
            start += 1;
        }
    }
}

const fn byte(byte: u8) -> u64 {
    byte as u64 + 1
}

fn print(bytes: &[u8], multiplier: u64) -> u64 {
    bytes.iter().fold(0, |sum: u64, next| sum.wrapping_mul(multiplier).wrapping_add(byte(*next)))
}

impl fmt::Debug for OwnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnCredentials").field("marks", &self.marks.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYzzzzzzzKEY";

    fn own() -> OwnCredentials {
        OwnCredentials::new([(Credential::SecretKey, SECRET), (Credential::AccessKeyId, b"short")])
    }

    #[test]
    fn a_credential_is_found_wherever_it_stands_and_however_it_is_escaped() {
        let escaped = String::from_utf8_lossy(SECRET).replace('/', "&#x2F;").replace('+', "%2B");
        for before in [0, 1, 7, 4000] {
            for secret in [SECRET, escaped.as_bytes()] {
                let text = [&b"x".repeat(before), secret, b" and more"].concat();
                let found = own().find(&text);
                assert_eq!(found.len(), 1, "{before}");
                assert_eq!(&text[found[0].1.clone()], b"bPxRfiCYzzzzzzzKEY");
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_not_found() {
        for text in [&b""[..], b"bPxRfiCYzzzzzzzKE", b"bPxRfiCYzzzzzzzKEx", b"BPXRFICYZZZZZZZKEY"] {
            assert!(own().find(text).is_empty(), "{text:?}");
        }
        assert!(own().find(&b"\0".repeat(1000)).is_empty());
    }

    #[test]
    fn no_byte_of_it_is_shown() {
        let shown = format!("{:?}", own());
        assert_eq!(shown, "OwnCredentials { marks: 1 }");
    }
}
