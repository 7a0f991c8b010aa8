//! The whole of `inspect`, over a request as it is read: the body is the data, as JSON where it is JSON.
//!
//! The outcome is the same with fresh and with used memory, spans lie inside their value, fuel is kept, and JSON gives the
//! same signals however it is laid out.
#![no_main]

use std::cell::RefCell;

use picket_content::{Options, RawHttp, http_request};
use picket_detection::{Catalogue, Fuel, Outcome, Profile, Scratch, inspect};
use picket_request::Request;

thread_local! {
    static USED: RefCell<Scratch> = RefCell::default();
}

fn look(body: &[u8], kind: &[u8], scratch: &mut Scratch) -> Outcome {
    let mut request = Request::default();
    let headers: [(&[u8], &[u8]); 2] = [(b"Content-Type", kind), (b"User-Agent", b"Mozilla/5.0")];
    let raw = RawHttp { method: b"POST", path: b"/a", query: body, headers: &headers, body };
    http_request(&mut request, &raw, &Options::default());
    let bytes = request.values().iter().map(|value| value.text.len()).sum();
    let fuel = Fuel::for_bytes(bytes);
    let outcome = inspect(&Catalogue::built_in(), &request, &Profile::default(), scratch, fuel);
    assert!(outcome.spent <= fuel.0);
    for finding in &outcome.findings {
        assert!(finding.span.start <= finding.span.end);
        let value = request.values()[finding.value as usize];
        assert!(!finding.chain.is_empty() || finding.span.end as usize <= value.text.len(), "{finding:?}");
    }
    outcome
}

fn signals(body: &[u8], scratch: &mut Scratch) -> Vec<String> {
    let mut request = Request::default();
    let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"application/json")];
    let raw = RawHttp { method: b"POST", path: b"/a", query: b"", headers: &headers, body };
    http_request(&mut request, &raw, &Options::default());
    let bytes = request.values().iter().map(|value| value.text.len()).sum();
    let outcome =
        inspect(&Catalogue::built_in(), &request, &Profile::default(), scratch, Fuel::for_bytes(bytes));
    if outcome.dropped > 0 || outcome.unexamined > 0 {
        return Vec::new();
    }
    let attacks = outcome.findings.iter().filter(|finding| finding.signal.is_attack());
    let mut signals: Vec<String> = attacks.map(|f| format!("{:?} {:?}", f.signal, f.tier)).collect();
    signals.sort();
    signals
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let kinds: [&[u8]; 4] =
        [b"application/json", b"application/x-www-form-urlencoded", b"text/plain", b"application/xml"];
    let Some((&first, body)) = data.split_first() else { return };
    let kind = kinds[usize::from(first) % kinds.len()];
    USED.with_borrow_mut(|used| {
        let one = look(body, kind, used);
        let other = look(body, kind, &mut Scratch::default());
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) {
            let compact = serde_json::to_vec(&json).unwrap_or_default();
            let pretty = serde_json::to_vec_pretty(&json).unwrap_or_default();
            assert_eq!(signals(&compact, used), signals(&pretty, used));
        }
    });
});
