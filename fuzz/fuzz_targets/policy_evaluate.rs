//! Judging any request by any policy that loads: no panic, and the same verdict twice.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use picket_detection::Outcome;
use picket_lambda_event::EventReader;
use picket_policy::{
    Policy, Response, Subject, Workspace,
    rates::{KeySecret, Rates},
};
use picket_request::Request;

fuzz_target!(|data: &[u8]| {
    // A policy, a zero, an event.
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (policy, event) = data.split_at(at);
    let Ok(policy) = Policy::read(policy) else { return };
    let mut request = Request::default();
    EventReader::default().read(&Bytes::copy_from_slice(event), &mut request, Some(0));
    let mut subject = Subject::new(&request, 1_795_593_600);
    let mut workspace = Workspace::default();
    let mut look = |subject: &Subject<'_>| {
        let rates = Rates::new(KeySecret::new(b"fuzz"));
        policy.evaluate(subject, Some(&mut Outcome::default()), &rates, &mut workspace)
    };
    let verdict = look(&subject);
    assert_eq!(verdict, look(&subject));
    let response = Response { status: Some(500), ..Response::default() };
    subject.response = Some(&response);
    policy.respond(&subject, &Outcome::default(), &verdict, &mut Workspace::default());
});
