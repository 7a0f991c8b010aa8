//! The tree to the types of the policy file, by way of serde, with errors in words that say how to mend them.
//!
//! Serde stops at the first error. What is wrong is therefore reported, taken out of the tree, and the rest read again, so that one run shows
//! every mistake.

#![expect(clippy::result_large_err, reason = "an error ends the reading; its size costs nothing")]

use std::ops::Range;

use picket_policy::document::Document;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    decode_error::Error,
    diagnostic::Diagnostic,
    similar::listed,
    tree::{Key, Kind, Node, Scalar, Value},
};

/// More mistakes than this are not reported at once.
const MOST: usize = 100;

/// Reads the document, and says all that is wrong with its shape.
///
/// # Errors
/// At least one message.
pub(crate) fn decode(root: &Node) -> Result<Document, Vec<Diagnostic>> {
    let mut root = root.clone();
    let (mut found, mut tainted) = (Vec::new(), Vec::<Range<usize>>::new());
    for _ in 0..MOST {
        let error = match Document::deserialize(De { node: &root, json: false }) {
            Ok(document) if found.is_empty() => return Ok(document),
            Ok(_) => return Err(found),
            Err(error) => error,
        };
        let span = error.span.clone().unwrap_or_else(|| root.span.clone());
        // What a key that is not known would have said is missing only because it is not known.
        let follows = error.unknown_key_in.is_none() && tainted.contains(&span);
        if !follows {
            let mut diagnostic = Diagnostic::error(error.message, span);
            diagnostic.label = error.label;
            diagnostic.help = error.help;
            if diagnostic.help.is_empty()
                && let Some(expected) =
                    diagnostic.label.as_deref().and_then(|label| label.strip_prefix("expected "))
            {
                diagnostic.help.push(format!("write {expected}"));
            }
            found.push(diagnostic);
        }
        let path: Vec<Step> = error.path.into_iter().rev().collect();
        let removed = if let Some(map) = error.unknown_key_in {
            tainted.push(map);
            remove(&mut root, &path)
        } else if let Some(key) = error.missing.filter(|_| path.is_empty()) {
            supply(&mut root, key)
        } else {
            remove(&mut root, enclosing(&path))
        };
        if !removed {
            break;
        }
    }
    Err(found)
}

/// The path to the innermost list element of a path, or to the top-level key.
fn enclosing(path: &[Step]) -> &[Step] {
    let last = path.iter().rposition(|step| matches!(step, Step::Index(_))).unwrap_or(0);
    path.get(..=last).unwrap_or(path)
}

fn remove(root: &mut Node, path: &[Step]) -> bool {
    let Some((last, way)) = path.split_last() else { return false };
    let mut node = root;
    for step in way {
        let next = match (&mut node.kind, step) {
            (Kind::List(items), Step::Index(index)) => items.get_mut(*index),
            (Kind::Map(entries), Step::Key(at)) => entries.get_mut(*at).map(|(_, value)| value),
            _ => None,
        };
        let Some(next) = next else { return false };
        node = next;
    }
    match (&mut node.kind, last) {
        (Kind::List(items), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        (Kind::Map(entries), Step::Key(at)) if *at < entries.len() => {
            let (key, value) = entries.remove(*at);
            if way.is_empty() && REQUIRED.contains(&key.text.as_str()) {
                entries.push((key, stand_in(value.span)));
            }
            true
        }
        _ => false,
    }
}

/// Keys that the file must have.
const REQUIRED: &[&str] = &["picket", "name", "version"];

/// Something that each required key takes, so that the rest can be read.
fn stand_in(span: Range<usize>) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: "1".to_owned(), value: Value::Whole(1) }) }
}

fn supply(root: &mut Node, key: &'static str) -> bool {
    let Kind::Map(entries) = &mut root.kind else { return false };
    entries.push((Key { span: 0..0, text: key.to_owned() }, stand_in(0..0)));
    true
}

/// A step of a path: an element of a list, or an entry of a map, by its place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Index(usize),
    Key(usize),
}

/// Reads one node.
#[derive(Clone, Copy)]
struct De<'a> {
    node: &'a Node,
    /// Whether it is JSON within the file, where a number is a number.
    json: bool,
}

impl<'a> De<'a> {
    fn wrong(self, expected: &str) -> Error {
        let error = Error::new(format!("expected {expected}, found {}", self.node.describe()))
            .label(format!("expected {expected}"));
        error.at(&self.node.span)
    }

    fn scalar(self, expected: &str) -> Result<&'a Scalar, Error> {
        match &self.node.kind {
            Kind::Scalar(scalar) => Ok(scalar),
            Kind::Null => Err(self.wrong(expected).help("write a value, or take the key out")),
            _ => Err(self.wrong(expected)),
        }
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let scalar = self.scalar("a whole number")?;
        match scalar.value {
            Value::Whole(number) => {
                let read = match (u64::try_from(number), i64::try_from(number)) {
                    (Ok(number), _) => visitor.visit_u64(number),
                    (_, Ok(number)) => visitor.visit_i64(number),
                    _ => Err(self.wrong("a smaller number")),
                };
                read.map_err(|error| error.at(&self.node.span))
            }
            Value::Text if scalar.text.parse::<i64>().is_ok() => {
                Err(self.wrong("a whole number").help("take away the quotes"))
            }
            _ => Err(self.wrong("a whole number")),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error>
    where
        'a: 'de,
    {
        let Kind::List(items) = &self.node.kind else {
            let error = self.wrong("a list");
            return Err(match self.node.kind {
                Kind::Null => error.help("write `[]`, or take the key out"),
                _ => error.help("put `- ` in front of each item, or write `[…]` around them"),
            });
        };
        let read = visitor.visit_seq(Items { items, next: 0, json: self.json });
        read.map_err(|error| error.at(&self.node.span))
    }

    fn map<'de, V: Visitor<'de>>(self, fields: &[&str], visitor: V) -> Result<V::Value, Error>
    where
        'a: 'de,
    {
        let Kind::Map(entries) = &self.node.kind else {
            let error = self.wrong("a map");
            return Err(match fields.first() {
                Some(_) => error.help(format!("its keys are {}", listed(fields.iter().copied()))),
                None => error.help("write `key: value` pairs"),
            });
        };
        let entries = Entries { entries, next: 0, json: self.json, map: &self.node.span };
        visitor.visit_map(entries).map_err(|error| error.at(&self.node.span))
    }
}

macro_rules! whole_numbers {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.whole(visitor)
        })+
    };
}

impl<'de> de::Deserializer<'de> for De<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let at = |error: Error| error.at(&self.node.span);
        match &self.node.kind {
            Kind::Null => visitor.visit_unit().map_err(at),
            Kind::List(_) => self.list(visitor),
            Kind::Map(_) => self.map(&[], visitor),
            Kind::Scalar(scalar) => match scalar.value {
                Value::Truth(truth) => visitor.visit_bool(truth).map_err(at),
                Value::Whole(number) if i64::try_from(number).is_ok() || u64::try_from(number).is_ok() => {
                    self.whole(visitor)
                }
                Value::Float(number) if self.json => visitor.visit_f64(number).map_err(at),
                // A version such as 1.10 is a text wherever both a text and a number may stand.
                Value::Text | Value::Whole(_) | Value::Float(_) => {
                    visitor.visit_str(&scalar.text).map_err(at)
                }
            },
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar("`true` or `false`")?.value {
            Value::Truth(truth) => visitor.visit_bool(truth),
            _ => Err(self.wrong("`true` or `false`").help("write `true` or `false`, without quotes")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = match self.scalar("a number")?.value {
            Value::Float(number) => visitor.visit_f64(number),
            #[expect(clippy::cast_precision_loss, reason = "shares are small numbers")]
            Value::Whole(number) => visitor.visit_f64(number as f64),
            _ => Err(self.wrong("a number")),
        };
        read.map_err(|error| error.at(&self.node.span))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let scalar = self.scalar("a text")?;
        visitor.visit_str(&scalar.text).map_err(|error: Error| error.at(&self.node.span))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            Kind::Null => Err(self.wrong("a value").help("write a value, or take the key out")),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(Self { json: self.json || name == "Body", ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.map(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.map(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (span, variant, value) = match &self.node.kind {
            Kind::Scalar(scalar) => (&self.node.span, scalar.text.as_str(), None),
            Kind::Map(entries) => match entries.as_slice() {
                [(key, value)] => (&key.span, key.text.as_str(), Some(value)),
                _ => {
                    return Err(Error::new("expected one key here")
                        .help(format!("write one of {}", listed(variants.iter().copied())))
                        .at(&self.node.span));
                }
            },
            _ => {
                let error = self.wrong("a word");
                return Err(error.help(format!("write one of {}", listed(variants.iter().copied()))));
            }
        };
        visitor.visit_enum(Variant { variant, span, value, json: self.json })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct }
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
    json: bool,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(De { node, json: self.json })
            .map(Some)
            .map_err(|error| error.at(&node.span).under(Step::Index(index)))
    }
}

struct Entries<'a> {
    entries: &'a [(Key, Node)],
    next: usize,
    json: bool,
    map: &'a Range<usize>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, _)) = self.entries.get(self.next) else { return Ok(None) };
        let text: StrDeserializer<'_, Error> = key.text.as_str().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|mut error| {
            if error.unknown_key {
                error.unknown_key_in = Some(self.map.clone());
            }
            error.at(&key.span).under(Step::Key(self.next))
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, node)) = self.entries.get(self.next) else {
            return Err(Error::new("a value without its key"));
        };
        let place = self.next;
        self.next += 1;
        seed.deserialize(De { node, json: self.json }).map_err(|error| {
            // Of nothing there is nothing to show; its key is there.
            let span = if node.span.is_empty() { &key.span } else { &node.span };
            let mut error = error.at(span);
            if error.span.as_ref().is_some_and(Range::is_empty) {
                error.span = Some(key.span.clone());
            }
            error.under(Step::Key(place))
        })
    }
}

struct Variant<'a> {
    variant: &'a str,
    span: &'a Range<usize>,
    value: Option<&'a Node>,
    json: bool,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let text: StrDeserializer<'_, Error> = self.variant.into_deserializer();
        let value = seed.deserialize(text).map_err(|error| error.at(self.span))?;
        Ok((value, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Error::new(format!("`{}` stands alone", self.variant))
                .help(format!("write `{}` without a colon", self.variant))
                .at(self.span)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        match self.value {
            Some(node) => seed
                .deserialize(De { node, json: self.json })
                .map_err(|error| error.at(&node.span).under(Step::Key(0))),
            None => Err(Error::new(format!("`{}` needs a value", self.variant))
                .help(format!("write `{}: …`", self.variant))
                .at(self.span)),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::new("a list of several parts cannot stand here").at(self.span))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Some(node) => De { node, json: self.json }.map(fields, visitor),
            None => Err(Error::new(format!("`{}` needs keys", self.variant)).at(self.span)),
        }
    }
}
