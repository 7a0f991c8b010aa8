//! Where template expressions begin and end.

use std::ops::Range;

/// A family of delimiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{{ … }}`: Jinja, Twig, Handlebars, Liquid, Angular, Go …
    DoubleBrace,
    /// `{% … %}`: Jinja, Twig, Liquid.
    Statement,
    /// `${ … }`: Freemarker, EL, SpEL, Groovy, Mako, Thymeleaf, template literals, shells.
    Dollar,
    /// `#{ … }`: Ruby, SpEL, JSF, Pug.
    Hash,
    /// `%{ … }`: OGNL.
    Percent,
    /// `*{ … }`, `~{ … }`, `@{ … }`: Thymeleaf, and Perl for the last.
    Selection,
    /// `<% … %>`: ERB, EJS, ASP, JSP, Mako.
    Angle,
    /// `<#…>`, `[#…]`, `<@…>`: Freemarker directives.
    Freemarker,
    /// `#set(…)` and the like: Velocity.
    Velocity,
    /// `{ … }` with a Smarty or a Twig-like word.
    Smarty,
    /// `@( … )`, `@{ … }`: Razor.
    Razor,
    /// `[[ … ]]`: Thymeleaf's inlined expressions, Angular's or Vue's alternative delimiters.
    Bracket,
}

/// One expression: the whole with its delimiters, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// Which delimiters.
    pub(crate) kind: Kind,
    /// With delimiters.
    pub(crate) span: Range<usize>,
    /// Between them.
    pub(crate) body: Range<usize>,
    /// Whether the closing delimiter was found.
    pub(crate) closed: bool,
}

/// Longest body that is read: enough for any payload that fits a template's line, and a bound for a flood of openers.
const BODY: usize = 1024;
/// Expressions that are looked at from each end of a value.
const EXPRESSIONS: usize = 64;

/// Bytes at which an expression may begin.
static OPENERS: [bool; 256] = {
    let mut table = [false; 256];
    let (bytes, mut at) = (b"{#<@[%", 0);
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// The expressions of a value, in order.
#[derive(Debug)]
pub(crate) struct Expressions<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
    skipped: bool,
}

impl<'a> Expressions<'a> {
    /// From the start of a value.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, left: EXPRESSIONS, skipped: false }
    }
}

impl Iterator for Expressions<'_> {
    type Item = Expression;

    fn next(&mut self) -> Option<Expression> {
        loop {
            if self.left == 0 {
                if self.skipped {
                    return None;
                }
                // The rest of a flood is not read, but its end is: padding must not hide what follows it.
                self.skipped = true;
                self.left = EXPRESSIONS;
                self.at = self.at.max(self.bytes.len().saturating_sub(2 * BODY));
            }
            let rest = self.bytes.get(self.at..)?;
            let found = rest.iter().position(|byte| OPENERS[*byte as usize])?;
            let open = self.at + found;
            if let Some(expression) = self.expression(open) {
                self.left -= 1;
                // A body may hold another expression: `${a[${b}]}`; only the opener is passed over.
                self.at = expression.body.start.max(open + 1);
                return Some(expression);
            }
            self.at = open + 1;
        }
    }
}

impl Expressions<'_> {
    fn expression(&self, at: usize) -> Option<Expression> {
        let rest = self.bytes.get(at..)?;
        let before = at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied();
        let make = |kind, lead: usize, open: usize, close: &[u8]| {
            let body = at + open..self.bytes.len();
            let window = self.bytes.get(body.start..body.end.min(body.start + BODY)).unwrap_or_default();
            let end = matching(window, close);
            let body_end = end.map_or(body.start + window.len(), |end| body.start + end);
            Some(Expression {
                kind,
                span: at - lead..end.map_or(body_end, |_| body_end + close.len()),
                body: body.start..body_end,
                closed: end.is_some(),
            })
        };
        match rest {
            [b'{', b'{', b'{', ..] => make(Kind::DoubleBrace, 0, 3, b"}}"),
            [b'{', b'{', ..] => make(Kind::DoubleBrace, 0, 2, b"}}"),
            [b'{', b'%', ..] => make(Kind::Statement, 0, 2, b"%}"),
            [b'{', ..] => match before {
                Some(b'$') => make(Kind::Dollar, 1, 1, b"}"),
                Some(b'#') => make(Kind::Hash, 1, 1, b"}"),
                Some(b'%') => make(Kind::Percent, 1, 1, b"}"),
                Some(b'@') => make(Kind::Razor, 1, 1, b"}"),
                Some(b'*' | b'~') => make(Kind::Selection, 1, 1, b"}"),
                _ if begins_smarty(rest) => make(Kind::Smarty, 0, 1, b"}"),
                _ => None,
            },
            [b'<', b'%', ..] => make(Kind::Angle, 0, 2, b"%>"),
            [b'<', b'#' | b'@', letter, ..] if letter.is_ascii_alphabetic() => {
                make(Kind::Freemarker, 0, 2, b">")
            }
            [b'[', b'#', letter, ..] if letter.is_ascii_alphabetic() => make(Kind::Freemarker, 0, 2, b"]"),
            [b'[', b'[', ..] => make(Kind::Bracket, 0, 2, b"]]"),
            [b'#', letter, ..] if letter.is_ascii_lowercase() => {
                let length = rest.iter().skip(1).take(12).take_while(|b| b.is_ascii_lowercase()).count();
                const DIRECTIVES: &[&[u8]] =
                    &[b"set", b"include", b"parse", b"evaluate", b"foreach", b"if", b"macro", b"define"];
                let word = rest.get(1..=length)?;
                let open =
                    1 + length + rest.get(1 + length..)?.iter().take(4).take_while(|&&b| b == b' ').count();
                (DIRECTIVES.contains(&word) && rest.get(open) == Some(&b'('))
                    .then(|| make(Kind::Velocity, 0, open + 1, b")"))
                    .flatten()
            }
            // A class of .NET by its full name.
            [b'@', b'S', b'y', b's', b't', b'e', b'm', b'.', ..]
                if before.is_none_or(|b| !b.is_ascii_alphanumeric()) =>
            {
                make(Kind::Razor, 0, 1, b")")
            }
            [b'@', b'(', ..] if before.is_none_or(|b| !b.is_ascii_alphanumeric()) => {
                make(Kind::Razor, 0, 2, b")")
            }
            _ => None,
        }
    }
}

/// Whether a brace is followed by a word that only Smarty has there; JSON and style sheets are full of braces.
fn begins_smarty(rest: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"php}",
        b"/php}",
        b"$smarty",
        b"system(",
        b"literal}",
        b"include_php",
        b"fetch ",
        b"math ",
        b"exec(",
        b"passthru(",
        b"phpinfo",
        b"eval ",
        b"if system",
        b"if phpinfo",
        b"if exec",
        b"self::",
        b"Smarty_",
        b"include file=",
    ];
    let text = rest.get(1..).unwrap_or_default().trim_ascii_start();
    matches!(text.first(), Some(b'p' | b'/' | b'$' | b's' | b'l' | b'i' | b'f' | b'm' | b'e' | b'S'))
        && WORDS.iter().any(|word| text.starts_with(word))
        || is_product(text)
}

/// `7*7}`: a product of constants and nothing else.
fn is_product(text: &[u8]) -> bool {
    const LONGEST: usize = 24;
    let end = text.iter().take(LONGEST).position(|&b| b == b'}');
    let body = end.and_then(|end| text.get(..end)).unwrap_or_default();
    body.contains(&b'*')
        && body.first().is_some_and(u8::is_ascii_digit)
        && body.last().is_some_and(u8::is_ascii_digit)
        && body.iter().all(|b| b.is_ascii_digit() || b"*+-/ ".contains(b))
}

/// The offset of the closing delimiter that matches, with nested braces and strings passed over.
fn matching(text: &[u8], close: &[u8]) -> Option<usize> {
    if close.len() != 1 {
        return memchr::memmem::find(text, close);
    }
    let (close, open) = (
        close[0],
        match close[0] {
            b'}' => b'{',
            b')' => b'(',
            b']' => b'[',
            _ => 0,
        },
    );
    let (mut depth, mut quote) = (0_u32, 0);
    for (at, &byte) in text.iter().enumerate() {
        if quote != 0 {
            if byte == quote {
                quote = 0;
            }
        } else if byte == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        } else if byte == open && open != 0 {
            depth += 1;
        } else if matches!(byte, b'"' | b'\'')
            && memchr::memchr(byte, text.get(at + 1..).unwrap_or_default()).is_some()
        {
            quote = byte;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_and_their_bodies() {
        let bodies = |text: &str| -> Vec<String> {
            Expressions::new(text.as_bytes())
                .map(|e| format!("{:?} {}", e.kind, text.get(e.body).unwrap()))
                .collect()
        };
        assert_eq!(bodies("a {{ b }} ${c.d('}')}"), ["DoubleBrace  b ", "Dollar c.d('}')"]);
        assert_eq!(bodies("<%= 7*7 %>#set($x=1)"), ["Angle = 7*7 ", "Velocity $x=1"]);
    }

    #[test]
    fn a_flood_is_read_at_both_ends() {
        for unit in ["{{", "${", "<%", "[[", "#{", "{"] {
            let text = format!("{}{{{{7*7}}}}", unit.repeat(32 * 1024));
            let found: Vec<_> = Expressions::new(text.as_bytes()).collect();
            assert!(found.len() <= 2 * EXPRESSIONS);
        }
    }
}
