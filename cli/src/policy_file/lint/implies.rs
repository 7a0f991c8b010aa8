//! Whether one condition holds wherever another does. It answers yes only where that is certain.

use std::net::IpAddr;

use ipnet::IpNet;
use picket_policy::{
    Field, FieldKind,
    document::{Condition, Match, NumberOf, Operator, Scalar, Test},
};

/// Whether `wide` holds wherever `narrow` does. `None` is the condition that always holds.
pub(super) fn covers(wide: Option<&Condition>, narrow: Option<&Condition>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => Cover { steps: 10_000 }.holds(wide, narrow),
    }
}

/// Conditions are at most [`picket_policy::document::CONDITION_DEPTH`] deep, which the check has seen to; the steps bound the pairs.
struct Cover {
    steps: u32,
}

impl Cover {
    fn holds(&mut self, wide: &Condition, narrow: &Condition) -> bool {
        let Some(left) = self.steps.checked_sub(1) else { return false };
        self.steps = left;
        if wide == narrow {
            return true;
        }
        match (wide, narrow) {
            (Condition::All(wide), _) => wide.iter().all(|part| self.holds(part, narrow)),
            (_, Condition::Any(narrow)) => {
                !narrow.is_empty() && narrow.iter().all(|part| self.holds(wide, part))
            }
            (Condition::Any(parts), _) if parts.iter().any(|part| self.holds(part, narrow)) => true,
            (_, Condition::All(narrow)) => narrow.iter().any(|part| self.holds(wide, part)),
            (Condition::Not(wide), Condition::Not(narrow)) => self.holds(narrow, wide),
            (Condition::Test(wide), Condition::Test(narrow)) => test_covers(wide, narrow),
            _ => false,
        }
    }
}

fn test_covers(wide: &Test, narrow: &Test) -> bool {
    if wide.field != narrow.field || wide.parameter != narrow.parameter && wide.parameter.is_some() {
        return false;
    }
    // Without a name any member counts, so it covers the same test of one of them.
    if wide.name.is_some() && wide.name != narrow.name {
        return false;
    }
    match (&wide.operator, &narrow.operator) {
        (Operator::Exists(true), Operator::Is(_) | Operator::Exists(true) | Operator::ExistsWhere(_)) => true,
        (Operator::Is(wide_match), Operator::Is(narrow_match)) => {
            match_covers(wide.field, wide_match, narrow_match)
        }
        (wide, narrow) => wide == narrow,
    }
}

fn match_covers(field: Field, wide: &Match, narrow: &Match) -> bool {
    if wide == narrow {
        return true;
    }
    let texts = |values: &[Scalar]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let number = |scalar: &Scalar| NumberOf::field(field).read(scalar).ok();
    match (wide, narrow) {
        (Match::Equals(wide), Match::Equals(narrow)) => narrow.iter().all(|value| wide.contains(value)),
        (Match::Like(wide), Match::Equals(narrow)) => {
            texts(narrow).iter().all(|text| wide.iter().any(|pattern| is_like(pattern, text)))
        }
        (Match::Like(wide), Match::Like(narrow)) => narrow.iter().all(|inner| {
            // A pattern of which `*` and `?` are letters like others is like a wider one.
            wide.iter().any(|pattern| is_like(pattern, inner))
        }),
        (Match::Contains(wide), Match::Contains(narrow)) => {
            narrow.iter().all(|text| wide.iter().any(|piece| text.contains(piece.as_str())))
        }
        (Match::Contains(wide), Match::Equals(narrow)) => {
            texts(narrow).iter().all(|text| wide.iter().any(|piece| text.contains(piece.as_str())))
        }
        (Match::InCidr(wide), Match::InCidr(narrow)) => narrow.iter().all(|inner| in_ranges(wide, inner)),
        (Match::InCidr(wide), Match::Equals(narrow)) => {
            texts(narrow).iter().all(|inner| in_ranges(wide, inner))
        }
        (
            Match::Greater(wide) | Match::GreaterOrEqual(wide),
            Match::Greater(narrow) | Match::GreaterOrEqual(narrow),
        ) => number(wide).zip(number(narrow)).is_some_and(|(wide, narrow)| narrow > wide),
        (Match::Less(wide) | Match::LessOrEqual(wide), Match::Less(narrow) | Match::LessOrEqual(narrow)) => {
            number(wide).zip(number(narrow)).is_some_and(|(wide, narrow)| narrow < wide)
        }
        _ => false,
    }
}

/// Whether two tests of one field can hold at once. It answers no only where that is certain, and only for fields that have one value.
pub(super) fn contradict(one: &Test, other: &Test) -> bool {
    if one.field != other.field || one.field.kind() == FieldKind::Named {
        return false;
    }
    let (Operator::Is(first), Operator::Is(second)) = (&one.operator, &other.operator) else { return false };
    let number = |scalar: &Scalar| NumberOf::field(one.field).read(scalar).ok();
    let one_way = |first: &Match, second: &Match| match (first, second) {
        (Match::Equals(values), Match::Equals(others)) => !values.iter().any(|value| others.contains(value)),
        (Match::Equals(values), Match::Like(patterns)) => {
            !values.iter().any(|value| patterns.iter().any(|pattern| is_like(pattern, &value.to_string())))
        }
        (Match::Equals(values), Match::InCidr(ranges)) => {
            !values.iter().any(|value| in_ranges(ranges, &value.to_string()))
        }
        (Match::Greater(low), Match::Less(high)) => {
            number(low).zip(number(high)).is_some_and(|(low, high)| high <= low.saturating_add(1))
        }
        (Match::Greater(low), Match::LessOrEqual(high)) | (Match::GreaterOrEqual(low), Match::Less(high)) => {
            number(low).zip(number(high)).is_some_and(|(low, high)| high <= low)
        }
        (Match::GreaterOrEqual(low), Match::LessOrEqual(high)) => {
            number(low).zip(number(high)).is_some_and(|(low, high)| high < low)
        }
        (Match::Like(patterns), Match::Like(others)) => {
            patterns.iter().all(|pattern| others.iter().all(|other| heads_differ(pattern, other)))
        }
        _ => false,
    };
    one_way(first, second) || one_way(second, first)
}

/// Whether the literal beginnings of two patterns exclude each other.
fn heads_differ(one: &str, other: &str) -> bool {
    let head = |pattern: &str| pattern.split(['*', '?']).next().unwrap_or_default().as_bytes().to_vec();
    let (one, other) = (head(one), head(other));
    !one.iter().zip(&other).all(|(a, b)| a == b)
}

fn in_ranges(ranges: &[String], inner: &str) -> bool {
    let Some(inner) = range(inner) else { return false };
    ranges.iter().filter_map(|outer| range(outer)).any(|outer| outer.contains(&inner))
}

fn range(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Whether a text is like a pattern: `*` stands for any run of characters, `?` for one.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == byte || wanted == b'?' && byte != b'*' => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The star takes one byte more.
                Some((at, taken)) => {
                    (p, t) = (at + 1, taken + 1);
                    star = Some((at, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn condition(value: &Value) -> Condition {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn a_wider_condition_covers_a_narrower_one_and_not_the_other_way_round() {
        let table = [
            (
                json!({"field": "path", "like": "/admin/*"}),
                json!({"field": "path", "like": "/admin/users/*"}),
            ),
            (json!({"field": "path", "like": "/admin/*"}), json!({"field": "path", "equals": "/admin/x"})),
            (
                json!({"field": "client", "inCidr": "10.0.0.0/8"}),
                json!({"field": "client", "inCidr": ["10.1.0.0/16", "10.2.0.1"]}),
            ),
            (
                json!({"field": "method", "equals": ["GET", "POST"]}),
                json!({"field": "method", "equals": "POST"}),
            ),
            (
                json!({"field": "requestSize", "greater": "1KB"}),
                json!({"field": "requestSize", "greater": "1MB"}),
            ),
            (
                json!({"field": "header", "exists": true}),
                json!({"field": "header", "name": "x-a", "equals": "b"}),
            ),
            (
                json!({"field": "path", "like": "/a*"}),
                json!({"all": [{"field": "method", "equals": "GET"}, {"field": "path", "equals": "/ab"}]}),
            ),
            (
                json!({"any": [{"field": "path", "equals": "/a"}, {"field": "path", "equals": "/b"}]}),
                json!({"field": "path", "equals": "/b"}),
            ),
            (
                json!({"not": {"field": "path", "equals": "/a/b"}}),
                json!({"not": {"field": "path", "like": "/a/*"}}),
            ),
        ];
        for (wide, narrow) in table {
            let (w, n) = (condition(&wide), condition(&narrow));
            assert!(covers(Some(&w), Some(&n)), "{wide} covers {narrow}");
            assert!(!covers(Some(&n), Some(&w)), "{narrow} does not cover {wide}");
            assert!(covers(None, Some(&n)) && !covers(Some(&n), None));
        }
    }

    #[test]
    fn contradictions_are_found_on_fields_with_one_value() {
        let test = |value: &Value| match condition(value) {
            Condition::Test(test) => *test,
            _ => panic!(),
        };
        for (one, other, contradicting) in [
            (json!({"field": "method", "equals": "GET"}), json!({"field": "method", "equals": "POST"}), true),
            (json!({"field": "path", "like": "/a/*"}), json!({"field": "path", "like": "/b/*"}), true),
            (json!({"field": "path", "like": "/a/*"}), json!({"field": "path", "like": "*.php"}), false),
            (json!({"field": "status", "greater": 499}), json!({"field": "status", "less": 500}), true),
            (json!({"field": "status", "greater": 399}), json!({"field": "status", "less": 500}), false),
            (json!({"field": "query", "equals": "a"}), json!({"field": "query", "equals": "b"}), false),
            (
                json!({"field": "client", "equals": "192.0.2.1"}),
                json!({"field": "client", "inCidr": "10.0.0.0/8"}),
                true,
            ),
        ] {
            assert_eq!(contradict(&test(&one), &test(&other)), contradicting, "{one} {other}");
            assert_eq!(contradict(&test(&other), &test(&one)), contradicting, "{other} {one}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, text, like) in [
            ("*", "", true),
            ("/a*", "/abc", true),
            ("*.php", "/x.php", true),
            ("/a/*/c", "/a/b/b/c", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/a*c", false),
            ("/a", "/ab", false),
            ("a*a*a*a*b", &"a".repeat(500), false),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
    }
}
