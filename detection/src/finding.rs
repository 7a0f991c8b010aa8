//! What inspection found, spent and left.

use std::ops::Range;

use picket_request::LocationId;

use crate::{Chain, Fact, Signal, Tier, limits};

/// One finding with all that explains it. It holds offsets, never bytes of the request.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was seen.
    pub signal: Signal,
    /// How sure it is.
    pub tier: Tier,
    /// The detector that saw it.
    pub detector: &'static str,
    /// The version of that detector.
    pub version: u16,
    /// Index of the value in [`picket_request::Request::values`].
    pub value: u32,
    /// Where the value stood.
    pub location: LocationId,
    /// The decoders that were undone before it was seen.
    pub chain: Chain,
    /// The offending bytes, as offsets into the decoded view.
    pub span: Range<u32>,
    /// The facts that decided; see [`Fact::sum`].
    pub facts: Vec<&'static Fact>,
}

/// How many bytes of derived views may be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuel(pub u64);

impl Fuel {
    /// The default for a request of so many raw bytes.
    #[must_use]
    pub const fn for_bytes(raw: usize) -> Self {
        Self(raw as u64 * limits::FUEL_FACTOR + limits::FUEL_BASE)
    }
}

/// The result of an inspection.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was found, in the order of the values.
    pub findings: Vec<Finding>,
    /// Bytes of derived views that were paid for.
    pub spent: u64,
    /// Values that have derived views which were not examined because fuel ran out.
    pub unexamined: u32,
    /// Findings beyond [`limits::FINDINGS`].
    pub dropped: u32,
}

impl Outcome {
    /// The surest attack finding.
    #[must_use]
    pub fn strongest(&self) -> Option<&Finding> {
        self.findings.iter().filter(|finding| finding.signal.is_attack()).max_by_key(|finding| finding.tier)
    }
}
