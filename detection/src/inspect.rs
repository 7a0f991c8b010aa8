//! The heart: every value of a request, through its decoders, to every detector that it concerns.

use picket_request::Request;

use crate::{Catalogue, Chain, Fuel, Input, Outcome, Profile, Scratch, Sink};

/// Inspects a request. It cannot fail, and the same arguments give the same outcome.
pub fn inspect(
    catalogue: &Catalogue,
    request: &Request,
    profile: &Profile,
    scratch: &mut Scratch,
    fuel: Fuel,
) -> Outcome {
    let _ = fuel;
    let mut outcome = Outcome::default();
    for (index, value) in request.values().iter().enumerate() {
        let input = Input::new(
            request.bytes(value.text),
            value.place,
            request.bytes(value.name),
            Chain::default(),
            profile,
        );
        for detector in catalogue.iter() {
            if (detector.gate)(&input) {
                let value_index = u32::try_from(index).unwrap_or(u32::MAX);
                let mut sink = Sink {
                    outcome: &mut outcome,
                    detector,
                    value: value_index,
                    location: value.location,
                    chain: input.chain,
                };
                (detector.run)(&input, scratch, &mut sink);
            }
        }
    }
    outcome
}
