//! Style sheets as far as they run script or load more: `expression()`, script URLs, bindings, behaviours, imports.

/// What a style sheet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Style {
    /// It only styles.
    Harmless,
    /// It imports a foreign sheet.
    Imports,
    /// It runs script in a browser that supports the form.
    Runs,
}

const WINDOW: usize = 16;

/// What a style attribute or sheet does, with comments, escapes, entities and white space undone as a style parser
/// would (CSS Syntax 3, section 4.3.7).
pub(crate) fn style(css: &[u8]) -> Style {
    // The last bytes of the folded text, the newest at the end.
    let mut window = [0_u8; WINDOW];
    let (mut at, mut import, mut behaviour, mut found) = (0, false, false, Style::Harmless);
    while let Some(&byte) = css.get(at) {
        let rest = css.get(at..).unwrap_or_default();
        let (byte, used) = match rest {
            [b'/', b'*', inner @ ..] => {
                at += memchr::memmem::find(inner, b"*/").map_or(rest.len(), |end| end + 4);
                continue;
            }
            [b'\\', digits @ ..] => {
                let count = digits.iter().take(6).take_while(|b| b.is_ascii_hexdigit()).count();
                if count == 0 {
                    at += 1;
                    continue;
                }
                let value = digits[..count]
                    .iter()
                    .fold(0_u32, |sum, &b| sum * 16 + char::from(b).to_digit(16).unwrap_or(0));
                (u8::try_from(value).unwrap_or(b'?'), 1 + count)
            }
            [b'&', ..] => {
                let (unit, used) = super::url::unit(rest);
                (unit.unwrap_or(b'?'), used)
            }
            // Full-width letters, which old browsers folded.
            [0xef, 0xbc, low @ 0xa1..=0xba, ..] => (low - 0xa1 + b'a', 3),
            [0xef, 0xbd, low @ 0x81..=0x9a, ..] => (low - 0x81 + b'a', 3),
            _ => (byte, 1),
        };
        at += used;
        if byte <= b' ' || byte >= 0x80 {
            continue;
        }
        window.copy_within(1.., 0);
        window[WINDOW - 1] = byte.to_ascii_lowercase();
        let seen = |word: &[u8]| window.ends_with(word);
        match byte {
            b'(' if seen(b"expression(") => return Style::Runs,
            b':' if seen(b"javascript:") || seen(b"vbscript:") || seen(b"-moz-binding:") => {
                return Style::Runs;
            }
            b':' if seen(b"behavior:") || seen(b"behaviour:") => behaviour = true,
            b'(' if behaviour && seen(b"url(") => return Style::Runs,
            b';' | b'}' => (import, behaviour) = (false, false),
            b't' | b'T' if seen(b"@import") => import = true,
            b':' if import && seen(b"data:") => return Style::Runs,
            b'/' if import && seen(b"//") => found = Style::Imports,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_and_what_does_not() {
        for css in [
            "width:expression(f(1))",
            "xss:ex/*x*/pression (f(1))",
            "w:\\65xpression(f())",
            "background:url(java\nscript:f(1))",
            "-moz-binding:url(//x#y)",
            "behavior: url(x.htc)",
            "@import 'data:text/css,x'",
        ] {
            assert_eq!(style(css.as_bytes()), Style::Runs, "{css}");
        }
        assert_eq!(style(b"@import url(//x/y.css)"), Style::Imports);
        assert_eq!(style(b"color: red; background: url(https://x/y.png)"), Style::Harmless);
    }
}
