//! Which detectors look at a view: those whose anchors occur in it, and those whose gate says so.

use picket_request::{LocationId, Value};

use crate::{Catalogue, Decoder, Detector, Input, Outcome, Scratch, Sink, anchors, decoders, detectors::ALL};

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
    for (index, detector) in catalogue.enabled() {
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
    use super::*;

    /// A misspelled anchors file would silently never dispatch its detector.
    #[test]
    fn every_anchors_file_belongs_to_a_detector() {
        for name in anchors::NAMES {
            assert!(ALL.iter().any(|detector| detector.name == *name), "{name}.anchors has no detector");
        }
    }
}
