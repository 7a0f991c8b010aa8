//! The derived views of one value: decoders applied to it and to what they give, breadth first, until nothing new comes, the
//! chain is full or the fuel is spent.

use std::collections::HashMap;

use picket_request::{Anomaly, Place, Request, Value};

use crate::{
    Catalogue, Chain, Decoder, Finding, Input, Outcome, Profile, Scratch, Signal, Tier,
    anchors::{Seen, scan},
    decoders::{self, Pieces, View},
    dispatch::{Origin, look},
    limits,
    memo::{self, hash},
};

/// Memory for derived views, kept from one inspection to the next.
#[derive(Debug, Default)]
pub(crate) struct Views {
    arena: Vec<u8>,
    queue: Vec<Derived>,
    pieces: Pieces,
    /// Views by hash, to be looked at once. Equal hashes are compared byte by byte, so that nobody can hide a view
    /// behind another one that hashes alike.
    known: HashMap<u64, usize>,
    /// Values that some decoder applies to.
    pub(crate) pending: Vec<Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Derived {
    start: usize,
    end: usize,
    chain: Chain,
    seen: Seen,
}

/// A value with decoders to undo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) index: usize,
    pub(crate) seen: Seen,
    /// Where to remember that the value is clean, if it proves so.
    pub(crate) memo: Option<memo::Place>,
    /// Views that were examined already, in an earlier round with less fuel.
    pub(crate) examined: usize,
    /// What they cost.
    pub(crate) spent: u64,
}

/// What the whole request shares.
pub(crate) struct Work<'w> {
    pub(crate) catalogue: &'w Catalogue,
    pub(crate) request: &'w Request,
    pub(crate) profile: &'w Profile,
    pub(crate) scratch: &'w mut Scratch,
    pub(crate) outcome: &'w mut Outcome,
}

/// Whether any decoder asks for a closer look at a value.
pub(crate) fn wanted(view: &View<'_>) -> bool {
    decoders::ALL.iter().any(|decoding| view.asks_for(decoding))
}

impl Views {
    /// Gives memory back after a large request.
    pub(crate) fn shrink(&mut self) {
        const KEEP: usize = 256 * 1024;
        self.pending.clear();
        self.pieces.shrink(KEEP);
        if self.arena.capacity() > KEEP {
            self.arena = Vec::new();
        }
        if self.queue.capacity() > 4096 {
            self.queue = Vec::new();
            self.known = HashMap::new();
        }
    }

    /// Examines the derived views of a value for at most `allotment` bytes. Views that `pending` counts as examined
    /// are made again and not looked at again. Answers whether everything was examined.
    pub(crate) fn derive(&mut self, work: &mut Work<'_>, pending: &mut Pending, allotment: u64) -> bool {
        let request = work.request;
        let Some(value) = request.values().get(pending.index) else { return true };
        let root = request.bytes(value.text);
        self.arena.clear();
        self.queue.clear();
        self.known.clear();
        let (mut spent, mut made, mut next, mut complete) = (0_u64, 0_usize, 0_usize, true);
        loop {
            let (from, chain, seen) = match next.checked_sub(1) {
                None => (None, Chain::default(), pending.seen),
                Some(at) => match self.queue.get(at) {
                    Some(view) => (Some(view.start..view.end), view.chain, view.seen),
                    None => break,
                },
            };
            next += 1;
            let binary = {
                let bytes =
                    from.clone().map_or(Some(root), |range| self.arena.get(range)).unwrap_or_default();
                View::new(bytes, seen, value.place, chain).binary
            };
            for decoding in decoders::ALL {
                let bytes = match &from {
                    None => root,
                    Some(range) => self.arena.get(range.clone()).unwrap_or_default(),
                };
                let view = View { bytes, seen, place: value.place, chain, binary };
                if !view.asks_for(decoding) {
                    continue;
                }
                self.pieces.clear();
                (decoding.run)(&view, &mut self.pieces);
                if self.pieces.is_empty() {
                    continue;
                }
                let Some(chain) = chain.then(decoding.decoder) else {
                    complete = false;
                    break;
                };
                for piece in self.pieces.iter() {
                    let cost = piece.len().max(limits::VIEW_COST) as u64;
                    if spent + cost > allotment {
                        pending.examined = pending.examined.max(made);
                        pending.spent = spent;
                        return false;
                    }
                    spent += cost;
                    if is_known(&mut self.known, &self.arena, &self.queue, root, piece) {
                        continue;
                    }
                    let (start, seen) = (self.arena.len(), scan(piece));
                    self.arena.extend_from_slice(piece);
                    self.queue.push(Derived { start, end: self.arena.len(), chain, seen });
                    made += 1;
                    if made > pending.examined {
                        examine(work, pending.index, value, piece, seen, chain);
                    }
                }
            }
        }
        pending.examined = made;
        pending.spent = spent;
        complete
    }
}

fn examine(work: &mut Work<'_>, index: usize, value: &Value, piece: &[u8], seen: Seen, chain: Chain) {
    let origin = Origin::new(index, value);
    // Reading a request undoes percent-encoding once; what is undone after that was encoded twice.
    if chain.iter().last() == Some(Decoder::Percent) && (value.text != value.raw || chain.len() > 1) {
        note(work.outcome, Anomaly::DoubleEncoding, origin, chain);
    }
    if chain.iter().last() == Some(Decoder::OverlongUtf8) {
        note(work.outcome, Anomaly::InvalidEncoding, origin, chain);
    }
    let name = work.request.bytes(value.name);
    let mut input = Input::seen(piece, seen.classes, value.place, name, chain, work.profile);
    if value.place != Place::Header {
        input = input.within(work.request);
    }
    look(work.catalogue, &input, seen.anchors, origin, work.scratch, work.outcome);
}

/// Reports an anomaly once for each value.
pub(crate) fn note(outcome: &mut Outcome, anomaly: Anomaly, origin: Origin, chain: Chain) {
    let signal = Signal::Anomaly(anomaly);
    if outcome.findings.iter().any(|finding| finding.signal == signal) {
        return;
    }
    if outcome.findings.len() >= limits::FINDINGS {
        outcome.dropped += 1;
        return;
    }
    outcome.findings.push(Finding {
        signal,
        tier: Tier::Possible,
        detector: "decoders",
        version: 1,
        value: origin.index,
        location: origin.location,
        chain,
        span: 0..0,
        facts: Vec::new(),
    });
}

/// Whether a view was seen before, as the value itself or as an earlier view; it is remembered if not.
fn is_known(
    known: &mut HashMap<u64, usize>,
    arena: &[u8],
    queue: &[Derived],
    root: &[u8],
    piece: &[u8],
) -> bool {
    if piece == root {
        return true;
    }
    match known.entry(hash(piece)) {
        std::collections::hash_map::Entry::Vacant(vacant) => {
            vacant.insert(queue.len());
            false
        }
        std::collections::hash_map::Entry::Occupied(earlier) => {
            let earlier = queue.get(*earlier.get()).and_then(|view| arena.get(view.start..view.end));
            earlier == Some(piece)
        }
    }
}
