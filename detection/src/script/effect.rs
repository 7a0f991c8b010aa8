//! Whether a script would do something that matters: open a dialog, evaluate text, reach the page or the network.

use std::ops::Range;

use super::{
    lexer::{Lexer, Token, unescape_into},
    names::{Role, is_keyword, is_page_property, role},
};

/// What a script does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// It does nothing, or is no script.
    #[default]
    None,
    /// It calls or assigns something unknown.
    Some,
    /// It calls, reads or sets what attacks are after.
    Strong,
}

/// The strongest effect of a script and the bytes that show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How strong it is.
    pub(crate) effect: Effect,
    /// Where the first strongest piece stands.
    pub(crate) span: Range<usize>,
    /// Whether the text read as code to its end.
    pub(crate) whole: bool,
}

/// What stood before the token at hand, folded to what the next one needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A name with a role that a call, an index or a template would complete.
    Named(Role),
    /// The same inside the brackets of a member access or as the only thing in parentheses, now closed.
    Indexed(Role),
    /// Any other value.
    Value,
    /// A dot after the page, or after the global object.
    Dot(Option<Role>),
    /// An opening bracket or parenthesis after a value (what it is, the value's role).
    Inside(u8, Option<Role>),
    /// Any other mark.
    Mark(u8),
}

const LONGEST_NAME: usize = 32;

/// The strongest effect of the script at `bytes[from..]`, whatever else stands in it.
pub(crate) fn effect(bytes: &[u8], from: usize) -> Found {
    examine(bytes, from, false)
}

/// The strongest effect of the code at `bytes[from..]`, up to where it stops being code: two values side by side, as
/// in a sentence.
pub(crate) fn effect_of_code(bytes: &[u8], from: usize) -> Found {
    examine(bytes, from, true)
}

fn examine(bytes: &[u8], from: usize, strict: bool) -> Found {
    let mut lexer = Lexer::new(bytes, from);
    let mut best = Found::default();
    let mut before = Before::Nothing;
    // A string that is being put together by `+`.
    let (mut joined, mut joined_length, mut joined_from) = ([0; LONGEST_NAME], 0, 0);
    let (mut last_was_text, mut goes_on) = (false, false);
    let (mut bricks, mut others) = (0_u32, 0_u32);
    let mut controlled = false;
    while let Some(token) = lexer.next_token() {
        let is_plus = matches!(token, Token::Mark(b'+', _));
        goes_on = if matches!(token, Token::Text(_)) { goes_on } else { is_plus && last_was_text };
        last_was_text = false;
        if matches!(token, Token::Name(_) | Token::Number(_)) {
            joined_length = 0;
        }
        let mut raise = |effect: Effect, span: Range<usize>| {
            if best.effect < effect {
                best = Found { effect, span, whole: false };
            }
        };
        if strict && !matches!(token, Token::Mark(..)) && is_value(before) && !after_line_end(bytes, &token) {
            // The rest of the string that the page itself goes on with.
            let tail = matches!(&token, Token::Text(range) if range.end == bytes.len() && range.len() <= 4);
            let joins = match &token {
                Token::Template(_) => true,
                // The statement behind `if (…)`.
                Token::Name(range) if controlled && ends_in_parenthesis(bytes, range.start) => true,
                Token::Name(range) => {
                    matches!(bytes.get(range.clone()).unwrap_or_default(), b"in" | b"of" | b"instanceof")
                }
                _ => tail,
            };
            if !joins {
                return best;
            }
        }
        before = match token {
            Token::Name(range) => {
                others += 1;
                let mut name = [0; LONGEST_NAME];
                let length = unescape_into(bytes.get(range.clone()).unwrap_or_default(), &mut name);
                let name = name.get(..length).unwrap_or_default();
                if before == Before::Dot(Some(Role::Page))
                    && matches!(name, b"href" | b"hash" | b"search" | b"location")
                {
                    // Where it leads is read by everybody, and set by attacks.
                    before = Before::Indexed(Role::Page);
                    continue;
                }
                if before == Before::Dot(Some(Role::Page)) && is_page_property(name) {
                    raise(Effect::Strong, range.clone());
                }
                match role(name) {
                    Some(Role::Constructor) if matches!(before, Before::Dot(_)) => {
                        Before::Named(Role::Constructor)
                    }
                    Some(Role::Constructor) => Before::Value,
                    None if name == b"open" && matches!(before, Before::Dot(Some(Role::Global))) => {
                        Before::Named(Role::Network)
                    }
                    Some(Role::MarkupSink) if matches!(before, Before::Dot(_)) => {
                        Before::Indexed(Role::MarkupSink)
                    }
                    Some(Role::Page) if matches!(before, Before::Dot(Some(Role::Global))) => {
                        Before::Indexed(Role::Page)
                    }
                    Some(found) => {
                        // A dialog or an evaluator handed on as a value: `[1].map(alert)`, `onerror=eval`.
                        if matches!(found, Role::Dialog | Role::Evaluate)
                            && name != b"import"
                            && name != b"print"
                            && matches!(before, Before::Inside(b'(', _) | Before::Mark(b'='))
                            && matches!(
                                next_mark(bytes, range.end),
                                None | Some(b')' | b',' | b';' | b'.' | b'/' | b'}' | b']')
                            )
                        {
                            raise(Effect::Strong, range.clone());
                        }
                        Before::Named(found)
                    }
                    // What a window is called outlives the page, and is what the next page's script may evaluate.
                    None if name == b"name" && matches!(before, Before::Dot(Some(Role::Global))) => {
                        Before::Indexed(Role::MarkupSink)
                    }
                    None if matches!(name, b"if" | b"for" | b"while" | b"with" | b"catch") => {
                        controlled = true;
                        Before::Mark(b'k')
                    }
                    None if matches!(before, Before::Dot(_))
                        && name.len() > 4
                        && name.starts_with(b"on")
                        && is_event(name) =>
                    {
                        Before::Indexed(Role::MarkupSink)
                    }
                    None if is_keyword(name) && !matches!(before, Before::Dot(_)) => Before::Mark(b'k'),
                    None => Before::Value,
                }
            }
            Token::Text(range) => {
                others += 1;
                if matches!(before, Before::Mark(b'@'))
                    && navigates(bytes.get(range.clone()).unwrap_or_default())
                {
                    raise(Effect::Strong, range.clone());
                }
                if !goes_on {
                    (joined_length, joined_from) = (0, range.start);
                }
                last_was_text = true;
                let out = joined.get_mut(joined_length..).unwrap_or_default();
                joined_length += unescape_into(bytes.get(range).unwrap_or_default(), out);
                before_text(before)
            }
            Token::Template(range) => {
                others += 1;
                if let Before::Named(found) | Before::Indexed(found) = before
                    && calls(found)
                {
                    raise(Effect::Strong, range.start.saturating_sub(1)..range.end);
                }
                if let Some(at) = memchr::memmem::find(bytes.get(range.clone()).unwrap_or_default(), b"${") {
                    // One level of substitution; deeper ones are values of their own to the caller.
                    let inner = bytes.get(range.start + at + 2..range.end).unwrap_or_default();
                    if calls_a_name(inner) {
                        raise(Effect::Strong, range);
                    }
                }
                Before::Value
            }
            Token::Number(_) => {
                others += 1;
                Before::Value
            }
            Token::Regex(range) => {
                others += 1;
                let inner = bytes.get(range.clone()).unwrap_or_default();
                if matches!(before, Before::Mark(b'@'))
                    && navigates(inner.strip_prefix(b"/").unwrap_or(inner))
                {
                    raise(Effect::Strong, range);
                }
                Before::Value
            }
            Token::Mark(mark, at) => {
                if matches!(mark, b'[' | b']' | b'(' | b')' | b'!' | b'+') {
                    bricks += 1;
                } else if !matches!(mark, b';' | b',' | b'{' | b'}' | b'$' | b'~' | b'-' | b'/') {
                    others += 1;
                }
                let word = joined.get(..joined_length).unwrap_or_default();
                mark_after(before, mark, at, word, joined_from, &mut raise)
            }
        };
    }
    if bricks >= 12 && others == 0 && best.effect < Effect::Strong {
        best = Found { effect: Effect::Strong, span: from..bytes.len(), whole: true };
    }
    best.whole = true;
    best
}

fn ends_in_parenthesis(bytes: &[u8], at: usize) -> bool {
    bytes.get(..at).unwrap_or_default().trim_ascii_end().last() == Some(&b')')
}

fn is_event(name: &[u8]) -> bool {
    crate::html::tables::contains(crate::html::tables::EVENTS, name.get(2..).unwrap_or_default())
}

const fn is_value(before: Before) -> bool {
    matches!(before, Before::Named(_) | Before::Indexed(_) | Before::Value)
}

/// Whether a line ends before a token, so that a new statement may begin there without a semicolon.
fn after_line_end(bytes: &[u8], token: &Token) -> bool {
    let start = match token {
        Token::Name(range) | Token::Number(range) => range.start,
        Token::Text(range) | Token::Template(range) | Token::Regex(range) => range.start.saturating_sub(1),
        Token::Mark(_, at) => *at,
    };
    let blank =
        bytes.get(..start).unwrap_or_default().iter().rev().take(64).take_while(|b| b.is_ascii_whitespace());
    blank.into_iter().any(|b| matches!(b, b'\n' | b'\r'))
}

/// Whether a text assigned to `location` leads somewhere else.
fn navigates(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(12)).unwrap_or_default().to_ascii_lowercase();
    [&b"http"[..], b"//", b"java", b"data:", b"\\"].iter().any(|prefix| head.starts_with(prefix))
}

/// A string keeps what it stands in, so that `window['al'+'ert'](1)` is still an index of `window` at its bracket.
const fn before_text(before: Before) -> Before {
    match before {
        Before::Inside(open, owner) => Before::Inside(open, owner),
        _ => Before::Value,
    }
}

fn mark_after(
    before: Before,
    mark: u8,
    at: usize,
    word: &[u8],
    word_from: usize,
    raise: &mut impl FnMut(Effect, Range<usize>),
) -> Before {
    match (before, mark) {
        // Calls.
        (Before::Named(found) | Before::Indexed(found), b'(') => {
            let strength = if calls(found) { Effect::Strong } else { Effect::Some };
            raise(strength, at..at + 1);
            Before::Inside(b'(', None)
        }
        (Before::Value, b'(') => {
            raise(Effect::Some, at..at + 1);
            Before::Inside(b'(', None)
        }
        // `x.constructor.constructor`, `alert.call`, `self.alert`.
        (Before::Named(found) | Before::Indexed(found), b'.' | b'?') => {
            if matches!(found, Role::Constructor) {
                raise(Effect::Some, at..at + 1);
            }
            Before::Dot(Some(found))
        }
        (Before::Value, b'.' | b'?') => Before::Dot(None),
        (Before::Dot(owner), b'.') => Before::Dot(owner),
        // Member access by name.
        (Before::Named(found) | Before::Indexed(found), b'[') => Before::Inside(b'[', Some(found)),
        (Before::Value, b'[') => Before::Inside(b'[', None),
        (Before::Inside(b'[', owner), b']') => match role(word) {
            Some(found) if !word.is_empty() => {
                if calls(found) || matches!(owner, Some(Role::Global | Role::Page)) {
                    raise(Effect::Strong, word_from..at);
                }
                Before::Indexed(found)
            }
            // `top[/al/.source+/ert/.source](1)`: nobody needs to compute the name of a global that he calls.
            _ if matches!(owner, Some(Role::Global)) && word.is_empty() => Before::Indexed(Role::Evaluate),
            _ => {
                // What is indexed by a computed name of the page or of the global object is meant to be hidden.
                if matches!(owner, Some(Role::Page)) && is_page_property(word) {
                    raise(Effect::Strong, word_from..at);
                }
                match owner {
                    Some(Role::Global) => Before::Indexed(Role::Global),
                    _ => Before::Value,
                }
            }
        },
        (Before::Inside(b'[', owner), b'+') => Before::Inside(b'[', owner),
        // Assignments.
        (Before::Indexed(Role::Page | Role::MarkupSink), b'=') => {
            raise(Effect::Strong, at..at + 1);
            Before::Mark(b'=')
        }
        // Only what is assigned tells `location='//x'` from a filter on a column of that name.
        (Before::Named(Role::Page), b'=') => {
            raise(Effect::Some, at..at + 1);
            Before::Mark(b'@')
        }
        (Before::Value, b'=') => {
            raise(Effect::Some, at..at + 1);
            Before::Mark(b'=')
        }
        // `(alert)(1)`: what is alone in parentheses keeps its role.
        (Before::Named(found), b')') => Before::Indexed(found),
        (_, b')' | b']') => Before::Value,
        (_, b'(') => Before::Inside(b'(', None),
        (_, mark) => Before::Mark(mark),
    }
}

/// Whether calling a name of this role matters.
const fn calls(role: Role) -> bool {
    matches!(role, Role::Dialog | Role::Evaluate | Role::Network | Role::Constructor | Role::MarkupSink)
}

/// Whether a short text begins with a call of a name that matters.
fn calls_a_name(text: &[u8]) -> bool {
    let length = text.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(text.len());
    role(text.get(..length).unwrap_or_default()).is_some_and(calls)
        && matches!(text.get(length), Some(b'(' | b'`'))
}

fn next_mark(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at..).unwrap_or_default().iter().copied().find(|b| !b.is_ascii_whitespace())
}

/// Whether what follows `javascript:` is one of the idioms for "do nothing" or "go back" that pages write.
pub(crate) fn is_idle(script: &[u8]) -> bool {
    let head = script.trim_ascii().get(..64.min(script.trim_ascii().len())).unwrap_or_default();
    let head: Vec<u8> =
        head.iter().filter(|b| !b.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
    let head = head.strip_suffix(b";").unwrap_or(&head);
    matches!(
        head,
        b"" | b"void(0)"
            | b"void0"
            | b"void(null)"
            | b"void()"
            | b"void"
            | b"//"
            | b"#"
            | b"false"
            | b"returnfalse"
            | b"undefined"
            | b"null"
            | b"history.back()"
            | b"history.go(-1)"
            | b"window.history.back()"
            | b"window.print()"
            | b"print()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_strong() {
        for script in [
            "alert(1)",
            "top['al'+'ert'](1)",
            "\\u0061lert(1)",
            "confirm`1`",
            "[1].find(prompt)",
            "[]['constructor']['constructor']('f()')()",
            "document.cookie",
            "location='//x'",
            "(alert)(1)",
            "window.onerror=eval;throw 1",
            "fetch('//x')",
            "a.innerHTML=b",
            "import('//x')",
            "alert/**/(1)",
            "self [ 'alert' ](1)",
            "location.href='x'",
            "(0,eval)('x')",
        ] {
            assert_eq!(effect(script.as_bytes(), 0).effect, Effect::Strong, "{script}");
        }
    }

    #[test]
    fn prose_and_data_are_not() {
        for script in
            ["alert the user", "please confirm: yes", "the document", "location: Paris", "a = b", "top 10"]
        {
            assert_ne!(effect(script.as_bytes(), 0).effect, Effect::Strong, "{script}");
        }
        assert!(is_idle(b" void(0);"));
        assert!(!is_idle(b"f()"));
    }

    #[test]
    fn bricks_alone_are_a_script() {
        assert_eq!(effect(b"[][(![]+[])[+[]]+(![]+[])[+!+[]]]", 0).effect, Effect::Strong);
    }
}
