//! URLs in values, and where they really lead: every spelling of an address, every candidate for the host.
//!
//! It knows URLs and addresses only; what a target means for a verdict is the detectors' affair.

mod host;

pub(crate) use host::{Reach, Target, target};

/// Longest URL that is looked at; what is longer has its target in front.
const URL: usize = 512;
/// URLs of one value that are looked at.
pub(crate) const URLS: usize = 1024;

/// A URL found in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Url<'v> {
    /// First byte of the scheme, or of `//`.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Scheme without the colon; empty for `//host`.
    pub scheme: &'v [u8],
    /// What follows the slashes, up to the end of the URL.
    pub rest: &'v [u8],
    /// The authority: user, host and port.
    pub authority: &'v [u8],
}

impl<'v> Url<'v> {
    /// The next URL at or after `from`.
    pub(crate) fn find(bytes: &'v [u8], from: usize) -> Option<Self> {
        let mut at = from;
        loop {
            let colon = at + memchr::memchr(b':', bytes.get(at..)?)?;
            let head = bytes.get(from..colon).unwrap_or_default();
            let letters = head
                .iter()
                .rev()
                .take(16)
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
                .count();
            let scheme = bytes.get(colon - letters..colon).unwrap_or_default();
            let tail = bytes.get(colon + 1..).unwrap_or_default();
            let slashes = tail.iter().take(6).take_while(|byte| matches!(byte, b'/' | b'\\')).count();
            let bare = slashes == 0
                && is(scheme, &[b"http", b"https", b"gopher", b"dict", b"ftp"])
                && tail.first().is_some_and(u8::is_ascii_digit);
            let known = slashes > 0 || bare;
            if known && scheme.len() >= 2 && scheme.first().is_some_and(u8::is_ascii_alphabetic) {
                return Some(Self::at(bytes, colon - letters, scheme, colon + 1 + slashes));
            }
            at = colon + 1;
        }
    }

    /// A scheme-relative URL as the start of a value: `//host`, `\\/host`.
    pub(crate) fn relative(bytes: &'v [u8]) -> Option<Self> {
        let slashes = bytes.iter().take(6).take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        (slashes >= 2 && bytes.len() > slashes).then(|| Self::at(bytes, 0, b"", slashes))
    }

    fn at(bytes: &'v [u8], start: usize, scheme: &'v [u8], from: usize) -> Self {
        let rest = bytes.get(from..).unwrap_or_default();
        let len = rest
            .iter()
            .take(URL)
            .position(|byte| {
                matches!(
                    byte,
                    b'"' | b'\''
                        | b'<'
                        | b'>'
                        | b'`'
                        | b'\n'
                        | b'\r'
                        | b'\t'
                        | b' '
                        | b'{'
                        | b'}'
                        | b')'
                        | b','
                )
            })
            .unwrap_or(rest.len().min(URL));
        let rest = rest.get(..len).unwrap_or_default();
        let end =
            rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
        Self { start, end: from + len, scheme, rest, authority: rest.get(..end).unwrap_or_default() }
    }

    /// What follows the authority.
    pub(crate) fn path(&self) -> &'v [u8] {
        self.rest.get(self.authority.len()..).unwrap_or_default()
    }

    /// The host and port without the user, as most clients read them.
    pub(crate) fn host_and_port(&self) -> (&'v [u8], Option<u16>) {
        let host = self.authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        split_port(host)
    }

    /// The target that some client would reach: the host as RFC 3986 has it, or what stands after a backslash, a
    /// fragment sign or an at sign where clients disagree. `tail` is what follows the URL in the value.
    pub(crate) fn reaches(&self, tail: &[u8]) -> Option<Target> {
        let (host, _) = self.host_and_port();
        if let Some(found) = target(host) {
            return Some(found);
        }
        let mut found = None;
        for text in [self.rest, tail.get(..tail.len().min(64)).unwrap_or_default()] {
            for at in memchr::memchr_iter(b'@', text).take(4) {
                let after = text.get(at + 1..).unwrap_or_default();
                let len = after
                    .iter()
                    .take(64)
                    .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\' | b' ' | b'@'))
                    .unwrap_or(after.len().min(64));
                let (host, _) = split_port(after.get(..len).unwrap_or_default());
                found = found.or_else(|| target(host).map(|target| Target { disguised: true, ..target }));
            }
        }
        found
    }
}

/// `host:port`; an IPv6 address stands in brackets, or is everything.
fn split_port(host: &[u8]) -> (&[u8], Option<u16>) {
    let colons = memchr::memchr_iter(b':', host).count();
    if host.starts_with(b"[") {
        let end = host.iter().position(|byte| *byte == b']').map_or(host.len(), |at| at + 1);
        return (host.get(..end).unwrap_or_default(), port(host.get(end + 1..).unwrap_or_default()));
    }
    match memchr::memrchr(b':', host) {
        Some(at) if colons == 1 => {
            (host.get(..at).unwrap_or_default(), port(host.get(at + 1..).unwrap_or_default()))
        }
        _ => (host, None),
    }
}

fn port(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a host is an address, public or not.
pub(crate) fn is_address(host: &[u8]) -> bool {
    let numeric = host
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':' | b'[' | b']' | b'x' | b'X'))
        && host.iter().any(u8::is_ascii_digit);
    numeric
        && (host.starts_with(b"[")
            || memchr::memchr_iter(b':', host).count() > 1
            || host.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'x')))
}

pub(crate) fn is(name: &[u8], known: &[&[u8]]) -> bool {
    known.iter().any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_in_texts() {
        let url = Url::find(b"see http://u@example.com:8080/a?b, thanks", 0).unwrap();
        assert_eq!(
            (url.scheme, url.host_and_port()),
            (b"http".as_slice(), (b"example.com".as_slice(), Some(8080)))
        );
        assert_eq!(url.path(), b"/a?b");
        assert!(Url::find(b"time: 12:30, note: x", 0).is_none());
        assert_eq!(Url::find(b"http:127.0.0.1/x", 0).unwrap().authority, b"127.0.0.1");
    }

    #[test]
    fn clients_that_disagree_about_the_host_do_not_hide_it() {
        for text in [
            "http://a.com#@127.0.0.1/",
            "http://127.1.1.1\\@a.com/",
            "http://a.com:80\\@127.0.0.1/",
            "http://a.com@127.0.0.1",
        ] {
            let url = Url::find(text.as_bytes(), 0).unwrap();
            assert_eq!(url.reaches(b"").map(|target| target.reach), Some(Reach::Loopback), "{text}");
        }
        assert!(Url::find(b"https://example.com/@user/10.1", 0).unwrap().reaches(b"").is_none());
    }
}
