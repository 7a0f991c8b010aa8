//! What serde finds wrong while it reads a policy file, in words that say how to mend it.

use std::{fmt::Display, ops::Range};

use serde::de::{self, Expected, Unexpected};

use super::{
    decode::Step,
    similar::{listed, nearest},
};

#[derive(Debug, Default)]
pub(super) struct Error {
    pub(super) message: String,
    pub(super) label: Option<String>,
    pub(super) help: Vec<String>,
    pub(super) span: Option<Range<usize>>,
    /// From the innermost step to the outermost.
    pub(super) path: Vec<Step>,
    /// The map that holds a key which is not known.
    pub(super) unknown_key_in: Option<Range<usize>>,
    pub(super) missing: Option<&'static str>,
    pub(super) unknown_key: bool,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    pub(super) fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    pub(super) fn under(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What serde calls a type, in the words of the file.
fn in_words(expected: &str) -> String {
    let word = match expected {
        "a string" | "string" | "a borrowed string" | "str" => "a text",
        "a boolean" | "bool" => "`true` or `false`",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or greater",
        "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "a map",
        other => other,
    };
    word.to_owned()
}

fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(truth) => format!("the truth value `{truth}`"),
        Unexpected::Unsigned(number) => format!("the number `{number}`"),
        Unexpected::Signed(number) => format!("the number `{number}`"),
        Unexpected::Float(number) => format!("the number `{number}`"),
        Unexpected::Str(text) => format!("the text `{}`", text.escape_debug()),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// What a missing key looks like, where that is not plain.
fn example(key: &str) -> String {
    let example = match key {
        "picket" => "picket: 1",
        "name" => "name: my-service",
        "version" => "version: 1",
        "id" => "id: a-name-of-its-own",
        "then" => "then: [block]",
        "limit" => "limit: 100",
        "window" => "window: 1m",
        "kind" => "kind: cidr",
        "items" => "items: [192.0.2.0/24]",
        "signal" => "signal: SQLI",
        "path" => "path: /login",
        "request" => "request: { path: / }",
        "expect" => "expect: { verdict: block }",
        other => return format!("add `{other}: …`"),
    };
    format!("add `{example}`")
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        // Types that know how to mend it say so behind a colon.
        match message.split_once(": ") {
            Some((what, help)) => Self::new(what).help(help),
            None => Self::new(message),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = in_words(&expected.to_string());
        Self::new(format!("expected {expected}, found {}", found(&unexpected)))
            .label(format!("expected {expected}"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {length} elements"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let error = Self::new(format!("`{}` is not known here", variant.escape_debug())).label("not known");
        let error = match nearest(variant, expected.iter().copied()) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None => error,
        };
        error.help(format!("write one of {}", listed(expected.iter().copied())))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!("unknown key `{}`", field.escape_debug())).label("not known");
        error.unknown_key = true;
        let error = match nearest(field, expected.iter().copied()) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None => error,
        };
        error.help(format!("the keys here are {}", listed(expected.iter().copied())))
    }

    fn missing_field(field: &'static str) -> Self {
        let error = Self::new(format!("missing key `{field}`")).label(format!("this has no `{field}`"));
        Self { missing: Some(field), ..error.help(example(field)) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` stands twice")).help("leave one of them")
    }
}
