//! Faults on every side: a platform that fails, a runtime that dies, an inspector that errs, panics, hangs or overruns. What a clean
//! request gets is the same as without a proxy.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test that they help")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use picket_runtime_proxy::{Decision, Fault as Failing, Passthrough, ProxyConfig};
use picket_tests::double::{Double, Endpoint, Event, Fault, Message, RawClient, chunked};
use picket_tests::proxied::{Proxied, Scripted, Told, refusal};

/// What a client saw: a message, or a connection that ended without one. How exactly it ended is the network's affair.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Answer { status: u16, body: Vec<u8>, complete: bool },
    Closed,
}

fn seen(result: std::io::Result<Message>) -> Seen {
    match result {
        Ok(message) => {
            Seen::Answer { status: message.status(), body: message.body, complete: message.complete }
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the client waits for ever"),
        Err(_) => Seen::Closed,
    }
}

/// The same faults with and without the proxy.
fn compare(endpoint: Endpoint, fault: &Fault, request: &[u8]) -> Seen {
    let run = |proxied: bool| {
        let double = Double::start();
        let proxy = proxied.then(|| Proxied::with(&double, Scripted::passing()));
        let address: SocketAddr =
            proxy.as_ref().map_or_else(|| double.address().parse().unwrap(), Proxied::address);
        let mut client = RawClient::connect(address).unwrap();
        double.queue(Event::new("an event of some length").request_id("r").without_invocation_id());
        if endpoint != Endpoint::Next {
            client.next_event().unwrap();
        }
        double.fault(endpoint, fault.clone());
        // A connection that is reset in the middle of an upload may refuse the rest of it.
        let sent = client.send(request);
        let mut result = seen(client.receive(if endpoint == Endpoint::Next { "GET" } else { "POST" }));
        if sent.is_err() && matches!(fault, Fault::ResetMidUpload(_)) {
            result = Seen::Closed;
        }
        // Whatever it was, the next call on a new connection is as if nothing had been.
        let mut again = RawClient::connect(address).unwrap();
        assert_eq!(again.exchange(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").unwrap().text(), "pong");
        result
    };
    let (alone, behind) = (run(false), run(true));
    assert_eq!(alone, behind, "{endpoint:?} with {fault:?}");
    behind
}

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

fn response(body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[test]
fn a_platform_that_resets_is_seen_to() {
    assert_eq!(compare(Endpoint::Next, &Fault::Reset, NEXT), Seen::Closed);
    assert_eq!(compare(Endpoint::Response, &Fault::Reset, &response(b"{}")), Seen::Closed);
    assert_eq!(compare(Endpoint::Response, &Fault::Close, &response(b"{}")), Seen::Closed);
    assert_eq!(
        compare(Endpoint::Response, &Fault::ResetMidUpload(1000), &response(&vec![b'x'; 3_000_000])),
        Seen::Closed
    );
}

#[test]
fn a_platform_that_closes_before_an_event_is_seen_to() {
    assert_eq!(compare(Endpoint::Next, &Fault::Close, NEXT), Seen::Closed);
}

#[test]
fn a_platform_that_breaks_off_is_seen_to() {
    let Seen::Answer { status: 200, body, complete: false } =
        compare(Endpoint::Next, &Fault::CutShort(10), NEXT)
    else {
        panic!("half an event is half an event")
    };
    assert!(b"an event of some length".starts_with(&body));
    assert_eq!(compare(Endpoint::Next, &Fault::Truncate(60), NEXT), Seen::Closed);
    assert_eq!(compare(Endpoint::Next, &Fault::TruncateAndReset(60), NEXT), Seen::Closed);
}

#[test]
fn a_platform_that_is_slow_is_waited_for() {
    let pause = Duration::from_millis(5);
    for fault in [Fault::Slow(Duration::from_millis(300)), Fault::Drip(40, pause)] {
        let Seen::Answer { status: 200, body, complete: true } = compare(Endpoint::Next, &fault, NEXT) else {
            panic!("an event")
        };
        assert_eq!(body, b"an event of some length");
        assert!(matches!(
            compare(Endpoint::Response, &fault, &response(b"{}")),
            Seen::Answer { status: 202, complete: true, .. }
        ));
    }
}

#[test]
fn a_status_of_the_platform_is_its_own() {
    for status in [400, 403, 410, 413, 500, 502, 503] {
        let Seen::Answer { status: passed, .. } = compare(Endpoint::Next, &Fault::Status(status), NEXT)
        else {
            panic!("{status}")
        };
        assert_eq!(passed, status);
        let Seen::Answer { status: passed, .. } =
            compare(Endpoint::Response, &Fault::Status(status), &response(b"{}"))
        else {
            panic!("{status}")
        };
        assert_eq!(passed, status);
    }
}

#[test]
fn an_early_refusal_reaches_the_runtime() {
    let body = vec![b'x'; 100_000];
    assert!(matches!(
        compare(Endpoint::Response, &Fault::EarlyStatus(413), &response(&body)),
        Seen::Answer { status: 413, .. }
    ));
}

#[test]
fn an_old_connection_that_died_is_replaced() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    double.queue(Event::new("one"));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{}").unwrap();
    // The connection was good a moment ago, as before a freeze, and gives not a byte now.
    double.fault(Endpoint::Next, Fault::Reset);
    double.queue(Event::new("two"));
    assert_eq!(runtime.next_event().unwrap().text(), "two");
    assert_eq!(proxy.counters().upstream_reconnects, 1);
    assert_eq!(double.calls_to(Endpoint::Next).len(), 3, "and it is asked again once, not more");
}

#[test]
fn an_answer_is_never_posted_twice() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    double.queue(Event::new("one"));
    let event = runtime.next_event().unwrap();
    double.fault(Endpoint::Response, Fault::Close);
    assert!(runtime.respond(&event, b"{}").is_err());
    assert_eq!(double.calls_to(Endpoint::Response).len(), 1);
}

#[test]
fn a_runtime_that_dies_while_it_answers_breaks_the_answer_off() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let proxy = Proxied::with(&double, inspector);
    double.queue(Event::new("{}").request_id("r"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    let framed = chunked(&[b'x'; 10_000], &[1000], "");
    let mut request =
        b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    request.extend_from_slice(&framed[..5000]);
    runtime.send(&request).unwrap();
    drop(runtime);
    let calls = double.wait_calls(Endpoint::Response, 1);
    assert!(!calls[0].message.complete, "the platform sees that it broke off, not a short answer");
    // Nothing is out any more, so that the next life of the runtime is served.
    assert_eq!(proxy.client().exchange(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").unwrap().text(), "pong");
}

#[test]
fn a_runtime_that_dies_while_it_reads_an_event_leaves_the_next_one_served() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::passing());
    let body = vec![b'x'; 15 * 1024 * 1024];
    double.queue(Event::new(body.clone()));
    let mut runtime = proxy.client();
    runtime.send(NEXT).unwrap();
    // Its head has come, and most of its body cannot have: nobody reads.
    while runtime.stream().peek(&mut [0]).unwrap() == 0 {}
    drop(runtime);
    let mut other = proxy.client();
    let mut looks = 0;
    while proxy.counters().events_undelivered == 0 {
        other.exchange(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").unwrap();
        looks += 1;
        assert!(looks < 5000, "nobody noticed");
    }
    // The next life of the runtime is not told that an event is out.
    let event = proxy.client().next_event().unwrap();
    assert!(event.status() == 200 && event.body == body && event.complete);
}

#[test]
fn garbage_from_a_client_does_no_harm_to_another() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut good = proxy.client();
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut bad = proxy.client();
        bad.send(garbage).unwrap();
        bad.finish_sending().unwrap();
        let _whatever = bad.receive("GET").is_ok();
        assert_eq!(good.exchange(b"GET /2018-06-01/ping HTTP/1.1\r\n\r\n").unwrap().text(), "pong");
    }
}

/// Runs one event through an inspector that fails, and says which fault it was told of.
fn delivered_in_spite_of(inspector: Scripted, budget: Duration) -> Failing {
    let double = Double::start();
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.inspection_budget = budget;
    let proxy = Proxied::start(config, inspector);
    let id = double.queue(Event::new(" {\"clean\" : true} "));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    assert_eq!((event.status(), event.text().as_str()), (200, " {\"clean\" : true} "));
    runtime.respond(&event, b"done").unwrap();
    assert_eq!(double.outcome(&id).message.text(), "done");
    let counters = proxy.counters();
    assert_eq!(counters.inspected, 0);
    assert_eq!(counters.inspections_failed + counters.inspector_panics + counters.inspections_overran, 1);
    journal.wait(|told| match told {
        Told::Fault(fault) => Some(*fault),
        _ => None,
    })
}

#[test]
fn an_inspection_that_fails_is_counted_and_the_original_goes_through() {
    let patient = Duration::from_secs(20);
    assert_eq!(delivered_in_spite_of(Scripted::new(|_, _| Err("broken".into())), patient), Failing::Failed);
    let panicking = Scripted::new(|_, _| std::panic::resume_unwind(Box::new("a bug")));
    assert_eq!(delivered_in_spite_of(panicking, patient), Failing::Panicked);
    let (hang, hung) = mpsc::channel::<()>();
    let hung = Mutex::new(hung);
    let hanging = Scripted::new(move |_, _| {
        let _until_the_test_ends = hung.lock().unwrap().recv().is_ok();
        Ok(Decision::Answer(refusal()))
    });
    assert_eq!(delivered_in_spite_of(hanging, Duration::from_millis(20)), Failing::Overran);
    drop(hang);
}

#[test]
fn inspections_that_hang_use_up_threads_and_nothing_else() {
    let double = Double::start();
    let (hang, hung) = mpsc::channel::<()>();
    let hung = Arc::new(Mutex::new(hung));
    let inspector = Scripted::new(move |_, event| {
        if event == "hang" {
            // One waits in the channel, the others for its lock: all hang.
            let _until_the_test_ends = hung.lock().map(|hung| hung.recv().is_ok());
        }
        Ok(Decision::Forward)
    });
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.inspection_budget = Duration::from_millis(10);
    let proxy = Proxied::start(config, inspector);
    let mut runtime = proxy.client();
    let mut pass = |body: &str| {
        double.queue(Event::new(body));
        let event = runtime.next_event().unwrap();
        assert_eq!(event.text(), body);
        runtime.respond(&event, b"{}").unwrap();
    };
    for _ in 0..3 {
        pass("hang");
    }
    // One thread is left, and it is as good as the first.
    let before = proxy.counters().inspections_overran;
    assert_eq!(before, 3);
    while proxy.counters().inspected == 0 {
        pass("fine");
    }
    for _ in 0..80 {
        pass("hang");
    }
    let counters = proxy.counters();
    assert!(counters.inspections_saturated > 0, "the queue is bounded: {counters:?}");
    assert!(journal.told().contains(&Told::Fault(Failing::Saturated)));
    drop(hang);
}

#[test]
fn who_chose_to_fail_closed_has_uninspected_events_answered() {
    let double = Double::start();
    let failing =
        Scripted::new(|_, event| if event == "clean" { Ok(Decision::Forward) } else { Err("broken".into()) })
            .closed();
    let mut config = ProxyConfig::new(0, double.address());
    config.event_limit = 1000;
    let proxy = Proxied::start(config, failing);
    let broken = double.queue(Event::new("broken"));
    let large = double.queue(Event::new(vec![b'x'; 2_000_000]));
    let chunks = double.queue(Event::new(vec![b'x'; 2_000_000]).chunked(&[900]));
    double.queue(Event::new("clean"));
    assert_eq!(proxy.client().next_event().unwrap().text(), "clean");
    for id in [broken, large, chunks] {
        assert_eq!(double.outcome(&id).message.text(), "{\"statusCode\":406,\"body\":\"no\"}");
    }
}

#[test]
fn an_event_beyond_the_limit_streams_through_uninspected() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.event_limit = 1000;
    let proxy = Proxied::start(config, inspector);
    let mut runtime = proxy.client();
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    for event in [Event::new(body.clone()), Event::new(body.clone()).chunked(&[700])] {
        double.queue(event);
        let delivered = runtime.next_event().unwrap();
        assert!(delivered.body == body && delivered.complete);
        runtime.respond(&delivered, b"{}").unwrap();
    }
    let counters = proxy.counters();
    assert_eq!((counters.events_oversized, counters.inspected), (2, 0));
    assert!(journal.told().contains(&Told::Fault(Failing::Oversized)));
}

#[test]
fn a_proxy_in_front_of_a_failing_proxy_fails_alike() {
    let double = Double::start();
    let behind = Proxied::plain(&double);
    let front = Proxied::start(ProxyConfig::new(0, behind.address().to_string()), Passthrough);
    double.fault(Endpoint::Next, Fault::Reset);
    let mut runtime = front.client();
    assert!(runtime.next_event().is_err());
    double.queue(Event::new("after all"));
    assert_eq!(front.client().next_event().unwrap().text(), "after all");
}
