//! Events that are answered in the handler's place: every kind of answer, and a platform that does not take one.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use picket_runtime_proxy::{Decision, PostKind, SyntheticPost};
use picket_tests::double::{Double, Endpoint, Event, Fault, Framing};
use picket_tests::proxied::{Proxied, Scripted, Told, refusal};

fn typed(kind: PostKind, content_type: &'static str, body: &'static [u8]) -> SyntheticPost {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    SyntheticPost { kind, headers, body: Bytes::from_static(body) }
}

#[test]
fn a_buffered_answer_is_posted_with_a_length() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let id = double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    proxy.client().next_event().unwrap();
    let outcome = double.outcome(&id);
    assert_eq!(outcome.endpoint, Endpoint::Response);
    let lines: Vec<_> = outcome
        .message
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .filter(|line| !line.starts_with("Host:"))
        .collect();
    assert_eq!(
        lines,
        [
            "Content-Type: application/json",
            "User-Agent: raw-runtime/1.0",
            "Lambda-Runtime-Invocation-Id: attempt-1",
            "Content-Length: 30"
        ]
    );
    assert_eq!(outcome.message.framing, Framing::Length);
    assert_eq!(proxy.counters().answered, 1);
}

#[test]
fn a_streamed_answer_is_posted_in_chunks_with_its_mode() {
    const STREAM: &[u8] = b"{\"statusCode\":406}\0\0\0\0\0\0\0\0no";
    let double = Double::start();
    let post = typed(
        PostKind::Response { streaming: true },
        "application/vnd.awslambda.http-integration-response",
        STREAM,
    );
    let proxy = Proxied::with(&double, Scripted::blocking(post));
    let id = double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    proxy.client().next_event().unwrap();
    let message = double.outcome(&id).message;
    assert_eq!((message.framing, message.body.as_slice()), (Framing::Chunked, STREAM));
    assert_eq!(message.header("lambda-runtime-function-response-mode"), Some("streaming"));
    assert_eq!(message.header("content-type"), Some("application/vnd.awslambda.http-integration-response"));
}

#[test]
fn an_error_is_posted_as_one() {
    let double = Double::start();
    let mut post = typed(PostKind::Error, "application/json", b"{\"errorMessage\":\"Unauthorized\"}");
    post.headers
        .insert("lambda-runtime-function-error-type", HeaderValue::from_static("Function.Unauthorized"));
    let proxy = Proxied::with(&double, Scripted::blocking(post));
    let id = double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    proxy.client().next_event().unwrap();
    let outcome = double.outcome(&id);
    assert_eq!(outcome.endpoint, Endpoint::Error);
    assert_eq!(outcome.message.text(), "{\"errorMessage\":\"Unauthorized\"}");
    assert_eq!(outcome.message.header("lambda-runtime-function-error-type"), Some("Function.Unauthorized"));
}

#[test]
fn an_empty_answer_is_an_answer() {
    let double = Double::start();
    let proxy = Proxied::with(
        &double,
        Scripted::blocking(typed(PostKind::Response { streaming: false }, "x/y", b"")),
    );
    let id = double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    assert_eq!(double.outcome(&id).message.text(), "");
}

#[test]
fn a_replaced_event_keeps_its_framing() {
    let double = Double::start();
    let proxy = Proxied::with(
        &double,
        Scripted::new(|_, event| Ok(Decision::Replace(Bytes::from([&event[..], b" and more"].concat())))),
    );
    let mut runtime = proxy.client();
    for (event, framing) in
        [(Event::new("event"), Framing::Length), (Event::new("event").chunked(&[2]), Framing::Chunked)]
    {
        double.queue(event);
        let delivered = runtime.next_event().unwrap();
        assert_eq!(
            (delivered.text().as_str(), delivered.framing, delivered.complete),
            ("event and more", framing, true)
        );
        runtime.respond(&delivered, b"{}").unwrap();
    }
    assert_eq!(proxy.counters().replaced, 2);
}

#[test]
fn an_attack_of_five_megabytes_is_answered() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let mut body = vec![b'x'; 5 * 1024 * 1024];
    body.extend_from_slice(b"attack");
    let id = double.queue(Event::new(body));
    double.queue(Event::new("clean"));
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    assert_eq!(double.outcome(&id).endpoint, Endpoint::Response);
}

#[test]
fn an_answer_that_is_refused_becomes_an_error() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let id = double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    double.fault(Endpoint::Response, Fault::Status(400));
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    let outcome = double.outcome(&id);
    assert_eq!(outcome.endpoint, Endpoint::Error);
    assert_eq!(outcome.message.header("lambda-runtime-function-error-type"), Some("Function.EventRefused"));
    let counters = proxy.counters();
    assert_eq!((counters.answers_refused, counters.answered), (1, 1));
}

#[test]
fn an_attack_that_cannot_be_answered_is_never_delivered() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    double.queue(Event::new("attack"));
    double.fault(Endpoint::Response, Fault::Status(500));
    double.fault(Endpoint::Error, Fault::Status(500));
    double.fault(Endpoint::Error, Fault::Reset);
    let mut runtime = proxy.client();
    assert!(runtime.next_event().is_err(), "the call fails, as when the platform's connection breaks");
    assert!(runtime.closed());
    // Later it goes better, and the event is answered after all.
    double.queue(Event::new("clean"));
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    assert_eq!(proxy.counters().answers_refused, 3);
}

#[test]
fn an_invocation_that_is_over_needs_no_answer() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    double.queue(Event::new("attack"));
    // 410, with the event no longer out.
    double.fault(Endpoint::Response, Fault::Status(410));
    double.reply(
        Endpoint::Next,
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: gone\r\nContent-Length: 6\r\n\r\nattack",
        false,
    );
    double.reply(
        Endpoint::Next,
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: 5\r\n\r\nclean",
        false,
    );
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    assert_eq!(proxy.counters().answers_refused, 0);
}

#[test]
fn an_event_without_an_id_passes_since_nobody_could_answer_it() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    double.reply(Endpoint::Next, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nattack", false);
    assert_eq!(proxy.client().next_event().unwrap().text(), "attack");
    assert_eq!(proxy.counters().events_unidentified, 1);
}

#[test]
fn blocks_happen_beside_other_invocations() {
    let double = Double::managed();
    let mut config = picket_runtime_proxy::ProxyConfig::new(0, double.address());
    config.concurrent = true;
    config.inspection_budget = Duration::from_secs(20);
    let proxy = Proxied::start(config, Scripted::blocking(refusal()));
    let (mut busy, mut other) = (proxy.client(), proxy.client());
    let slow = double.queue(Event::new("slow"));
    let event = busy.next_event().unwrap();
    let attack = double.queue(Event::new("attack"));
    double.queue(Event::new("quick"));
    assert_eq!(other.next_event().unwrap().text(), "quick");
    assert_eq!(double.outcome(&attack).endpoint, Endpoint::Response);
    busy.respond(&event, b"done").unwrap();
    assert_eq!(double.outcome(&slow).message.text(), "done");
}

#[test]
fn calls_after_a_block_say_so() {
    let double = Double::start();
    let inspector = Scripted::blocking(refusal());
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    double.queue(Event::new("attack"));
    double.queue(Event::new("clean"));
    proxy.client().next_event().unwrap();
    let calls: Vec<_> = journal.told().into_iter().filter(|told| matches!(told, Told::Next(..))).collect();
    assert_eq!(calls, [Told::Next(0, false), Told::Next(1, true)]);
}

#[test]
fn each_event_is_judged_once() {
    let double = Double::start();
    static JUDGED: AtomicUsize = AtomicUsize::new(0);
    let proxy = Proxied::with(
        &double,
        Scripted::new(|_, _| {
            JUDGED.fetch_add(1, Ordering::Relaxed);
            Ok(Decision::Forward)
        }),
    );
    let mut runtime = proxy.client();
    for _ in 0..20 {
        double.queue(Event::new("{}"));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{}").unwrap();
    }
    assert_eq!(JUDGED.load(Ordering::Relaxed), 20);
}
