//! Telling people: a webhook, a topic of Amazon SNS, a bus of Amazon EventBridge. Knows the targets; not when to try.

mod webhook;

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::settings::Target;
pub use webhook::Webhooks;

/// Bytes of a text in a notice.
const TEXT: usize = 512;

/// What is told. Texts come from attackers: they are escaped, capped, and addresses in them cannot be clicked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The same for each attempt, by which a receiver knows a repetition.
    pub id: String,
    /// The site.
    pub site: String,
    /// When it happened, in Unix seconds.
    pub at: u64,
    /// `flag`, `unflag`, `alert`, `flagging-stopped`, `unprotected`, `fallen-back`.
    pub what: String,
    /// One line for people.
    pub text: String,
    /// Particulars for programs.
    pub details: Value,
}

impl Notice {
    /// From the outbox's item.
    #[must_use]
    pub fn from_json(notice: &Value) -> Self {
        let text = |name: &str| notice[name].as_str().unwrap_or_default().to_owned();
        let details = &notice["details"];
        let detail = |name: &str| details[name].as_str().unwrap_or_default();
        let what = text("what");
        let line = format!("Picket, site {}: {what} {}: {}", text("site"), detail("client"), detail("why"));
        Self {
            id: text("id"),
            site: text("site"),
            at: notice["at"].as_u64().unwrap_or(0),
            text: harmless(&line),
            what,
            details: cleaned(details),
        }
    }

    /// As JSON; `text` is what Slack and its like show.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "site": self.site, "at": crate::time::rfc3339(self.at), "what": self.what,
            "text": self.text, "details": self.details,
        })
    }
}

/// A text that no reader renders as markup or turns into a link.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut safe = String::new();
    for letter in text.chars().take(TEXT) {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("[at]"),
            '*' | '_' | '~' | '`' | '[' | ']' | '(' | ')' | '|' | '\\' => {
                safe.push('\\');
                safe.push(letter);
            }
            letter if letter.is_control() || is_invisible(letter) => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    defanged(&safe)
}

/// Letters that turn text around or hide in it.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Dots between letters or digits, and what makes a scheme, are written so that nothing can be clicked.
fn defanged(text: &str) -> String {
    let text = text.replace("://", "[:]//");
    let letters: Vec<char> = text.chars().collect();
    let mut safe = String::with_capacity(text.len());
    for (index, &letter) in letters.iter().enumerate() {
        let word = |at: Option<usize>| {
            at.and_then(|at| letters.get(at)).is_some_and(|letter| letter.is_alphanumeric())
        };
        if letter == '.' && word(index.checked_sub(1)) && word(Some(index + 1)) {
            safe.push_str("[.]");
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// The same for each text of the particulars. They are our own and at most two deep.
fn cleaned(value: &Value) -> Value {
    let flat = |value: &Value| match value {
        Value::String(text) => Value::String(harmless(text)),
        Value::Array(items) => items
            .iter()
            .take(50)
            .map(|item| Value::String(harmless(item.as_str().unwrap_or_default())))
            .collect(),
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
        Value::Object(_) => Value::Null,
    };
    match value {
        Value::Object(fields) => {
            fields.iter().take(50).map(|(name, value)| (name.clone(), flat(value))).collect()
        }
        other => flat(other),
    }
}

/// Why a target was not told. It names no address: the text goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTold(pub String);

impl fmt::Display for NotTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All ways to tell.
#[derive(Clone, Debug)]
pub struct Notifier {
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Amazon SNS, where it is configured.
    pub sns: Option<aws_sdk_sns::Client>,
    /// Amazon EventBridge, where it is configured.
    pub eventbridge: Option<aws_sdk_eventbridge::Client>,
    /// How long one delivery may take.
    pub patience: Duration,
    /// How long after the begin of a round a delivery may still begin.
    pub round: Duration,
}

impl Default for Notifier {
    fn default() -> Self {
        Self {
            webhooks: Webhooks::default(),
            sns: None,
            eventbridge: None,
            patience: Duration::from_secs(10),
            round: Duration::from_secs(30),
        }
    }
}

impl Notifier {
    /// Tells one target.
    ///
    /// # Errors
    /// Why it was not told.
    pub async fn tell(&self, target: &Target, notice: &Notice) -> Result<(), NotTold> {
        tokio::time::timeout(self.patience, self.try_to_tell(target, notice))
            .await
            .unwrap_or_else(|_elapsed| Err(NotTold("no answer in time".to_owned())))
    }

    async fn try_to_tell(&self, target: &Target, notice: &Notice) -> Result<(), NotTold> {
        match target {
            Target::Webhook { url } => self.webhooks.post(url, &notice.json()).await,
            Target::Sns { topic } => {
                let client =
                    self.sns.as_ref().ok_or_else(|| NotTold("Amazon SNS is not configured".to_owned()))?;
                let subject = format!("Picket: {} in {}", notice.what, notice.site);
                let publish =
                    client.publish().topic_arn(topic).subject(subject).message(notice.json().to_string());
                let sent = publish.send().await;
                sent.map(drop).map_err(|error| NotTold(format!("Amazon SNS: {}", aws(&error))))
            }
            Target::EventBridge { bus } => {
                let client = self.eventbridge.as_ref();
                let client =
                    client.ok_or_else(|| NotTold("Amazon EventBridge is not configured".to_owned()))?;
                let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder()
                    .event_bus_name(bus)
                    .source("picket.engine")
                    .detail_type(format!("Picket {}", notice.what))
                    .detail(notice.json().to_string())
                    .build();
                let sent = client.put_events().entries(entry).send().await;
                let answer = sent.map_err(|error| NotTold(format!("Amazon EventBridge: {}", aws(&error))))?;
                // It answers 200 also where it took nothing.
                match answer.failed_entry_count() {
                    0 => Ok(()),
                    _ => Err(NotTold("Amazon EventBridge took no entry".to_owned())),
                }
            }
        }
    }
}

fn aws<E: aws_sdk_sns::error::ProvideErrorMetadata>(error: &E) -> String {
    error.code().unwrap_or("no answer").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attacker_wrote_is_neither_markup_nor_a_link() {
        let table = [
            ("<script>", "&lt;script&gt;"),
            ("see https://evil.example/a", "see https[:]//evil[.]example/a"),
            ("198.51.100.7", "198[.]51[.]100[.]7"),
            ("<!channel> @here", "&lt;!channel&gt; [at]here"),
            ("[a](b)", "\\[a\\]\\(b\\)"),
            ("a\u{202e}b\nc", "a b c"),
            ("end.", "end."),
        ];
        for (text, expected) in table {
            assert_eq!(harmless(text), expected);
        }
        assert!(harmless(&"<".repeat(10_000)).len() <= TEXT * 4);
    }

    #[test]
    fn a_notice_says_who_and_why() {
        let notice = Notice::from_json(&json!({
            "id": "n1", "site": "shop", "at": 0, "what": "flag",
            "details": { "client": "198.51.100.7", "why": "50 attack signals", "functions": ["a.b"], "until": 7 },
        }));
        assert_eq!(notice.text, "Picket, site shop: flag 198[.]51[.]100[.]7: 50 attack signals");
        let json = notice.json();
        assert_eq!(json["details"]["functions"][0], "a[.]b");
        assert_eq!(json["details"]["until"], 7);
        assert_eq!(json["at"], "1970-01-01T00:00:00Z");
    }
}
