//! Checks of conditions: operators that suit their field, names that exist, patterns that compile.

use regex_automata::util::syntax;

use super::{Checker, Path};
use crate::{
    Field, FieldKind,
    document::{
        CONDITION_DEPTH, CONDITIONS, Condition, ListKind, Match, NumberOf, OneOrMany, Operator, Scalar, Test,
    },
};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// What a value is, as far as it decides which comparisons make sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Field(Field),
    /// The name of a member.
    Name(Field),
    /// Where a signal was seen.
    Parameter,
}

impl Checker<'_> {
    pub(super) fn condition(&mut self, path: &Path, condition: &Condition) {
        let (mut left, mut count) = (vec![(path.clone(), condition, 1)], 0);
        while let Some((path, condition, depth)) = left.pop() {
            count += 1;
            if depth > CONDITION_DEPTH {
                self.report(path, format!("conditions nest more than {CONDITION_DEPTH} deep")).help =
                    Some("lift inner groups: `all` within `all` is one `all`".to_owned());
                return;
            }
            if count > CONDITIONS {
                self.report(path, format!("more than {CONDITIONS} conditions in one rule")).help =
                    Some("put the values on a list and use `inList`".to_owned());
                return;
            }
            let (key, group) = match condition {
                Condition::All(group) => ("all", group.as_slice()),
                Condition::Any(group) => ("any", group.as_slice()),
                Condition::None(group) => ("none", group.as_slice()),
                Condition::Not(inner) => {
                    left.push((path.key("not"), inner, depth + 1));
                    continue;
                }
                Condition::Test(test) => {
                    self.test(&path, test);
                    continue;
                }
            };
            if group.is_empty() {
                let holds = if key == "any" { "never" } else { "always" };
                self.report(path.key(key), format!("an empty `{key}`, which {holds} holds")).help =
                    Some("put conditions in it, or take it out".to_owned());
            }
            let place = path.key(key);
            // Backwards, because the last one pushed is the first one looked at.
            for (index, inner) in group.iter().enumerate().rev() {
                left.push((place.index(index), inner, depth + 1));
            }
        }
    }

    fn test(&mut self, path: &Path, test: &Test) {
        let field = test.field;
        let named = field.kind() == FieldKind::Named;
        if let Some(name) = &test.name {
            if !named || field == Field::Signal {
                let problem = self.report(path.key("name"), format!("`{field}` has no names"));
                problem.help = Some(match field {
                    Field::Signal => {
                        "a signal is named with `equals`; where it was seen with `parameter`".to_owned()
                    }
                    _ => "take `name` out".to_owned(),
                });
            } else if name.is_empty() {
                self.report(path.key("name"), "an empty name").help =
                    Some("take `name` out to look at all".to_owned());
            } else if matches!(field, Field::Header | Field::ResponseHeader) {
                self.header_name(path.key("name"), name);
            }
        }
        if test.parameter.is_some() && field != Field::Signal {
            self.report(
                path.key("parameter"),
                format!("`parameter` belongs to `signal`, not to `{field}`"),
            )
            .help = Some(
                "a parameter is looked at with `field: query`, `form` or `json`, and its `name`".to_owned(),
            );
        }
        match &test.operator {
            Operator::Is(compared) => self.compared(path, Of::Field(field), compared),
            Operator::Exists(_)
                if !named
                    && matches!(
                        field,
                        Field::Method | Field::Path | Field::EventSource | Field::TimeOfDay
                    ) =>
            {
                self.report(path.key("exists"), format!("`{field}` is always there")).help =
                    Some("use `equals` or `like`".to_owned());
            }
            Operator::Exists(_) => {}
            Operator::ExistsWhere(_) if !named => {
                self.report(path.key("existsWhere"), format!("`{field}` has one value, without a name"))
                    .help = Some("compare it directly: `equals`, `like`, `matches`".to_owned());
            }
            Operator::ExistsWhere(member) => {
                let path = path.key("existsWhere");
                if let Some(name) = &member.name {
                    self.compared(&path.key("name"), Of::Name(field), name);
                }
                if let Some(parameter) = &member.parameter {
                    if field == Field::Signal {
                        self.compared(&path.key("parameter"), Of::Parameter, parameter);
                    } else {
                        self.report(
                            path.key("parameter"),
                            format!("`parameter` belongs to `signal`, not to `{field}`"),
                        )
                        .help = Some("use `name` and `value`".to_owned());
                    }
                }
                if let Some(value) = &member.value {
                    // The value of a signal is the text in which it was seen, not its id.
                    let of = if field == Field::Signal { Of::Parameter } else { Of::Field(field) };
                    self.compared(&path.key("value"), of, value);
                }
            }
        }
    }

    fn compared(&mut self, path: &Path, of: Of, compared: &Match) {
        match compared {
            Match::Equals(values) => {
                if values.is_empty() {
                    self.report(path.key("equals"), "an empty list").help =
                        Some("name at least one".to_owned());
                }
                for (index, value) in values.iter().enumerate() {
                    self.equals(path.key("equals").index(index), of, value);
                }
            }
            Match::Contains(texts) => self.pieces(path, "contains", of, texts),
            Match::Like(texts) => self.pieces(path, "like", of, texts),
            Match::Matches(pattern) => {
                self.pieces(path, "matches", of, std::slice::from_ref(pattern));
                self.pattern(path.key("matches"), pattern);
            }
            Match::InList(name) => {
                let kinds: &[ListKind] = match of {
                    Of::Field(Field::Client) => &[ListKind::Cidr],
                    Of::Field(Field::Country) => &[ListKind::Country],
                    Of::Field(Field::Asn) => &[ListKind::Asn],
                    Of::Field(Field::Signal) | Of::Name(Field::Signal) => &[ListKind::Signal],
                    Of::Field(field) if field.kind() == FieldKind::Number => &[],
                    Of::Field(Field::Header) => &[ListKind::String, ListKind::Wildcard, ListKind::Cidr],
                    _ => &[ListKind::String, ListKind::Wildcard],
                };
                if kinds.is_empty() {
                    self.unsuited(path, "inList", of, "`equals`, `greater` or `less`");
                } else {
                    self.list(path.key("inList"), name, kinds);
                }
            }
            Match::InCidr(ranges) => {
                if !matches!(
                    of,
                    Of::Field(Field::Client | Field::Header | Field::Query | Field::Form | Field::Json)
                ) {
                    self.unsuited(path, "inCidr", of, "`equals` or `like`");
                }
                self.texts(&path.key("inCidr"), &OneOrMany::Many(ranges.clone()), Self::range);
            }
            Match::Greater(than) => self.number(path, "greater", of, than),
            Match::GreaterOrEqual(than) => self.number(path, "greaterOrEqual", of, than),
            Match::Less(than) => self.number(path, "less", of, than),
            Match::LessOrEqual(than) => self.number(path, "lessOrEqual", of, than),
        }
    }

    fn unsuited(&mut self, path: &Path, operator: &str, of: Of, instead: &str) {
        let what = match of {
            Of::Field(field) => format!("`{field}`"),
            Of::Name(field) => format!("a name of `{field}`"),
            Of::Parameter => "this".to_owned(),
        };
        self.report(path.key(operator), format!("`{operator}` makes no sense on {what}")).help =
            Some(format!("use {instead}"));
    }

    fn equals(&mut self, path: Path, of: Of, value: &Scalar) {
        let text = value.to_string();
        match of {
            Of::Field(Field::Client) => {
                if text.parse::<std::net::IpAddr>().is_err() {
                    let problem = self.report(path, format!("`{}` is no address", text.escape_debug()));
                    problem.help = Some("a range is compared with `inCidr`, a list with `inList`".to_owned());
                }
            }
            Of::Field(Field::Country) => self.country(path, &text),
            Of::Field(Field::Signal) | Of::Name(Field::Signal) => self.signal(path, &text),
            Of::Field(Field::Method) => {
                let upper = text.to_ascii_uppercase();
                if text != upper {
                    self.report(
                        path,
                        format!("methods are written in capitals, and `{}` never comes", text.escape_debug()),
                    )
                    .help = Some(format!("write `{upper}`"));
                } else if !METHODS.contains(&upper.as_str()) {
                    let problem =
                        self.report(path, format!("`{}` is no method of HTTP", text.escape_debug()));
                    problem.unknown = Some((text, METHODS.iter().map(|&method| method.to_owned()).collect()));
                }
            }
            Of::Field(Field::Scheme) if !matches!(text.as_str(), "http" | "https") => {
                self.report(path, format!("`{}` is no scheme", text.escape_debug())).help =
                    Some("write `https` or `http`".to_owned());
            }
            Of::Field(Field::Path) if !text.starts_with('/') => self.wildcard_path(path, &text),
            Of::Field(Field::Status) => match NumberOf::Plain.read(value) {
                Ok(100..=599) => {}
                _ => {
                    self.report(path, format!("`{}` is no status of HTTP", text.escape_debug())).help =
                        Some("a status is a number from 100 to 599".to_owned());
                }
            },
            Of::Field(field) if field.kind() == FieldKind::Number => {
                if let Err(error) = NumberOf::field(field).read(value) {
                    self.report_error(path, &error);
                }
            }
            Of::Field(_) | Of::Name(_) | Of::Parameter => {}
        }
    }

    fn pieces(&mut self, path: &Path, operator: &str, of: Of, texts: &[String]) {
        if let Of::Field(field) = of
            && (field.kind() == FieldKind::Number || matches!(field, Field::Client | Field::Country))
        {
            let instead = match field {
                Field::Client => "`inCidr`, `inList` or `equals`",
                Field::Country => "`equals` or `inList`",
                _ => "`equals`, `greater` or `less`",
            };
            return self.unsuited(path, operator, of, instead);
        }
        let place = path.key(operator);
        if texts.is_empty() {
            self.report(place.clone(), "an empty list").help = Some("name at least one".to_owned());
        }
        for (index, text) in texts.iter().enumerate() {
            if text.is_empty() {
                self.report(
                    place.index(index),
                    format!("an empty text, and `{operator}` of it fits everything"),
                )
                .help = Some("write what is looked for".to_owned());
            } else if operator == "like" && of == Of::Field(Field::Path) && !text.starts_with(['/', '*', '?'])
            {
                self.wildcard_path(place.index(index), text);
            }
        }
    }

    fn number(&mut self, path: &Path, operator: &str, of: Of, than: &Scalar) {
        let number_of = match of {
            Of::Field(field) if matches!(field.kind(), FieldKind::Number) => NumberOf::field(field),
            Of::Field(field) if field.kind() == FieldKind::Named && field != Field::Signal => NumberOf::Plain,
            _ => return self.unsuited(path, operator, of, "`equals`, `like` or `matches`"),
        };
        if let Err(error) = number_of.read(than) {
            self.report_error(path.key(operator), &error);
        }
    }

    fn pattern(&mut self, path: Path, pattern: &str) {
        let Err(error) = syntax::parse(pattern) else { return };
        // The last line says why; those before draw the pattern, which the file shows anyway.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ").trim().to_owned();
        let problem = self.report(path, format!("this is no regular expression: {why}"));
        problem.help = Some(
            if pattern.contains("(?=") || pattern.contains("(?!") || pattern.contains("(?<") {
                "look-around is not there, because it takes more than linear time: use `not` with a second test".to_owned()
            } else if (1..=9).any(|n| pattern.contains(&format!("\\{n}"))) {
                "back references are not there, because they take more than linear time".to_owned()
            } else {
                "a sign that is meant itself needs a backslash, as in `\\.` and `\\(`".to_owned()
            },
        );
    }
}
