//! URLs as browsers read them in attributes: what scheme they have and whether following them runs script.

use crate::script;

/// What following a URL does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Follow {
    /// Nothing that concerns script.
    Harmless,
    /// It fetches something from a foreign host.
    Foreign,
    /// A script scheme with nothing, or nothing of consequence, behind it (`javascript:void(0)`).
    Idle,
    /// It shows a picture that the URL itself carries, of a kind that may hold script.
    Picture,
    /// It shows a document that the URL itself carries.
    Document,
    /// It runs script.
    Script,
}

const PREFIX: usize = 40;

/// What a browser does with a URL. Entities are undone; tabs, line ends and leading controls are dropped as the URL
/// standard says (WHATWG URL, section 4.4), and so are NUL and `\x` forms that only old browsers dropped.
pub(crate) fn follow(url: &[u8]) -> Follow {
    let (prefix, length, consumed) = scheme_prefix(url);
    let prefix = prefix.get(..length).unwrap_or_default();
    let rest = url.get(consumed..).unwrap_or_default();
    // Netscape evaluated `&{…};` in attributes.
    if url.trim_ascii_start().starts_with(b"&{") {
        return Follow::Script;
    }
    if prefix.starts_with(b"//") || prefix.starts_with(b"\\\\") {
        return Follow::Foreign;
    }
    let Some(colon) = memchr::memchr(b':', prefix) else { return Follow::Harmless };
    let scheme = prefix.get(..colon).unwrap_or_default();
    match scheme {
        b"javascript" | b"livescript" | b"mocha" | b"jscript" | b"ecmascript" => {
            if script::is_idle(rest) {
                Follow::Idle
            } else {
                Follow::Script
            }
        }
        b"vbscript" | b"vbs" => Follow::Script,
        b"feed" | b"view-source" | b"pcast" | b"jar" | b"x-javascript" => follow_nested(rest),
        b"data" => data_url(rest),
        b"mhtml" => Follow::Document,
        b"http" | b"https" | b"ftp" | b"ws" | b"wss" => Follow::Foreign,
        _ => Follow::Harmless,
    }
}

fn follow_nested(rest: &[u8]) -> Follow {
    let (prefix, length, consumed) = scheme_prefix(rest);
    let prefix = prefix.get(..length).unwrap_or_default();
    if prefix.starts_with(b"javascript:") {
        Follow::Script
    } else if prefix.starts_with(b"data:") {
        data_url(rest.get(consumed..).unwrap_or_default())
    } else {
        Follow::Harmless
    }
}

fn data_url(rest: &[u8]) -> Follow {
    let head = rest.get(..rest.len().min(64)).unwrap_or_default().to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&head, word).is_some();
    // A form reads the plus as a space.
    if (head.starts_with(b"image/svg+xml;") || head.starts_with(b"image/svg xml;")) && has(b";base64,") {
        // What the picture holds is a value of its own once its Base64 is undone.
        Follow::Picture
    } else if has(b"html") || has(b"svg") || has(b"xml") || has(b"javascript") || has(b"ecmascript") {
        Follow::Document
    } else {
        Follow::Harmless
    }
}

/// The first bytes of a URL in lower case up to and with its first colon, how many they are, and how many bytes of
/// the URL they took.
fn scheme_prefix(url: &[u8]) -> ([u8; PREFIX], usize, usize) {
    let (mut out, mut length, mut at) = ([0; PREFIX], 0, 0);
    while at < url.len() && length < PREFIX && at < 512 {
        let (byte, used) = unit(url.get(at..).unwrap_or_default());
        at += used;
        let Some(byte) = byte else { continue };
        if byte <= b' ' {
            continue;
        }
        out[length] = byte.to_ascii_lowercase();
        length += 1;
        if byte == b':' {
            break;
        }
    }
    (out, length, at)
}

/// One character of an attribute value with entities and the commonest escapes undone, and its length. `None` is a
/// character outside ASCII.
pub(crate) fn unit(bytes: &[u8]) -> (Option<u8>, usize) {
    match bytes {
        // A reference whose ampersand was written as one, for a page that undoes it once before.
        [b'&', b'a' | b'A', b'm' | b'M', b'p' | b'P', b';', rest @ ..] if rest.first() == Some(&b'#') => {
            let (byte, used) = number(rest.get(1..).unwrap_or_default());
            (byte, used + 4)
        }
        [b'&', b'#', rest @ ..] => number(rest),
        [b'&', rest @ ..] => {
            const NAMED: &[(&[u8], u8)] = &[
                (b"colon;", b':'),
                (b"tab;", b'\t'),
                (b"newline;", b'\n'),
                (b"lpar;", b'('),
                (b"rpar;", b')'),
                (b"lt;", b'<'),
                (b"gt;", b'>'),
                (b"quot;", b'"'),
                (b"apos;", b'\''),
                (b"sol;", b'/'),
                (b"bsol;", b'\\'),
                (b"equals;", b'='),
                (b"comma;", b','),
                (b"semi;", b';'),
                (b"period;", b'.'),
                (b"excl;", b'!'),
                (b"grave;", b'`'),
                (b"num;", b'#'),
                (b"amp;", b'&'),
                (b"lt", b'<'),
                (b"gt", b'>'),
            ];
            let found = NAMED
                .iter()
                .find(|(name, _)| rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)));
            found.map_or((Some(b'&'), 1), |&(name, byte)| (Some(byte), name.len() + 1))
        }
        [byte, ..] if byte.is_ascii() => (Some(*byte), 1),
        _ => (None, 1),
    }
}

/// The character that a numeric reference names, from what follows its `&#`, and the length of the whole reference.
fn number(rest: &[u8]) -> (Option<u8>, usize) {
    let (hex, rest, skipped) = match rest {
        [b'x' | b'X', digits @ ..] => (true, digits, 3),
        _ => (false, rest, 2),
    };
    let (mut value, mut digits) = (0_u32, 0);
    while let Some(digit) = rest.get(digits).and_then(|&b| char::from(b).to_digit(if hex { 16 } else { 10 }))
    {
        value = value.saturating_mul(if hex { 16 } else { 10 }).saturating_add(digit);
        digits += 1;
    }
    if digits == 0 {
        return (Some(b'&'), 1);
    }
    let semicolon = usize::from(rest.get(digits) == Some(&b';'));
    (u8::try_from(value).ok().filter(u8::is_ascii), skipped + digits + semicolon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_schemes_in_their_disguises() {
        for url in [
            "javascript:f(1)",
            " \x01JaVaScRiPt:f(1)",
            "java\tscr\nipt:f(1)",
            "&#x6a;avascript&colon;f(1)",
            "&#106avascript:f(1)",
            "vbscript:msgbox(1)",
            "feed:javascript:f(1)",
        ] {
            assert_eq!(follow(url.as_bytes()), Follow::Script, "{url}");
        }
        assert_eq!(follow(b"javascript:void(0)"), Follow::Idle);
        assert_eq!(follow(b"data:text/html;base64,AAAA"), Follow::Document);
        assert_eq!(follow(b"data:image/png;base64,AAAA"), Follow::Harmless);
        assert_eq!(follow(b"data:image/svg+xml;base64,AAAA"), Follow::Picture);
        assert_eq!(follow(b"/path?x=javascript:f(1)"), Follow::Harmless);
        assert_eq!(follow(b"//evil.example/x"), Follow::Foreign);
    }
}
