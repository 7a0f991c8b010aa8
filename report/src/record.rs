//! What of an inspected request goes into the outbox. The agent and `picket explain-upload` both come through here, so that
//! what is explained is what leaves.

use std::collections::HashSet;

use picket_cloud_protocol::{ClientKey, EventAction};
use picket_detection::Tier;
use picket_request::{Place, Request, Trust};

use crate::{About, Outbox, Redactor};

/// Headers among which the ones that browsers add are looked for.
const HEADERS: usize = 512;

impl Outbox {
    /// Notes a request: that it came and from whom, its signals, and where there were any the request itself, redacted. Says
    /// whether it carried an attack.
    pub fn record(
        &mut self,
        redactor: &Redactor,
        client: &ClientKey,
        session: Option<[u8; 8]>,
        request: &Request,
        about: &About<'_>,
        took_us: u64,
    ) -> bool {
        let now = about.at_ms / 1000;
        let session =
            session.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        self.inspected(now, about.action, took_us, client, session.as_deref());
        let counts = request.client.trust != Trust::Unverified
            && request.client.addr.is_some()
            && request.event.counts
            && !is_foreign_subresource(request);
        let (mut told, mut attacked) = (HashSet::new(), false);
        for finding in about.findings {
            let likely = finding.signal.is_attack() && finding.tier >= Tier::Likely;
            attacked |= likely;
            if told.insert((finding.signal.id(), likely)) {
                self.count(now, client, finding.signal.id(), likely && counts);
            }
        }
        for (anomaly, _) in request.anomalies.iter() {
            self.count(now, client, anomaly.id(), false);
        }
        for raised in about.raised {
            self.count(now, client, raised, false);
        }
        let telling = !about.findings.is_empty() || !request.anomalies.is_empty() || !about.raised.is_empty();
        if about.kept && (telling || about.action != EventAction::Allow) {
            let id = self.event_id();
            self.keep(now, redactor.event(&id, request, about));
        }
        attacked
    }
}

/// Whether another site made a browser send this, as part of a page: its sender is a visitor of that page, not an attacker.
fn is_foreign_subresource(request: &Request) -> bool {
    let header = |name: &[u8]| {
        request.values().iter().take(HEADERS).find_map(|value| {
            let found = value.place == Place::Header && request.bytes(value.name).eq_ignore_ascii_case(name);
            found.then(|| request.bytes(value.text))
        })
    };
    header(b"sec-fetch-site").is_some_and(|site| site == b"cross-site")
        && header(b"sec-fetch-dest").is_some_and(|dest| dest != b"document")
}
