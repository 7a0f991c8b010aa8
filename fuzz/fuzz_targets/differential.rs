//! Parsers of Python and Node.js beside ours, on whatever the fuzzer finds: no string that they read goes uninspected.
//! The first byte chooses what the text stands for.
#![no_main]

#[path = "../../lambda-event/tests/differential/harness.rs"]
mod harness;

use std::cell::RefCell;

use harness::{Kind, Peer, gaps};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static PEERS: RefCell<Vec<Peer>> = RefCell::new(Peer::all());
}

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let kind = Kind::ALL[usize::from(*first) % Kind::ALL.len()];
    PEERS.with_borrow_mut(|peers| {
        let (_, gaps) = gaps(peers, kind, text);
        // The same exceptions as in the test: a lone carriage return, a transfer encoding over a broken delimiter.
        let lower = text.to_ascii_lowercase();
        let excepted = kind == Kind::Multipart
            && (memchr::memmem::find(&lower, b"transfer-enc").is_some() || memchr::memchr(b'\r', text).is_some());
        if let Some(gap) = gaps.first().filter(|_| !excepted) {
            panic!("{kind:?}: {} reads {:?}; ours: {:?}", gap.peer, String::from_utf8_lossy(&gap.string), gap.values);
        }
    });
});
