//! Loading fixtures, for the tests of this crate.

use std::{fs, path::Path};

use bytes::Bytes;
use picket_lambda_event::{Envelope, EventReader, Hops, Options};
use picket_request::Request;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The time at which fixtures are read: 2026-01-01.
pub(crate) const NOW: u64 = 1_767_225_600;

/// An event with the reason why it is a fixture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    pub(crate) why: String,
    /// The event as it stands in the file, byte for byte.
    event: Option<Box<RawValue>>,
    /// The event where it is not JSON.
    text: Option<String>,
    #[serde(default)]
    trusted: Vec<String>,
    #[serde(default)]
    cdn: Vec<String>,
}

impl Fixture {
    pub(crate) fn load(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let fixture: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| unreachable!("{}: {error}", path.display()));
        assert!(!fixture.why.is_empty(), "{} says why it is here", path.display());
        fixture
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let event = self.event.as_ref().map(|event| event.get().to_owned());
        Bytes::from(event.or_else(|| self.text.clone()).unwrap_or_default())
    }

    pub(crate) fn read(&self) -> (Request, Envelope) {
        let ranges = |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        let hops = Hops { trusted: ranges(&self.trusted), cdn: ranges(&self.cdn) };
        let mut request = Request::default();
        let envelope = EventReader::new(Options { hops }).read(&self.bytes(), &mut request, Some(NOW));
        (request, envelope)
    }
}
