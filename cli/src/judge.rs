//! One event and a policy: the verdict, as the agent gives it.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use picket_detection::{
    Catalogue, Chain, Finding, Fuel, Outcome, Profile, Scratch, Signal, Tier, inspect,
    response::{Answer, Asked, OwnCredentials, Thresholds, look},
};
use picket_lambda_event::{Envelope, EventReader, Options};
use picket_policy::{
    Action, GeoTables, Policy, Response, Seen, Subject, Surroundings, Verdict, Workspace,
    rates::{KeySecret, Rates},
};
use picket_request::{LocationId, Request, Segment};

/// What is known of an event besides its bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circumstances {
    /// The function's name.
    pub(crate) function: String,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// The invocation's id, by which ramp and samples are drawn.
    pub(crate) request_id: String,
}

/// What the handler answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered {
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) took_ms: u64,
}

impl Answered {
    fn bytes(&self) -> u64 {
        self.body.len() as u64
    }
}

/// What a verdict line says was found.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) signal: Signal,
    pub(crate) tier: Tier,
    pub(crate) location: &'static str,
}

/// A verdict with what it was given on.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// The verdict on the answer, where there is one.
    pub(crate) after: Option<Verdict>,
    /// What was found, without what the policy excludes.
    pub(crate) outcome: Outcome,
    /// Signals that were seen by others than the detectors: of tokens, of the edge, of the answer.
    pub(crate) others: Vec<String>,
}

impl Judged {
    /// What became of it in the end.
    pub(crate) fn action(&self) -> Action {
        match &self.after {
            Some(after) if after.action != Action::Allow => after.action,
            _ => self.verdict.action,
        }
    }

    /// The rule that decided.
    pub(crate) fn rule(&self) -> Option<&str> {
        let after = self.after.as_ref().and_then(|after| after.rule.as_deref());
        after.or(self.verdict.rule.as_deref())
    }

    /// Signals that rules raised.
    pub(crate) fn raised(&self) -> impl Iterator<Item = &str> {
        let after = self.after.iter().flat_map(|after| &after.signals);
        self.verdict.signals.iter().chain(after).map(|given| &*given.signal)
    }
}

/// Gives verdicts, and counts for rate limits from one to the next.
pub(crate) struct Judge {
    catalogue: Catalogue,
    scratch: Scratch,
    reader: EventReader,
    rates: Rates,
    workspace: Workspace,
    geo: GeoTables,
    /// The request that was judged last.
    pub(crate) request: Request,
}

impl Judge {
    /// A judge that reads events as this policy says: whose headers name the client, and what is known of addresses. The MaxMind
    /// files that it names lie beside it; where they do not, that is said, and countries and ASNs are unknown.
    pub(crate) fn under(policy: &Policy, path: &Path) -> Self {
        let mut options = Options::default();
        options.hops.trusted.clone_from(&policy.client.trusted);
        options.hops.cdn.clone_from(&policy.client.cdn);
        let read = |name: &Option<String>| name.as_ref().map(|name| read_beside(path, name)).transpose();
        let geo = read(&policy.geo.country)
            .and_then(|country| Ok((country, read(&policy.geo.asn)?)))
            .and_then(|(country, asn)| GeoTables::new(country, asn));
        let geo = geo.unwrap_or_else(|reason| {
            eprintln!("{}: countries and ASNs are unknown: {reason}", shown(path));
            GeoTables::default()
        });
        Self {
            catalogue: Catalogue::built_in(),
            scratch: Scratch::default(),
            reader: EventReader::new(options),
            // Nothing of this process leaves it, so any secret will do.
            rates: Rates::new(KeySecret::new(b"picket on the command line")),
            workspace: Workspace::default(),
            geo,
            request: Request::default(),
        }
    }

    /// Forgets what was counted.
    pub(crate) fn forget(&mut self) {
        self.rates.clear();
    }

    pub(crate) fn judge(
        &mut self,
        policy: &Policy,
        event: &Bytes,
        circumstances: &Circumstances,
        answered: Option<&Answered>,
    ) -> Judged {
        let envelope = self.read(policy, event, circumstances);
        let fuel = Fuel::for_bytes(event.len());
        let outcome = inspect(&self.catalogue, &self.request, &Profile::default(), &mut self.scratch, fuel);
        self.decide(policy, &envelope, circumstances, outcome, answered)
    }

    /// The same for a request of which only a verdict line is left: what was found is taken from there.
    pub(crate) fn judge_again(
        &mut self,
        policy: &Policy,
        event: &Bytes,
        circumstances: &Circumstances,
        found: &[Known],
    ) -> Judged {
        let envelope = self.read(policy, event, circumstances);
        let mut outcome = Outcome::default();
        for known in found {
            let location = self.request.locations.add(LocationId::ROOT, Segment::Word(known.location));
            outcome.findings.push(Finding {
                signal: known.signal,
                tier: known.tier,
                detector: "recorded",
                version: 0,
                // No value of this request: what was found in is not in the line.
                value: u32::MAX,
                location,
                chain: Chain::default(),
                span: 0..0,
                facts: Vec::new(),
            });
        }
        self.decide(policy, &envelope, circumstances, outcome, None)
    }

    /// Reads an event, as the agent does.
    fn read(&mut self, policy: &Policy, event: &Bytes, circumstances: &Circumstances) -> Envelope {
        let envelope = self.reader.read(event, &mut self.request, Some(circumstances.now));
        if let Some(client) = policy.client.client(&self.request) {
            self.request.client = client;
        }
        envelope
    }

    fn decide(
        &mut self,
        policy: &Policy,
        envelope: &Envelope,
        circumstances: &Circumstances,
        mut outcome: Outcome,
        answered: Option<&Answered>,
    ) -> Judged {
        let account = String::from_utf8_lossy(self.request.bytes(envelope.ids.account));
        let checked = policy.checks.look(&self.request, circumstances.now);
        let seen = checked.seen();
        let mut subject = Subject::new(&self.request, circumstances.now);
        subject.seen = &seen;
        subject.claims = checked.claims();
        subject.request_id = &circumstances.request_id;
        subject.place = Surroundings {
            function: &circumstances.function,
            account: &account,
            stage: self.request.bytes(envelope.ids.stage),
            path_template: envelope.path_template(&self.request),
            scheme: envelope.scheme(&self.request),
            ..Surroundings::default()
        };
        if let Some(address) = self.request.client.addr {
            subject.geo = self.geo.look(address);
        }
        let verdict = policy.evaluate(&subject, Some(&mut outcome), &self.rates, &mut self.workspace);
        let mut shown: Vec<&'static str> = Vec::new();
        let after = answered.filter(|_| verdict.action != Action::Block).map(|answered| {
            let headers: Vec<(&[u8], &[u8])> =
                answered.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let response = Response {
                status: answered.status,
                headers: &headers,
                bytes: answered.bytes(),
                took_ms: answered.took_ms,
            };
            let found = look(&Answer {
                status: answered.status,
                failed: false,
                headers: &headers,
                text: &answered.body,
                bytes: answered.bytes(),
                time: Duration::from_millis(answered.took_ms),
                asked: &Asked::of(&self.request, &outcome),
                own: &OwnCredentials::default(),
                thresholds: Thresholds::default(),
                called_runtime_api: false,
            });
            let mut seen = checked.seen();
            seen.extend(
                found.findings().iter().map(|finding| Seen { signal: finding.signal.id(), at: "answer" }),
            );
            shown = found.findings().iter().map(|finding| finding.signal.id()).collect();
            let subject = Subject { response: Some(&response), seen: &seen, ..subject };
            policy.respond(&subject, &outcome, &verdict, &mut self.workspace)
        });
        let mut others: Vec<String> = checked.seen().iter().map(|seen| seen.signal.to_owned()).collect();
        others.extend(shown.into_iter().map(str::to_owned));
        Judged { verdict, after, outcome, others }
    }
}

/// Seconds since 1970, at this moment.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A file that a policy names stands beside it.
pub(crate) fn read_beside(policy: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = policy.with_file_name(name);
    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A file's name for messages.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
