//! One inspection from bytes to verdict, with its time.

use std::time::Instant;

use bytes::Bytes;
use picket_content::{Options, RawHttp, http_request};
use picket_detection::{Catalogue, Fuel, Outcome, Profile, Scratch, inspect};
use picket_lambda_event::EventReader;
use picket_policy::{Action, BlockLine, Facts, Mode, Policy, decide};
use picket_request::Request;

use crate::corpus::Recorded;

/// From which tier on mode `block` blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BlockOn {
    /// Certain findings only.
    #[default]
    Certain,
    /// Likely findings as well.
    Likely,
}

/// What one thread needs to inspect requests one after another.
pub(crate) struct Inspector {
    catalogue: Catalogue,
    profile: Profile,
    scratch: Scratch,
    reader: EventReader,
    /// The request that was inspected last.
    pub(crate) request: Request,
}

impl Inspector {
    pub(crate) fn new() -> Self {
        Self {
            catalogue: Catalogue::built_in(),
            profile: Profile::default(),
            scratch: Scratch::default(),
            reader: EventReader::new(picket_lambda_event::Options::default()),
            request: Request::default(),
        }
    }

    /// An inspector that runs only some detectors.
    pub(crate) fn with(catalogue: Catalogue) -> Self {
        Self { catalogue, ..Self::new() }
    }

    /// Parses and inspects a request; answers the outcome and how many microseconds that took.
    pub(crate) fn inspect(&mut self, recorded: &Recorded) -> (Outcome, f64) {
        let headers: Vec<_> = recorded.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let raw = RawHttp {
            method: &recorded.method,
            path: &recorded.path,
            query: &recorded.query,
            headers: &headers,
            body: &recorded.body,
        };
        let start = Instant::now();
        http_request(&mut self.request, &raw, &Options::default());
        let outcome = self.run();
        (outcome, start.elapsed().as_secs_f64() * 1e6)
    }

    /// The same for an event, through the whole path of the agent.
    pub(crate) fn inspect_event(&mut self, event: &Bytes) -> (Outcome, f64) {
        let start = Instant::now();
        self.reader.read(event, &mut self.request, None);
        let outcome = self.run();
        (outcome, start.elapsed().as_secs_f64() * 1e6)
    }

    /// Forgets what earlier inspections learned.
    pub(crate) fn forget(&mut self) {
        self.scratch.forget();
    }

    fn run(&mut self) -> Outcome {
        let bytes = self.request.values().iter().map(|value| value.text.len()).sum();
        inspect(&self.catalogue, &self.request, &self.profile, &mut self.scratch, Fuel::for_bytes(bytes))
    }
}

/// What mode `block` does on first sight with the built-in policy, for a source that can be blocked.
pub(crate) fn blocks(outcome: &Outcome, on: BlockOn) -> bool {
    let block_on = match on {
        BlockOn::Certain => BlockLine::Certain,
        BlockOn::Likely => BlockLine::Likely,
    };
    let policy = Policy { mode: Mode::Block, block_on, ..Policy::default() };
    let facts = Facts { can_block: true, client_is_flagged: false };
    decide(&policy, Some(outcome), facts).action == Action::Block
}
