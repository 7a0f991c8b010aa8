//! The proxy beside another vendor's, in both orders, and beside extensions that use the same address.
//!
//! The other proxy is as they are: it reads a body whole before it passes it on, writes header names in lower case, and opens a
//! connection to the platform for every call.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that they help")]

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use picket_runtime_proxy::ProxyConfig;
use picket_tests::double::wire::MessageReader;
use picket_tests::double::{Double, Endpoint, Event, Framing, Message, RawClient, chunked};
use picket_tests::proxied::{Proxied, Scripted, refusal};

/// A message as the other proxy writes it.
fn foreign(message: &Message) -> Vec<u8> {
    let mut bytes = format!("{}\r\n", message.start).into_bytes();
    for (name, value) in &message.headers {
        bytes.extend_from_slice(&[name.to_ascii_lowercase().as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    if message.framing == Framing::Chunked {
        let trailers = String::from_utf8_lossy(&message.trailers).into_owned();
        bytes.extend_from_slice(&chunked(&message.body, &[8192], &trailers));
    } else {
        bytes.extend_from_slice(&message.body);
    }
    bytes
}

fn foreign_proxy(upstream: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let upstream = upstream.clone();
            std::thread::spawn(move || {
                let stream = stream.unwrap();
                let mut runtime = MessageReader::new(stream.try_clone().unwrap());
                while let Ok(Some(mut request)) = runtime.head() {
                    runtime.request_body(&mut request, None).unwrap();
                    let Ok(response) = RawClient::connect(&upstream)
                        .and_then(|mut platform| platform.exchange(&foreign(&request)))
                    else {
                        return;
                    };
                    (&stream).write_all(&foreign(&response)).unwrap();
                }
            });
        }
    });
    address
}

/// A clean event, an attack and a stream that fails, through whatever listens there.
fn live(double: &Double, address: SocketAddr) {
    let mut runtime = RawClient::connect(address).unwrap();
    for round in 0..3 {
        let attack = double.queue(Event::new("attack"));
        let id = double.queue(Event::new(format!(" {{\"clean\": {round}}}")).chunked(&[3]));
        let event = runtime.next_event().unwrap();
        assert_eq!(event.text(), format!(" {{\"clean\": {round}}}"));
        let blocked = double.outcome(&attack).message;
        assert_eq!(blocked.text(), "{\"statusCode\":406,\"body\":\"no\"}");
        let echoed =
            |message: &Message| message.header("lambda-runtime-invocation-id").unwrap_or_default().to_owned();
        assert_eq!(echoed(&blocked), format!("attempt-{}", round * 2 + 1));
        let mut request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Invocation-Id: {}\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\nTransfer-Encoding: \
             chunked\r\n\r\n",
            echoed(&event)
        )
        .into_bytes();
        request.extend_from_slice(&chunked(
            b"half",
            &[2],
            "Lambda-Runtime-Function-Error-Type: Runtime.Late\r\n",
        ));
        assert_eq!(runtime.exchange(&request).unwrap().status(), 202);
        let outcome = double.outcome(&id);
        assert_eq!((outcome.endpoint, outcome.message.text().as_str()), (Endpoint::Response, "half"));
        let trailers = outcome.message.trailer_lines();
        assert_eq!(trailers, [("lambda-runtime-function-error-type".to_owned(), b"Runtime.Late".to_vec())]);
    }
    assert_eq!(double.redelivered(), 0);
}

#[test]
fn trap_28_picket_next_to_the_runtime() {
    let double = Double::start();
    let other = foreign_proxy(double.address());
    let picket = Proxied::start(ProxyConfig::new(0, other.to_string()), Scripted::blocking(refusal()));
    live(&double, picket.address());
    assert_eq!(picket.counters().answered, 3);
}

#[test]
fn trap_28_picket_next_to_the_platform() {
    let double = Double::start();
    let picket = Proxied::with(&double, Scripted::blocking(refusal()));
    live(&double, foreign_proxy(picket.address().to_string()));
    assert_eq!(picket.counters().answered, 3);
}

#[test]
fn extensions_that_use_the_redirected_address_are_served_by_the_platform() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut extension = proxy.client();
    let registered = extension
        .exchange(
            b"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: other\r\nContent-Length: 23\r\n\r\n{\"events\":[\"SHUTDOWN\"]}",
        )
        .unwrap();
    assert_eq!(registered.status(), 200);
    assert_eq!(double.registered("other"), "{\"events\":[\"SHUTDOWN\"]}");
    let identifier = registered.header("lambda-extension-identifier").unwrap();
    extension
        .send(format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {identifier}\r\n\r\n").as_bytes())
        .unwrap();
    // While it waits, the runtime lives on, and so does the telemetry subscription.
    let mut runtime = proxy.client();
    let subscribed = runtime
        .exchange(b"PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        .unwrap();
    assert_eq!(subscribed.text(), "OK");
    double.queue(Event::new("{}"));
    let event = runtime.next_event().unwrap();
    runtime.respond(&event, b"{}").unwrap();
    double.shut_down("spindown");
    let farewell = extension.receive("GET").unwrap();
    assert!(farewell.text().contains("\"shutdownReason\":\"spindown\""), "{}", farewell.text());
}
