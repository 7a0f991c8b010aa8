//! One test for each trap of the platform that concerns the proxy. The number is the trap's, as in the list of the project's platform
//! notes; each test fails where the wrong behaviour of its trap is put in.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that they help")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use picket_runtime_proxy::{Abuse, BindError, Decision, Passthrough, Proxy, ProxyConfig, ready};
use picket_tests::double::wire::MessageReader;
use picket_tests::double::{Double, Endpoint, Event, Fault, Framing, Message, RawClient, chunked};
use picket_tests::proxied::{Proxied, Scripted, Told, refusal};

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\nUser-Agent: raw-runtime/1.0\r\nX-Odd: 1\r\n\r\n";
const PING: &[u8] = b"GET /2018-06-01/ping HTTP/1.1\r\nHost: runtime\r\n\r\n";

fn managed(double: &Double, inspector: Scripted) -> Proxied {
    let mut config = ProxyConfig::new(0, double.address());
    config.concurrent = true;
    config.inspection_budget = Duration::from_secs(20);
    Proxied::start(config, inspector)
}

fn header(message: &Message, name: &str) -> String {
    message.header(name).unwrap_or_default().to_owned()
}

#[test]
fn trap_01_a_synthetic_answer_echoes_the_invocation_id() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let attempts: Vec<_> = (0..2).map(|_| double.queue(Event::new("attack").request_id("reused"))).collect();
    double.queue(Event::new("clean").without_invocation_id());
    let event = proxy.client().next_event().unwrap();
    assert_eq!(event.text(), "clean");
    for (attempt, expected) in attempts.iter().zip(["attempt-1", "attempt-2"]) {
        assert_eq!(header(&double.outcome(attempt).message, "lambda-runtime-invocation-id"), expected);
    }
}

#[test]
fn trap_01_nothing_is_echoed_where_nothing_was_given() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let id = double.queue(Event::new("attack").without_invocation_id());
    double.queue(Event::new("clean"));
    proxy.client().next_event().unwrap();
    assert_eq!(double.outcome(&id).message.header("lambda-runtime-invocation-id"), None);
}

#[test]
fn trap_01_attempts_at_one_request_are_told_apart() {
    let double = Double::managed();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = managed(&double, inspector);
    let (mut first, mut second) = (proxy.client(), proxy.client());
    double.queue(Event::new("one").request_id("reused"));
    let one = first.next_event().unwrap();
    double.queue(Event::new("two").request_id("reused"));
    let two = second.next_event().unwrap();
    // The older attempt answers first, when the younger one is the likelier guess.
    first.respond(&one, b"answer one").unwrap();
    second.respond(&two, b"answer two").unwrap();
    assert_eq!(journal.answered("reused/attempt-1").prefix, "answer one");
    assert_eq!(journal.answered("reused/attempt-2").prefix, "answer two");
}

#[test]
fn trap_02_connections_are_taken_before_they_are_served() {
    let double = Double::start();
    let proxy = Proxy::bind(ProxyConfig::new(0, double.address())).unwrap();
    // No async runtime exists yet, and a runtime with its timeout of one second may connect already.
    let mut early = RawClient::connect(proxy.local_addr()).unwrap();
    early.send(PING).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(proxy.serve(Arc::new(Passthrough))).unwrap();
    });
    assert_eq!(early.receive("GET").unwrap().text(), "pong");
}

#[test]
fn trap_04_never_prefetches_next() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    for calls in 1..=3 {
        double.queue(Event::new("{}"));
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{}").unwrap();
        // The answer is through, the runtime is busy with something else, and an event waits: nobody asks for it.
        double.queue(Event::new("{}"));
        runtime.exchange(PING).unwrap();
        assert_eq!(double.calls_to(Endpoint::Next).len(), calls * 2 - 1);
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, b"{}").unwrap();
        runtime.exchange(PING).unwrap();
        assert_eq!(double.calls_to(Endpoint::Next).len(), calls * 2);
    }
    assert_eq!(double.waiting(), 0);
}

#[test]
fn trap_05_a_block_is_answered_inside_the_open_call() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::blocking(refusal()));
    let attacks: Vec<_> = (0..3).map(|_| double.queue(Event::new("attack"))).collect();
    let mut runtime = proxy.client();
    runtime.send(NEXT).unwrap();
    for id in &attacks {
        assert_eq!(double.outcome(id).message.text(), "{\"statusCode\":406,\"body\":\"no\"}");
    }
    // The call stays open, at the platform too, until there is something to hand out.
    double.wait_waiting(1);
    double.queue(Event::new("clean"));
    let event = runtime.receive("GET").unwrap();
    assert_eq!((event.status(), event.text()), (200, "clean".to_owned()));
    let calls = double.calls_to(Endpoint::Next);
    assert_eq!(calls.len(), 4);
    for call in &calls {
        // Every call is the runtime's own, with all that it said.
        let names: Vec<_> = call.message.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Host", "User-Agent", "X-Odd"]);
    }
}

#[test]
fn trap_06_a_runtime_that_goes_away_takes_its_call_along() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    runtime.send(NEXT).unwrap();
    double.wait_waiting(1);
    drop(runtime);
    double.wait_abandoned(1);
    double.wait_waiting(0);
}

#[test]
fn trap_06_an_event_in_hand_is_not_replayed() {
    let double = Double::start();
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let inspector = Scripted::new(move |_, event| {
        if event == "first" {
            // The runtime goes away while its event is being looked at.
            held.lock().unwrap().recv().unwrap();
        }
        Ok(Decision::Forward)
    });
    let journal = inspector.journal();
    let mut config = ProxyConfig::new(0, double.address());
    config.inspection_budget = Duration::from_secs(20);
    let proxy = Proxied::start(config, inspector);
    let mut runtime = proxy.client();
    double.queue(Event::new("first"));
    runtime.send(NEXT).unwrap();
    journal.wait(|told| matches!(told, Told::Inspect(_)).then_some(()));
    drop(runtime);
    release.send(()).unwrap();
    // A new process of the runtime gets what the platform hands out, and that is the platform's decision alone.
    let mut next_life = proxy.client();
    release.send(()).unwrap();
    let event = next_life.next_event().unwrap();
    assert_eq!(event.text(), "first");
    assert_eq!(double.redelivered(), 1);
    assert_eq!(double.calls_to(Endpoint::Next).len(), 2);
}

#[test]
fn trap_07_a_platform_that_is_not_there_is_no_status() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let proxy = Proxied::start(ProxyConfig::new(0, address), Passthrough);
    for request in [NEXT, PING] {
        let mut runtime = proxy.client();
        runtime.send(request).unwrap();
        assert!(runtime.receive("GET").is_err());
        assert!(runtime.closed(), "not one byte comes");
    }
    assert_eq!(proxy.counters().upstream_failures, 2);
}

#[test]
fn trap_08_original_bytes_reach_the_runtime() {
    let events: [&[u8]; 7] = [
        b" {\"b\" : 1.0e2,\n\"a\":12345678901234567890,\"a\":2 } ",
        b"{\"x\":\"\\u0000\\ud800\\/\"}",
        b"\xEF\xBB\xBF{\"bom\":true}",
        b"{\"raw nul\":\"\0\"}",
        b"\xff\xfe not text",
        b"{\"unfinished\":",
        b"",
    ];
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::passing());
    let mut runtime = proxy.client();
    for event in events {
        for chunks in [None, Some([1]), Some([5])] {
            let queued = Event::new(event);
            double.queue(match chunks {
                Some(sizes) => queued.chunked(&sizes),
                None => queued,
            });
            let delivered = runtime.next_event().unwrap();
            assert_eq!(delivered.body, event);
            let framing = if chunks.is_some() { Framing::Chunked } else { Framing::Length };
            assert_eq!((delivered.framing, delivered.complete), (framing, true));
            runtime.respond(&delivered, b"").unwrap();
        }
    }
    assert_eq!(proxy.counters().inspected, 21);
}

#[test]
fn trap_10_every_header_of_an_event_reaches_the_runtime() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    double.queue(
        Event::new("{}")
            .content_type("application/x-odd; q=1")
            .header("Lambda-Runtime-Client-Context", "{\"a\":1}")
            .header("Lambda-Runtime-Not-Known-Yet", "")
            .header("x-twice", "1")
            .header("x-twice", "2"),
    );
    let event = proxy.client().next_event().unwrap();
    assert_eq!(header(&event, "content-type"), "application/x-odd; q=1");
    assert_eq!(header(&event, "lambda-runtime-client-context"), "{\"a\":1}");
    assert_eq!(event.header_values("lambda-runtime-not-known-yet"), [b""]);
    assert_eq!(event.header_values("x-twice"), [b"1", b"2"]);
    assert!(event.headers.iter().any(|(name, _)| name == "Lambda-Runtime-Deadline-Ms"), "in its spelling");
}

#[test]
fn trap_11_a_header_of_one_mebibyte_passes() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    double.queue(Event::new("{}").request_id("r"));
    let mut runtime = proxy.client();
    runtime.next_event().unwrap();
    let cause = "x".repeat(1024 * 1024);
    let request = format!(
        "POST /2018-06-01/runtime/invocation/r/error HTTP/1.1\r\nLambda-Runtime-Function-XRay-Error-Cause: {cause}\r\nContent-Length: \
         2\r\n\r\n{{}}"
    );
    assert_eq!(runtime.exchange(request.as_bytes()).unwrap().status(), 202);
    assert_eq!(header(&double.outcome("r").message, "lambda-runtime-function-xray-error-cause"), cause);
}

#[test]
fn trap_12_error_trailers_survive_declared_or_not() {
    let declarations = [
        "",
        "Trailer: Lambda-Runtime-Function-Error-Type\r\nTrailer: Lambda-Runtime-Function-Error-Body\r\n",
        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n",
        "trailer: X-Checksum\r\n",
    ];
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    let error = "e".repeat(60_000);
    for declared in declarations {
        let id = double.queue(Event::new("{}"));
        runtime.next_event().unwrap();
        let checksum = if declared.contains("X-Checksum") { "X-Checksum: 7\r\n" } else { "" };
        let trailers = format!(
            "Lambda-Runtime-Function-Error-Type: Runtime.Oops\r\nLambda-Runtime-Function-Error-Body: {error}\r\n{checksum}"
        );
        let mut request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: \
             streaming\r\n{declared}Transfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(&chunked(b"half a stream", &[4], &trailers));
        assert_eq!(runtime.exchange(&request).unwrap().status(), 202);
        let came = double.outcome(&id).message;
        assert_eq!(came.text(), "half a stream");
        let lines = came.trailer_lines();
        let value =
            |name: &str| lines.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        assert_eq!(value("lambda-runtime-function-error-type").unwrap(), b"Runtime.Oops", "{declared:?}");
        assert_eq!(value("lambda-runtime-function-error-body").unwrap(), error.as_bytes(), "{declared:?}");
        assert_eq!(value("x-checksum").is_some(), !checksum.is_empty());
        // What is declared is declared once.
        let named = came.header_values("trailer").concat().to_ascii_lowercase();
        assert_eq!(String::from_utf8(named).unwrap().matches("error-type").count(), 1, "{declared:?}");
    }
}

/// A platform that takes one connection and does with it what the test wants.
fn bare_platform() -> (TcpListener, Proxied) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy =
        Proxied::start(ProxyConfig::new(0, listener.local_addr().unwrap().to_string()), Scripted::passing());
    (listener, proxy)
}

const STREAM_HEAD: &[u8] = b"POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Function-Response-Mode: \
                             streaming\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn trap_13_a_stream_passes_while_it_is_being_written() {
    let (listener, proxy) = bare_platform();
    let mut runtime = proxy.client();
    runtime.send(STREAM_HEAD).unwrap();
    runtime.send(b"5\r\nfirst\r\n").unwrap();
    let (mut platform, _) = listener.accept().unwrap();
    platform.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut came = Vec::new();
    let mut block = [0; 4096];
    // The stream is not over, and will not be before its beginning was seen.
    while !came.windows(5).any(|window| window == b"first") {
        let count = platform.read(&mut block).unwrap();
        came.extend_from_slice(&block[..count]);
    }
    runtime.send(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
    while !came.ends_with(b"0\r\n\r\n") {
        let count = platform.read(&mut block).unwrap();
        came.extend_from_slice(&block[..count]);
    }
    platform.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(runtime.receive("POST").unwrap().status(), 202);
}

#[test]
fn trap_13_a_platform_that_reads_slowly_slows_the_runtime() {
    const CHUNK: usize = 1024 * 1024;
    let (listener, proxy) = bare_platform();
    let mut runtime = proxy.client();
    runtime.send(STREAM_HEAD).unwrap();
    let (_reads_nothing, _) = listener.accept().unwrap();
    runtime.stream().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let framed = chunked(&vec![b'x'; CHUNK], &[CHUNK], "");
    let chunk = framed.strip_suffix(b"0\r\n\r\n").unwrap();
    let mut taken = 0;
    let stopped = loop {
        match runtime.send(chunk) {
            Ok(()) => taken += CHUNK,
            Err(error) => break error.kind(),
        }
        assert!(taken < 200 * CHUNK, "a stream of 200 MB went into the proxy's memory");
    };
    assert!(matches!(stopped, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped:?}");
    // What was taken lies in four socket buffers and in the proxy's two.
    assert!(taken <= 64 * CHUNK, "{taken}");
}

#[test]
fn trap_14_framing_is_copied_and_not_guessed() {
    let double = Double::start();
    let proxy = Proxied::with(&double, Scripted::passing());
    let mut runtime = proxy.client();
    // As Go answers everything: chunked, both trailers declared, no response mode.
    let id = double.queue(Event::new("{}"));
    runtime.next_event().unwrap();
    let mut request = format!(
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTrailer: \
         Lambda-Runtime-Function-Error-Type,Lambda-Runtime-Function-Error-Body\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(&chunked(b"{\"statusCode\":200}", &[3], ""));
    assert_eq!(runtime.exchange(&request).unwrap().status(), 202);
    let came = double.outcome(&id).message;
    assert_eq!((came.framing, came.text()), (Framing::Chunked, "{\"statusCode\":200}".to_owned()));
    assert_eq!(came.header("lambda-runtime-function-response-mode"), None);
    // And as everybody else does.
    let id = double.queue(Event::new("{}"));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"").unwrap();
    assert_eq!(double.outcome(&id).message.framing, Framing::Length);
}

#[test]
fn trap_15_a_message_says_once_how_long_it_is() {
    let double = Double::start();
    let streaming = {
        let mut post = refusal();
        post.kind = picket_runtime_proxy::PostKind::Response { streaming: true };
        // Headers of a careless inspector.
        post.headers.insert("content-length", http::HeaderValue::from_static("3"));
        post
    };
    let proxy = Proxied::with(&double, Scripted::blocking(streaming));
    let attack = double.queue(Event::new("attack"));
    double.queue(Event::new("clean").chunked(&[2]));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    let answer = double.outcome(&attack).message;
    for message in [&event, &answer] {
        assert_eq!(
            message.header_values("transfer-encoding").len() + message.header_values("content-length").len(),
            1
        );
        assert_eq!(message.framing, Framing::Chunked);
    }
}

#[test]
fn trap_16_no_timer_runs_while_a_call_waits() {
    let double = Double::start();
    let proxy = Proxy::bind(ProxyConfig::new(0, double.address())).unwrap();
    let address = proxy.local_addr();
    std::thread::spawn(move || {
        // This clock jumps to the next timer whenever there is nothing else to do, so that a timeout of a day ends at once.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(proxy.serve(Arc::new(Passthrough))).unwrap();
    });
    let mut runtime = RawClient::connect(address).unwrap();
    let mut idle = RawClient::connect(address).unwrap();
    idle.exchange(PING).unwrap();
    for _ in 0..3 {
        runtime.send(NEXT).unwrap();
        double.wait_waiting(1);
        // Several turns of the proxy's loop, in each of which it might look at its clock.
        for _ in 0..20 {
            RawClient::connect(address).unwrap().exchange(PING).unwrap();
        }
        assert_eq!(double.waiting(), 1);
        double.queue(Event::new("{}"));
        let event = runtime.receive("GET").unwrap();
        runtime.respond(&event, b"{}").unwrap();
    }
    // A connection that was silent all the while is good for another call.
    assert_eq!(idle.exchange(PING).unwrap().text(), "pong");
}

#[test]
fn trap_17_a_waiting_call_blocks_no_other() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut waiting = proxy.client();
    waiting.send(NEXT).unwrap();
    double.wait_waiting(1);
    let mut other = proxy.client();
    for _ in 0..3 {
        assert_eq!(other.exchange(PING).unwrap().text(), "pong");
    }
    assert_eq!(double.waiting(), 1);
    assert_eq!(double.connections(), 2);
}

#[test]
fn trap_17_managed_instances_have_many_calls_waiting() {
    const SLOTS: usize = 16;
    let double = Double::managed();
    let proxy = managed(&double, Scripted::passing());
    let mut slots: Vec<_> = (0..SLOTS).map(|_| proxy.client()).collect();
    for slot in &mut slots {
        slot.send(NEXT).unwrap();
    }
    double.wait_waiting(SLOTS);
    let ids: Vec<_> = (0..SLOTS).map(|number| double.queue(Event::new(format!("event {number}")))).collect();
    for slot in &mut slots {
        let event = slot.receive("GET").unwrap();
        let body = event.text().replace("event", "answer");
        assert_eq!(slot.respond(&event, body.as_bytes()).unwrap().status(), 202);
    }
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(double.outcome(id).message.text(), format!("answer {number}"));
    }
    assert_eq!(proxy.counters().abuses, 0);
}

#[test]
fn trap_23_a_restore_renews_connections_and_state() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let (mut runtime, mut other) = (proxy.client(), proxy.client());
    other.exchange(PING).unwrap();
    runtime.exchange(PING).unwrap();
    runtime.send(b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    double.wait_calls(Endpoint::RestoreNext, 1);
    assert!(!journal.told().contains(&Told::Restored));
    double.restore();
    assert_eq!(runtime.receive("GET").unwrap().status(), 200);
    assert!(journal.told().contains(&Told::Restored), "the inspector knows before the runtime does");
    double.forget_calls();
    let before = double.connections();
    other.exchange(PING).unwrap();
    runtime.exchange(PING).unwrap();
    assert_eq!(double.connections(), before + 2, "no connection of the life before is used");
}

#[test]
fn trap_26_the_upstream_address_is_used_as_it_was_given() {
    let double = Double::start();
    let address = double.address().replace("127.0.0.1", "localhost");
    let proxy = Proxied::start(ProxyConfig::new(0, address.clone()), Passthrough);
    proxy.client().exchange(PING).unwrap();
    assert_eq!(header(&double.calls()[0].message, "host"), address);
    for wrong in ["", "localhost", "http://localhost:9001", "localhost:port", ":9001"] {
        let refused = Proxy::bind(ProxyConfig::new(0, wrong));
        assert!(matches!(refused, Err(BindError::UpstreamMalformed { .. })), "{wrong:?}");
    }
}

#[test]
fn trap_27_the_proxy_listens_on_loopback_alone_and_serves_nothing_of_its_own() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    assert_eq!(proxy.address().ip(), Ipv4Addr::LOCALHOST);
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), proxy.address().port())).is_err());
    let mut client = proxy.client();
    let answer =
        client.exchange(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", ready::PATH).as_bytes()).unwrap();
    assert_eq!((answer.status(), header(&answer, ready::HEADER)), (200, "1".to_owned()));
    assert_eq!(answer.text(), format!("{}{}\n", ready::BODY_PREFIX, env!("CARGO_PKG_VERSION")));
    assert_eq!(double.calls().len(), 0);
    // Whatever else it is asked goes to the platform, which does not know it either.
    for (number, path) in
        ["/", "/picket", "/picket/ready/", "/picket/ready?x", "/picket/config", "/metrics"].iter().enumerate()
    {
        let answer = client.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        if *path == "/picket/ready?x" {
            assert_eq!(answer.status(), 200);
        } else {
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(double.calls().last().unwrap().message.target(), *path, "{number}");
        }
    }
}

#[test]
fn trap_27_an_event_that_is_out_cannot_be_fetched_again() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    let id = double.queue(Event::new("secret"));
    let mut runtime = proxy.client();
    let event = runtime.next_event().unwrap();
    // Server-side request forgery in the handler.
    let mut thief = proxy.client();
    let stolen = thief.next_event().unwrap();
    assert_eq!(stolen.status(), 403);
    assert!(stolen.text().contains("InvalidStateTransition") && !stolen.text().contains("secret"));
    assert_eq!(double.calls_to(Endpoint::Next).len(), 1);
    let told = journal.wait(|told| matches!(told, Told::Abuse(..)).then(|| told.clone()));
    assert_eq!(told, Told::Abuse(Abuse::NextWhileOut, Some(format!("{id}/attempt-1"))));
    // The runtime is none the worse for it.
    assert_eq!(runtime.respond(&event, b"{}").unwrap().status(), 202);
    double.queue(Event::new("another"));
    assert_eq!(runtime.next_event().unwrap().text(), "another");
}

#[test]
fn trap_27_a_deadline_that_has_passed_ends_the_refusal() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    double.queue(Event::new("first").deadline(Duration::ZERO));
    proxy.client().next_event().unwrap();
    // The platform decides again; here it hands the event out once more.
    assert_eq!(proxy.client().next_event().unwrap().text(), "first");
}

#[test]
fn trap_28_two_proxies_in_a_chain_work() {
    let double = Double::start();
    let near_platform = Scripted::passing();
    let (far_journal, near_runtime) = (near_platform.journal(), Scripted::blocking(refusal()));
    let near_journal = near_runtime.journal();
    let behind = Proxied::with(&double, near_platform);
    let front = Proxied::start(ProxyConfig::new(0, behind.address().to_string()), near_runtime);
    let attack = double.queue(Event::new("attack"));
    let id = double.queue(Event::new("clean"));
    let mut runtime = front.client();
    let event = runtime.next_event().unwrap();
    assert_eq!(event.text(), "clean");
    assert_eq!(double.outcome(&attack).message.text(), "{\"statusCode\":406,\"body\":\"no\"}");
    runtime.respond(&event, b"done").unwrap();
    assert_eq!(double.outcome(&id).message.text(), "done");
    // Both saw the clean one answered; the one near the platform also the answer that the other made.
    assert_eq!(near_journal.answered(&format!("{id}/attempt-2")).prefix, "done");
    assert_eq!(far_journal.answered(&format!("{id}/attempt-2")).prefix, "done");
    assert!(far_journal.answered(&format!("{attack}/attempt-1")).prefix.starts_with(b"{\"statusCode\":406"));
}

#[test]
fn trap_40_an_attempt_that_is_handed_out_twice_is_one_attempt() {
    let double = Double::start();
    let inspector = Scripted::passing();
    let journal = inspector.journal();
    let proxy = Proxied::with(&double, inspector);
    // Two calls wait at once, and the platform hands one event to both.
    let (mut one, mut two) = (proxy.client(), proxy.client());
    one.send(NEXT).unwrap();
    double.wait_waiting(1);
    double.fault(Endpoint::Next, Fault::Gate);
    two.send(NEXT).unwrap();
    double.wait_calls(Endpoint::Next, 2);
    let id = double.queue(Event::new("{}"));
    let event = one.receive("GET").unwrap();
    double.release();
    two.receive("GET").unwrap();
    let told = journal.wait(|told| matches!(told, Told::Abuse(..)).then(|| told.clone()));
    assert_eq!(told, Told::Abuse(Abuse::DeliveredTwice, Some(format!("{id}/attempt-1"))));
    one.respond(&event, b"{}").unwrap();
    double.queue(Event::new("next"));
    assert_eq!(one.next_event().unwrap().text(), "next");
}

#[test]
fn trap_43_managed_instances_inspect_side_by_side() {
    let double = Double::managed();
    let together = Arc::new(Barrier::new(2));
    let inspector = Scripted::new(move |_, _| {
        // Neither inspection ends before the other has begun.
        together.wait();
        Ok(Decision::Forward)
    });
    let mut config = ProxyConfig::new(0, double.address());
    config.concurrent = true;
    config.inspection_budget = Duration::from_secs(20);
    let proxy = Proxied::start(config, inspector);
    let mut clients = [proxy.client(), proxy.client()];
    for client in &mut clients {
        client.send(NEXT).unwrap();
        double.queue(Event::new("{}"));
    }
    for client in &mut clients {
        assert_eq!(client.receive("GET").unwrap().status(), 200);
    }
    assert_eq!(proxy.counters().inspected, 2);
}

#[test]
fn trap_47_the_port_of_an_earlier_life_is_free_and_a_taken_one_is_told() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let port = proxy.address().port();
    assert!(
        matches!(Proxy::bind(ProxyConfig::new(port, double.address())), Err(BindError::PortTaken { port: taken }) if taken == port)
    );
    // The proxy's side closes first, so that its connection lingers in TIME_WAIT.
    let mut client = proxy.client();
    client.exchange(PING).unwrap();
    drop(proxy);
    assert!(client.closed());
    let next_life = Proxied::start(ProxyConfig::new(port, double.address()), Passthrough);
    assert_eq!(next_life.client().exchange(PING).unwrap().text(), "pong");
    assert!(matches!(
        Proxy::bind(ProxyConfig::new(0, format!("127.0.0.1:{port}"))).map(drop),
        Ok(()) | Err(BindError::UpstreamIsSelf { .. })
    ));
    drop(next_life);
    assert!(matches!(
        Proxy::bind(ProxyConfig::new(port, format!("127.0.0.1:{port}"))),
        Err(BindError::UpstreamIsSelf { .. })
    ));
}

#[test]
fn a_reader_of_raw_messages_reads_what_a_client_writes() {
    // The measure itself: a request that was written by hand is read back byte for byte.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = RawClient::connect(listener.local_addr().unwrap()).unwrap();
    let mut request = b"POST /x?y=1 HTTP/1.1\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    request.extend_from_slice(&chunked(b"hello world", &[3, 4], "T: 1\r\n"));
    client.send(&request).unwrap();
    let mut reader = MessageReader::new(listener.accept().unwrap().0);
    let mut message = reader.head().unwrap().unwrap();
    reader.request_body(&mut message, None).unwrap();
    assert_eq!((message.text().as_str(), message.chunks.as_slice()), ("hello world", &[3, 4, 4][..]));
    assert_eq!((message.trailers.as_slice(), message.complete), (&b"T: 1\r\n"[..], true));
}
