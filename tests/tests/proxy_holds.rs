//! Answers of the handler that are held, judged and replaced, and what happens where that goes wrong.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use picket_runtime_proxy::{AnswerDecision, AnswerKind, PostKind, ProxyConfig, SyntheticPost, Watch};
use picket_tests::double::{Double, Endpoint, Event, Fault, chunked};
use picket_tests::proxied::{Proxied, Scripted, Told};

const LEAK: &[u8] = b"{\"statusCode\":200,\"headers\":{\"x-a\":\"b\"},\"body\":\"secret\"}";

fn replacement() -> SyntheticPost {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    SyntheticPost {
        kind: PostKind::Response { streaming: false },
        headers,
        body: Bytes::from_static(b"{\"statusCode\":500,\"body\":\"withheld\"}"),
    }
}

/// Replaces what holds the word `secret`.
fn censoring() -> Scripted {
    Scripted::passing().judging(|answer| {
        let leaks = answer.body.windows(6).any(|window| window == b"secret");
        Ok(if leaks { AnswerDecision::Replace(replacement()) } else { AnswerDecision::Forward })
    })
}

#[test]
fn an_answer_is_judged_before_the_platform_has_it_and_replaced() {
    let double = Double::start();
    let inspector = censoring();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    let reply = runtime.respond(&event, LEAK).unwrap();
    assert!(reply.start.contains(" 202 "), "the runtime sees the platform's reply: {}", reply.start);
    let outcome = double.outcome(&id);
    assert_eq!(
        (outcome.endpoint, outcome.message.body.as_slice()),
        (Endpoint::Response, &replacement().body[..])
    );
    assert!(outcome.message.header("lambda-runtime-invocation-id").is_some());
    let held = journal.wait(|told| match told {
        Told::Judge(_, held) => Some(held.clone()),
        _ => None,
    });
    let head = held.head.unwrap();
    assert_eq!(
        (held.body.as_ref(), head.status, &head.headers["x-a"]),
        (LEAK, Some(200), &HeaderValue::from_static("b"))
    );
    assert_eq!((proxy.counters().answers_judged, proxy.counters().answers_replaced), (1, 1));
    // The connection serves on.
    let clean = double.queue(Event::new("{}"));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{\"statusCode\":200}").unwrap();
    assert_eq!(double.outcome(&clean).message.body, b"{\"statusCode\":200}");
    assert_eq!(proxy.counters().answers_replaced, 1);
}

#[test]
fn a_judgement_that_errs_panics_or_overruns_lets_the_answer_pass() {
    type Censor = fn() -> Scripted;
    let kinds: [(&str, Censor); 3] = [
        ("errs", || Scripted::passing().judging(|_| Err("no judgement".into()))),
        ("panics", || Scripted::passing().judging(|_| std::panic::resume_unwind(Box::new("a judgement")))),
        ("overruns", || {
            Scripted::passing().judging(|_| {
                std::thread::park_timeout(Duration::from_secs(60));
                Ok(AnswerDecision::Replace(replacement()))
            })
        }),
    ];
    for (kind, scripted) in kinds {
        let double = Double::start();
        let mut config = ProxyConfig::new(0, double.address());
        config.inspection_budget = Duration::from_secs(if kind == "overruns" { 1 } else { 20 });
        let proxy = Proxied::start(config, scripted());
        let id = double.queue(Event::new("{}"));
        let mut runtime = proxy.client();
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, LEAK).unwrap();
        assert_eq!(double.outcome(&id).message.body, LEAK, "{kind}");
        let counters = proxy.counters();
        let told = match kind {
            "errs" => counters.inspections_failed,
            "panics" => counters.inspector_panics,
            _ => counters.inspections_overran,
        };
        assert_eq!((told, counters.answers_replaced), (1, 0), "{kind}");
    }
}

#[test]
fn what_is_too_long_is_watched_and_passes() {
    let double = Double::start();
    let inspector = censoring();
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.answer_limit = 1000;
    config.prefix_limit = 100;
    let proxy = Proxied::start(config, inspector);
    let long = [b"secret".as_slice(), &b"x".repeat(300_000)].concat();
    for sizes in [None, Some(&[600_usize][..])] {
        let id = double.queue(Event::new("{}"));
        let mut runtime = proxy.client();
        let event = runtime.next_event().unwrap();
        match sizes {
            None => drop(runtime.respond(&event, &long).unwrap()),
            Some(sizes) => {
                let head = format!(
                    "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                drop(runtime.exchange(&[head.into_bytes(), chunked(&long, sizes, "")].concat()).unwrap());
            }
        }
        assert!(double.outcome(&id).message.body == long, "byte for byte");
        let attempt = if sizes.is_none() { "attempt-1" } else { "attempt-2" };
        let seen = journal.answered(&format!("{id}/{attempt}"));
        assert_eq!((seen.prefix.len(), seen.body_bytes, seen.complete), (100, long.len() as u64, true));
    }
    assert_eq!((proxy.counters().answers_oversized, proxy.counters().answers_judged), (2, 0));
}

#[test]
fn a_stream_and_an_error_are_never_held() {
    let double = Double::start();
    let inspector = censoring();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    let head = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    runtime.exchange(&[head.into_bytes(), chunked(b"secret", &[3], "")].concat()).unwrap();
    assert_eq!(double.outcome(&id).message.body, b"secret");
    let failed = double.queue(Event::new("{}"));
    runtime.next_event().unwrap();
    let error = format!(
        "POST /2018-06-01/runtime/invocation/{failed}/error HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecret"
    );
    runtime.exchange(error.as_bytes()).unwrap();
    assert_eq!(double.outcome(&failed).endpoint, Endpoint::Error);
    assert_eq!(journal.answered(&format!("{id}/attempt-1")).kind, AnswerKind::Streamed);
    assert_eq!(journal.answered(&format!("{failed}/attempt-2")).kind, AnswerKind::Error);
    assert_eq!(proxy.counters().answers_judged, 0);
}

#[test]
fn a_replacement_that_the_platform_refuses_gives_way_to_the_original() {
    let double = Double::start();
    let proxy = Proxied::with(&double, censoring());
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    double.fault(Endpoint::Response, Fault::Status(413));
    let reply = runtime.respond(&event, LEAK).unwrap();
    assert!(reply.start.contains(" 202 "), "{}", reply.start);
    assert_eq!(double.outcome(&id).message.body, LEAK);
    assert_eq!((proxy.counters().answers_replaced, proxy.counters().answers_refused), (0, 1));
}

#[test]
fn an_answer_that_breaks_off_breaks_off_on_the_other_side_too() {
    let double = Double::start();
    let proxy = Proxied::with(&double, censoring());
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    let head = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nContent-Length: 100\r\n\r\nsecret"
    );
    runtime.send(head.as_bytes()).unwrap();
    drop(runtime);
    // The platform saw a broken call, and hands nothing to anybody: the next answer under this id is the first.
    let mut again = proxy.client();
    let other = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    again.exchange(other.as_bytes()).unwrap();
    assert_eq!(double.outcome(&id).message.body, b"{}");
}

#[test]
fn the_status_is_told_without_the_rest() {
    let double = Double::start();
    let inspector = Scripted::passing().watching(Watch::Status);
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let late = [b"{\"body\":\"".as_slice(), &b"x".repeat(200_000), b"\",\"statusCode\":503}"].concat();
    let cases: [(&[u8], Option<u16>); 4] = [
        (b"{\"statusCode\":404,\"body\":\"{\\\"statusCode\\\":200}\"}", Some(404)),
        (b"{\"body\":\"x\",\"statusCode\":500}", Some(500)),
        (b"[1,2,3]", None),
        (&late, None),
    ];
    let mut runtime = proxy.client();
    for (number, (answer, status)) in (1..).zip(cases) {
        let id = double.queue(Event::new("{}"));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, answer).unwrap();
        assert!(double.outcome(&id).message.body == answer);
        let attempt = format!("{id}/attempt-{number}");
        let glance = journal.wait(|told| match told {
            Told::Glanced(key, glance) if *key == attempt => Some(*glance),
            _ => None,
        });
        assert_eq!(
            (glance.kind, glance.status, glance.body_bytes),
            (AnswerKind::Buffered, status, answer.len() as u64)
        );
    }
}
