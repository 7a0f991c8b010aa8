//! The generated pages about the policy file: its JSON Schema, and a page with every key. Both come from the types, so that they cannot say
//! something else than what is read.

use std::fmt::Write;

use picket_policy::{Field, FieldKind, Phase, document};
use serde_json::Value;

/// The JSON Schema, as it stands in docs/policy.schema.json.
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", document::schema())
}

/// The blocks in the order in which a reader needs them, each with its heading.
const BLOCKS: &[(&str, &str)] = &[
    ("Rule", "A rule"),
    ("Condition", "A condition"),
    ("Where", "`existsWhere`"),
    ("Action", "An action"),
    ("Answer", "An answer"),
    ("ExcludeSignal", "`excludeSignal`"),
    ("Exclusion", "An exclusion"),
    ("List", "A list"),
    ("ListKind", "The kinds of lists"),
    ("RateLimit", "A rate limit"),
    ("Key", "The keys of a rate limit"),
    ("Template", "A template"),
    ("Outcome", "How a response looks"),
    ("Redaction", "A redaction"),
    ("Client", "`client`"),
    ("Floor", "`floor`"),
    ("Geo", "`geo`"),
    ("Jwt", "`jwt`"),
    ("OriginLock", "`originLock`"),
    ("Fallback", "`fallback`"),
    ("Override", "An override"),
    ("Case", "A case of `tests`"),
    ("CaseRequest", "The request of a case"),
    ("CaseResponse", "The response of a case"),
    ("Expectation", "What a case expects"),
];

/// docs/policy-keys.md.
#[must_use]
pub fn keys() -> String {
    let schema = document::schema();
    let mut page = String::from(
        "# Every key of the policy file\n\n\
         This page is written by `cargo xtask docs`. What the file is for and how to work with it: [policy.md](policy.md).\n\n\
         ## The file\n\n",
    );
    table(&mut page, &schema);
    for (name, heading) in BLOCKS {
        let block = schema.pointer(&format!("/$defs/{name}")).unwrap_or(&Value::Null);
        _ = write!(page, "\n## {heading}\n\n");
        if let Some(about) = block.get("description").and_then(Value::as_str) {
            _ = write!(page, "{}\n\n", one_line(about));
        }
        // An action is a word or a map: the map has the keys.
        let keys = block.get("anyOf").and_then(Value::as_array).and_then(|ways| {
            ways.iter().find_map(|way| resolve(&schema, way)).filter(|way| way.get("properties").is_some())
        });
        match block.get("oneOf").and_then(Value::as_array) {
            Some(ways) => words(&mut page, ways),
            None => table(&mut page, keys.unwrap_or(block)),
        }
    }
    page.push_str(
        "\n## The fields of conditions\n\n| field | what it is | values | known |\n|---|---|---|---|\n",
    );
    for field in Field::ALL {
        let kind = match field.kind() {
            FieldKind::Address => "an address",
            FieldKind::Text => "a text",
            FieldKind::Number => "a number",
            FieldKind::Named => "several, with names",
        };
        let phase = match field.phase() {
            Phase::Request => "at the request",
            Phase::Response => "at the response",
        };
        _ = writeln!(page, "| `{field}` | {} | {kind} | {phase} |", one_line(field.meaning()));
    }
    page
}

fn resolve<'a>(schema: &'a Value, of: &'a Value) -> Option<&'a Value> {
    match of.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?),
        None => Some(of),
    }
}

fn table(page: &mut String, block: &Value) {
    let required: Vec<&str> = block
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    page.push_str("| key | | what it says |\n|---|---|---|\n");
    let Some(properties) = block.get("properties").and_then(Value::as_object) else { return };
    for (key, about) in properties {
        let needed = if required.contains(&key.as_str()) { "needed" } else { "" };
        let about = about.get("description").and_then(Value::as_str).unwrap_or_default();
        _ = writeln!(page, "| `{key}` | {needed} | {} |", one_line(about));
    }
}

/// The alternatives of a word, or of a word with a value.
fn words(page: &mut String, ways: &[Value]) {
    page.push_str("| write | what it says |\n|---|---|\n");
    for way in ways {
        let about = one_line(way.get("description").and_then(Value::as_str).unwrap_or_default());
        let written = match (way.get("const").and_then(Value::as_str), way.get("properties")) {
            (Some(word), _) => word.to_owned(),
            (None, Some(properties)) => properties
                .as_object()
                .and_then(|all| all.keys().next())
                .map(|key| format!("{key}: …"))
                .unwrap_or_default(),
            _ => continue,
        };
        _ = writeln!(page, "| `{written}` | {about} |");
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
