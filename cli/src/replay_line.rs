//! A verdict line as something that can be judged again. It holds less than its event: method, path, client and what was found, so rules that look
//! at anything else see nothing there.

use std::collections::BTreeMap;

use bytes::Bytes;
use picket_detection::{Signal, Tier};
use picket_request::Anomaly;
use serde_json::{Value, json};

use crate::{
    corpus::Recorded,
    envelope::{self, Shape},
    judge::Known,
};

/// Texts that findings refer to for the life of the program. There are as many as a log has different places and patches, and a bound.
#[derive(Default)]
pub(crate) struct Texts(BTreeMap<String, &'static str>);

/// Different texts beyond this many are all called the same.
const MOST: usize = 100_000;

impl Texts {
    fn keep(&mut self, text: &str) -> &'static str {
        if let Some(kept) = self.0.get(text) {
            return kept;
        }
        if self.0.len() >= MOST {
            return "elsewhere";
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        self.0.insert(text.to_owned(), kept);
        kept
    }
}

/// The request of a verdict line, as far as it is known, and what was found in it.
pub(crate) fn read(line: &Value, texts: &mut Texts) -> Option<(Bytes, Vec<Known>)> {
    let text = |key: &str| line.get(key).and_then(Value::as_str);
    text("verdict")?;
    let signals = line.get("signals")?.as_array()?;
    let recorded = Recorded {
        method: text("method").unwrap_or("GET").as_bytes().to_vec(),
        path: text("path").unwrap_or("/").as_bytes().to_vec(),
        ..Recorded::default()
    };
    let shape = match text("eventSource") {
        Some("rest-v1") => Shape::RestV1,
        Some("function-url") => Shape::Url,
        _ => Shape::HttpV2,
    };
    let mut event: Value = serde_json::from_slice(&envelope::event(shape, &recorded)).ok()?;
    let place = match shape {
        Shape::RestV1 => "/requestContext/identity/sourceIp",
        _ => "/requestContext/http/sourceIp",
    };
    if let (Some(place), Some(client)) = (event.pointer_mut(place), text("client")) {
        *place = json!(client);
    }
    let mut found = Vec::new();
    for signal in signals {
        let text = |key: &str| signal.get(key).and_then(Value::as_str);
        let (Some(id), Some(tier), Some(location)) = (text("id"), text("tier"), text("location")) else {
            continue;
        };
        let Some(signal) = signal_of(id, texts) else { continue };
        let tier = match tier {
            "certain" => Tier::Certain,
            "likely" => Tier::Likely,
            _ => Tier::Possible,
        };
        found.push(Known { signal, tier, location: texts.keep(location) });
    }
    Some((event.to_string().into(), found))
}

fn signal_of(id: &str, texts: &mut Texts) -> Option<Signal> {
    let attack = Signal::ATTACKS.iter().copied().find(|signal| signal.id() == id);
    let anomaly = || Anomaly::ALL.iter().copied().find(|anomaly| anomaly.id() == id).map(Signal::Anomaly);
    attack.or_else(anomaly).or_else(|| id.starts_with("CVE-").then(|| Signal::Cve(texts.keep(id))))
}
