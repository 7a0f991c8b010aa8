//! What the engine keeps, as lines: another source of the same report. Knows the admin API's pages; judges nothing.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{lines::Line, tally::rfc_3339};
use crate::error::CliError;

/// Pages that are asked for in one span; with 200 requests each that is more than anybody reviews.
const PAGES: usize = 500;
/// The longest span that the engine answers for at once, in seconds.
const SPAN: u64 = 7 * DAY;
const DAY: u64 = 86_400;
/// The step in which the engine is asked for its counts, in seconds.
const STEP: u64 = 3_600;

const LIMITS: picket_https::Limits =
    picket_https::Limits { timeout: Duration::from_secs(20), response_bytes: 16 * 1024 * 1024 };

/// Gives what the engine kept of the last days, and of one more, to `take`, page by page: a function whose first request comes an hour
/// after midnight would otherwise never fill its days.
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
    let engine = engine.trim_end_matches('/');
    let get = |path: &str| {
        runtime.block_on(ask(&client, &format!("{engine}/v1/admin/{path}"), token)).map_err(CliError::Refused)
    };
    // The engine counts by minutes, so that spans which meet within one would count it twice.
    let to = (now_s / 60 + 1) * 60;
    let begin = to.saturating_sub((u64::from(days) + 1) * DAY);
    let (mut from, mut told, mut shown) = (begin, 0_u64, 0_u64);
    while from < to {
        let until = to.min(from + SPAN);
        let counted = get(&format!("signals?from={from}&to={until}&step={STEP}"))?;
        for (hour, n) in steps(&counted, "~inspected") {
            // By the hour's end, so that nobody is told of more time than there was.
            let at = (hour + STEP).min(now_s);
            take(Line::Json(json!({ "_aws": { "Timestamp": at * 1_000 }, "Inspected": n })));
        }
        // A batch is counted when it was made, and tells of requests from before the time that is looked at where it is among the first.
        let late = |(hour, n): (u64, u64)| if hour < begin + STEP { 0 } else { n };
        told += ["~blocked", "~wouldBlock"]
            .iter()
            .flat_map(|name| steps(&counted, name))
            .map(late)
            .fold(0_u64, u64::saturating_add);
        for action in ["would_block", "block"] {
            let search = format!("events?from={from}&to={until}&action={action}&limit=200");
            shown += requests(get, &search, &mut take)?;
        }
        from = until;
    }
    // Where the engine asked for counts alone, or an environment had more to tell than fits, single requests are missing.
    if told > shown {
        take(Line::Json(json!({ "message": "verdict lines were left out", "suppressed": told - shown })));
    }
    Ok(())
}

/// The steps of one of the engine's counts: when each begins, and how many.
fn steps(counted: &Value, name: &str) -> Vec<(u64, u64)> {
    let steps = counted["series"][name].as_object();
    steps.into_iter().flatten().filter_map(|(step, n)| Some((step.parse().ok()?, n.as_u64()?))).collect()
}

/// Gives the requests that a search finds to `take`, and says how many there were.
fn requests(
    get: impl Fn(&str) -> Result<Value, CliError>,
    search: &str,
    take: &mut impl FnMut(Line),
) -> Result<u64, CliError> {
    let (mut shown, mut cursor) = (0, String::new());
    for _ in 0..PAGES {
        let page = if cursor.is_empty() { get(search)? } else { get(&format!("{search}&cursor={cursor}"))? };
        for event in page["events"].as_array().into_iter().flatten() {
            take(Line::Json(line(event)));
            shown += 1;
        }
        match page["cursor"].as_str() {
            // What comes back goes into the next address, so it must be a word that changes nothing else there.
            Some(next) => match escaped(next) {
                Some(next) if next != cursor => cursor = next,
                _ => break,
            },
            None => break,
        }
    }
    Ok(shown)
}

/// A cursor as a part of an address; none where it is no cursor of an engine's.
fn escaped(cursor: &str) -> Option<String> {
    let sound = (1..=100).contains(&cursor.len()) && cursor.bytes().all(|byte| byte.is_ascii_graphic());
    sound.then(|| {
        cursor.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
            text
        })
    })
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
        let hour = |n: u64| (1_795_334_400 + n * 3_600).to_string();
        let counted = |inspected: u64, would_block: u64| json!({"series": {"~inspected": {hour(0): inspected}, "~wouldBlock": {hour(0): would_block}}});
        // A week and a day are asked for in two spans.
        let (address, serving) = serve(vec![
            counted(70, 2),
            json!({"events": [event(1), event(2)], "cursor": "001795334402000#a&limit=1"}),
            json!({"events": [event(3)], "cursor": null}),
            json!({"events": [], "cursor": null}),
            counted(30, 2),
            json!({"events": [], "cursor": null}),
            json!({"events": [], "cursor": null}),
        ]);
        let mut tally = Tally::new(&[]);
        let now = 1_795_334_500;
        each(&address, "pa-1.secret", 7, now, |line| tally.take(&line)).unwrap();
        let asked = serving.join().unwrap();
        let span = |head: &str| {
            let number = |key: &str| -> u64 {
                let digits = head.split(key).nth(1).unwrap().split(['&', ' ']).next().unwrap();
                digits.parse().unwrap()
            };
            (number("from="), number("to="))
        };
        for head in &asked {
            let (from, to) = span(head);
            assert!(from < to && to - from <= 7 * 86_400, "the engine answers for a week at most: {head}");
            assert!(head.to_lowercase().contains("authorization: bearer pa-1.secret"), "{head}");
        }
        assert_eq!(span(&asked[0]).1, span(&asked[4]).0, "no time is left out, and none asked for twice");
        assert!(span(&asked[4]).1 > now && now - span(&asked[0]).0 >= 7 * 86_400);
        assert!(asked[1].contains("action=would_block") && asked[3].contains("action=block"), "{asked:?}");
        assert!(asked[2].contains("&cursor=001795334402000%23a%26limit%3D1 "), "{asked:?}");
        let report = report(tally, 7);
        assert_eq!((report.would_block, report.places.len(), report.inspected), (3, 1, 100));
        assert_eq!(report.lines_left_out, 1, "four would have been blocked, three are shown");
        assert!(report.days < 1.0 && !report.safe, "an engine that knows one hour has not seen a week");
        assert_eq!(report.places[0].judgement, Judgement::LooksFalse);
        assert_eq!(report.exclusions, ["SQLI@body.items[*].note"]);
    }

    #[test]
    fn an_engine_that_knows_nothing_calls_nothing_safe() {
        let nothing = || json!({"series": {}, "events": [], "cursor": null});
        let (address, serving) = serve((0..6).map(|_| nothing()).collect());
        let mut tally = Tally::new(&[]);
        each(&address, "pa-1.secret", 7, 1_795_334_500, |line| tally.take(&line)).unwrap();
        serving.join().unwrap();
        assert!(!report(tally, 7).safe);
    }

    #[test]
    fn a_cursor_changes_nothing_but_itself() {
        for (word, in_address) in [
            ("001795334400000#ev-1_2", Some("001795334400000%23ev-1_2")),
            ("a&limit=1", Some("a%26limit%3D1")),
            ("", None),
            ("a b", None),
            ("\u{e4}", None),
        ] {
            assert_eq!(escaped(word).as_deref(), in_address, "{word}");
        }
    }
}
