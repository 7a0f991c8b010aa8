//! The single requests that the engine keeps, as lines: another source of the same report. Knows the admin API's pages; judges
//! nothing.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{lines::Line, tally::rfc_3339};
use crate::error::CliError;

/// Pages that are asked for; with 200 requests each that is more than anybody reviews.
const PAGES: usize = 500;

const LIMITS: picket_https::Limits =
    picket_https::Limits { timeout: Duration::from_secs(20), response_bytes: 16 * 1024 * 1024 };

/// Gives what the engine kept of the last days to `take`, page by page.
///
/// # Errors
/// When the engine cannot be asked, or does not answer as it should.
pub(super) fn each(
    engine: &str,
    token: &str,
    days: u32,
    now_s: u64,
    mut take: impl FnMut(Line),
) -> Result<(), CliError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Output)?;
    let client = picket_https::Client::new(&picket_https::Options::default())
        .map_err(|error| CliError::Refused(error.to_string()))?;
    let from = now_s.saturating_sub(u64::from(days) * 86_400);
    for action in ["would_block", "block"] {
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let mut target = format!(
                "{}/v1/admin/events?from={from}&action={action}&limit=200",
                engine.trim_end_matches('/')
            );
            if !cursor.is_empty() {
                target.push_str("&cursor=");
                target.push_str(&cursor);
            }
            let page = runtime.block_on(ask(&client, &target, token)).map_err(CliError::Refused)?;
            for event in page["events"].as_array().into_iter().flatten() {
                take(Line::Json(line(event)));
            }
            match page["cursor"].as_str() {
                // What comes back goes into the next address as it is, so it must be a plain word.
                Some(next) if is_plain(next) && next != cursor => next.clone_into(&mut cursor),
                _ => break,
            }
        }
    }
    // The engine keeps what it was told from the first day on, so the time that was asked for is the time that was looked at.
    for at in [from, now_s] {
        take(Line::Json(json!({ "_aws": { "Timestamp": at * 1000 } })));
    }
    Ok(())
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte))
}

async fn ask(client: &picket_https::Client, target: &str, token: &str) -> Result<Value, String> {
    let request = http::Request::get(target)
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    let response = client.send(request, LIMITS).await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("the engine answers {}", response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|error| error.to_string())
}

/// A request that the engine kept, as the agent's own line.
fn line(event: &Value) -> Value {
    let signals: Vec<Value> = event["signals"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|signal| {
            json!({
                "id": signal["signal"], "tier": signal["tier"], "detector": signal["detector"],
                "location": signal["location"], "decoded": signal["chain"], "excerpt": signal["excerpt"],
            })
        })
        .collect();
    json!({
        "timestamp": event["at"].as_u64().and_then(rfc_3339),
        "verdict": event["action"], "client": event["client"], "path": event["path"], "signals": signals,
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::super::judge::{Judgement, report};
    use super::super::tally::Tally;
    use super::*;

    /// Answers each call with the next of these pages, and gives what was asked.
    fn serve(pages: Vec<Value>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for page in pages {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    head.push(byte[0]);
                }
                asked.push(String::from_utf8(head).unwrap());
                let body = page.to_string();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
            asked
        });
        (address, serving)
    }

    #[test]
    fn pages_of_the_engine_give_the_same_report_as_lines() {
        let event = |n: u64| {
            json!({
                "id": n.to_string(), "at": 1_795_334_400_000_u64 + n * 1000, "class": "attack",
                "client": format!("198.51.100.{n}"), "path": "/notes", "action": "would_block", "reason": "SQLI",
                "signals": [{"signal": "SQLI", "tier": "certain", "stage": "attempted", "detector": "sqli/1",
                             "location": "body.items[2].note", "chain": [], "span": [0, 4], "excerpt": "1 or 1"}],
            })
        };
        let (address, serving) = serve(vec![
            json!({"events": [event(1), event(2)], "cursor": "next-1"}),
            json!({"events": [event(3)], "cursor": null}),
            json!({"events": [], "cursor": null}),
        ]);
        let mut tally = Tally::new(&[]);
        each(&address, "pa-1.secret", 7, 1_795_334_500, |line| tally.take(&line)).unwrap();
        let asked = serving.join().unwrap();
        assert!(asked[0].contains("action=would_block") && asked[1].contains("cursor=next-1"), "{asked:?}");
        assert!(asked[2].contains("action=block"), "{asked:?}");
        assert!(asked.iter().all(|head| head.to_lowercase().contains("authorization: bearer pa-1.secret")));
        let report = report(tally, 7);
        assert_eq!((report.would_block, report.places.len()), (3, 1));
        assert_eq!(report.places[0].judgement, Judgement::LooksFalse);
        assert_eq!(report.exclusions, ["SQLI@body.items[*].note"]);
    }

    #[test]
    fn a_cursor_that_is_no_plain_word_ends_the_pages() {
        for (word, plain) in [("abc-1_2", true), ("a&limit=1", false), ("", false), ("a b", false)] {
            assert_eq!(is_plain(word), plain, "{word}");
        }
    }
}
