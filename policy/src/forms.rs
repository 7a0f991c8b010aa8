//! How a canonical policy writes what may be one thing or several, and times. It may not know what they are of.

use serde::{Deserialize, Deserializer, de::Error};

/// One text, or a list of texts.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Form::deserialize(deserializer)? {
        Form::One(one) => vec![one],
        Form::Many(many) => many,
    })
}

/// A number of seconds, or a text such as `90s`, `10m`, `1h` or `7d`.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => {
            read(&text).ok_or_else(|| D::Error::custom("expected a time such as 90s, 10m, 1h or 7d"))
        }
    }
}

fn read(text: &str) -> Option<u64> {
    const UNITS: &[(&str, u64)] = &[("ms", 0), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let text = text.trim();
    UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        if *unit == "ms" { Some(number / 1000) } else { number.checked_mul(*seconds) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("1h", 3600), ("7d", 604_800), ("1500ms", 1), ("0s", 0)]
        {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
        for text in ["", "s", "10", "-1s", "1.5h", "99999999999999999999d", "9999999999999999d", "1 year"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
