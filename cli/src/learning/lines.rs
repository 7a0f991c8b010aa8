//! Log lines out of their wrappings. Knows how CloudWatch hands out lines; not what a verdict means.

use std::io::{self, BufRead};

use serde_json::Value;

/// Wrappings within one another that are taken off.
const DEPTH: usize = 4;

/// One line of the log, as JSON or as words.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    Json(Value),
    Words(String),
}

/// Gives each line that a file holds, whichever form the file has.
///
/// A file is either JSON as a whole (an export), or lines, each of which may have a time and a stream's name in front, as
/// `aws logs tail` writes them. Lines are read one by one, so that a log of many gigabytes does not have to fit.
///
/// # Errors
/// When it cannot be read.
pub(super) fn each(mut file: impl BufRead, mut take: impl FnMut(Line)) -> io::Result<()> {
    let mut text = Vec::new();
    let mut first = true;
    loop {
        text.clear();
        if file.read_until(b'\n', &mut text)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&text);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        // An export is one JSON text over many lines: its first line alone is none, or is the whole file.
        if first && matches!(line, "{" | "[" | "[{") {
            let mut whole = text.clone();
            file.read_to_end(&mut whole)?;
            match serde_json::from_slice(&whole) {
                Ok(value) => open(value, 0, &mut take),
                Err(error) => {
                    return Err(io::Error::other(format!("it begins as JSON and is none: {error}")));
                }
            }
            return Ok(());
        }
        first = false;
        text_line(line, 0, &mut take);
    }
}

/// A line that may have words before its JSON.
fn text_line(line: &str, depth: usize, take: &mut impl FnMut(Line)) {
    let json = line.find('{').and_then(|at| line.get(at..)).and_then(|text| serde_json::from_str(text).ok());
    let json = json.or_else(|| line.starts_with('[').then(|| serde_json::from_str(line).ok()).flatten());
    match json {
        Some(value) => open(value, depth, take),
        None => take(Line::Words(line.to_owned())),
    }
}

/// Takes a wrapping off.
fn open(value: Value, depth: usize, take: &mut impl FnMut(Line)) {
    if depth == DEPTH {
        return;
    }
    match value {
        Value::Array(items) => {
            // A row of `get-query-results` is a list of fields and their values.
            let message =
                items.iter().find(|item| item["field"] == "@message").and_then(|item| item["value"].as_str());
            match message {
                Some(message) => text_line(message, depth + 1, take),
                None => items.into_iter().for_each(|item| open(item, depth + 1, take)),
            }
        }
        Value::Object(mut object) => {
            let inner = ["events", "logEvents", "results", "record", "@message"]
                .iter()
                .find_map(|key| object.remove(*key));
            // `message` is a wrapping of `filter-log-events`, and Picket's own words in a line of Picket's.
            let inner = inner.or_else(|| {
                let wrapped = object.contains_key("logStreamName") || object.contains_key("eventId");
                let event = wrapped || (object.len() <= 3 && object.contains_key("id"));
                event.then(|| object.remove("message")).flatten()
            });
            match inner {
                Some(Value::String(text)) => text_line(&text, depth + 1, take),
                Some(inner) => open(inner, depth + 1, take),
                None => take(Line::Json(Value::Object(object))),
            }
        }
        Value::String(text) => text_line(&text, depth + 1, take),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        let mut found = Vec::new();
        each(text.as_bytes(), |line| found.push(line)).unwrap();
        found
    }

    #[test]
    fn the_same_line_is_found_in_every_wrapping() {
        let line = json!({"message": "picket: would block", "verdict": "would_block", "requestId": "1"});
        let text = line.to_string();
        let wrapped = [
            text.clone(),
            format!("2026-11-25T10:00:00.000Z 2026/11/25/[1]abc {text}"),
            json!({"events": [{"logStreamName": "s", "timestamp": 1, "message": text, "ingestionTime": 2, "eventId": "e"}]})
                .to_string(),
            serde_json::to_string_pretty(&json!({"events": [{"logStreamName": "s", "message": text, "eventId": "e"}]}))
                .unwrap(),
            json!({"results": [[{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": text}]]}).to_string(),
            serde_json::to_string_pretty(&json!({"status": "Complete", "results": [[{"field": "@message", "value": text}]]}))
                .unwrap(),
            json!([{"@timestamp": "2026-11-25", "@message": line}]).to_string(),
            json!({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1, "message": text}]}).to_string(),
            json!({"time": "2026-11-25T10:00:00Z", "type": "extension", "record": text}).to_string(),
        ];
        for text in wrapped {
            assert_eq!(lines(&text), [Line::Json(line.clone())], "{text}");
        }
    }

    #[test]
    fn words_stay_words_and_nonsense_ends_nothing() {
        let found = lines("START RequestId: 1\n\n{\"a\":\n[picket] WARN x\n{\"verdict\":\"block\"}\n");
        assert_eq!(found.len(), 4);
        assert_eq!(found[3], Line::Json(json!({"verdict": "block"})));
        assert!(each("{\n\"a\": ".as_bytes(), |_| ()).is_err(), "a cut export is said to be cut");
        // Deep nesting is not followed.
        assert_eq!(lines(&format!("{}1{}", "[".repeat(60), "]".repeat(60))), []);
    }
}
