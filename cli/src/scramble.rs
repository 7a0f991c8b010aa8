//! Replaces parameter names, hosts and path words at random, so that a score can show that it does not depend on them.
//!
//! Only plain words are replaced: a name or segment with any mark in it may be the attack itself, and so may a path that
//! climbs. Extensions stay, because they say how a target would treat a path.

use crate::corpus::Recorded;

/// Words that a protocol gives a meaning to.
const KEPT: &[&[u8]] = &[b"query", b"variables", b"operationName", b"constructor", b"prototype"];

/// Scrambles requests; the same seed gives the same words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrambler {
    seed: u64,
}

impl Scrambler {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    pub(crate) fn scramble(self, request: &Recorded) -> Recorded {
        let mut scrambled = request.clone();
        scrambled.path = self.path(&request.path);
        scrambled.query = self.pairs(&request.query);
        let mut kind = Vec::new();
        for (name, value) in &mut scrambled.headers {
            if name.eq_ignore_ascii_case(b"host") {
                *value = self.host(value);
            } else if name.eq_ignore_ascii_case(b"referer") || name.eq_ignore_ascii_case(b"origin") {
                *value = self.origin(value);
            } else if name.eq_ignore_ascii_case(b"content-type") {
                kind = value.to_ascii_lowercase();
            }
        }
        let has = |word: &[u8]| kind.windows(word.len()).any(|window| window == word);
        if has(b"urlencoded") {
            scrambled.body = self.pairs(&request.body);
        } else if has(b"json") {
            scrambled.body = self.quoted(&request.body, b"", b":");
        } else if has(b"multipart") {
            scrambled.body = self.quoted(&request.body, b" name=", b"");
        }
        scrambled
    }

    /// A word of the same length and the same kinds of letters.
    fn word(self, word: &[u8], out: &mut Vec<u8>) {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let named = word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(plain);
        if !named || word.len() > 24 || KEPT.contains(&word) {
            out.extend_from_slice(word);
            return;
        }
        let mut state = word.iter().fold(self.seed, |state, &b| mix(state ^ u64::from(b)));
        for &byte in word {
            state = mix(state);
            let letter = b"abcdefghijklmnopqrstuvwxyz"[(state % 26) as usize];
            out.push(match byte {
                b'a'..=b'z' => letter,
                b'A'..=b'Z' => letter.to_ascii_uppercase(),
                other => other,
            });
        }
    }

    fn path(self, path: &[u8]) -> Vec<u8> {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-');
        if !path.iter().all(plain) || path.windows(2).any(|window| window == b"..") {
            return path.to_vec();
        }
        let mut out = Vec::with_capacity(path.len());
        for (index, segment) in path.split(|&b| b == b'/').enumerate() {
            if index > 0 {
                out.push(b'/');
            }
            let stem = segment.iter().position(|&b| b == b'.').unwrap_or(segment.len());
            let (stem, extension) = segment.split_at(stem);
            self.word(stem, &mut out);
            out.extend_from_slice(extension);
        }
        out
    }

    fn pairs(self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        for (index, pair) in text.split(|&b| b == b'&').enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            match pair.iter().position(|&b| b == b'=') {
                Some(equals) => {
                    let (name, value) = pair.split_at(equals);
                    self.word(name, &mut out);
                    out.extend_from_slice(value);
                }
                None => out.extend_from_slice(pair),
            }
        }
        out
    }

    fn host(self, host: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(host.len());
        // An address may be the attack; only names are replaced.
        if !host.iter().any(u8::is_ascii_alphabetic) {
            return host.to_vec();
        }
        for (index, label) in host.split(|&b| b == b'.').enumerate() {
            if index > 0 {
                out.push(b'.');
            }
            self.word(label, &mut out);
        }
        out
    }

    fn origin(self, url: &[u8]) -> Vec<u8> {
        let Some(start) = url.windows(3).position(|window| window == b"://").map(|at| at + 3) else {
            return url.to_vec();
        };
        let (scheme, rest) = url.split_at(start);
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b':')).unwrap_or(rest.len());
        let (host, tail) = rest.split_at(end);
        [scheme, &self.host(host), tail].concat()
    }

    /// Replaces quoted words that stand between `before` and `after`.
    fn quoted(self, text: &[u8], before: &[u8], after: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            at += 1;
            out.push(byte);
            if byte != b'"' || !out.get(..out.len() - 1).unwrap_or_default().ends_with(before) {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            let Some(end) =
                rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))
            else {
                continue;
            };
            let (word, tail) = rest.split_at(end);
            let closed = tail.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
            if closed.is_some_and(|tail| tail.starts_with(after)) {
                self.word(word, &mut out);
                at += end;
            }
        }
        out
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_and_payloads_stay() {
        let request = Recorded {
            method: b"POST".to_vec(),
            path: b"/shop/view-item.php".to_vec(),
            query: b"id=1' or 1=1&a[$ne]=x&Sort=asc".to_vec(),
            headers: vec![
                (b"Host".to_vec(), b"shop.example.org".to_vec()),
                (b"Content-Type".to_vec(), b"application/json".to_vec()),
            ],
            body: br#"{"name": "name", "x": {"__proto__": 1}}"#.to_vec(),
        };
        let scrambled = Scrambler::new(7).scramble(&request);
        assert_eq!(scrambled.path.len(), request.path.len());
        assert!(scrambled.path.ends_with(b".php") && scrambled.path != request.path);
        assert!(!scrambled.query.starts_with(b"id="));
        let query = String::from_utf8_lossy(&scrambled.query).into_owned();
        assert!(query.contains("=1' or 1=1&a[$ne]=x&") && !query.contains("Sort"), "{query}");
        assert_ne!(scrambled.headers[0].1, request.headers[0].1);
        let body = String::from_utf8_lossy(&scrambled.body).into_owned();
        assert!(
            body.contains(": \"name\"") && body.contains("__proto__") && !body.contains("\"name\":"),
            "{body}"
        );
        assert_eq!(Scrambler::new(7).scramble(&request).query, scrambled.query);
        assert_ne!(Scrambler::new(8).scramble(&request).query, scrambled.query);
    }

    #[test]
    fn a_path_that_climbs_stays() {
        let path = b"/a/../etc/passwd".to_vec();
        let request = Recorded { path: path.clone(), ..Recorded::default() };
        assert_eq!(Scrambler::new(1).scramble(&request).path, path);
    }
}
