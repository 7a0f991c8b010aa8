//! What is kept of a request until its answer is there: which attacks it carried, and what of them would be seen again.
//!
//! It is small and bounded: names, and a few short copies of hostile spans, which never show in `Debug`.

use std::fmt;

use picket_request::{Anomaly, Request};

use crate::{
    Chain, Finding, Outcome, Signal, Tier,
    anchors::scan,
    decoders::{self, Pieces, View},
    limits,
};

/// What is kept of a request.
#[derive(Clone, Default)]
pub struct Asked {
    attacks: Vec<(Signal, Tier)>,
    needles: Vec<Needle>,
    /// Whether it asked for an administrative or private path.
    browses: bool,
}

/// A short piece of a request that would act where it comes back as it is.
#[derive(Clone)]
pub(super) struct Needle {
    pub(super) kind: NeedleKind,
    pub(super) bytes: Box<[u8]>,
}

/// Where a piece would act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NeedleKind {
    /// In a page.
    Page,
    /// As a header of its own: `name:value`.
    Header,
    /// As the target of a redirection.
    Location,
}

impl Asked {
    /// Keeps what the watchers need. A request without findings costs a look at its path.
    #[must_use]
    pub fn of(request: &Request, outcome: &Outcome) -> Self {
        let mut asked = Self { browses: browses(request, outcome), ..Self::default() };
        for finding in &outcome.findings {
            if finding.signal.is_attack() && asked.attacks.len() < limits::ASKED_ATTACKS {
                asked.attacks.push((finding.signal, finding.tier));
            }
            if asked.needles.len() < limits::NEEDLES
                && let Some(needle) = needle(request, finding)
                && !asked.needles.iter().any(|known| known.bytes == needle.bytes)
            {
                asked.needles.push(needle);
            }
        }
        asked
    }

    /// Whether anything of the request makes its answer worth a look.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.attacks.is_empty() && self.needles.is_empty() && !self.browses
    }

    /// Whether it carried this attack, at least likely.
    #[must_use]
    pub fn carried(&self, signal: Signal) -> bool {
        self.attacks.iter().any(|(known, tier)| *known == signal && *tier >= Tier::Likely)
    }

    /// Whether it carried any attack, at least likely.
    #[must_use]
    pub fn is_attack(&self) -> bool {
        self.attacks.iter().any(|(_, tier)| *tier >= Tier::Likely)
    }

    /// Whether it asked for an administrative or private path.
    #[must_use]
    pub const fn browses(&self) -> bool {
        self.browses
    }

    /// Whether nothing but its path makes its answer worth a look.
    #[must_use]
    pub const fn browses_only(&self) -> bool {
        self.browses && self.attacks.is_empty() && self.needles.is_empty()
    }

    pub(super) fn needles(&self) -> impl Iterator<Item = &Needle> {
        self.needles.iter()
    }

    /// A request with these attacks and pieces, for fixtures.
    #[must_use]
    pub fn made_of(
        attacks: &[(Signal, Tier)],
        page: &[&[u8]],
        headers: &[&[u8]],
        locations: &[&[u8]],
        browses: bool,
    ) -> Self {
        let kinds =
            [(NeedleKind::Page, page), (NeedleKind::Header, headers), (NeedleKind::Location, locations)];
        let needles = kinds.into_iter().flat_map(|(kind, texts)| {
            texts.iter().filter_map(move |text| shaped(kind, text)).collect::<Vec<_>>()
        });
        Self { attacks: attacks.to_vec(), needles: needles.collect(), browses }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("attacks", &self.attacks)
            .field("needles", &self.needles.len())
            .field("browses", &self.browses)
            .finish()
    }
}

fn needle(request: &Request, finding: &Finding) -> Option<Needle> {
    let kind = match finding.signal {
        Signal::Xss | Signal::Ssi | Signal::Esi => NeedleKind::Page,
        Signal::ResponseSplit => NeedleKind::Header,
        Signal::Anomaly(Anomaly::OpenRedirect) => NeedleKind::Location,
        _ => return None,
    };
    let value = request.values().get(finding.value as usize)?;
    let raw = request.bytes(value.text);
    if raw.len() > limits::NEEDLE_SOURCE {
        return None;
    }
    let decoded = (!finding.chain.is_empty()).then(|| undo(raw, value.place, finding.chain)).flatten();
    let view = match (&decoded, finding.chain.is_empty()) {
        (Some(view), _) => view.as_slice(),
        (None, true) => raw,
        (None, false) => return None,
    };
    let (start, end) = (finding.span.start as usize, finding.span.end as usize);
    let text = match kind {
        // What follows the sign belongs to the piece: `<script` alone stands in most pages.
        NeedleKind::Page => view.get(start..end.max(start + limits::NEEDLE / 2).min(view.len()))?,
        NeedleKind::Header | NeedleKind::Location => view,
    };
    shaped(kind, text)
}

/// A piece that is long and odd enough to stand nowhere by chance.
fn shaped(kind: NeedleKind, text: &[u8]) -> Option<Needle> {
    const SHORTEST: usize = 10;
    let bytes: Box<[u8]> = match kind {
        NeedleKind::Page => {
            let text = text.get(..limits::NEEDLE).unwrap_or(text);
            let odd = text.iter().any(|byte| b"<>\"'`".contains(byte));
            (odd && text.len() >= SHORTEST).then(|| text.into())?
        }
        NeedleKind::Header => {
            let line =
                text.split(|byte| matches!(byte, b'\r' | b'\n')).skip(1).find(|line| !line.is_empty())?;
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = (line.get(..colon)?.trim_ascii(), line.get(colon + 1..)?.trim_ascii());
            let value = value.get(..limits::NEEDLE).unwrap_or(value);
            (!name.is_empty() && !value.is_empty()).then(|| [name, b":", value].concat().into())?
        }
        NeedleKind::Location => {
            let text = text.get(..limits::NEEDLE).unwrap_or(text);
            (text.len() >= SHORTEST).then(|| text.into())?
        }
    };
    Some(Needle { kind, bytes })
}

/// The view that a chain of decoders makes of a value: of a decoder that gives several texts the first.
fn undo(raw: &[u8], place: picket_request::Place, chain: Chain) -> Option<Vec<u8>> {
    let mut text = raw.to_vec();
    let mut pieces = Pieces::default();
    let mut done = Chain::default();
    for decoder in chain.iter() {
        let decoding = decoders::ALL.iter().find(|decoding| decoding.decoder == decoder)?;
        pieces.clear();
        let view = View::new(&text, scan(&text), place, done);
        (decoding.run)(&view, &mut pieces);
        let next = pieces.iter().next()?.to_vec();
        done = done.then(decoder)?;
        text = next;
    }
    Some(text)
}

/// Whether the path is one that visitors have no business with.
fn browses(request: &Request, outcome: &Outcome) -> bool {
    const SEGMENTS: &[&[u8]] = &[
        b"admin",
        b"administrator",
        b"wp-admin",
        b"wp-login.php",
        b"phpmyadmin",
        b"pma",
        b"adminer",
        b"adminer.php",
        b"manager",
        b"actuator",
        b"console",
        b"jenkins",
        b"solr",
        b"server-status",
        b"server-info",
        b"cgi-bin",
        b".git",
        b".svn",
        b".hg",
        b".aws",
        b".ssh",
        b".env",
        b"backup",
        b"backups",
        b"private",
        b"internal",
        b"webdav",
        b"xmlrpc.php",
        b"elmah.axd",
        b"trace.axd",
        b"jmx-console",
        b"invoker",
        b"telescope",
        b"horizon",
        b"debug",
    ];
    let private = Signal::Anomaly(Anomaly::PrivateFile);
    if request.anomalies.contains(Anomaly::PrivateFile)
        || outcome.findings.iter().any(|finding| finding.signal == private)
    {
        return true;
    }
    let path = request.bytes(request.path);
    let path = path.get(..limits::NEEDLE_SOURCE).unwrap_or(path);
    path.split(|byte| *byte == b'/')
        .any(|segment| SEGMENTS.iter().any(|known| known.eq_ignore_ascii_case(segment)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use picket_request::{LocationId, Place, Span};

    use super::*;
    use crate::{Catalogue, Fuel, Profile, Scratch, inspect};

    fn asked(value: &str, path: &str) -> Asked {
        let mut request = Request::new(Bytes::from(format!("{path}{value}")));
        request.path = Span::source(0, path.len());
        let span = Span::source(path.len(), path.len() + value.len());
        request.push_plain(span, Place::Query, Span::EMPTY, LocationId::ROOT);
        let fuel = Fuel::for_bytes(value.len());
        let outcome =
            inspect(&Catalogue::built_in(), &request, &Profile::default(), &mut Scratch::default(), fuel);
        Asked::of(&request, &outcome)
    }

    #[test]
    fn a_hostile_span_is_kept_as_the_page_would_show_it() {
        for value in ["<script>alert(1)</script>", "%3Cscript%3Ealert(1)%3C/script%3E"] {
            let asked = asked(value, "/");
            let kept: Vec<_> = asked.needles().map(|needle| needle.bytes.to_vec()).collect();
            assert!(kept.contains(&b"<script>alert(1)</script>".to_vec()), "{value}: {asked:?}");
            assert!(asked.carried(Signal::Xss));
        }
    }

    #[test]
    fn a_clean_request_keeps_nothing() {
        assert!(asked("O'Brien & sons", "/items/1").is_empty());
        assert!(asked("x", "/wp-admin/setup.php").browses());
        assert!(!asked("x", "/administration-guide").browses());
    }

    #[test]
    fn what_is_kept_is_bounded_and_never_shown() {
        let long = format!("<script>alert('{}')</script>", "hunter2".repeat(40));
        let asked = asked(&long, "/");
        assert!(asked.needles().all(|needle| needle.bytes.len() <= limits::NEEDLE));
        assert!(!format!("{asked:?}").contains("hunter2"));
    }
}
