//! Tests of the whole way: a document is compiled, written, read back, loaded, and judges requests.

mod answers;
mod canonical;
mod conditions;
mod precedence;
mod properties;
mod rates;
mod responses;

use bytes::Bytes;
use picket_content::{Options, RawHttp, http_request};
use picket_detection::{Chain, Finding, Outcome, Signal, Tier};
use picket_request::{Anomaly, ClientAddr, EventSource, LocationId, Request, Trust};
use serde_json::{Value, json};

use crate::{
    Policy, Subject, Verdict, Workspace,
    canonical::Canonical,
    compile::{Problem, compile, no_files},
    rates::{KeySecret, Rates},
};

/// A Wednesday, 08:00 UTC.
const NOW: u64 = 1_795_593_600;

/// A policy of these sections, through the bytes that an agent reads.
fn policy(sections: &Value) -> Policy {
    Policy::read(&canonical(sections).write()).expect("what was compiled can be read")
}

fn canonical(sections: &Value) -> Canonical {
    match try_compile(sections) {
        Ok(canonical) => canonical,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn try_compile(sections: &Value) -> Result<Canonical, Vec<Problem>> {
    let mut document = json!({"picket": 1, "name": "test", "version": 1, "mode": "block"});
    for (key, value) in sections.as_object().expect("sections") {
        document[key] = value.clone();
    }
    compile(&serde_json::from_value(document).expect("a document"), &no_files)
}

/// A policy of one rule that blocks when a condition holds.
fn when(condition: &Value) -> Policy {
    policy(&json!({"rules": [{"id": "r", "when": condition, "then": ["block"]}]}))
}

/// A request in a few words.
#[derive(Clone, Debug)]
struct Ask {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    client: &'static str,
}

impl Ask {
    fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            headers: vec![
                ("host".to_owned(), "Shop.example:443".to_owned()),
                ("User-Agent".to_owned(), "curl/8".to_owned()),
            ],
            body: String::new(),
            client: "198.51.100.7",
        }
    }

    fn post(target: &str, kind: &str, body: &str) -> Self {
        let ask = Self { method: "POST", body: body.to_owned(), ..Self::get(target) };
        ask.header("content-type", kind)
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn from(self, client: &'static str) -> Self {
        Self { client, ..self }
    }

    fn request(&self) -> Request {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let headers: Vec<(&[u8], &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let raw = RawHttp {
            method: self.method.as_bytes(),
            path: path.as_bytes(),
            query: query.as_bytes(),
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let mut request = Request::new(Bytes::new());
        http_request(&mut request, &raw, &Options::default());
        request.event = EventSource { name: "http-v2", can_block: true, counts: true };
        request.client = ClientAddr { addr: self.client.parse().ok(), trust: Trust::Platform };
        request
    }
}

fn rates() -> Rates {
    Rates::new(KeySecret::new(b"test"))
}

/// What a policy says of a request with these findings, each at the value of this name.
fn judge_found(policy: &Policy, ask: &Ask, found: &[(Signal, Tier, &str)]) -> Verdict {
    let request = ask.request();
    let mut outcome = outcome(&request, found);
    let mut subject = Subject::new(&request, NOW);
    subject.place.function = "shop-api";
    subject.request_id = "8f5c";
    policy.evaluate(&subject, Some(&mut outcome), &rates(), &mut Workspace::default())
}

fn outcome(request: &Request, found: &[(Signal, Tier, &str)]) -> Outcome {
    let findings = found
        .iter()
        .map(|(signal, tier, name)| {
            let at = request
                .values()
                .iter()
                .position(|value| request.bytes(value.name) == name.as_bytes() && !value.place.is_key());
            let value = at.and_then(|at| request.values().get(at));
            Finding {
                signal: *signal,
                tier: *tier,
                detector: "test",
                version: 1,
                value: at.map_or(u32::MAX, |at| u32::try_from(at).unwrap()),
                location: value.map_or(LocationId::ROOT, |value| value.location),
                chain: Chain::default(),
                span: 0..0,
                facts: Vec::new(),
            }
        })
        .collect();
    Outcome { findings, ..Outcome::default() }
}

fn judge(policy: &Policy, ask: &Ask) -> Verdict {
    judge_found(policy, ask, &[])
}

/// An anomaly as a finding's signal.
const fn odd(anomaly: Anomaly) -> Signal {
    Signal::Anomaly(anomaly)
}
