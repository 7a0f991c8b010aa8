//! Conditions: `all`, `any`, `none` and `not` around tests of one field each.

use serde::{Deserialize, Serialize};

use super::scalar::{Bytes, Duration, OneOrMany, Scalar, ScalarError, TimeOfDay};
use crate::Field;

/// When a rule applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub enum Condition {
    /// Each of them holds.
    All(Vec<Self>),
    /// At least one of them holds.
    Any(Vec<Self>),
    /// Not one of them holds.
    None(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A test of one field.
    Test(Box<Test>),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is looked at.
    pub field: Field,
    /// Of a field with names (a header, a parameter): which one. Without it, any of them.
    pub name: Option<String>,
    /// Of a signal: at which location it must have been seen. `*` stands for any run of characters.
    pub parameter: Option<String>,
    /// What must be true of it.
    pub operator: Operator,
}

/// What must be true of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// A value compares like this.
    Is(Match),
    /// It is there, or it is not.
    Exists(bool),
    /// One of its members has all of these at once.
    ExistsWhere(Where),
}

/// What one value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// It is one of these, byte for byte.
    Equals(Vec<Scalar>),
    /// One of these stands in it.
    Contains(Vec<String>),
    /// It is like one of these, in which `*` stands for any run of characters and `?` for one.
    Like(Vec<String>),
    /// A regular expression matches somewhere in it.
    Matches(String),
    /// It is in the list of this name.
    InList(String),
    /// It is an address in one of these ranges.
    InCidr(Vec<String>),
    /// It is greater.
    Greater(Scalar),
    /// It is greater, or equal.
    GreaterOrEqual(Scalar),
    /// It is less.
    Less(Scalar),
    /// It is less, or equal.
    LessOrEqual(Scalar),
}

/// What one member of a field with names must have, all at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Where {
    /// Its name; of a signal, its id.
    pub name: Option<Match>,
    /// Of a signal: the location where it was seen.
    pub parameter: Option<Match>,
    /// Its value; of a signal, the value in which it was seen.
    pub value: Option<Match>,
}

/// What a number of a field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberOf {
    /// Bytes: `512`, `64KB`, `1MiB`.
    Bytes,
    /// Milliseconds: `250ms`, `2s`, or a plain number.
    Millis,
    /// Minutes since midnight (UTC): `22:30`.
    Minutes,
    /// Just a number.
    Plain,
}

impl NumberOf {
    /// What the numbers of a field count.
    #[must_use]
    pub const fn field(field: Field) -> Self {
        match field {
            Field::RequestSize | Field::ResponseSize => Self::Bytes,
            Field::ResponseTime => Self::Millis,
            Field::TimeOfDay => Self::Minutes,
            _ => Self::Plain,
        }
    }

    /// The number that a text or number of the file stands for.
    ///
    /// # Errors
    /// Says what would be one.
    pub fn read(self, scalar: &Scalar) -> Result<i64, ScalarError> {
        let narrow = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match (self, scalar) {
            (Self::Bytes | Self::Millis | Self::Plain, Scalar::Number(number)) => Ok(*number),
            (Self::Bytes, other) => other.to_string().parse::<Bytes>().map(|bytes| narrow(bytes.0)),
            (Self::Millis, other) => other.to_string().parse::<Duration>().map(|time| narrow(time.millis())),
            (Self::Minutes, other) => {
                other.to_string().parse::<TimeOfDay>().map(|time| time.minutes().into())
            }
            (Self::Plain, other) => other
                .to_string()
                .parse()
                .map_err(|_| super::scalar::wrong(&other.to_string(), "a whole number")),
        }
    }
}

/// Why the keys of a condition do not make one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// No key that says what it is.
    #[error("an empty condition: write `field` with an operator, or one of `all`, `any`, `none` and `not`")]
    Empty,
    /// Two of `all`, `any`, `none`, `not` and `field`.
    #[error("`{0}` and `{1}` in one condition: put each in an item of its own under `all` or `any`")]
    Mixed(&'static str, &'static str),
    /// A field without an operator.
    #[error(
        "the test of `{0}` has no operator: add one of equals, contains, like, matches, inList, inCidr, greater, \
             greaterOrEqual, less, lessOrEqual, exists or existsWhere"
    )]
    NoOperator(&'static str),
    /// Two operators.
    #[error("`{0}` and `{1}` in one test: write two tests under `all`")]
    Operators(&'static str, &'static str),
    /// Two comparisons within `existsWhere`.
    #[error("`{0}` and `{1}` in one comparison: write one of them")]
    Comparisons(&'static str, &'static str),
    /// Nothing within a member of `existsWhere`.
    #[error("an empty comparison: write for instance `like: a*`")]
    NoComparison,
    /// `existsWhere` without a member.
    #[error("`existsWhere` needs at least one of `name`, `parameter` and `value`")]
    NoWhere,
}

type Texts = OneOrMany<String>;

/// A condition as it stands in the file.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Condition"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Keys {
    /// Each of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Condition>>,
    /// At least one of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition>>,
    /// Not one of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    none: Option<Vec<Condition>>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Box<Condition>>,
    /// What is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<Field>,
    /// Of a field with names (a header, a parameter): which one. Without it, any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Of a signal: at which location it must have been seen. `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// It is this, or one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    equals: Option<OneOrMany<Scalar>>,
    /// This, or one of these, stands in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    contains: Option<Texts>,
    /// It is like this, or one of these: `*` stands for any run of characters, `?` for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<Texts>,
    /// A regular expression matches somewhere in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<String>,
    /// It is in the list of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_list: Option<String>,
    /// It is an address in this range, or in one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_cidr: Option<Texts>,
    /// It is greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    greater: Option<Scalar>,
    /// It is greater, or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    greater_or_equal: Option<Scalar>,
    /// It is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    less: Option<Scalar>,
    /// It is less, or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    less_or_equal: Option<Scalar>,
    /// It is there (`true`), or it is not (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
    /// One member has all of these at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists_where: Option<WhereKeys>,
}

/// What one member must have, all at once.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Where"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WhereKeys {
    /// Its name; of a signal, its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<MatchKeys>,
    /// Of a signal: the location where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<MatchKeys>,
    /// Its value; of a signal, the value in which it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<MatchKeys>,
}

/// A comparison of one value.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Match"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MatchKeys {
    /// It is this, or one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    equals: Option<OneOrMany<Scalar>>,
    /// This, or one of these, stands in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    contains: Option<Texts>,
    /// It is like this, or one of these: `*` stands for any run of characters, `?` for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<Texts>,
    /// A regular expression matches somewhere in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<String>,
    /// It is in the list of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_list: Option<String>,
    /// It is an address in this range, or in one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_cidr: Option<Texts>,
    /// It is greater.
    #[serde(skip_serializing_if = "Option::is_none")]
    greater: Option<Scalar>,
    /// It is greater, or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    greater_or_equal: Option<Scalar>,
    /// It is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    less: Option<Scalar>,
    /// It is less, or equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    less_or_equal: Option<Scalar>,
}

impl MatchKeys {
    /// Every comparison that is given, with its name.
    fn given(self) -> impl Iterator<Item = (&'static str, Match)> {
        let many = |texts: Texts| texts.into_vec();
        [
            ("equals", self.equals.map(|values| Match::Equals(values.into_vec()))),
            ("contains", self.contains.map(many).map(Match::Contains)),
            ("like", self.like.map(many).map(Match::Like)),
            ("matches", self.matches.map(Match::Matches)),
            ("inList", self.in_list.map(Match::InList)),
            ("inCidr", self.in_cidr.map(many).map(Match::InCidr)),
            ("greater", self.greater.map(Match::Greater)),
            ("greaterOrEqual", self.greater_or_equal.map(Match::GreaterOrEqual)),
            ("less", self.less.map(Match::Less)),
            ("lessOrEqual", self.less_or_equal.map(Match::LessOrEqual)),
        ]
        .into_iter()
        .filter_map(|(name, given)| Some((name, given?)))
    }

    fn one(self) -> Result<Match, ConditionError> {
        let mut given = self.given();
        match (given.next(), given.next()) {
            (Some((_, only)), None) => Ok(only),
            (Some((first, _)), Some((second, _))) => Err(ConditionError::Comparisons(first, second)),
            (None, _) => Err(ConditionError::NoComparison),
        }
    }
}

impl From<Match> for MatchKeys {
    fn from(compared: Match) -> Self {
        let none = Self::default();
        match compared {
            Match::Equals(values) => Self { equals: Some(OneOrMany::of(values)), ..none },
            Match::Contains(texts) => Self { contains: Some(OneOrMany::of(texts)), ..none },
            Match::Like(texts) => Self { like: Some(OneOrMany::of(texts)), ..none },
            Match::Matches(regex) => Self { matches: Some(regex), ..none },
            Match::InList(list) => Self { in_list: Some(list), ..none },
            Match::InCidr(ranges) => Self { in_cidr: Some(OneOrMany::of(ranges)), ..none },
            Match::Greater(than) => Self { greater: Some(than), ..none },
            Match::GreaterOrEqual(than) => Self { greater_or_equal: Some(than), ..none },
            Match::Less(than) => Self { less: Some(than), ..none },
            Match::LessOrEqual(than) => Self { less_or_equal: Some(than), ..none },
        }
    }
}

impl WhereKeys {
    fn read(self) -> Result<Where, ConditionError> {
        if self.name.is_none() && self.parameter.is_none() && self.value.is_none() {
            return Err(ConditionError::NoWhere);
        }
        let one = |keys: Option<MatchKeys>| keys.map(MatchKeys::one).transpose();
        Ok(Where { name: one(self.name)?, parameter: one(self.parameter)?, value: one(self.value)? })
    }
}

impl Keys {
    fn test(self, field: Field) -> Result<Test, ConditionError> {
        let compared = MatchKeys {
            equals: self.equals,
            contains: self.contains,
            like: self.like,
            matches: self.matches,
            in_list: self.in_list,
            in_cidr: self.in_cidr,
            greater: self.greater,
            greater_or_equal: self.greater_or_equal,
            less: self.less,
            less_or_equal: self.less_or_equal,
        };
        let mut given: Vec<_> = compared.given().map(|(name, is)| (name, Operator::Is(is))).collect();
        given.extend(self.exists.map(|there| ("exists", Operator::Exists(there))));
        if let Some(keys) = self.exists_where {
            given.push(("existsWhere", Operator::ExistsWhere(keys.read()?)));
        }
        let mut given = given.into_iter();
        match (given.next(), given.next()) {
            (Some((_, operator)), None) => {
                Ok(Test { field, name: self.name, parameter: self.parameter, operator })
            }
            (Some((first, _)), Some((second, _))) => Err(ConditionError::Operators(first, second)),
            (None, _) => Err(ConditionError::NoOperator(field.word())),
        }
    }
}

impl TryFrom<Keys> for Condition {
    type Error = ConditionError;

    fn try_from(mut keys: Keys) -> Result<Self, ConditionError> {
        let kinds = [
            ("all", keys.all.take().map(Self::All)),
            ("any", keys.any.take().map(Self::Any)),
            ("none", keys.none.take().map(Self::None)),
            ("not", keys.not.take().map(Self::Not)),
        ];
        let mut given = kinds.into_iter().filter_map(|(name, kind)| Some((name, kind?)));
        match (given.next(), given.next(), keys.field) {
            (Some((first, _)), Some((second, _)), _) => Err(ConditionError::Mixed(first, second)),
            (Some((group, _)), None, Some(_)) => Err(ConditionError::Mixed(group, "field")),
            (Some((_, group)), None, None) => Ok(group),
            (None, _, Some(field)) => keys.test(field).map(|test| Self::Test(Box::new(test))),
            (None, _, None) => Err(ConditionError::Empty),
        }
    }
}

impl From<Condition> for Keys {
    fn from(condition: Condition) -> Self {
        let none = Self::default();
        match condition {
            Condition::All(all) => Self { all: Some(all), ..none },
            Condition::Any(any) => Self { any: Some(any), ..none },
            Condition::None(of) => Self { none: Some(of), ..none },
            Condition::Not(not) => Self { not: Some(not), ..none },
            Condition::Test(test) => {
                let Test { field, name, parameter, operator } = *test;
                let named = Self { field: Some(field), name, parameter, ..none };
                match operator {
                    Operator::Exists(there) => Self { exists: Some(there), ..named },
                    Operator::ExistsWhere(member) => {
                        let keys = WhereKeys {
                            name: member.name.map(MatchKeys::from),
                            parameter: member.parameter.map(MatchKeys::from),
                            value: member.value.map(MatchKeys::from),
                        };
                        Self { exists_where: Some(keys), ..named }
                    }
                    Operator::Is(compared) => {
                        let keys = MatchKeys::from(compared);
                        Self {
                            equals: keys.equals,
                            contains: keys.contains,
                            like: keys.like,
                            matches: keys.matches,
                            in_list: keys.in_list,
                            in_cidr: keys.in_cidr,
                            greater: keys.greater,
                            greater_or_equal: keys.greater_or_equal,
                            less: keys.less,
                            less_or_equal: keys.less_or_equal,
                            ..named
                        }
                    }
                }
            }
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Condition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Keys::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_written_as_it_was_read() {
        for text in [
            json!({"all": [{"field": "path", "like": "/admin/*"}, {"not": {"field": "client", "inList": "office"}}]}),
            json!({"any": [{"field": "method", "equals": ["GET", "HEAD"]}, {"none": []}]}),
            json!({"field": "header", "name": "x-api-key", "exists": false}),
            json!({"field": "signal", "equals": "SQLI", "parameter": "query.*"}),
            json!({"field": "query", "existsWhere": {"name": {"like": "q*"}, "value": {"greater": 10}}}),
            json!({"field": "requestSize", "greaterOrEqual": "64KB"}),
        ] {
            let condition: Condition = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(serde_json::to_value(&condition).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_condition_says_why() {
        for (text, why) in [
            (json!({}), "an empty condition"),
            (json!({"all": [], "any": []}), "`all` and `any` in one condition"),
            (json!({"not": {"field": "path", "like": "*"}, "field": "path"}), "`not` and `field`"),
            (json!({"field": "path"}), "the test of `path` has no operator"),
            (json!({"field": "path", "like": "/a", "equals": "/b"}), "`equals` and `like` in one test"),
            (json!({"field": "query", "existsWhere": {}}), "`existsWhere` needs at least one"),
            (json!({"field": "query", "existsWhere": {"name": {}}}), "an empty comparison"),
            (
                json!({"field": "query", "existsWhere": {"name": {"like": "a", "matches": "b"}}}),
                "`like` and `matches`",
            ),
            (json!({"field": "pth", "like": "/"}), "unknown variant `pth`"),
        ] {
            let error = serde_json::from_value::<Condition>(text.clone()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_read_in_the_units_of_their_field() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        assert_eq!(NumberOf::field(Field::RequestSize).read(&text("64KB")), Ok(64_000));
        assert_eq!(NumberOf::field(Field::RequestSize).read(&Scalar::Number(10)), Ok(10));
        assert_eq!(NumberOf::field(Field::ResponseTime).read(&text("2s")), Ok(2000));
        assert_eq!(NumberOf::field(Field::TimeOfDay).read(&text("22:30")), Ok(1350));
        assert_eq!(NumberOf::field(Field::Query).read(&text("12")), Ok(12));
        assert!(NumberOf::field(Field::TimeOfDay).read(&Scalar::Number(22)).is_err());
        assert!(NumberOf::field(Field::Status).read(&text("OK")).is_err());
    }
}
