//! Fields as the text that lies in a row of the SQLite file: JSON, with numbers, texts and sets as they are. Read and written without
//! anything in between, because a decision about one client reads hundreds of items.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Field, Fields};

/// The text of fields. An empty set is the same as none.
pub(super) fn encode(fields: &Fields) -> String {
    let is_there = |field: &Field| !matches!(field, Field::Set(members) if members.is_empty());
    if fields.values().all(is_there) {
        return text(fields);
    }
    let there = fields.iter().filter(|(_, field)| is_there(field));
    text(&there.map(|(name, field)| (name.clone(), field.clone())).collect())
}

fn text(fields: &Fields) -> String {
    // Nothing in it can fail to be written to memory.
    serde_json::to_string(fields).unwrap_or_default()
}

/// The fields of a text; none where it is not such a text.
pub(super) fn decode(text: &str) -> Fields {
    serde_json::from_str(text).unwrap_or_default()
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Set(members) => serializer.collect_seq(members),
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kind)
    }
}

/// Tells the kind of a field by the kind of its JSON.
struct Kind;

impl<'de> Visitor<'de> for Kind {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, a text or a list of texts")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Field, E> {
        Ok(Field::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Field, E> {
        Ok(Field::Int(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Field, E> {
        Ok(Field::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Field, E> {
        Ok(Field::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Field, A::Error> {
        let mut set = BTreeSet::new();
        while let Some(member) = members.next_element()? {
            set.insert(member);
        }
        Ok(Field::Set(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let set = |members: &[&str]| Field::Set(members.iter().map(|member| (*member).to_owned()).collect());
        let fields: Fields = [
            ("n", Field::Int(-7)),
            ("most", Field::Int(i64::MAX)),
            ("text", Field::Text("a \"b\" \u{1f600}\n".to_owned())),
            ("set", set(&["b", "a"])),
        ]
        .map(|(name, field)| (name.to_owned(), field))
        .into();
        let written = encode(&fields);
        assert_eq!(decode(&written), fields, "{written}");
        let mut with_nothing = fields.clone();
        with_nothing.insert("empty".to_owned(), set(&[]));
        assert_eq!(encode(&with_nothing), written);
        for broken in ["", "[]", "{", r#"{"a":1.5}"#, r#"{"a":{}}"#, r#"{"a":[1]}"#] {
            assert_eq!(decode(broken), Fields::new(), "{broken}");
        }
    }
}
