//! Small values with a notation of their own: durations, sizes, percentages, dates, times of day.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer},
};

/// Why a text is not such a value; the sentence says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScalarError(String);

pub(super) fn wrong(found: &str, expected: &str) -> ScalarError {
    ScalarError(format!("`{}` does not fit here: write {expected}", found.escape_debug()))
}

/// A text, a number, or true and false, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// Any text.
    Text(String),
}

/// By hand, because what serde says of an untagged type helps nobody.
impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                // What does not fit compares as the text that it is.
                Ok(i64::try_from(number).map_or_else(|_| Scalar::Text(number.to_string()), Scalar::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truth(truth) => truth.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

/// By hand, so that an error is that of the value and not that of both ways to write it.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value, or a list of them")
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<OneOrMany<T>, E> {
                T::deserialize(truth.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<OneOrMany<T>, E> {
                // Where only a text may stand, a number is the text that it was written as.
                T::deserialize(number.into_deserializer())
                    .or_else(|error: E| {
                        T::deserialize(number.to_string().into_deserializer()).map_err(|_: E| error)
                    })
                    .map(OneOrMany::One)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<OneOrMany<T>, E> {
                T::deserialize(number.into_deserializer())
                    .or_else(|error: E| {
                        T::deserialize(number.to_string().into_deserializer()).map_err(|_: E| error)
                    })
                    .map(OneOrMany::One)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany<T>, E> {
                T::deserialize(text.into_deserializer()).map(OneOrMany::One)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany::Many(all))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<OneOrMany<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(OneOrMany::One)
            }
        }
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl<T> OneOrMany<T> {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// All of them.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }

    /// Written as one where it is one.
    #[must_use]
    pub fn of(mut all: Vec<T>) -> Self {
        match all.pop() {
            Some(only) if all.is_empty() => Self::One(only),
            Some(last) => {
                all.push(last);
                Self::Many(all)
            }
            None => Self::Many(all),
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// From 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "u64", into = "u64")]
pub struct Percent(#[cfg_attr(feature = "schema", schemars(range(max = 100)))] u8);

impl Percent {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Percent {
    type Error = ScalarError;

    fn try_from(number: u64) -> Result<Self, ScalarError> {
        match u8::try_from(number) {
            Ok(percent @ 0..=100) => Ok(Self(percent)),
            _ => Err(wrong(&number.to_string(), "a percentage from 0 to 100")),
        }
    }
}

impl From<Percent> for u64 {
    fn from(percent: Percent) -> Self {
        percent.0.into()
    }
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(#[cfg_attr(feature = "schema", schemars(range(min = 0.0, max = 1.0)))] f64);

impl Share {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = ScalarError;

    fn try_from(number: f64) -> Result<Self, ScalarError> {
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(wrong(&number.to_string(), "a share from 0 to 1, for instance 0.2 for a fifth"))
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// Types that are written as text, with the pattern that editors check.
macro_rules! written {
    ($type:ident, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

/// Splits `90s` into 90 and `s`.
fn quantity(text: &str) -> Option<(u64, &str)> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.strip_suffix(unit)?;
    Some((number.parse().ok()?, unit))
}

/// A length of time: `250ms`, `90s`, `10m`, `24h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(u64);

impl Duration {
    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// In whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

const DURATION_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Duration {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        quantity(text)
            .and_then(|(number, unit)| {
                let (_, millis) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
                number.checked_mul(*millis)
            })
            .map(Self)
            .ok_or_else(|| wrong(text, "a length of time such as 250ms, 90s, 10m, 24h or 30d"))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, millis) = DURATION_UNITS
            .iter()
            .find(|(_, millis)| self.0 >= *millis && self.0.is_multiple_of(*millis))
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

written!(Duration, "^[0-9]+(ms|s|m|h|d)$");

/// A number of bytes: `512`, `64KB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        quantity(text)
            .and_then(|(number, unit)| {
                let factor = match unit {
                    "" | "B" => 1,
                    "KB" => 1000,
                    "KiB" => 1 << 10,
                    "MB" => 1_000_000,
                    "MiB" => 1 << 20,
                    _ => return None,
                };
                number.checked_mul(factor)
            })
            .map(Self)
            .ok_or_else(|| wrong(text, "a number of bytes such as 512, 64KB or 1MiB"))
    }
}

/// A day, as `2027-01-31`. What expires on it holds through that day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The first second after this day, in seconds since 1970.
    #[must_use]
    pub fn end(self) -> u64 {
        // Days since 1970-01-01 of the proleptic Gregorian calendar, counting years from March.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let shifted = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted + 2) / 5 + i64::from(self.day) - 1;
        let days =
            year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
                - 719_468;
        u64::try_from((days + 1) * 86_400).unwrap_or(0)
    }
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

impl FromStr for Date {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let date = || {
            let mut parts = text.split('-');
            let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
                return None;
            }
            let date = Self { year: year.parse().ok()?, month: month.parse().ok()?, day: day.parse().ok()? };
            let real = date.year >= 1970
                && (1..=12).contains(&date.month)
                && (1..=days_in(date.year, date.month)).contains(&date.day);
            real.then_some(date)
        };
        date().ok_or_else(|| wrong(text, "a day such as 2027-01-31"))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

written!(Date, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");

/// A time of day (UTC), as `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let time = || {
            let (hour, minute) = text.split_once(':')?;
            if (hour.len(), minute.len()) != (2, 2) || !text.bytes().all(|b| b.is_ascii_digit() || b == b':')
            {
                return None;
            }
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute))
        };
        time().ok_or_else(|| wrong(text, "a time of day (UTC) such as 22:30"))
    }
}

/// Seconds since 1970 of a time such as `2027-01-31T22:30:00Z`.
#[must_use]
pub fn instant(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (hours_and_minutes, seconds) = time.split_at_checked(5)?;
    let seconds = seconds.strip_prefix(':').filter(|seconds| seconds.len() == 2)?.parse::<u64>().ok()?;
    let minutes = hours_and_minutes.parse::<TimeOfDay>().ok()?.minutes();
    let day = date.parse::<Date>().ok()?.end().checked_sub(86_400)?;
    (seconds < 60).then_some(day + u64::from(minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in
            [("250ms", 250), ("90s", 90_000), ("1m", 60_000), ("24h", 86_400_000), ("0s", 0)]
        {
            assert_eq!(text.parse::<Duration>().unwrap().millis(), millis, "{text}");
        }
        for text in ["1m", "90s", "10m", "1h", "2d", "250ms"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        for text in ["", "m", "1", "1 m", "-1m", "1min", "1.5h", "99999999999999999999d"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        for (text, end) in
            [("1970-01-01", 86_400), ("2000-02-29", 951_868_800), ("2027-01-01", 1_798_848_000)]
        {
            assert_eq!(text.parse::<Date>().unwrap().end(), end, "{text}");
        }
        for text in [
            "2027-02-29",
            "2027-13-01",
            "2027-1-1",
            "01-01-2027",
            "2027-00-10",
            "2027-01-01T00",
            "1969-12-31",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_and_times_of_day_are_read() {
        for (text, bytes) in [("512", 512), ("64KB", 64_000), ("1MiB", 1_048_576), ("2KiB", 2048)] {
            assert_eq!(text.parse::<Bytes>(), Ok(Bytes(bytes)), "{text}");
        }
        assert!("1GB".parse::<Bytes>().is_err() && "KB".parse::<Bytes>().is_err());
        assert_eq!("22:30".parse::<TimeOfDay>().map(TimeOfDay::minutes), Ok(1350));
        for text in ["24:00", "9:00", "22:60", "2230", "+2:30"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn instants_are_read() {
        assert_eq!(instant("1970-01-02T00:01:01Z"), Some(86_461));
        for text in ["2027-01-31", "2027-01-31T22:30Z", "2027-01-31T22:30:60Z", "2027-01-31T22:30:00", ""] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn one_may_stand_for_a_list_of_one() {
        let read = |text: &str| serde_json::from_str::<OneOrMany<String>>(text).map(OneOrMany::into_vec);
        assert_eq!(read("\"a\"").unwrap(), ["a"]);
        assert_eq!(read("7").unwrap(), ["7"]);
        assert_eq!(read("[\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert!(read("{}").unwrap_err().to_string().contains("expected a string"));
    }
}
