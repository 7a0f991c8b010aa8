//! What a rule does.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

/// One thing that a rule does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// The request passes, whatever else was found.
    Allow,
    /// The request is answered instead of the handler; on a response, its answer is replaced.
    Block(Answer),
    /// A signal is added.
    Signal(String),
    /// A signal is taken away: no finding of it counts for this request.
    ExcludeSignal(ExcludeSignal),
    /// A verdict line is written.
    Log,
    /// A word is handed to the handler among the tags.
    Tag(String),
}

/// How a blocked request is answered. What is missing is taken from the policy's `answer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// 301 or 302 with a location, or 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 301, max = 599)))]
    pub status: Option<u16>,
    /// Where a redirect leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The body. `{requestId}` in it becomes the invocation's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// More headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Which findings are taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExcludeSignal {
    /// The signal.
    pub signal: String,
    /// Only at this location, as verdict lines write it: `query.q`, `body.items[*].note`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The words that stand for an action without further parts.
const WORDS: &[&str] = &["allow", "block", "log"];

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keys {
    /// The request passes, whatever else was found. Write `allow: true`, or `allow` alone.
    #[serde(default)]
    allow: Option<bool>,
    /// The request is answered instead of the handler.
    #[serde(default)]
    block: Option<Answer>,
    /// A signal is added: `site.` and a name of your own.
    #[serde(default)]
    signal: Option<String>,
    /// A signal is taken away.
    #[serde(default)]
    exclude_signal: Option<ExcludeSignal>,
    /// A verdict line is written. Write `log: true`, or `log` alone.
    #[serde(default)]
    log: Option<bool>,
    /// A word is handed to the handler among the tags.
    #[serde(default)]
    tag: Option<String>,
}

impl TryFrom<Keys> for Action {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        if keys.allow == Some(false) || keys.log == Some(false) {
            return Err("an action that is `false` does nothing: leave it out");
        }
        let all = [
            keys.allow.map(|_| Self::Allow),
            keys.block.map(Self::Block),
            keys.signal.map(Self::Signal),
            keys.exclude_signal.map(Self::ExcludeSignal),
            keys.log.map(|_| Self::Log),
            keys.tag.map(Self::Tag),
        ];
        let mut given = all.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(action), None) => Ok(action),
            (None, _) => {
                Err("expected one of allow, block, signal, excludeSignal, log or tag, and found none of them")
            }
            _ => Err("several actions in one item: write each as an item of its own, `- …`"),
        }
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an action such as `allow` or `block: { status: 403 }`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Action, E> {
                match word {
                    "allow" => Ok(Action::Allow),
                    "block" => Ok(Action::Block(Answer::default())),
                    "log" => Ok(Action::Log),
                    _ => Err(E::unknown_variant(word, WORDS)),
                }
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
                Keys::deserialize(de::value::MapAccessDeserializer::new(map))?
                    .try_into()
                    .map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Action {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Action".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let keys = generator.subschema_for::<Keys>();
        schemars::json_schema!({
            "description": "What a rule does: a word alone, or one key with its parts.",
            "anyOf": [{ "type": "string", "enum": WORDS }, keys]
        })
    }
}
