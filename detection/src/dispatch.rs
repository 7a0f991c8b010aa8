//! Which detectors look at a view: those whose anchors occur in it, and those whose gate says so.

use picket_request::{LocationId, Value};

use crate::{
    Catalogue, Class, Decoder, Detector, Input, Outcome, Scratch, Sink, anchors, decoders, detectors::ALL,
};

const NO_BIT: u8 = 255;

/// For each detector the bit of its anchors file in the mask of a scan.
static BITS: &[u8] = &bits();

const fn bits() -> [u8; ALL.len()] {
    let mut bits = [NO_BIT; ALL.len()];
    let mut at = 0;
    while at < ALL.len() {
        let mut name = 0;
        while name < anchors::NAMES.len() {
            if same(ALL[at].name.as_bytes(), anchors::NAMES[name].as_bytes()) {
                bits[at] = name as u8;
            }
            name += 1;
        }
        at += 1;
    }
    bits
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Classes of values that hold nothing a grammar could start with: most values of most requests.
const PLAIN: &[Class] = &[Class::Letter, Class::Digit, Class::Space, Class::Dash, Class::Mark, Class::Dot];

/// Detectors whose gate may open for a plain value without an anchor, for its place, its name or its words.
const LOOK_AT_PLAIN: &[&str] = &[
    "cmdexe",
    "traversal",
    "session_fixation",
    "upload",
    "deserialization",
    "backdoor",
    "graphql_ide",
    "private_file",
    "scanner",
    "user_agent",
    "proto_pollution",
    "xxe",
    "response_split",
];

/// The same as bits of the list of detectors.
static ON_PLAIN: u128 = {
    let (mut mask, mut at) = (0, 0);
    while at < ALL.len() {
        let mut name = 0;
        while name < LOOK_AT_PLAIN.len() {
            if same(ALL[at].name.as_bytes(), LOOK_AT_PLAIN[name].as_bytes()) {
                mask |= 1 << at;
            }
            name += 1;
        }
        at += 1;
    }
    mask
};

/// Where the views that are looked at come from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) index: u32,
    pub(crate) location: LocationId,
}

impl Origin {
    pub(crate) fn new(index: usize, value: &Value) -> Self {
        Self { index: u32::try_from(index).unwrap_or(u32::MAX), location: value.location }
    }
}

/// Shows a view to the detectors that it concerns.
pub(crate) fn look(
    catalogue: &Catalogue,
    input: &Input<'_>,
    anchors: u128,
    origin: Origin,
    scratch: &mut Scratch,
    outcome: &mut Outcome,
) {
    let plain = anchors == 0 && input.classes.only(PLAIN);
    let wanted = if plain { catalogue.within(ON_PLAIN) } else { *catalogue };
    for (index, detector) in wanted.enabled() {
        let bit = BITS.get(index).copied().unwrap_or(NO_BIT);
        let anchored = bit != NO_BIT && anchors >> bit & 1 != 0;
        if anchored || (detector.gate)(input) {
            run(detector, input, origin, scratch, outcome);
        }
    }
}

fn run(
    detector: &'static Detector,
    input: &Input<'_>,
    origin: Origin,
    scratch: &mut Scratch,
    outcome: &mut Outcome,
) {
    let mut sink = Sink {
        outcome,
        detector,
        value: origin.index,
        location: origin.location,
        chain: input.chain,
        length: input.bytes.len(),
        shown: input.chain.contains(Decoder::CodeBlock) && !decoders::leaves(input.bytes),
    };
    (detector.run)(input, scratch, &mut sink);
}

#[cfg(test)]
mod tests {
    use picket_request::Place;

    use super::*;

    /// A detector that is missing from the list would silently never see a plain value.
    #[test]
    fn no_other_gate_opens_for_a_plain_value() {
        let places = [
            Place::Path,
            Place::Query,
            Place::QueryKey,
            Place::QueryString,
            Place::Header,
            Place::HeaderName,
            Place::Cookie,
            Place::CookieName,
            Place::Form,
            Place::FormKey,
            Place::Json,
            Place::JsonKey,
            Place::Multipart,
            Place::FileName,
            Place::FileContent,
            Place::Xml,
            Place::Body,
            Place::Event,
        ];
        let names: &[&[u8]] = &[
            b"",
            b"q",
            b"url",
            b"file",
            b"user-agent",
            b"host",
            b"content-type",
            b"@type",
            b"$type",
            b"PHPSESSID",
            b"filename",
            b"xsi:schemaLocation",
            b"referer",
            b"next",
            b"cmd",
            b"password",
        ];
        let values: &[&[u8]] = &[
            b"a",
            b"prototype",
            b"a b c",
            b"sleep 5",
            b"1 or 1",
            b"a..b",
            b"..",
            b"x.php",
            b"id",
            b"a_b-c?d,e",
            b"7",
            b"GET a HTTP",
            b"the users from our list, where it is fine.",
        ];
        let profile = crate::Profile::default();
        for &place in &places {
            for &name in names {
                for &value in values {
                    let input = Input::new(value, place, name, crate::Chain::default(), &profile);
                    assert!(input.classes.only(PLAIN));
                    for (index, detector) in Catalogue::built_in().enabled() {
                        let listed = ON_PLAIN >> index & 1 != 0;
                        assert!(
                            listed || !(detector.gate)(&input),
                            "{} looks at {value:?} in {place:?}",
                            detector.name
                        );
                    }
                }
            }
        }
        assert_eq!(ON_PLAIN.count_ones() as usize, LOOK_AT_PLAIN.len(), "a name that no detector has");
    }

    /// A misspelled anchors file would silently never dispatch its detector.
    #[test]
    fn every_anchors_file_belongs_to_a_detector() {
        for name in anchors::NAMES {
            assert!(ALL.iter().any(|detector| detector.name == *name), "{name}.anchors has no detector");
        }
    }
}
