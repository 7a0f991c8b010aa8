//! The heart: every value of a request, through its decoders, to every detector that it concerns.
//!
//! Two passes: every value as it is, at no charge; then its derived views, for fuel.

use picket_request::{Anomaly, Place, Request};

use crate::{
    Catalogue, Chain, Fuel, Input, Outcome, Profile, Scratch,
    anchors::scan,
    decoders::View,
    dispatch::{Origin, look},
    limits,
    views::{Pending, Views, Work, note, wanted},
};

/// Inspects a request. It cannot fail, and the same arguments give the same outcome.
pub fn inspect(
    catalogue: &Catalogue,
    request: &Request,
    profile: &Profile,
    scratch: &mut Scratch,
    fuel: Fuel,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut views = std::mem::take(&mut scratch.views);
    views.pending.clear();
    scratch.memo.prepare(*catalogue, profile.runtime);
    let mut idle = Idle::default();
    for (index, value) in request.values().iter().enumerate() {
        let (bytes, name) = (request.bytes(value.text), request.bytes(value.name));
        let header = value.place == Place::Header;
        let memo = match header.then(|| scratch.memo.find(name, bytes)) {
            Some(Ok(shared)) => {
                if shared {
                    idle.values += 1;
                    idle.bytes += bytes.len() as u64;
                }
                continue;
            }
            Some(Err(memo)) => memo,
            None => None,
        };
        let seen = scan(bytes);
        let chain = Chain::default();
        let mut input = Input::seen(bytes, seen.classes, value.place, name, chain, profile);
        if !header {
            input = input.within(request);
        }
        let before = outcome.findings.len() + outcome.dropped as usize;
        look(catalogue, &input, seen.anchors, Origin::new(index, value), scratch, &mut outcome);
        let memo = memo.filter(|_| outcome.findings.len() + outcome.dropped as usize == before);
        if wanted(&View::new(bytes, seen, value.place, chain)) {
            views.pending.push(Pending { index, seen, memo, examined: 0, spent: 0 });
        } else if let Some(memo) = memo {
            scratch.memo.remember(memo, name, bytes, false);
        }
    }
    if !views.pending.is_empty() {
        let mut work = Work { catalogue, request, profile, scratch, outcome: &mut outcome };
        derive(&mut views, &mut work, fuel, idle);
    }
    views.shrink();
    scratch.views = views;
    outcome
}

/// Headers that are known to be clean and had a share of the fuel when they were not: they keep it, or what others get would
/// depend on what was inspected before.
#[derive(Clone, Copy, Default)]
struct Idle {
    values: u64,
    bytes: u64,
}

/// Spends fuel on derived views. Each value has an allotment of its own, in proportion to its length, so that no other
/// value can use it up; what is left over is then shared among those that had too little.
fn derive(views: &mut Views, work: &mut Work<'_>, fuel: Fuel, idle: Idle) {
    let mut pending = std::mem::take(&mut views.pending);
    let raw: u64 = idle.bytes + pending.iter().map(|p| length(work, p)).sum::<u64>();
    let count = idle.values + pending.len() as u64;
    let spare = fuel.0.saturating_sub(raw.saturating_mul(limits::FUEL_FACTOR));
    let mut left = fuel.0;
    pending.retain_mut(|value| {
        let own = length(work, value).saturating_mul(limits::FUEL_FACTOR) + spare / count;
        let complete = views.derive(work, value, own.min(left));
        left = left.saturating_sub(value.spent);
        let found = work.request.values().get(value.index);
        if let (Some(memo), Some(found)) = (value.memo.filter(|_| complete && value.spent == 0), found) {
            let (name, bytes) = (work.request.bytes(found.name), work.request.bytes(found.text));
            work.scratch.memo.remember(memo, name, bytes, true);
        }
        !complete
    });
    let mut rest = pending.len() as u64;
    for value in &mut pending {
        let before = value.spent;
        let complete = left > 0 && views.derive(work, value, before + left / rest);
        left = left.saturating_sub(value.spent.saturating_sub(before));
        rest -= 1;
        if !complete {
            work.outcome.unexamined += 1;
            if let Some(found) = work.request.values().get(value.index) {
                let origin = Origin::new(value.index, found);
                note(work.outcome, Anomaly::InspectionTimeout, origin, Chain::default());
            }
        }
    }
    work.outcome.spent = fuel.0 - left;
    views.pending = pending;
}

fn length(work: &Work<'_>, pending: &Pending) -> u64 {
    work.request.values().get(pending.index).map_or(0, |value| value.text.len() as u64)
}
