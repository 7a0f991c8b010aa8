//! What an inspector sees of answers, and how long it may hold the call for the next event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use picket_runtime_proxy::{AnswerKind, ProxyConfig};
use picket_tests::double::{Double, Endpoint, Event, Fault, chunked};
use picket_tests::proxied::{Proxied, Scripted, Told};

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn an_answer_is_seen_with_its_head_and_a_bounded_prefix() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.prefix_limit = 100;
    let proxy = Proxied::start(config, inspector);
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    let answer = format!(
        "{{\"body\":\"{}\",\"headers\":{{\"X-A\":\"b\"}},\"statusCode\":418}}",
        "x".repeat(1_000_000)
    );
    runtime.respond(&event, answer.as_bytes()).unwrap();
    assert_eq!(double.outcome(&id).message.text(), answer);
    let seen = journal.answered(&format!("{id}/attempt-1"));
    assert_eq!((seen.kind, seen.platform_status, seen.complete), (AnswerKind::Buffered, 202, true));
    assert_eq!((seen.prefix.len(), seen.body_bytes), (100, answer.len() as u64));
    let head = seen.head.unwrap();
    assert_eq!((head.status, head.headers["x-a"].to_str().unwrap()), (Some(418), "b"));
    assert_eq!(seen.post_headers["content-type"], "application/json");
}

#[test]
fn a_stream_is_seen_with_its_prelude_and_its_trailers() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    let stream = b"{\"statusCode\":201,\"cookies\":[\"a=b\"]}\0\0\0\0\0\0\0\0payload";
    let mut request = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: Streaming\r\nTransfer-Encoding: \
         chunked\r\n\r\n"
    )
    .into_bytes();
    // The prelude and the NULs are split over chunks.
    request.extend_from_slice(&chunked(stream, &[7], "Lambda-Runtime-Function-Error-Type: Runtime.Late\r\n"));
    runtime.exchange(&request).unwrap();
    let seen = journal.answered(&format!("{id}/attempt-1"));
    assert_eq!(
        (seen.kind, seen.complete, seen.body_bytes),
        (AnswerKind::Streamed, true, stream.len() as u64)
    );
    let head = seen.head.unwrap();
    assert_eq!((head.status, head.payload_offset), (Some(201), Some(stream.len() as u64 - 7)));
    assert_eq!(head.headers["set-cookie"], "a=b");
    assert_eq!(seen.trailers.unwrap()["lambda-runtime-function-error-type"], "Runtime.Late");
}

#[test]
fn an_error_and_a_refusal_are_seen() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let id = double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    double.fault(Endpoint::Error, Fault::Status(410));
    let request = format!(
        "POST /2018-06-01/runtime/invocation/{id}/error HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\noops"
    );
    assert_eq!(runtime.exchange(request.as_bytes()).unwrap().status(), 410, "410 passes");
    let seen = journal.answered(&format!("{id}/attempt-1"));
    assert_eq!((seen.kind, seen.platform_status, &seen.prefix[..]), (AnswerKind::Error, 410, &b"oops"[..]));
    // Nor is it fatal.
    double.forget_calls();
    double.reply(
        Endpoint::Next,
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nContent-Length: 2\r\n\r\n{}",
        false,
    );
    assert_eq!(runtime.next_event().unwrap().text(), "{}");
}

#[test]
fn the_platform_is_not_asked_before_a_hold_ends() {
    let double = Double::start();
    let gate = Arc::new(tokio::sync::Notify::new());
    let holding = Arc::new(AtomicBool::new(false));
    let (opened, flag) = (Arc::clone(&gate), Arc::clone(&holding));
    let inspector = Scripted::passing().holding(move |call| {
        let gate = Arc::clone(&opened);
        (call.ordinal == 1).then(|| {
            flag.store(true, Ordering::SeqCst);
            Box::pin(async move { gate.notified().await }) as picket_runtime_proxy::Hold
        })
    });
    let mut config = ProxyConfig::new(0, double.address());
    config.hold_limit = Duration::from_secs(20);
    let proxy = Proxied::start(config, inspector);
    double.queue(Event::new("{}"));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{}").unwrap();
    runtime.send(NEXT).unwrap();
    let mut other = proxy.client();
    while !holding.load(Ordering::SeqCst) {
        other.exchange(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").unwrap();
    }
    assert_eq!(double.calls_to(Endpoint::Next).len(), 1, "to ask is to be frozen");
    gate.notify_one();
    double.wait_waiting(1);
    assert_eq!((proxy.counters().holds, proxy.counters().holds_cut), (1, 0));
}

#[test]
fn a_hold_ends_at_its_limit_and_a_panic_in_it_is_nothing() {
    let double = Double::start();
    let inspector = Scripted::passing().holding(|call| {
        let ordinal = call.ordinal;
        Some(Box::pin(async move {
            if ordinal == 0 {
                std::future::pending::<()>().await;
            }
            std::panic::resume_unwind(Box::new("a hold that panics"));
        }))
    });
    let mut config = ProxyConfig::new(0, double.address());
    config.hold_limit = Duration::from_millis(10);
    let proxy = Proxied::start(config, inspector);
    let mut runtime = proxy.client();
    for _ in 0..2 {
        double.queue(Event::new("{}"));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{}").unwrap();
    }
    let counters = proxy.counters();
    assert_eq!((counters.holds, counters.holds_cut, counters.inspector_panics), (2, 1, 1));
}

#[test]
fn no_hold_goes_past_the_deadline() {
    let double = Double::start();
    let inspector = Scripted::passing().holding(|call| {
        (call.ordinal == 1).then(|| Box::pin(std::future::pending()) as picket_runtime_proxy::Hold)
    });
    let mut config = ProxyConfig::new(0, double.address());
    // Longer than any test waits.
    config.hold_limit = Duration::from_secs(3600);
    let proxy = Proxied::start(config, inspector);
    let mut runtime = proxy.client();
    double.queue(Event::new("{}").deadline(Duration::from_millis(300)));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{}").unwrap();
    double.queue(Event::new("next"));
    assert_eq!(runtime.next_event().unwrap().text(), "next");
    assert_eq!(proxy.counters().holds_cut, 1);
}

#[test]
fn an_answer_is_judged_before_the_next_call_is() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let mut runtime = proxy.client();
    for _ in 0..50 {
        double.queue(Event::new("{}"));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{\"statusCode\":200}").unwrap();
    }
    runtime.send(NEXT).unwrap();
    double.wait_waiting(1);
    let order: Vec<_> = journal
        .told()
        .iter()
        .map(|told| match told {
            Told::Next(..) => "next",
            Told::Inspect(_) => "inspect",
            Told::Answered(..) => "answered",
            _ => "other",
        })
        .collect();
    let round = ["next", "inspect", "answered"];
    let expected: Vec<_> = round.iter().copied().cycle().take(150).chain(["next"]).collect();
    assert_eq!(order, expected);
}
