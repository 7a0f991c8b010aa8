//! Wildcards: `*` stands for any run of bytes, `?` for one byte, and a backslash takes the next character as it is.
//!
//! Matching is linear: each piece between stars is looked for once, from the left.

use memchr::memmem::Finder;

/// A compiled wildcard.
#[derive(Clone, Debug)]
pub(crate) struct Like {
    pieces: Vec<Piece>,
    /// Whether a star stands before the first and behind the last piece.
    open: (bool, bool),
    caseless: bool,
}

#[derive(Clone, Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// Which bytes are `?`; empty where none is.
    any: Vec<bool>,
    finder: Option<Finder<'static>>,
}

impl Piece {
    fn fits(&self, at: &[u8], caseless: bool) -> bool {
        let Some(window) = at.get(..self.bytes.len()) else { return false };
        let same = |a: &u8, b: &u8| if caseless { a.eq_ignore_ascii_case(b) } else { a == b };
        if self.any.is_empty() {
            return window.iter().zip(&self.bytes).all(|(a, b)| same(a, b));
        }
        window.iter().zip(&self.bytes).zip(&self.any).all(|((a, b), any)| *any || same(a, b))
    }

    /// Where it stands first. With a `?`, or where case does not matter, each start is tried; a piece is short.
    fn find(&self, text: &[u8], caseless: bool) -> Option<usize> {
        match &self.finder {
            Some(finder) => finder.find(text),
            None => (0..(text.len() + 1).saturating_sub(self.bytes.len()))
                .find(|start| text.get(*start..).is_some_and(|at| self.fits(at, caseless))),
        }
    }
}

impl Like {
    /// Compiles a text. Every text is a wildcard; a trailing backslash stands for itself.
    pub(crate) fn new(text: &str, caseless: bool) -> Self {
        let mut pieces = Vec::new();
        let (mut bytes, mut any) = (Vec::new(), Vec::new());
        let mut stars = 0_usize;
        let mut ends_open = false;
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            ends_open = false;
            match byte {
                b'*' => {
                    stars += 1;
                    ends_open = true;
                    pieces.push((std::mem::take(&mut bytes), std::mem::take(&mut any)));
                }
                b'?' => {
                    bytes.push(b'?');
                    any.push(true);
                }
                b'\\' => {
                    bytes.push(rest.next().unwrap_or(b'\\'));
                    any.push(false);
                }
                other => {
                    bytes.push(other);
                    any.push(false);
                }
            }
        }
        pieces.push((bytes, any));
        let starts_open = stars > 0 && pieces.first().is_some_and(|(bytes, _)| bytes.is_empty());
        let pieces = pieces
            .into_iter()
            .filter(|(bytes, _)| !bytes.is_empty())
            .map(|(bytes, any)| {
                let wild = any.contains(&true);
                let finder = (!wild && !caseless).then(|| Finder::new(&bytes).into_owned());
                Piece { any: if wild { any } else { Vec::new() }, bytes, finder }
            })
            .collect();
        Self { pieces, open: (starts_open, ends_open), caseless }
    }

    /// Whether the whole text is like it.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let mut pieces = &self.pieces[..];
        let mut rest = text;
        if pieces.is_empty() {
            // Nothing but stars, or nothing at all.
            return self.open.0 || text.is_empty();
        }
        if !self.open.0 {
            let Some((first, others)) = pieces.split_first() else { return false };
            if !first.fits(rest, self.caseless) {
                return false;
            }
            rest = rest.get(first.bytes.len()..).unwrap_or_default();
            pieces = others;
            if pieces.is_empty() {
                return self.open.1 || rest.is_empty();
            }
        }
        let last = if self.open.1 { None } else { pieces.split_last() };
        if let Some((last, others)) = last {
            pieces = others;
            let Some(start) = rest.len().checked_sub(last.bytes.len()) else { return false };
            let (before, end) = rest.split_at(start);
            if !last.fits(end, self.caseless) {
                return false;
            }
            rest = before;
        }
        for piece in pieces {
            let Some(at) = piece.find(rest, self.caseless) else { return false };
            rest = rest.get(at + piece.bytes.len()..).unwrap_or_default();
        }
        true
    }

    /// The longest literal bytes that every matching text has.
    pub(crate) fn longest(&self) -> &[u8] {
        let literals = self.pieces.iter().flat_map(|piece| {
            let ends = piece.any.iter().enumerate().filter(|(_, any)| **any).map(|(at, _)| at);
            let mut start = 0;
            ends.chain([piece.bytes.len()]).map(move |end| {
                let literal = piece.bytes.get(start..end).unwrap_or_default();
                start = end + 1;
                literal
            })
        });
        literals.max_by_key(|literal| literal.len()).unwrap_or_default()
    }

    /// The literal bytes that every matching text begins with; empty where case does not matter.
    pub(crate) fn prefix(&self) -> &[u8] {
        match self.pieces.first() {
            Some(first) if !self.open.0 && !self.caseless => {
                let end = first.any.iter().position(|any| *any).unwrap_or(first.bytes.len());
                first.bytes.get(..end).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_they_read() {
        let table = [
            ("/admin/*", "/admin/x", true),
            ("/admin/*", "/admin/", true),
            ("/admin/*", "/admin", false),
            ("/admin/*", "x/admin/y", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("*.js", "/a.js", true),
            ("*.js", "/a.jsx", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ab*ba", "aba", false),
            ("/v?/items", "/v1/items", true),
            ("/v?/items", "/v10/items", false),
            ("*?", "", false),
            ("*?", "a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("*x*y", "xy", true),
            ("*xy*xy", "xy", false),
        ];
        for (like, text, expected) in table {
            assert_eq!(Like::new(like, false).matches(text.as_bytes()), expected, "{like} {text}");
        }
        assert!(Like::new("*ADMIN*", true).matches(b"/Admin/x"));
        assert!(!Like::new("*ADMIN*", false).matches(b"/Admin/x"));
    }

    #[test]
    fn the_prefix_is_what_every_match_begins_with() {
        for (like, prefix) in [("/admin/*", "/admin/"), ("*a", ""), ("/v?/x", "/v"), ("abc", "abc"), ("", "")]
        {
            assert_eq!(Like::new(like, false).prefix(), prefix.as_bytes(), "{like}");
        }
        assert_eq!(Like::new("/admin/*", true).prefix(), b"");
    }

    #[test]
    fn the_longest_is_what_every_match_has() {
        for (like, longest) in
            [("*bot*", "bot"), ("/a/*/items", "/items"), ("/v?/orders", "/orders"), ("?a", "a"), ("*", "")]
        {
            assert_eq!(Like::new(like, false).longest(), longest.as_bytes(), "{like}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_the_obvious_definition(like in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            // Dynamic programming over both texts, with nothing clever in it.
            let (l, t) = (like.as_bytes(), text.as_bytes());
            let mut reach = vec![vec![false; t.len() + 1]; l.len() + 1];
            reach[0][0] = true;
            for i in 1..=l.len() {
                for j in 0..=t.len() {
                    reach[i][j] = match l[i - 1] {
                        b'*' => reach[i - 1][j] || (j > 0 && reach[i][j - 1]),
                        b'?' => j > 0 && reach[i - 1][j - 1],
                        byte => j > 0 && t[j - 1] == byte && reach[i - 1][j - 1],
                    };
                }
            }
            proptest::prop_assert_eq!(Like::new(&like, false).matches(t), reach[l.len()][t.len()]);
        }
    }
}
