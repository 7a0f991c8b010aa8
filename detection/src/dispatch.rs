//! Which detectors look at a view: those whose anchors occur in it, and those whose gate says so.

use picket_request::{LocationId, Value};

use crate::{
    Catalogue, Classes, Decoder, Detector, Gate, Input, Outcome, Scratch, Sink, anchors, decoders,
    detectors::ALL,
};

/// For each bit in the mask of a scan the detector that the anchors file belongs to, as a bit of the list of detectors.
static OF_ANCHORS: [u128; anchors::NAMES.len()] = {
    let mut masks = [0; anchors::NAMES.len()];
    let mut name = 0;
    while name < masks.len() {
        let mut at = 0;
        while at < ALL.len() {
            if same(ALL[at].name.as_bytes(), anchors::NAMES[name].as_bytes()) {
                masks[name] = 1 << at;
            }
            at += 1;
        }
        name += 1;
    }
    masks
};

/// For each class of bytes the detectors whose gate it may open.
static OF_CLASS: [u128; 32] = {
    let mut masks = [0; 32];
    let mut at = 0;
    while at < ALL.len() {
        if let Gate::With(classes, _) = ALL[at].gate {
            let mut class = 0;
            while class < classes.len() {
                masks[(classes[class] as u32).trailing_zeros() as usize] |= 1 << at;
                class += 1;
            }
        }
        at += 1;
    }
    masks
};

/// The detectors whose gate is asked whatever the bytes are.
static OF_ANY: u128 = {
    let (mut mask, mut at) = (0, 0);
    while at < ALL.len() {
        if let Gate::Any(_) = ALL[at].gate {
            mask |= 1 << at;
        }
        at += 1;
    }
    mask
};

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

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
    let anchored = bits(anchors).fold(0, |mask, bit| mask | OF_ANCHORS.get(bit).copied().unwrap_or_default());
    let asked = asked(input.classes);
    for (index, detector) in catalogue.within(anchored | asked).enabled() {
        if anchored >> index & 1 != 0 || detector.gate.opens(input) {
            run(detector, input, origin, scratch, outcome);
        }
    }
}

/// The detectors whose gate may open for a view with these classes of bytes.
fn asked(classes: Classes) -> u128 {
    bits(u128::from(classes.bits()))
        .fold(OF_ANY, |mask, bit| mask | OF_CLASS.get(bit).copied().unwrap_or_default())
}

/// The places of the bits that are set.
fn bits(mut mask: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (bit < 128).then_some(bit)
    })
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

    /// A gate that opens for more than the classes that it names would silently never see such a view.
    #[test]
    fn no_gate_opens_without_one_of_its_classes() {
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
            b"GET /x HTTP/1.1",
            b"ext::sh -c x",
            b"-oProxyCommand=x",
            b"localhost/admin",
            b"//example.org/",
            b"\\\\example.org\\x",
            b"%u%n%i%o%n%s",
            b"text/x; boundary=text/xml",
            b"x\xe5\x98\x8aa: b",
            b"x.php~",
            b"\xc0\xae\xc0\xae",
            b"the users from our list, where it is fine.",
        ];
        let profile = crate::Profile::default();
        let (mut looked_at, mut passed_by) = (0, 0);
        let mut see = |value: &[u8], place, name| {
            let input = Input::new(value, place, name, crate::Chain::default(), &profile);
            let asked = asked(input.classes);
            for (index, detector) in Catalogue::built_in().enabled() {
                let opens = detector.gate.opens(&input);
                let reached = asked >> index & 1 != 0;
                assert!(reached || !opens, "{} looks at {value:?} in {place:?}", detector.name);
                looked_at += u32::from(opens);
                passed_by += u32::from(!reached);
            }
        };
        for &place in &places {
            for &name in names {
                for &value in values {
                    see(value, place, name);
                }
            }
            // Each pair of signs, as one value is likely to hold them.
            let signs: Vec<u8> =
                (0..=u8::MAX).filter(|byte| !byte.is_ascii_alphanumeric() && *byte < 0xc2).collect();
            for (at, first) in signs.iter().enumerate() {
                for second in signs.get(at..).unwrap_or_default() {
                    let value =
                        [b"ab ", &[*first, *second][..], b"cd12", &[*second, *first], b"/", &[*first]]
                            .concat();
                    see(value.get(3..9).unwrap_or_default(), place, b"");
                    see(&value, place, b"");
                }
            }
        }
        assert!(looked_at > 0 && passed_by > 0, "{looked_at} {passed_by}");
    }

    /// A misspelled anchors file would silently never dispatch its detector.
    #[test]
    fn every_anchors_file_belongs_to_a_detector() {
        for name in anchors::NAMES {
            assert!(ALL.iter().any(|detector| detector.name == *name), "{name}.anchors has no detector");
        }
    }
}
