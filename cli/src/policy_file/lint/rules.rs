//! Rules that cannot match, have no effect beside another one, or have more than is meant.

use std::mem::discriminant;

use picket_policy::{
    Field,
    document::{Action, Condition, Match, Operator, Path, Rule, Test, is_custom_signal},
};

use super::{Linter, all_rules, conditions, each_test, implies, raised};

/// Pairs of rules are compared only up to this many rules: the cost grows with their square.
const MOST_COMPARED: usize = 1000;

impl Linter<'_> {
    pub(super) fn rules(&mut self) {
        let document = self.document();
        for (path, rule) in all_rules(document) {
            self.without_condition(&path, rule);
        }
        for (path, condition) in conditions(document) {
            self.never(&path, condition);
            self.unknowable(&path, condition);
        }
        let rules: Vec<_> = all_rules(document)
            .filter(|(_, rule)| !rule.dry_run && !self.is_over(rule.expires))
            .take(MOST_COMPARED)
            .collect();
        for (index, (path, rule)) in rules.iter().enumerate() {
            // What allows decides wherever it stands; of others, the first.
            let shadow = rules.iter().enumerate().find_map(|(other, (place, wide))| {
                let why = shadows(wide, rule, other < index)?;
                (other != index).then_some((place, wide, why))
            });
            if let Some((place, wide, why)) = shadow {
                let span = self.at(&place.key("id"));
                let help = "take one of them out, or narrow the wider one";
                let message = format!("the rule `{}` has no effect: {why}", rule.id);
                let warning = self.warn(&path.key("id"), message, help);
                warning.related = Some((span, format!("`{}` matches all that it matches", wide.id)));
            }
        }
    }

    fn without_condition(&mut self, path: &Path, rule: &Rule) {
        if rule.when.is_some() {
            return;
        }
        for action in rule.then.as_slice() {
            let what = match action {
                Action::Allow => "lets every request pass, whatever it holds",
                Action::Block(_) => "blocks every request",
                _ => continue,
            };
            let message = format!("the rule `{}` {what}", rule.id);
            self.warn(&path.key("id"), message, "add `when`, or set `mode` if that is meant");
        }
    }

    /// Parts of an `all` that exclude each other, and tests against an empty list.
    fn never(&mut self, path: &Path, condition: &Condition) {
        let document = self.document();
        let mut left = vec![(path.clone(), condition)];
        while let Some((path, condition)) = left.pop() {
            let (key, group) = match condition {
                Condition::All(group) => ("all", group),
                Condition::Any(group) => ("any", group),
                // What cannot hold makes `none` and `not` hold, which is another mistake.
                Condition::None(_) | Condition::Not(_) => continue,
                Condition::Test(test) => {
                    if let Operator::Is(Match::InList(name)) = &test.operator
                        && document.lists.get(name).is_some_and(|list| list.items.is_empty())
                    {
                        let message = format!("this never holds: the list `{name}` is empty");
                        self.warn(&path.key("inList"), message, "add items to it");
                    }
                    continue;
                }
            };
            let place = path.key(key);
            if key == "all" {
                let tests: Vec<(usize, &Test)> = group
                    .iter()
                    .enumerate()
                    .filter_map(|(index, part)| match part {
                        Condition::Test(test) => Some((index, &**test)),
                        _ => None,
                    })
                    .collect();
                let pair = tests.iter().enumerate().find_map(|(nth, (second, test))| {
                    let (first, _) =
                        tests.iter().take(nth).find(|(_, other)| implies::contradict(other, test))?;
                    Some((*first, *second, test.field))
                });
                if let Some((first, second, field)) = pair {
                    let span = self.at(&place.index(first));
                    let message = format!("this never matches: one `{field}` cannot be both");
                    let help = "use `any` where one of several is meant";
                    self.warn(&place.index(second), message, help).related =
                        Some((span, "and this".to_owned()));
                }
            }
            left.extend(group.iter().enumerate().map(|(index, inner)| (place.index(index), inner)));
        }
    }

    /// Tests of what this policy never learns.
    fn unknowable(&mut self, path: &Path, condition: &Condition) {
        let document = self.document();
        let raised = raised(document);
        let (mut country, mut asn) = (true, true);
        if let Some(geo) = &document.geo {
            (country, asn) = (geo.country.is_none(), geo.asn.is_none());
        }
        let mut found = Vec::new();
        each_test(path, condition, &mut |path, test| match (test.field, &test.operator) {
            (Field::Country, _) if country => found.push((
                path.key("field"),
                "the country is known only with a MaxMind file".to_owned(),
                "add `geo: { country: GeoLite2-Country.mmdb }`",
            )),
            (Field::Asn, _) if asn => found.push((
                path.key("field"),
                "the autonomous system is known only with a MaxMind file".to_owned(),
                "add `geo: { asn: GeoLite2-ASN.mmdb }`",
            )),
            (Field::Signal, Operator::Is(Match::Equals(names))) => {
                for (index, name) in names.iter().map(ToString::to_string).enumerate() {
                    if is_custom_signal(&name) && !raised.contains(name.as_str()) {
                        found.push((
                            path.key("equals").index(index),
                            format!("no rule of this policy raises `{name}`"),
                            "add a rule with `then: [{ signal: … }]`, or check its spelling",
                        ));
                    }
                }
            }
            _ => {}
        });
        for (path, message, help) in found {
            self.warn(&path, message, help);
        }
    }
}

/// Why `wide` leaves `rule` without effect.
fn shadows(wide: &Rule, rule: &Rule, stands_before: bool) -> Option<&'static str> {
    let decides = |rule: &Rule, allow: bool| {
        rule.then.as_slice().iter().any(|action| match action {
            Action::Allow => allow,
            Action::Block(_) => !allow,
            _ => false,
        })
    };
    let only = |rule: &Rule, wanted: fn(&Action) -> bool| rule.then.as_slice().iter().all(wanted);
    let why = if decides(wide, true)
        && wide.expires.is_none()
        && only(rule, |action| matches!(action, Action::Block(_)))
    {
        "what another rule allows is not blocked"
    } else if stands_before
        && decides(wide, false)
        && wide.expires.is_none()
        && only(rule, |action| matches!(action, Action::Block(_)))
    {
        "another rule blocks the same requests before it"
    } else if stands_before && wide.expires.is_none() && same(wide, rule) {
        "another rule does the same"
    } else {
        return None;
    };
    implies::covers(wide.when.as_ref(), rule.when.as_ref()).then_some(why)
}

/// Whether everything that `rule` does is done by `wide`.
fn same(wide: &Rule, rule: &Rule) -> bool {
    let wide = wide.then.as_slice();
    rule.then
        .as_slice()
        .iter()
        .all(|action| wide.iter().any(|other| discriminant(other) == discriminant(action) && other == action))
}
