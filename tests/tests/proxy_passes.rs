//! A runtime's plain life through the proxy.

use picket_tests::double::{Double, Endpoint, Event};
use picket_tests::proxied::Proxied;

#[test]
fn an_event_and_its_answer_come_through() {
    let double = Double::start();
    let proxy = Proxied::plain(&double);
    let mut runtime = proxy.client();
    for number in 0..3 {
        let body = format!("{{\"number\": {number}}}");
        let id = double.queue(Event::new(body.clone()));
        let event = runtime.next_event().unwrap();
        assert_eq!(event.text(), body);
        assert_eq!(runtime.respond(&event, b"\"done\"").unwrap().status(), 202);
        let outcome = double.outcome(&id);
        assert_eq!((outcome.endpoint, outcome.message.text()), (Endpoint::Response, "\"done\"".to_owned()));
    }
    let counters = proxy.counters();
    assert_eq!((counters.events, counters.inspected, counters.upstream_failures), (3, 3, 0));
}
