//! JSON as tokens have it: an object without duplicate members, and its values as text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Claims;
use crate::limits;

/// Reads an object in which no member, at any depth, is named twice.
pub(super) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice::<Strict>(text).ok()?.0 {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// A value whose objects name nothing twice. The reader's own limit of 128 bounds its depth.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON that names nothing twice")
            }

            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(Value::Bool(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Strict, E> {
                Number::from_f64(value)
                    .map(|number| Strict(Value::Number(number)))
                    .ok_or_else(|| E::custom("no number"))
            }

            fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
                Ok(Strict(Value::String(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
                let mut list = Vec::new();
                while let Some(Strict(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Strict(Value::Array(list)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
                let mut object = Map::new();
                while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member is named twice"));
                    }
                }
                Ok(Strict(Value::Object(object)))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

/// Every claim with a value of its own, with its names joined by dots; of a list each item under the list's name.
pub(super) fn flat(claims: &Map<String, Value>) -> Claims {
    let mut out = Vec::new();
    let mut left: Vec<(String, &Value)> =
        claims.iter().rev().map(|(name, value)| (name.clone(), value)).collect();
    while let Some((name, value)) = left.pop() {
        if out.len() >= limits::JWT_CLAIMS {
            break;
        }
        match value {
            Value::Object(object) => {
                let inner = object.iter().take(limits::JWT_CLAIMS).rev();
                left.extend(inner.map(|(inner, value)| (format!("{name}.{inner}"), value)));
            }
            Value::Array(list) => left.extend(list.iter().rev().map(|value| (name.clone(), value))),
            Value::String(text) => out.push((name, text.clone())),
            Value::Null => {}
            other => out.push((name, other.to_string())),
        }
    }
    out
}
