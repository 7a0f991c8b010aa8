//! Conditions of a document to those of the canonical form.

use super::{Compiler, network};
use crate::{
    Field, FieldKind,
    canonical::{self, Comparison, Text},
    document::{self, ListKind, NumberOf, Operator, Scalar},
};

impl Compiler<'_> {
    /// A condition; always true where there is none.
    pub(super) fn when(&mut self, when: Option<&document::Condition>, place: &str) -> canonical::Condition {
        when.map_or_else(
            || canonical::Condition::All(Vec::new()),
            |when| self.condition(when, &format!("{place}.when")),
        )
    }

    fn condition(&mut self, condition: &document::Condition, place: &str) -> canonical::Condition {
        use document::Condition::{All, Any, None, Not, Test};
        match condition {
            All(all) => canonical::Condition::All(self.group(all, place, "all")),
            Any(all) => canonical::Condition::Any(self.group(all, place, "any")),
            None(all) => {
                let any = canonical::Condition::Any(self.group(all, place, "none"));
                canonical::Condition::Not(Box::new(any))
            }
            Not(one) => canonical::Condition::Not(Box::new(self.condition(one, &format!("{place}.not")))),
            Test(test) => self.test(test, place),
        }
    }

    fn group(&mut self, all: &[document::Condition], place: &str, word: &str) -> Vec<canonical::Condition> {
        all.iter()
            .enumerate()
            .map(|(index, one)| self.condition(one, &format!("{place}.{word}[{index}]")))
            .collect()
    }

    fn test(&mut self, test: &document::Test, place: &str) -> canonical::Condition {
        let field = test.field;
        if test.name.is_some() && (field.kind() != FieldKind::Named || field == Field::Signal) {
            self.wrong(&format!("{place}.name"), format!("`{field}` has no names: leave `name` out"));
        }
        if test.parameter.is_some() && field != Field::Signal {
            self.wrong(&format!("{place}.parameter"), "only signals have a `parameter`");
        }
        let name = match (field, &test.name, &test.parameter) {
            (Field::Signal, _, Some(parameter)) => Some(canonical::Match::Like(parameter.as_str().into())),
            (Field::Signal, ..) => None,
            (_, Some(name), _) => Some(canonical::Match::Equals(name.as_str().into())),
            _ => None,
        };
        let mut one = canonical::Test { field, name, value: None, content: None };
        match &test.operator {
            Operator::Is(compared) => {
                one.value = self.compared(compared, field, field.kind(), place);
                canonical::Condition::Test(one)
            }
            Operator::Exists(true) => canonical::Condition::Test(one),
            Operator::Exists(false) => canonical::Condition::Not(Box::new(canonical::Condition::Test(one))),
            Operator::ExistsWhere(wanted) => {
                if field.kind() != FieldKind::Named {
                    let message = format!("`{field}` has one value only: compare it without `existsWhere`");
                    self.wrong(&format!("{place}.existsWhere"), message);
                }
                self.exists_where(wanted, one, &format!("{place}.existsWhere"))
            }
        }
    }

    fn exists_where(
        &mut self,
        wanted: &document::Where,
        mut one: canonical::Test,
        place: &str,
    ) -> canonical::Condition {
        let field = one.field;
        let name = wanted
            .name
            .as_ref()
            .and_then(|name| self.compared(name, field, FieldKind::Text, &format!("{place}.name")));
        let parameter = wanted.parameter.as_ref().and_then(|parameter| {
            self.compared(parameter, field, FieldKind::Text, &format!("{place}.parameter"))
        });
        let value = wanted
            .value
            .as_ref()
            .and_then(|value| self.compared(value, field, FieldKind::Named, &format!("{place}.value")));
        if field == Field::Signal {
            (one.value, one.content) = (name, value);
            one.name = parameter.or(one.name);
        } else {
            if wanted.parameter.is_some() {
                self.wrong(&format!("{place}.parameter"), "only signals have a `parameter`");
            }
            one.name = name.or(one.name);
            one.value = value;
        }
        canonical::Condition::Test(one)
    }

    /// What a value is compared with, or `None` where that is wrong, which was then said.
    fn compared(
        &mut self,
        compared: &document::Match,
        field: Field,
        kind: FieldKind,
        place: &str,
    ) -> Option<canonical::Match> {
        use canonical::Match as To;
        use document::Match as From;
        let texts = |all: &[String], to: fn(Text) -> To| any(all.iter().map(|text| to(text.as_str().into())));
        if kind == FieldKind::Number
            && matches!(compared, From::Contains(_) | From::Like(_) | From::Matches(_))
        {
            self.wrong(place, format!("`{field}` is a number: use equals, greater, less or a list"));
            return None;
        }
        if kind == FieldKind::Address
            && !matches!(compared, From::Equals(_) | From::InList(_) | From::InCidr(_))
        {
            self.wrong(place, format!("`{field}` is an address: use equals, inCidr or inList"));
            return None;
        }
        Some(match compared {
            From::Equals(all) if kind == FieldKind::Address => {
                let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
                To::InCidr(self.networks(&texts, &format!("{place}.equals")))
            }
            From::Equals(all) if kind == FieldKind::Number => {
                let numbers: Option<Vec<To>> = all
                    .iter()
                    .map(|scalar| {
                        let number = self.number(scalar, field, &format!("{place}.equals"))?;
                        Some(To::Equals(number.to_string().as_str().into()))
                    })
                    .collect();
                any(numbers?.into_iter())
            }
            From::Equals(all) => any(all.iter().map(|scalar| {
                let text = scalar.to_string();
                To::Equals(text.as_str().into())
            })),
            From::Contains(all) => texts(all, To::Contains),
            From::Like(all) => texts(all, To::Like),
            From::Matches(regex) => match self.patterns.add(regex) {
                Ok(number) => To::Matches(number),
                Err(error) => {
                    self.wrong(&format!("{place}.matches"), error.to_string());
                    return None;
                }
            },
            From::InList(name) => {
                self.list(name, field, kind, place)?;
                To::InList(name.clone())
            }
            From::InCidr(all) => {
                if kind == FieldKind::Number {
                    self.wrong(place, format!("`{field}` is a number and lies in no range of addresses"));
                }
                for (index, text) in all.iter().enumerate() {
                    if network(text).is_none() {
                        let message = format!("`{text}` is not an address or a range such as 10.0.0.0/8");
                        self.wrong(&format!("{place}.inCidr[{index}]"), message);
                    }
                }
                To::InCidr(ipnet::IpNet::aggregate(&all.iter().filter_map(|text| network(text)).collect()))
            }
            From::Greater(than) => To::Compare(Comparison::Greater, self.bound(than, field, kind, place)?),
            From::GreaterOrEqual(than) => {
                To::Compare(Comparison::GreaterOrEqual, self.bound(than, field, kind, place)?)
            }
            From::Less(than) => To::Compare(Comparison::Less, self.bound(than, field, kind, place)?),
            From::LessOrEqual(than) => {
                To::Compare(Comparison::LessOrEqual, self.bound(than, field, kind, place)?)
            }
        })
    }

    fn bound(&mut self, than: &Scalar, field: Field, kind: FieldKind, place: &str) -> Option<i64> {
        if kind == FieldKind::Text {
            self.wrong(place, format!("`{field}` is a text: only numbers are greater or less"));
            return None;
        }
        self.number(than, field, place)
    }

    fn number(&mut self, scalar: &Scalar, field: Field, place: &str) -> Option<i64> {
        match NumberOf::field(field).read(scalar) {
            Ok(number) => Some(number),
            Err(error) => {
                self.wrong(place, error.to_string());
                None
            }
        }
    }

    /// A list that a field can be in.
    fn list(&mut self, name: &str, field: Field, kind: FieldKind, place: &str) -> Option<()> {
        let place = format!("{place}.inList");
        let Some(list) = self.document.lists.get(name) else {
            let known: Vec<&str> = self.document.lists.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            self.wrong(&place, format!("there is no list `{name}`; the policy's lists: {known}"));
            return None;
        };
        let fits = match kind {
            FieldKind::Address => list.kind == ListKind::Cidr,
            FieldKind::Number => list.kind == ListKind::Asn,
            FieldKind::Text | FieldKind::Named => list.kind != ListKind::Asn,
        };
        if !fits {
            let kind = format!("{:?}", list.kind).to_lowercase();
            self.wrong(&place, format!("`{name}` is a list of kind {kind}, in which `{field}` cannot be"));
            return None;
        }
        Some(())
    }
}

/// One of these; the one itself where it is alone.
fn any(mut all: impl Iterator<Item = canonical::Match>) -> canonical::Match {
    match (all.next(), all.next()) {
        (Some(only), None) => only,
        (first, second) => canonical::Match::Any(first.into_iter().chain(second).chain(all).collect()),
    }
}
