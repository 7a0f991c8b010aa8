//! Texts of which one stands in whatever a regular expression matches, so that an index can tell without the automaton that it
//! matches nowhere.
//!
//! It may not know the index: it only makes texts as long and as few as it can.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::limits;

/// Texts in lower case; one of them stands, in any case of its letters, in every text that the expression matches. None where
/// nothing can be said, or only too little.
pub(super) fn required(hir: &Hir) -> Vec<String> {
    let texts = of(hir).filter(|texts| worth(texts).0 >= limits::NEED_BYTES);
    let texts = texts.map(|texts| texts.into_iter().map(String::from_utf8).collect::<Result<Vec<_>, _>>());
    texts.and_then(Result::ok).unwrap_or_default()
}

type Texts = Vec<Vec<u8>>;

fn of(hir: &Hir) -> Option<Texts> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(_) | HirKind::Class(_) => exact(hir).map(|text| vec![text]),
        HirKind::Capture(group) => of(&group.sub),
        HirKind::Repetition(again) => (again.min > 0).then(|| of(&again.sub)).flatten(),
        HirKind::Alternation(ways) => {
            let texts: Texts = ways.iter().map(of).collect::<Option<Vec<_>>>()?.concat();
            (texts.len() <= limits::NEEDS).then_some(texts)
        }
        HirKind::Concat(parts) => in_order(parts),
    }
}

/// The best of what the parts of a sequence need: each by itself, or those that stand next to each other together.
fn in_order(parts: &[Hir]) -> Option<Texts> {
    let (mut best, mut run) = (None, Vec::new());
    for part in parts {
        match exact(part) {
            Some(text) => run.extend(text),
            None => {
                better(&mut best, Some(vec![std::mem::take(&mut run)]));
                better(&mut best, of(part));
            }
        }
    }
    better(&mut best, Some(vec![run]));
    best
}

fn better(best: &mut Option<Texts>, other: Option<Texts>) {
    if let Some(other) = other.filter(|texts| texts.iter().all(|text| !text.is_empty()))
        && best.as_ref().is_none_or(|best| worth(&other) > worth(best))
    {
        *best = Some(other);
    }
}

/// How much of a help texts are: the shortest decides, up to a length that is rare enough, and then how few there are.
fn worth(texts: &Texts) -> (usize, usize) {
    const RARE: usize = 8;
    let shortest = texts.iter().map(Vec::len).min().unwrap_or(0);
    (shortest.min(RARE), usize::MAX - texts.len())
}

/// The one text, but for the case of its letters, that an expression matches.
fn exact(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_ascii_lowercase()),
        HirKind::Capture(group) => exact(&group.sub),
        HirKind::Class(Class::Bytes(class)) => {
            let letters = class.iter().flat_map(|range| range.start()..=range.end());
            letter(letters.map(char::from))
        }
        HirKind::Class(Class::Unicode(class)) => {
            letter(class.iter().flat_map(|range| range.start()..=range.end()))
        }
        HirKind::Concat(parts) => {
            let texts: Option<Vec<_>> = parts.iter().map(exact).collect();
            texts.map(|texts| texts.concat())
        }
        _ => None,
    }
}

/// `[Ss]`: one letter in both cases.
fn letter(mut class: impl Iterator<Item = char>) -> Option<Vec<u8>> {
    let first = class.next()?;
    let same = class.take(2).all(|other| other.eq_ignore_ascii_case(&first));
    (first.is_ascii() && same).then(|| vec![first.to_ascii_lowercase() as u8])
}

#[cfg(test)]
mod tests {
    use regex_automata::util::syntax;

    use super::*;

    #[test]
    fn what_must_stand_in_a_match_is_found() {
        for (expression, texts) in [
            ("/admin/", &["/admin/"][..]),
            ("^/api/v[0-9]+/export$", &["/export"]),
            ("(?i)SeLeCt", &["select"]),
            ("(?i)k[ae]y-value", &["y-value"]),
            ("(jpeg|tiff|webp)$", &["jpeg", "tiff", "webp"]),
            ("(a|tiff)x", &[]),
            ("(?:abcd)+ef?", &["abcd"]),
            ("(?:abcd)*", &[]),
            ("ab.cd", &[]),
            (r"\bx{3}secret", &["secret"]),
            ("(foo(bar))baz", &["foobarbaz"]),
            ("[a-z]+", &[]),
            ("", &[]),
            (r"(?-u)\xff\xfe\xfd\xfc", &[]),
        ] {
            let config = syntax::Config::new().unicode(false).utf8(false);
            let hir = syntax::parse_with(expression, &config).unwrap();
            let mut found = required(&hir);
            found.sort();
            assert_eq!(found, texts, "{expression}");
        }
    }

    #[test]
    fn many_ways_are_too_many() {
        let ways: Vec<String> = (0..=limits::NEEDS).map(|n| format!("{n:04}x")).collect();
        let hir = syntax::parse(&ways.join("|")).unwrap();
        assert_eq!(required(&hir), [""; 0]);
    }
}
