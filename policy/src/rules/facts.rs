//! The facts of one request as conditions ask for them: by field, and by name where a test allows only one.
//!
//! What is looked up more than once is laid out first: the resolved path, the host, and the named values sorted by name.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use picket_detection::Outcome;
use picket_request::{LocationId, Place};

use super::{
    condition::{Test, last_key},
    matcher::Matcher,
    value::Value,
};
use crate::{Field, Subject, TrustedClaims, limits};

/// Memory that evaluations use again.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(crate) path: Vec<u8>,
    domain: Vec<u8>,
    method: Vec<u8>,
    pub(crate) named: Vec<Named>,
    pub(crate) candidates: Vec<u64>,
}

/// A named value of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) field: Field,
    pub(crate) hash: u64,
    index: u32,
}

/// What a set of rules looks at, so that nothing is laid out that no rule wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) path: bool,
    pub(crate) named: bool,
}

/// Lays out what is needed of a request.
pub(crate) fn lay_out(workspace: &mut Workspace, subject: &Subject<'_>, needs: Needs) {
    let request = subject.request;
    workspace.path.clear();
    workspace.domain.clear();
    workspace.method.clear();
    workspace.named.clear();
    if needs.path {
        let decoded = request.values().iter().find(|value| value.place == Place::Path);
        resolve_path(request.bytes(decoded.map_or(request.path, |value| value.text)), &mut workspace.path);
    }
    let host = request.bytes(request.host);
    workspace.domain.extend(without_port(host).iter().map(u8::to_ascii_lowercase));
    workspace.method.extend(request.bytes(request.method).iter().map(u8::to_ascii_uppercase));
    if needs.named {
        for (index, value) in request.values().iter().enumerate() {
            let Some(field) = field_of(value.place) else { continue };
            if field == Field::JwtClaim && !is_trusted(subject, value.location) {
                continue;
            }
            let name = last_key(field, request.bytes(value.name));
            let Ok(index) = u32::try_from(index) else { break };
            workspace.named.push(Named { field, hash: name_hash(field, name), index });
        }
        workspace.named.sort_unstable();
    }
    if workspace.named.capacity() > 4096 {
        workspace.named.shrink_to(1024);
    }
}

/// Whether a claim stands where rules can look at claims.
fn is_trusted(subject: &Subject<'_>, location: LocationId) -> bool {
    match subject.claims {
        TrustedClaims::Unchecked => true,
        TrustedClaims::Nowhere => false,
        TrustedClaims::At(place) => {
            let location = subject.request.render(location);
            // The word behind the place says that it is the token's, as in `header.authorization(jwt).claims.sub`.
            location.strip_prefix(place).is_some_and(|rest| rest.starts_with('('))
        }
    }
}

/// The field that a value belongs to, where it belongs to one that has names.
const fn field_of(place: Place) -> Option<Field> {
    match place {
        Place::Query => Some(Field::Query),
        Place::Form | Place::Multipart => Some(Field::Form),
        Place::Json => Some(Field::Json),
        Place::Header => Some(Field::Header),
        Place::Cookie => Some(Field::Cookie),
        Place::JwtClaim => Some(Field::JwtClaim),
        _ => None,
    }
}

/// FNV-1a over a field and a text: nothing is stored under it that a sender chose, so it needs no secret.
pub(crate) fn hash(field: Field, salt: u8, text: impl Iterator<Item = u8>) -> u64 {
    let start = step(step(0xcbf2_9ce4_8422_2325, field as u8), salt);
    text.fold(start, step)
}

/// One step of FNV-1a.
pub(crate) const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

/// The hash of a name; header names are the same in any case.
pub(crate) fn name_hash(field: Field, name: &[u8]) -> u64 {
    match field {
        Field::Header | Field::ResponseHeader => hash(field, 0, name.iter().map(u8::to_ascii_lowercase)),
        _ => hash(field, 0, name.iter().copied()),
    }
}

/// A host without its port; an IPv6 address keeps its brackets.
fn without_port(host: &[u8]) -> &[u8] {
    let colon = host.iter().rposition(|byte| *byte == b':');
    match colon.map(|at| host.split_at(at)) {
        Some((name, port)) if port.len() > 1 && port.iter().skip(1).all(u8::is_ascii_digit) => name,
        _ => host,
    }
}

/// A decoded path as routers see it: no query, no empty segments, `.` and `..` resolved, backslashes as slashes. A slash
/// at the end stays.
pub(crate) fn resolve_path(path: &[u8], out: &mut Vec<u8>) {
    let end = memchr::memchr(b'?', path).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or(path);
    let mut directory = true;
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        directory = true;
        match segment {
            b"" | b"." => {}
            b".." => {
                let cut = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(cut);
            }
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                directory = false;
            }
        }
    }
    if directory && !path.is_empty() {
        out.push(b'/');
    }
}

/// The facts of one request.
pub(crate) struct Facts<'a> {
    pub(crate) subject: &'a Subject<'a>,
    pub(crate) outcome: &'a Outcome,
    pub(crate) path: &'a [u8],
    domain: &'a [u8],
    method: &'a [u8],
    named: &'a [Named],
    /// Signals that rules gave it so far.
    pub(crate) given: &'a RefCell<Vec<Arc<str>>>,
    /// Anomalies that an exclusion took out, by their place in the list of anomalies.
    pub(crate) excluded: u64,
    steps: &'a Cell<u64>,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(
        subject: &'a Subject<'a>,
        outcome: &'a Outcome,
        workspace: &'a Workspace,
        given: &'a RefCell<Vec<Arc<str>>>,
        steps: &'a Cell<u64>,
        excluded: u64,
    ) -> Self {
        Self {
            subject,
            outcome,
            path: &workspace.path,
            domain: &workspace.domain,
            method: &workspace.method,
            named: &workspace.named,
            given,
            excluded,
            steps,
        }
    }

    /// The only value of a field that has one.
    pub(crate) fn single(&self, field: Field) -> Option<Value<'a>> {
        let Subject { request, place, geo, now, response, .. } = self.subject;
        let text = |text: &'a [u8]| (!text.is_empty()).then_some(Value::Text(text));
        let number = |number: u64| Some(Value::Number(i64::try_from(number).unwrap_or(i64::MAX)));
        match field {
            Field::Client => request.client.addr.map(Value::Address),
            Field::Country => self.subject.geo.country.as_ref().map(|country| Value::Text(country)),
            Field::Asn => geo.asn.map(|asn| Value::Number(asn.into())),
            Field::Method => text(self.method),
            Field::Scheme => text(place.scheme.as_bytes()),
            Field::Domain => text(self.domain),
            Field::Path => text(self.path),
            Field::PathTemplate => text(place.path_template),
            Field::UserAgent => text(request.bytes(request.user_agent)),
            Field::RequestSize => number(request.body_bytes as u64),
            Field::EventSource => text(request.event.name.as_bytes()),
            Field::Function => text(place.function.as_bytes()),
            Field::Stage => text(place.stage),
            Field::Account => text(place.account.as_bytes()),
            Field::Tenant => text(place.tenant.as_bytes()),
            Field::TimeOfDay => number(now % 86_400 / 60),
            Field::Status => {
                response.and_then(|response| response.status).map(|status| Value::Number(status.into()))
            }
            Field::ResponseSize => response.and_then(|response| number(response.bytes)),
            Field::ResponseTime => response.and_then(|response| number(response.took_ms)),
            Field::Query
            | Field::Form
            | Field::Json
            | Field::Header
            | Field::Cookie
            | Field::JwtClaim
            | Field::Signal
            | Field::ResponseHeader => None,
        }
    }

    /// Whether one of the field's values is as the test wants it.
    pub(crate) fn any(&self, test: &Test) -> bool {
        match test.field {
            Field::Signal => self.any_signal(test),
            Field::ResponseHeader => self.any_response_header(test),
            Field::Query | Field::Form | Field::Json | Field::Header | Field::Cookie | Field::JwtClaim => {
                self.any_named(test)
            }
            field => self.single(field).is_some_and(|value| {
                self.pay(value.steps()) && test.value.as_ref().is_none_or(|wanted| wanted.holds(value))
            }),
        }
    }

    /// Pays for a look; where nothing is left, nothing holds any more.
    fn pay(&self, steps: u64) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(steps));
        left > steps
    }

    /// Named values of one field, or of one name.
    pub(crate) fn named(&self, field: Field, only: Option<u64>) -> &'a [Named] {
        let from = |named: &Named| (named.field, named.hash) < (field, only.unwrap_or(0));
        let to = |named: &Named| (named.field, named.hash) <= (field, only.unwrap_or(u64::MAX));
        let (start, end) = (self.named.partition_point(from), self.named.partition_point(to));
        self.named.get(start..end).unwrap_or_default()
    }

    /// All named values, sorted by field and name.
    pub(crate) const fn all_named(&self) -> &'a [Named] {
        self.named
    }

    /// Calls `see` with the id of every signal that was seen so far.
    pub(crate) fn signals(&self, mut see: impl FnMut(&str)) {
        self.outcome.findings.iter().for_each(|finding| see(finding.signal.id()));
        for (anomaly, _) in self.subject.request.anomalies.iter() {
            if self.excluded & (1 << anomaly as u64) == 0 {
                see(anomaly.id());
            }
        }
        self.subject.seen.iter().for_each(|seen| see(seen.signal));
        self.given.borrow().iter().for_each(|signal| see(signal));
    }

    /// Name, bytes and place of a named value.
    pub(crate) fn value_of(&self, named: &Named) -> Option<(&'a [u8], &'a [u8], LocationId)> {
        let request = self.subject.request;
        let value = request.values().get(named.index as usize)?;
        Some((request.bytes(value.name), request.bytes(value.text), value.location))
    }

    fn any_named(&self, test: &Test) -> bool {
        self.named(test.field, test.only).iter().any(|named| {
            let Some((name, bytes, location)) = self.value_of(named) else { return false };
            let value = Value::Text(bytes);
            self.pay(value.steps())
                && test.name.as_ref().is_none_or(|wanted| self.has_name(test.field, name, location, wanted))
                && test.value.as_ref().is_none_or(|wanted| wanted.holds(value))
        })
    }

    fn has_name(&self, field: Field, name: &[u8], location: LocationId, wanted: &Matcher) -> bool {
        match field {
            Field::Header => wanted.holds(Value::Text(&name.to_ascii_lowercase())),
            Field::Json => {
                wanted.holds(Value::Text(name)) || {
                    self.pay(4) && wanted.holds(Value::Text(json_path(self.subject, location).as_bytes()))
                }
            }
            _ => wanted.holds(Value::Text(name)),
        }
    }

    fn any_signal(&self, test: &Test) -> bool {
        let request = self.subject.request;
        let fits = |id: &str, at: &dyn Fn() -> String, content: Option<u32>| {
            let holds = |wanted: &Option<Matcher>, text: &[u8]| {
                wanted.as_ref().is_none_or(|wanted| wanted.holds(Value::Text(text)))
            };
            let of_content = |wanted: &Matcher| {
                let value = content.and_then(|index| request.values().get(index as usize));
                value.is_some_and(|value| {
                    let value = Value::Text(request.bytes(value.text));
                    self.pay(value.steps()) && wanted.holds(value)
                })
            };
            self.pay(1)
                && holds(&test.value, id.as_bytes())
                && (test.name.is_none() || holds(&test.name, at().as_bytes()))
                && test.content.as_ref().is_none_or(of_content)
        };
        self.outcome.findings.iter().any(|finding| {
            fits(finding.signal.id(), &|| request.render(finding.location), Some(finding.value))
        }) || request.anomalies.iter().any(|(anomaly, location)| {
            let excluded = self.excluded & (1 << anomaly as u64) != 0;
            !excluded && fits(anomaly.id(), &|| request.render(location), None)
        }) || self.subject.seen.iter().any(|seen| fits(seen.signal, &|| seen.at.to_owned(), None))
            || self.given.borrow().iter().any(|signal| fits(signal, &String::new, None))
    }

    fn any_response_header(&self, test: &Test) -> bool {
        let Some(response) = self.subject.response else { return false };
        response.headers.iter().any(|(name, bytes)| {
            let value = Value::Text(bytes);
            self.pay(value.steps())
                && test.name.as_ref().is_none_or(|wanted| wanted.holds(Value::Text(name)))
                && test.value.as_ref().is_none_or(|wanted| wanted.holds(value))
        })
    }
}

/// A fresh account of steps.
pub(crate) const fn steps() -> Cell<u64> {
    Cell::new(limits::STEPS)
}

/// The keys that lead to a JSON value, joined by dots: `items.note`, without the body and without indices.
fn json_path(subject: &Subject<'_>, mut location: LocationId) -> String {
    let request = subject.request;
    let mut keys = Vec::new();
    while let Some((parent, segment)) = request.locations.get(location) {
        if let picket_request::Segment::Key(key) = segment {
            keys.push(request.bytes(key));
        }
        location = parent;
    }
    keys.reverse();
    String::from_utf8_lossy(&keys.join(&b'.')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_as_routers_do() {
        let table = [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../b", "/b"),
            ("/a\\..\\b", "/b"),
            ("/a/..", "/"),
            ("/", "/"),
            ("a", "/a"),
            ("/a?b=/../c", "/a"),
            ("", ""),
        ];
        for (path, expected) in table {
            let mut resolved = Vec::new();
            resolve_path(path.as_bytes(), &mut resolved);
            assert_eq!(String::from_utf8(resolved).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_port_is_no_part_of_the_domain() {
        for (host, expected) in [
            ("a.example:443", "a.example"),
            ("a.example", "a.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:", "a:"),
        ] {
            assert_eq!(without_port(host.as_bytes()), expected.as_bytes(), "{host}");
        }
    }
}
